/** States of one pod's interfaces with everything at its default, for the tests of plan.ts. */
import fc from "fast-check";
import type { Eni } from "../../domain/eni/eni.ts";
import type { NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { PodNetwork } from "../../domain/pod-network/pod-networks.ts";
import type { UnreadVSwitch, VSwitch } from "../../domain/vswitch/vswitch.ts";
import type { PodEniAction } from "./actions.ts";
import type { AllocationState, CreationFailure, CreationState, InterfaceRecord, PodEniState } from "./state.ts";

export const nowMs = 1_000_000;

export const aNode: NodeFacts = {
  name: "node-1",
  instanceId: "i-1",
  zone: "zone-a",
  trunkEniId: "eni-trunk",
  isExclusive: false,
  isIgnored: false,
};

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

/** The interface eni-1 whose NetworkInterface is in `phase`, on i-1 while it is attached. */
export function recorded(
  phase: string,
  record: Partial<InterfaceRecord> = {},
  given: Partial<AllocationState> = {},
): AllocationState {
  const instanceId = phase === "" || phase === "Unbind" ? "" : "i-1";
  return unrecorded({ record: { phase, isDeleting: false, instanceId, isMissing: false, ...record }, ...given });
}

/** A second interface, eth1, otherwise as given. */
export function second(allocation: AllocationState): AllocationState {
  const eniId = allocation.eniId === "" ? "" : "eni-2";
  return { ...allocation, index: 1, interface: "eth1", eniId };
}

export function failed(remedy: CreationFailure["remedy"], retryAfterMs = 4_000): Pick<AllocationState, "creation"> {
  return { creation: { type: "failed", failure: { remedy, reason: "Refused", message: "it said no", retryAfterMs } } };
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
    hasAnyPod: true,
    node: aNode,
    place: "held",
    vSwitches: byId(),
    needsIpv6: false,
    nowMs,
    ...given,
  };
}

// ---- every state there is ----

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

const anyFailure: fc.Arbitrary<CreationFailure> = fc.record({
  remedy: fc.constantFrom("nextVSwitch", "newToken", "repeat", "stop"),
  reason: fc.constant("Refused"),
  message: fc.constant("it said no"),
  // A choice of another vSwitch needs no pause; every other failure has one.
  retryAfterMs: fc.integer({ min: 1, max: 60_000 }),
});

const anyCreation: fc.Arbitrary<CreationState> = fc.oneof(
  fc.constantFrom<CreationState>({ type: "none" }, { type: "running" }, { type: "done", eni: anEni }),
  anyFailure.map((failure): CreationState => ({ type: "failed", failure })),
);

const anyRecord: fc.Arbitrary<InterfaceRecord> = fc
  .record({
    phase: fc.constantFrom("", "Binding", "Bind", "Detaching", "Unbind", "Deleting", "Unheard"),
    isDeleting: fc.boolean(),
    instanceId: fc.constantFrom("", "i-1", "i-2"),
    isMissing: fc.boolean(),
    trouble: optional(fc.constant({ reason: "InstanceNotReady", message: "the instance is stopped" })),
  })
  .map(({ trouble, ...record }) => ({ ...record, ...(trouble !== undefined && { trouble }) }));

/** As state.ts makes them: no vSwitch is an unusable one, and what is made has no creation and no empty id. */
const anyAllocation: fc.Arbitrary<AllocationState> = fc
  .record({
    isMade: fc.boolean(),
    isFixed: fc.boolean(),
    vSwitchId: fc.constantFrom("", "vsw-1", "vsw-2", "vsw-9"),
    vSwitchIsUnusable: fc.boolean(),
    wantsTrunk: fc.boolean(),
    attempt: fc.nat({ max: 9 }),
    network: optional(fc.constantFrom(aNetwork(), aNetwork({ vSwitchOptions: [] }))),
    creation: anyCreation,
    record: optional(anyRecord),
    isKnownGone: fc.boolean(),
  })
  .map(({ isMade, network, creation, record, ...rest }) => ({
    ...unmade(),
    ...rest,
    vSwitchIsUnusable: rest.vSwitchId === "" || rest.vSwitchIsUnusable,
    network: network ?? aNetwork(),
    ...(isMade ? { eniId: "eni-1", ...(record && { record }) } : { creation, isKnownGone: false }),
  }));

