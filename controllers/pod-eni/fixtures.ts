/** States of one pod's interfaces with everything at its default, for the tests of plan.ts. */
import { expect } from "@jest/globals";
import type { Eni } from "../../domain/eni/eni.ts";
import type { NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { PodNetwork } from "../../domain/pod-network/pod-networks.ts";
import type { UnreadVSwitch, VSwitch } from "../../domain/vswitch/vswitch.ts";
import type { PodEniAction, PodEniPlan } from "./actions.ts";
import type { CreationHold } from "../../domain/suspension/suspension.ts";
import type { AllocationState, CreationFailure, InterfaceRecord, PodEniState } from "./state.ts";

export const nowMs = 1_000_000;

export const aNode: NodeFacts = {
  name: "node-1",
  instanceId: "i-1",
  zone: "zone-a",
  trunkEniId: "eni-trunk",
  isExclusive: false,
  isIgnored: false,
};

const { trunkEniId: _trunk, ...withoutTrunk } = aNode;
export const nodeWithoutTrunk: NodeFacts = withoutTrunk;

/** May use vsw-1 and vsw-2, in this order. */
export function aNetwork(given: Partial<PodNetwork> = {}): PodNetwork {
  return {
    interface: "eth0",
    vSwitchOptions: ["vsw-1", "vsw-2"],
    securityGroupIds: ["sg-1"],
    extraRoutes: [],
    eniType: "",
    vSwitchSelectionPolicy: undefined,
    resourceGroupId: "",
    networkInterfaceTrafficMode: "",
    defaultRoute: false,
    allocationType: { type: "Elastic" },
    ...given,
  };
}

/** In zone-a, with free addresses. */
export function aVSwitch(vSwitchId: string, given: Partial<VSwitch> = {}): VSwitch {
  return {
    vSwitchId,
    vpcId: "vpc-1",
    zoneId: "zone-a",
    ipv4Cidr: "10.0.0.0/24",
    ipv6Cidr: "",
    freeIpv4Count: 5,
    isExhausted: false,
    ...given,
  };
}

export function byId(...vSwitches: readonly (VSwitch | UnreadVSwitch)[]): PodEniState["vSwitches"] {
  return new Map(vSwitches.map((vSwitch) => [vSwitch.vSwitchId, vSwitch]));
}

export const anEni: Eni = {
  eniId: "eni-1",
  status: "Available",
  type: "Secondary",
  macAddress: "00:16:3e:00:00:01",
  vSwitchId: "vsw-1",
  zoneId: "zone-a",
  primaryIpv4: "10.0.0.1",
  ipv6s: [],
  securityGroupIds: ["sg-1"],
  tags: {},
};

/** An elastic trunk member that is still to be made in vsw-1. */
export function unmade(given: Partial<AllocationState> = {}): AllocationState {
  return {
    index: 0,
    interface: "eth0",
    isFixed: false,
    eniId: "",
    vSwitchId: "vsw-1",
    vSwitchIsUnusable: false,
    wantsTrunk: true,
    attempt: 0,
    network: aNetwork(),
    creation: { type: "none" },
    isKnownGone: false,
    ...given,
  };
}

/** The interface eni-1 of that allocation, without a NetworkInterface. */
export function unrecorded(given: Partial<AllocationState> = {}): AllocationState {
  return unmade({ eniId: "eni-1", ...given });
}

/** The interface eni-1 whose NetworkInterface is in `phase`, on i-1 and its trunk while it is attached. */
export function recorded(
  phase: string,
  record: Partial<InterfaceRecord> = {},
  given: Partial<AllocationState> = {},
): AllocationState {
  const isPlaced = phase !== "" && phase !== "Unbind";
  const place = { instanceId: isPlaced ? "i-1" : "", trunkEniId: isPlaced ? "eni-trunk" : "" };
  return unrecorded({ record: { phase, isDeleting: false, ...place, isMissing: false, ...record }, ...given });
}

/** A second interface, eth1, otherwise as given. */
export function second(allocation: AllocationState): AllocationState {
  const eniId = allocation.eniId === "" ? "" : "eni-2";
  return { ...allocation, index: 1, interface: "eth1", eniId };
}

const { network: _network, ...withoutNetwork } = unmade();
/** Still to be made, for a pod whose annotation is gone. */
export const unasked: AllocationState = withoutNetwork;

export function failed(remedy: CreationFailure["remedy"], retryAfterMs = 4_000): Pick<AllocationState, "creation"> {
  return { creation: { type: "failed", failure: { remedy, reason: "Refused", message: "it said no", retryAfterMs } } };
}

/** Creations like this one are refused, and tried again in 7 s. */
export function aHold(given: Partial<CreationHold> = {}): CreationHold {
  return { reason: "AccessDenied", message: "not allowed", isDue: false, retryAfterMs: 7_000, ...given };
}

/** Still to be made, and first to try after a refusal that concerns others too. */
export const dueAgain = unmade({ hold: aHold({ isDue: true, retryAfterMs: 0 }) });

/** Still to be made, and the cloud is being asked for it. */
export const running = unmade({ creation: { type: "running" } });
/** Still to be made for the record, but the cloud has made it. */
export const done = unmade({ creation: { type: "done", eni: anEni } });

export function only(allocation: AllocationState): Pick<PodEniState, "allocations"> {
  return { allocations: [allocation] };
}

/** Its pod runs on node-1 and it holds a place; one elastic interface is to be made. */
export function aState(given: Partial<PodEniState> = {}): PodEniState {
  return {
    phase: "Binding",
    isDeleting: false,
    hasFinalizer: true,
    isFixed: false,
    zone: "zone-a",
    allocations: [unmade()],
    retention: [{ type: "Elastic" }],
    pod: { priority: 0 },
    isUnmatched: false,
    hasAnyPod: true,
    node: aNode,
    isNodeGone: false,
    instanceId: "",
    readyReason: "",
    place: "held",
    vSwitches: byId(),
    needsIpv6: false,
    suspensions: {},
    nowMs,
    sharedNowMs: nowMs,
    ...given,
  };
}

// ---- rows of the tables ----

export interface PlanRow {
  readonly name: string;
  readonly given: Partial<PodEniState>;
  readonly actions: readonly PodEniAction[];
  /** Reason of the explanation; absent: none is given. */
  readonly reason?: string;
  /** What its message says among other things. */
  readonly says?: string;
  readonly isFailure?: boolean;
  readonly tellAfterMs?: number;
  readonly requeueAfterMs?: number;
}

/** The plan that a row expects; the message only has to contain what the row names. */
export function toPlan(row: PlanRow): PodEniPlan {
  const { actions, reason, says = "", isFailure = false, tellAfterMs, requeueAfterMs } = row;
  const telling = { isFailure, ...(tellAfterMs !== undefined && { tellAfterMs }) };
  const message = expect.stringContaining(says) as unknown as string;
  return {
    actions,
    ...(reason !== undefined && { explanation: { reason, message, ...telling } }),
    ...(requeueAfterMs !== undefined && { requeueAfterMs }),
  };
}

export const releasePlace = { type: "releasePlace" } as const;

export function recordCreated(allocation: AllocationState): PodEniAction {
  return { type: "recordCreated", allocation, eni: anEni };
}

export function createRecord(allocation: AllocationState): PodEniAction {
  return { type: "createRecord", allocation };
}
