import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import { retentionOf } from "../../domain/retention/retention.ts";
import type { UnreadVSwitch, VSwitch } from "../../domain/vswitch/vswitch.ts";
import type { PodEniAction, PodEniPlan } from "./actions.ts";
import {
  aNetwork,
  aNode,
  anEni,
  aState,
  aVSwitch,
  byId,
  failed,
  nodeWithoutTrunk,
  nowMs,
  unasked,
} from "./fixtures.ts";
import { planPodEni } from "./plan.ts";
import type { AllocationState, CreationState, InterfaceRecord, PodEniState } from "./state.ts";

// ---- every state there is ----

type Several<T> = readonly (readonly [weight: number, value: T])[];
const weighted = <T>(values: Several<T>): fc.Arbitrary<T> =>
  fc.oneof(...values.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const rarely = weighted([
  [3, false],
  [1, true],
]);

const anyCreation: fc.Arbitrary<CreationState> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<CreationState>({ type: "none" }) },
  { weight: 1, arbitrary: fc.constant<CreationState>({ type: "running" }) },
  { weight: 1, arbitrary: fc.constant<CreationState>({ type: "done", eni: anEni }) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        fc.constantFrom("nextVSwitch" as const, "newToken" as const, "repeat" as const, "stop" as const),
        fc.integer({ min: 1, max: 60_000 }),
      )
      .map(([remedy, retryAfterMs]) => failed(remedy, remedy === "nextVSwitch" ? 0 : retryAfterMs).creation),
  },
);

const trouble = { reason: "InstanceNotReady", message: "the instance is stopped" };
const anyRecord: fc.Arbitrary<InterfaceRecord> = fc
  .record({
    phase: fc.constantFrom("", "Binding", "Bind", "Bind", "Detaching", "Unbind", "Deleting", "Unheard"),
    isDeleting: rarely,
    instanceId: fc.constantFrom("", "i-1", "i-1", "i-2"),
    trunkEniId: fc.constantFrom("", "eni-trunk", "eni-trunk", "eni-former"),
    isMissing: rarely,
    hasTrouble: rarely,
  })
  .map(({ hasTrouble, ...record }) => ({ ...record, ...(hasTrouble && { trouble }) }));

/** As state.ts makes them: no vSwitch is an unusable one, and what is made has no creation. */
const anyAllocation: fc.Arbitrary<AllocationState> = fc
  .record({
    isMade: fc.boolean(),
    isFixed: fc.boolean(),
    vSwitchId: fc.constantFrom("", "vsw-1", "vsw-1", "vsw-2", "vsw-9"),
    vSwitchIsUnusable: rarely,
    wantsTrunk: fc.boolean(),
    attempt: fc.nat({ max: 9 }),
    network: optional(fc.constantFrom(aNetwork(), aNetwork({ vSwitchOptions: [] }))),
    creation: anyCreation,
    record: optional(anyRecord),
    isKnownGone: fc.boolean(),
  })
  .map(({ isMade, network, creation, record, isKnownGone, ...rest }) => ({
    ...unasked,
    ...rest,
    vSwitchIsUnusable: rest.vSwitchId === "" || rest.vSwitchIsUnusable,
    ...(network && { network }),
    ...(isMade ? { eniId: "eni", isKnownGone, ...(record && { record }) } : { creation }),
  }));

const anyVSwitch = (vSwitchId: string): fc.Arbitrary<VSwitch | UnreadVSwitch> =>
  fc.constantFrom<VSwitch | UnreadVSwitch>(
    aVSwitch(vSwitchId),
    aVSwitch(vSwitchId, { isExhausted: true }),
    aVSwitch(vSwitchId, { zoneId: "zone-b" }),
    { vSwitchId, error: "NotFound" },
    { vSwitchId, error: { reason: "AccessDenied", message: "not allowed" } },
  );

const anyRetention = fc.array(
  fc.constantFrom<PodEniState["retention"][number]>(
    { type: "Elastic" },
    {},
    { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "1m" },
    { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "soon" },
    { type: "Fixed", releaseStrategy: "Never" },
  ),
  { maxLength: 2 },
);

const anyNode = weighted<PodEniState["node"]>([
  [4, aNode],
  [1, nodeWithoutTrunk],
  [1, { problem: "node node-1 does not exist" }],
]);

