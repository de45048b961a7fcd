import { type Action, type ActionCall, getEni } from "./action.ts";
import type { Instance, SimulatedEni } from "./model.ts";
import { draw } from "./options.ts";
import { eniNotFound, instanceNotFound, invalidEniState, invalidParameter, Refusal } from "./refusal.ts";
import { lowestFree, type World } from "./world.ts";

/** VLAN ids of members. Source: cloud-api §C2. */
const lastVlanId = 4_094;

/**
 * Asynchronous: Attaching at once, InUse (or, failed, Available again) later. An interface that is not Available is
 * refused, also when it is already on that very machine: there is no client token. Source: cloud-api §C1–C3.
 */
export const attachNetworkInterface: Action = (call) => {
  const { world, parameters } = call;
  const instanceId = parameters.need("InstanceId");
  const eni = getEni(call);
  const instance = getInstance(world, instanceId);
  if (eni.type === "Primary") throw forbidden("InvalidEniType", "The type of the network interface does not allow it.");
  if (eni.status !== "Available") throw invalidEniState(eni.eniId, eni.status);
  refuseBusyInstance(instance);
  refuseDistance(eni, instance);
  refuseTooManyAddresses(eni, instance);
  const trunk = findTrunk(call, instance, eni);
  const networkCardIndex = readNetworkCard(call, instance);
  if (trunk === undefined) refuseFullCard(world, instance, networkCardIndex ?? 0);
  const deviceIndex = takeSlot(instance, eni, trunk);
  const timings = world.enis.timings(eni.eniId);
  timings.attachStartedAt = call.startedAtMs;
  call.onAnswered((answeredAtMs) => {
    timings.attachAnsweredAt = answeredAtMs;
  });
  const attaching: SimulatedEni = {
    ...eni,
    status: "Attaching",
    type: trunk === undefined ? eni.type : "Member",
    instanceId,
    deviceIndex,
    ...(networkCardIndex !== undefined && { networkCardIndex }),
    ...(trunk === undefined ? {} : { trunkEniId: trunk.eniId }),
  };
  world.enis.put(attaching);
  const fallsBack = call.faults.attachFallsBack;
  after(call, draw(world.latencies.attachMs, world.random), () => finishAttach(world, attaching, fallsBack));
  return {};
};

function finishAttach(world: World, attaching: SimulatedEni, fallsBack: boolean): void {
  // Only this very attach may finish: the machine may have gone meanwhile.
  if (world.enis.find(attaching.eniId) !== attaching) return;
  if (fallsBack) {
    world.becomeAvailable(attaching.eniId);
    return;
  }
  world.enis.put({ ...attaching, status: "InUse" });
  world.allocating.delete(attaching.eniId);
  world.enis.timings(attaching.eniId).inUseAt = world.clock.now();
}

/**
 * Asynchronous, allowed while InUse or Detaching; repeating it wakes an interface that is stuck. Source: cloud-api §C1.
 */
export const detachNetworkInterface: Action = (call) => {
  const { world, parameters } = call;
  const instanceId = parameters.need("InstanceId");
  const eni = getEni(call);
  const instance = getInstance(world, instanceId);
  if (eni.type === "Primary") {
    throw new Refusal(
      400,
      "InvalidOperation.DetachPrimaryEniNotAllowed",
      "The primary network interface cannot be detached.",
    );
  }
  if (eni.status !== "InUse" && eni.status !== "Detaching") throw invalidEniState(eni.eniId, eni.status);
  refuseStranger(call, eni);
  refuseBusyInstance(instance);
  refuseUndetachable(world, eni);
  const isRepeated = eni.status === "Detaching";
  if (isRepeated && !stuckUntilRepeated.has(eni)) return {};
  world.enis.timings(eni.eniId).detachStartedAt = call.startedAtMs;
  const detaching: SimulatedEni = { ...eni, status: "Detaching" };
  world.enis.put(detaching);
  after(call, detachDelayMs(call, detaching, isRepeated), () => {
    if (world.enis.find(detaching.eniId) === detaching) world.becomeAvailable(detaching.eniId);
  });
  return {};
};