const anyVSwitch = (vSwitchId: string): fc.Arbitrary<VSwitch | UnreadVSwitch> =>
  fc.constantFrom<VSwitch | UnreadVSwitch>(
    aVSwitch(vSwitchId),
    aVSwitch(vSwitchId, { isExhausted: true }),
    aVSwitch(vSwitchId, { zoneId: "zone-b" }),
    { vSwitchId, error: "NotFound" },
    { vSwitchId, error: { reason: "AccessDenied", message: "not allowed" } },
  );

const { trunkEniId: _trunk, ...nodeWithoutTrunk } = aNode;

export const anyState: fc.Arbitrary<PodEniState> = fc
  .record({
    phase: fc.constantFrom("", "Binding", "Binding", "Bind", "Detaching", "Unbind", "Deleting", "Unheard"),
    isDeleting: fc.boolean(),
    hasFinalizer: fc.boolean(),
    zone: fc.constantFrom("zone-a", "zone-a", "", "zone-b"),
    allocations: fc.array(anyAllocation, { maxLength: 3 }),
    retention: fc.array(
      fc.constantFrom<PodEniState["retention"][number]>(
        { type: "Elastic" },
        {},
        { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "1m" },
        { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "soon" },
        { type: "Fixed", releaseStrategy: "Never" },
      ),
      { maxLength: 3 },
    ),
    pod: optional(fc.record({ priority: fc.integer() })),
    node: fc.constantFrom<PodEniState["node"]>(aNode, aNode, nodeWithoutTrunk, { problem: "node node-1 is gone" }),
    place: fc.constantFrom<PodEniState["place"]>("held", "held", "waiting", "none"),
    placesAhead: optional(fc.nat({ max: 1_000 })),
    podGoneAtMs: optional(fc.integer({ min: nowMs - 120_000, max: nowMs })),
    retryAtMs: optional(fc.integer({ min: nowMs - 10_000, max: nowMs + 10_000 })),
    vSwitches: fc.tuple(anyVSwitch("vsw-1"), anyVSwitch("vsw-2")).map((both) => byId(...both)),
    needsIpv6: fc.boolean(),
  })
  .map(({ pod, placesAhead, podGoneAtMs, retryAtMs, allocations, ...rest }) => ({
    ...rest,
    allocations: allocations.map((allocation, index) => ({
      ...allocation,
      index,
      interface: `eth${index}`,
      eniId: allocation.eniId === "" ? "" : `eni-${index + 1}`,
    })),
    isFixed: rest.retention.some(({ type }) => type === "Fixed"),
    pod,
    hasAnyPod: pod !== undefined,
    ...(placesAhead !== undefined && { placesAhead }),
    ...(podGoneAtMs !== undefined && { podGoneAtMs }),
    ...(retryAtMs !== undefined && { retryAtMs }),
    nowMs,
  }));

// ---- what the process remembers ----

const memoryOnly: ReadonlySet<PodEniAction["type"]> = new Set([
  "requestPlace",
  "releasePlace",
  "startCreate",
  "backOff",
  "blockVSwitch",
  "requestSweep",
]);

/**
 * The state after actions that change this process's memory only, for the question whether plans come to rest.
 * Undefined when one of them writes: then the world has moved on.
 */
export function remember(state: PodEniState, actions: readonly PodEniAction[]): PodEniState | undefined {
  if (actions.some(({ type }) => !memoryOnly.has(type))) return undefined;
  return actions.reduce(rememberOne, state);
}

function rememberOne(state: PodEniState, action: PodEniAction): PodEniState {
  const change = (isMeant: (one: AllocationState) => boolean, next: Partial<AllocationState>): PodEniState => ({
    ...state,
    allocations: state.allocations.map((one) => (isMeant(one) ? { ...one, ...next } : one)),
  });
  switch (action.type) {
    case "requestPlace":
      return { ...state, place: "waiting" };
    case "releasePlace":
      return { ...state, place: "none" };
    case "startCreate":
      return change((one) => one.index === action.allocation.index, { creation: { type: "running" } });
    case "blockVSwitch":
      return change((one) => one.vSwitchId === action.vSwitchId, { vSwitchIsUnusable: true });
    case "backOff": {
      const next = change((one) => one.interface === action.interface, { creation: { type: "none" } });
      return action.retryAfterMs > 0 ? { ...next, retryAtMs: state.nowMs + action.retryAfterMs } : next;
    }
    default:
      return state;
  }
}