/** Members that may be absent are undefined here. */
const anyParts = fc.record({
  phase: fc.constantFrom("", "Binding", "Bind", "Detaching", "Unbind", "Deleting", "Unheard"),
  isDeleting: rarely,
  hasFinalizer: rarely.map((isOff) => !isOff),
  zone: fc.constantFrom("zone-a", "zone-a", "", "zone-b"),
  allocations: fc.array(anyAllocation, { maxLength: 2 }),
  retention: anyRetention,
  pod: optional(fc.record({ priority: fc.integer() })),
  hasOtherPod: rarely,
  node: anyNode,
  isNodeGone: rarely,
  instanceId: fc.constantFrom("", "i-1", "i-1", "i-2"),
  readyReason: fc.constantFrom("", "Bound", "NodeGone"),
  place: fc.constantFrom<PodEniState["place"]>("held", "held", "waiting", "none"),
  placesAhead: optional(fc.nat({ max: 1_000 })),
  podGoneAtMs: optional(fc.integer({ min: nowMs - 120_000, max: nowMs })),
  retryAtMs: fc.option(fc.integer({ min: nowMs - 10_000, max: nowMs + 10_000 }), { nil: undefined, freq: 1 }),
  vSwitches: fc.tuple(anyVSwitch("vsw-1"), anyVSwitch("vsw-2")).map((both) => byId(...both)),
  needsIpv6: rarely,
});

const anyState: fc.Arbitrary<PodEniState> = anyParts.map(
  ({ placesAhead, podGoneAtMs, retryAtMs, hasOtherPod, allocations, ...rest }) => ({
    ...aState(rest),
    allocations: allocations.map((allocation, index) => ({
      ...allocation,
      index,
      interface: `eth${index}`,
      eniId: allocation.eniId === "" ? "" : `eni-${index + 1}`,
    })),
    isFixed: rest.retention.some(({ type }) => type === "Fixed"),
    hasAnyPod: rest.pod !== undefined || hasOtherPod,
    ...(placesAhead !== undefined && { placesAhead }),
    ...(podGoneAtMs !== undefined && { podGoneAtMs }),
    ...(retryAtMs !== undefined && { retryAtMs }),
  }),
);
const pod = { priority: 0 };
const anyBind = anyState.map((state) => ({ ...state, phase: "Binding", isDeleting: false, pod, hasAnyPod: true }));
const anyRemoval = anyState.map((state) => ({ ...state, isDeleting: true, hasFinalizer: true }));
const anyKept = anyState.map((state) => ({ ...state, phase: "Unbind", isDeleting: false }));

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
 * The state after actions that change this process's memory only. Undefined when one of them writes: then the world has
 * moved on.
 */