/** Detaching interfaces that a second Detach sets free. */
const stuckUntilRepeated = new WeakSet<SimulatedEni>();

function detachDelayMs(call: ActionCall, detaching: SimulatedEni, isRepeated: boolean): number {
  const normalMs = draw(call.world.latencies.detachMs, call.world.random);
  const stuck = isRepeated ? undefined : call.faults.stuckDetaching;
  if (stuck === undefined) return normalMs;
  if (stuck.repeatHelps) stuckUntilRepeated.add(detaching);
  return stuck.seconds * 1_000;
}

/** Asynchronous, only while Available; repeating it while Deleting is allowed and changes nothing. Source: cloud-api §C1. */
export const deleteNetworkInterface: Action = (call) => {
  const { world } = call;
  const eni = getEni(call);
  if (eni.status === "Deleting") return {};
  if (eni.status !== "Available") throw invalidEniState(eni.eniId, eni.status);
  const deleting: SimulatedEni = { ...eni, status: "Deleting" };
  world.enis.put(deleting);
  after(call, draw(world.latencies.deleteMs, world.random), () => {
    if (world.enis.find(deleting.eniId) === deleting) world.destroy(deleting.eniId);
  });
  return {};
};

/** Runs `change` so long after the request arrived; never when `ms` is Infinity. */
function after(call: ActionCall, ms: number, change: () => void): void {
  if (ms !== Infinity) call.world.later(ms - (call.world.clock.now() - call.startedAtMs), change);
}

function getInstance(world: World, instanceId: string): Instance {
  const instance = world.instances.get(instanceId);
  if (instance === undefined) throw instanceNotFound(instanceId);
  return instance;
}

function refuseBusyInstance(instance: Instance): void {
  const status = instance.spec.status ?? "Running";
  if (status !== "Running" && status !== "Stopped") {
    const message = `The operation is not allowed in the current state ${status} of the instance.`;
    throw new Refusal(400, "InvalidOperation.InvalidEcsState", message);
  }
}

function refuseDistance(eni: SimulatedEni, instance: Instance): void {
  if (eni.zoneId !== instance.spec.zoneId) {
    throw forbidden("AvailabilityZoneMismatch", "The network interface and the instance are not in the same zone.");
  }
  if (eni.vpcId !== instance.spec.vpcId) {
    throw forbidden("VpcMismatch", "The network interface and the instance are not in the same VPC.");
  }
}

function refuseTooManyAddresses(eni: SimulatedEni, instance: Instance): void {
  if (eni.ipv4s.length > instance.limits.ipv4PerEni) {
    throw forbidden("Ipv4CountExceeded", "The number of IPv4 addresses exceeds what the instance type allows.");
  }
  if (eni.ipv6s.length > instance.limits.ipv6PerEni) {
    throw forbidden("Ipv6CountExceeded", "The number of IPv6 addresses exceeds what the instance type allows.");
  }
}

/** The trunk that `TrunkNetworkInstanceId` (the parameter's odd name) gives; undefined for an exclusive interface. */
function findTrunk({ world, parameters }: ActionCall, instance: Instance, eni: SimulatedEni): SimulatedEni | undefined {
  const trunkEniId = parameters.text("TrunkNetworkInstanceId");
  if (trunkEniId === undefined && eni.type !== "Trunk") return undefined;
  if (!instance.limits.isTrunkSupported) {
    throw forbidden("InstanceTypeNotSupportEniTrunking", "The instance type does not support trunking.");
  }
  if (trunkEniId === undefined) return undefined;
  const trunk = world.enis.find(trunkEniId);
  if (trunk === undefined) throw eniNotFound(trunkEniId);
  if (trunk.type !== "Trunk") throw forbidden("TrunkingIsNotAllowed", `"${trunkEniId}" is not a trunk.`);
  if (trunk.status !== "InUse" || trunk.instanceId !== instance.spec.instanceId) {
    throw forbidden("InvalidTrunkEniStatus", `Trunk "${trunkEniId}" is not in use on the instance.`);
  }
  if (eni.type !== "Secondary") throw forbidden("EniTypeNotSupportTrunking", `"${eni.eniId}" cannot be a member.`);
  return trunk;
}