function remember(state: PodEniState, actions: readonly PodEniAction[]): PodEniState | undefined {
  return actions.every(({ type }) => memoryOnly.has(type)) ? actions.reduce(rememberOne, state) : undefined;
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

// ---- properties ----

const numRuns = 200;
/** As many plans as a reconcile makes in one go; more would mean that they do not come to rest. */
const maxPasses = 10;

const plan = (state: PodEniState): PodEniPlan => planPodEni(state, () => 0);

/** Holds the plan of every such state to `check`. */
function always(states: fc.Arbitrary<PodEniState>, check: (plan: PodEniPlan, state: PodEniState) => void): void {
  fc.assert(
    fc.property(states, (state) => check(plan(state), state)),
    { numRuns },
  );
}

type ActionOf<T extends PodEniAction["type"]> = Extract<PodEniAction, { type: T }>;
const isOf = <T extends PodEniAction["type"]>(action: PodEniAction, type: T): action is ActionOf<T> =>
  action.type === type;

/** Holds every planned action of that type, with the state it was planned in, to `check`. */
function whenever<T extends PodEniAction["type"]>(
  type: T,
  states: fc.Arbitrary<PodEniState>,
  check: (action: ActionOf<T>, state: PodEniState) => void,
): void {
  for (const from of [anyState, states]) {
    always(from, ({ actions }, state) => {
      for (const action of actions) if (isOf(action, type)) check(action, state);
    });
  }
}

/** As a place that is asked for is granted at once, when nobody else waits. */
function granted(state: PodEniState): PodEniState {
  return state.place === "waiting" ? { ...state, place: "held" } : state;
}

describe("the plan of a pod's interfaces in every state", () => {
  it("is there, and waits for a time to come", () => {
    always(anyState, ({ requeueAfterMs }) => {
      if (requeueAfterMs !== undefined) expect(requeueAfterMs).toBeGreaterThan(0);
    });
  });

  it("is the same for the same state, and leaves the state as it is", () => {
    always(anyState, (first, state) => {
      const copy = structuredClone(state);
      expect(plan(state)).toEqual(first);
      expect(state).toEqual(copy);
    });
  });

  it("begins a creation only in a place, in a recorded vSwitch, for a pod that runs, and not twice", () => {
    whenever("startCreate", anyBind, ({ allocation }, state) => {
      expect(state).toMatchObject({ place: "held", isDeleting: false, pod: expect.anything() });
      expect(["", "Binding"]).toContain(state.phase);
      expect(allocation).toMatchObject({ eniId: "", creation: { type: "none" }, vSwitchIsUnusable: false });
      expect(allocation.vSwitchId).not.toBe("");
    });
  });

  it("attaches only in a place, where the pod runs, and what nobody deletes or misses", () => {
    whenever("requestAttach", anyBind, ({ eniId, instanceId }, state) => {
      expect(state).toMatchObject({ place: "held", isDeleting: false, node: { instanceId } });
      const record = state.allocations.find((allocation) => allocation.eniId === eniId)?.record;
      expect(record).toMatchObject({ isDeleting: false, isMissing: false });
    });
  });

  it("begins nothing before the time of the next try", () => {
    always(anyBind, ({ actions }, state) => {
      if ((state.retryAtMs ?? 0) <= nowMs) return;
      expect(actions.filter(({ type }) => type !== "releasePlace")).toEqual([]);
    });
  });

  it("reports Bind only when every interface is attached where the pod runs", () => {
    whenever("reportBind", anyBind, ({ instanceId }, state) => {
      expect(state.allocations).not.toEqual([]);
      for (const { record } of state.allocations) {
        expect(record).toMatchObject({ phase: "Bind", instanceId, isDeleting: false, isMissing: false });
      }
    });
  });

  it("lets the record go only when no creation runs or waits to be recorded and no NetworkInterface is left", () => {
    whenever("removeFinalizers", anyRemoval, (_, { isDeleting, hasFinalizer, allocations }) => {
      expect([isDeleting, hasFinalizer]).toEqual([true, true]);
      for (const { eniId, record, creation, isKnownGone } of allocations) {
        expect(["none", "failed"]).toContain(creation.type);
        expect(record).toBeUndefined();
        if (eniId !== "") expect(isKnownGone).toBe(true);
      }
    });
  });

  it("gives a kept address back only after its time, and never while a pod of its name is there", () => {
    whenever("releaseExpired", anyKept, (_, { phase, hasAnyPod, retention, podGoneAtMs }) => {
      expect([phase, hasAnyPod]).toEqual(["Unbind", false]);
      const kept = retentionOf(retention, podGoneAtMs ?? NaN);
      expect(kept.type === "release" || (kept.type === "keepUntil" && kept.atMs <= nowMs)).toBe(true);
    });
  });

  it("forgets an interface only when the cloud lost it and it was not fixed", () => {
    whenever("forgetInterface", anyBind, ({ allocation }) => {
      expect(allocation.isFixed).toBe(false);
      expect(allocation.record?.isMissing ?? allocation.isKnownGone).toBe(true);
    });
  });

  it("explains every failure of a bind that gives its place up", () => {
    always(anyBind, ({ actions, explanation, requeueAfterMs }) => {
      const types = actions.map(({ type }) => type);
      if (!types.includes("releasePlace") || types.includes("reportBind")) return;
      expect(explanation).toMatchObject({ isFailure: true });
      expect(requeueAfterMs).toBeGreaterThan(0);
    });
  });

  it.each([
    { what: "any state", states: anyState },
    { what: "the middle of a bind", states: anyBind },
    { what: "a removal", states: anyRemoval },
  ])("comes to rest in $what while only memory changes, though every place is granted at once", ({ states }) => {
    fc.assert(
      fc.property(states, (first) => {
        let state: PodEniState | undefined = first;
        for (let pass = 0; pass < maxPasses; pass += 1) {
          const { actions } = plan(state);
          if (actions.length === 0 && state.place !== "waiting") return;
          state = remember(granted(state), actions);
          if (state === undefined) return;
        }
        throw new Error(`still busy after ${maxPasses} passes: ${JSON.stringify(plan(state))}`);
      }),
      { numRuns },
    );
  });
});