/**
 * Adapters are limited by EniQuantity, adapters and members together by EniTotalQuantity. Source: cloud-api §C2 (both of
 * its formulas follow from these two).
 */
function takeSlot(instance: Instance, eni: SimulatedEni, trunk: SimulatedEni | undefined): number {
  const { slots, vlans, limits } = instance;
  const isFull =
    slots.size + vlans.size >= limits.eniTotal || (trunk === undefined && slots.size >= limits.eniQuantity);
  const [taken, first] = trunk === undefined ? [slots, 1] : [vlans, 1];
  const index = lowestFree(taken, first);
  if (isFull || index > lastVlanId) {
    const message = `The maximum number of network interfaces of instance "${instance.spec.instanceId}" is exceeded.`;
    throw new Refusal(403, "EniPerInstanceLimitExceeded", message);
  }
  taken.set(eni.eniId, index);
  return index;
}

/** Only types with several cards take the parameter. Source: ECS AttachNetworkInterface, `NetworkCardIndex`; code: §C3, common. */
function readNetworkCard({ parameters }: ActionCall, { limits, spec }: Instance): number | undefined {
  if (limits.networkCards > 1) return parameters.count("NetworkCardIndex", { min: 0, max: limits.networkCards - 1 });
  if (parameters.text("NetworkCardIndex") === undefined) return undefined;
  throw invalidParameter("NetworkCardIndex", `instance type ${spec.instanceType} has one network card`);
}

/** Each card carries an equal part of EniQuantity (ours; the primary interface is on card 0). */
function refuseFullCard(world: World, { slots, limits, spec }: Instance, index: number): void {
  const onCard = [...slots.keys()].filter((eniId) => (world.enis.find(eniId)?.networkCardIndex ?? 0) === index);
  if (onCard.length < Math.ceil(limits.eniQuantity / limits.networkCards)) return;
  const message = `Network card ${index} of instance "${spec.instanceId}" carries no more network interfaces.`;
  throw new Refusal(403, "EniPerInstanceLimitExceeded", message);
}

/** The caller must name the machine, and for a member the trunk, on which the interface is. Source: cloud-api §C2, §C3. */
function refuseStranger({ parameters }: ActionCall, eni: SimulatedEni): void {
  if (eni.instanceId !== parameters.text("InstanceId")) {
    throw new Refusal(
      400,
      "InvalidParameter.EniNotBelongEcs",
      "The network interface is not on the specified instance.",
    );
  }
  if (eni.trunkEniId !== parameters.text("TrunkNetworkInstanceId")) {
    throw new Refusal(
      403,
      "InvalidParameter.EniNotBelongTrunk",
      "The network interface is not on the specified trunk.",
    );
  }
}

function refuseUndetachable(world: World, eni: SimulatedEni): void {
  if (eni.trafficMode === "HighPerformance") {
    throw new Refusal(
      400,
      "InvalidOperation.EniHotPlugNotSupported",
      "A high-performance interface cannot be hot-unplugged.",
    );
  }
  if (eni.type !== "Trunk") return;
  for (const other of world.enis.allSeen(0, eni.instanceId)) {
    if (other.trunkEniId === eni.eniId) {
      throw forbidden("HasMemberEniAttached", `Trunk "${eni.eniId}" still has members.`);
    }
  }
}

const forbidden = (what: string, message: string): Refusal => new Refusal(403, `InvalidOperation.${what}`, message);
