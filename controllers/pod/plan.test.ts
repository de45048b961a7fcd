import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import type { NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import { planPod, type PodPlan } from "./plan.ts";
import type { PodFacts, PodState, RecordFacts } from "./state.ts";

const node: NodeFacts = { name: "node-1", instanceId: "i-1", zone: "zone-a", isExclusive: false, isIgnored: false };

/** A running pod on node-1 that asks for interfaces of its own. */
function aPod(given: Partial<PodFacts> = {}): PodFacts {
  const defaults = {
    uid: "uid-1",
    isFinished: false,
    isDeleting: false,
    isGated: false,
    isUnschedulable: false,
    usesEni: true,
    nodeName: "node-1",
    node,
  };
  return { ...defaults, ...given };
}

/** The record of that pod, bound. */
function aRecord(given: Partial<RecordFacts> = {}): RecordFacts {
  const place = { zone: "zone-a", ipv4s: ["10.0.0.1"], nodeName: "node-1" };
  return { phase: "Bind", isDeleting: false, isFixed: false, podUid: "uid-1", ...place, ...given };
}

interface Row {
  readonly name: string;
  readonly pod?: Partial<PodFacts>;
  readonly record?: Partial<RecordFacts>;
  /** The row holds for each of these phases of the record. */
  readonly phases?: readonly string[];
  readonly plan: PodPlan;
}

const nothing: PodPlan = {};
const create: PodPlan = { action: { type: "createRecord", node } };
const detach: PodPlan = { action: { type: "detach" } };
const release: PodPlan = { action: { type: "release" } };
const rebind: PodPlan = { action: { type: "rebind", podUid: "uid-1", nodeName: "node-1" } };

const isFixed = true;
const gated = { isGated: true, usesEni: false };
const another = { podUid: "uid-of-former-pod" };
const unschedulable = { usesEni: false, isUnschedulable: true, nodeName: "" };
const inUse = ["", "Binding", "Bind"];

/** No pod, or one that will not run again: the record is treated alike. */
const rowsWithoutPod = [
  { when: "gone", given: {} },
  { when: "finished", given: { pod: { isFinished: true } } },
  { when: "finished and being deleted", given: { pod: { isFinished: true, isDeleting: true } } },
  { when: "finished, of another UID", given: { pod: { isFinished: true, uid: "uid-2" } } },
].flatMap(({ when, given }): Row[] => [
  { name: `pod ${when}, no record`, ...given, plan: nothing },
  {
    name: `pod ${when}, elastic record`,
    ...given,
    record: {},
    phases: [...inUse, "Detaching", "Unbind", "Unheard"],
    plan: release,
  },
  { name: `pod ${when}, fixed record in use`, ...given, record: { isFixed }, phases: inUse, plan: detach },
  {
    name: `pod ${when}, fixed record that is taken off already`,
    ...given,
    record: { isFixed },
    phases: ["Detaching", "Unbind"],
    plan: nothing,
  },
  { name: `pod ${when}, elastic record on its way out`, ...given, record: {}, phases: ["Deleting"], plan: nothing },
  {
    name: `pod ${when}, fixed record on its way out`,
    ...given,
    record: { isFixed },
    phases: ["Deleting"],
    plan: nothing,
  },
  {
    name: `pod ${when}, record that somebody deleted`,
    ...given,
    record: { isFixed, isDeleting: true },
    phases: [...inUse, "Detaching", "Unbind"],
    plan: nothing,
  },
]);

const rowsWithPod: readonly Row[] = [
  { name: "running, no record: made for its node", pod: {}, plan: create },
  {
    name: "running, no record, its node unknown: said, and tried again after 5 s",
    pod: { node: { problem: "node node-1 does not exist" } },
    plan: { action: { type: "complain", message: "node node-1 does not exist" }, requeueAfterMs: 5_000 },
  },
  { name: "running, its own elastic record", pod: {}, record: {}, phases: [...inUse, "Unheard"], plan: nothing },
  {
    name: "running, its own fixed record",
    pod: {},
    record: { isFixed },
    phases: [...inUse, "Unheard"],
    plan: nothing,
  },
  {
    name: "running, the node unknown, but recorded already",
    pod: { node: { problem: "node node-1 does not exist" } },
    record: {},
    phases: inUse,
    plan: nothing,
  },
  {
    name: "running, kept record of its predecessor",
    pod: {},
    record: { isFixed, ...another, nodeName: "node-2" },
    phases: ["Unbind"],
    plan: rebind,
  },
  {
    name: "running, kept record that a former process had handed to it half-way",
    pod: {},
    record: { isFixed },
    phases: ["Unbind"],
    plan: rebind,
  },
  { name: "running, taken-off record that nothing keeps", pod: {}, record: another, phases: ["Unbind"], plan: release },
  {
    name: "running, elastic record of its predecessor: given back",
    pod: {},
    record: another,
    phases: inUse,
    plan: release,
  },
  {
    name: "running, fixed record of its predecessor: taken off first",
    pod: {},
    record: { isFixed, ...another },
    phases: inUse,
    plan: detach,
  },
  {
    name: "running, record of its predecessor in change: waits",
    pod: {},
    record: { isFixed, ...another },
    phases: ["Detaching", "Deleting"],
    plan: nothing,
  },
  {
    name: "running, record that is being deleted: waits until it is gone",
    pod: {},
    record: { isDeleting: true, ...another },
    phases: [...inUse, "Detaching", "Unbind", "Deleting"],
    plan: nothing,
  },
  { name: "being deleted and still running, no record: none is made", pod: { isDeleting: true }, plan: nothing },
  {
    name: "being deleted and still running: keeps its interfaces",
    pod: { isDeleting: true },
    record: {},
    phases: inUse,
    plan: nothing,
  },
  {
    name: "no node takes it, and a kept address holds it in a zone: said",
    pod: unschedulable,
    record: { isFixed, ...another },
    phases: ["Detaching", "Unbind"],
    plan: {
      action: {
        type: "explainUnscheduled",
        message: expect.stringContaining("10.0.0.1 is kept in zone zone-a") as never,
      },
    },
  },
  { name: "no node takes it, no record: the scheduler says it", pod: unschedulable, plan: nothing },
  { name: "no node takes it, elastic record", pod: unschedulable, record: {}, phases: inUse, plan: nothing },
  {
    name: "no node takes it, fixed record without an address",
    pod: unschedulable,
    record: { isFixed, ipv4s: [] },
    phases: ["Unbind"],
    plan: nothing,
  },
  {
    name: "no node takes it, fixed record that is being deleted",
    pod: unschedulable,
    record: { isFixed, isDeleting: true },
    phases: ["Unbind"],
    plan: nothing,
  },
  { name: "asks for no interface, no record", pod: { usesEni: false }, plan: nothing },
  {
    name: "asks for no interface any more: what it has stays",
    pod: { usesEni: false },
    record: {},
    phases: inUse,
    plan: nothing,
  },
  {
    name: "asks for no interface or has no node yet, elastic record of its predecessor: given back",
    pod: { usesEni: false },
    record: another,
    phases: [...inUse, "Unbind"],
    plan: release,
  },
  {
    name: "asks for no interface or has no node yet, fixed record of its predecessor: taken off",
    pod: { usesEni: false },
    record: { isFixed, ...another },
    phases: inUse,
    plan: detach,
  },
  {
    name: "asks for no interface or has no node yet, a record of nobody known: stays",
    pod: { usesEni: false },
    record: { podUid: "" },
    phases: inUse,
    plan: nothing,
  },
  {
    name: "being deleted, record of another pod of its name: stays, for this one may be the older",
    pod: { isDeleting: true },
    record: another,
    phases: inUse,
    plan: nothing,
  },
  { name: "gated, no record", pod: gated, plan: { isGated: true } },
  { name: "gated, fixed record in use of its predecessor", pod: gated, record: { isFixed, ...another }, plan: detach },
  {
    name: "gated, fixed record that is taken off already",
    pod: gated,
    record: { isFixed, ...another },
    phases: ["Detaching", "Unbind"],
    plan: { isGated: true },
  },
  { name: "gated and being deleted", pod: { ...gated, isDeleting: true }, plan: nothing },
];

/** One case for each phase of each row. */
const table = [...rowsWithoutPod, ...rowsWithPod].flatMap(({ name, pod, record, phases = [undefined], plan }) =>
  phases.map((phase) => ({
    name: phase === undefined ? name : `${name}, phase "${phase}"`,
    state: {
      ...(pod !== undefined && { pod: aPod(pod) }),
      ...(record !== undefined && { record: aRecord({ ...record, ...(phase !== undefined && { phase }) }) }),
    },
    plan,
  })),
);

const anyUid = fc.constantFrom("", "uid-1", "uid-2");
const anyPod: fc.Arbitrary<PodFacts> = fc.record({
  uid: anyUid,
  isFinished: fc.boolean(),
  isDeleting: fc.boolean(),
  isGated: fc.boolean(),
  usesEni: fc.boolean(),
  nodeName: fc.constantFrom("", "node-1"),
  isUnschedulable: fc.boolean(),
  node: fc.constantFrom<PodFacts["node"]>(node, { problem: "node node-1 does not exist" }),
});
const anyRecord: fc.Arbitrary<RecordFacts> = fc.record({
  phase: fc.oneof(fc.constantFrom("", "Binding", "Bind", "Detaching", "Unbind", "Deleting"), fc.string()),
  isDeleting: fc.boolean(),
  isFixed: fc.boolean(),
  podUid: anyUid,
  zone: fc.constantFrom("", "zone-a"),
  ipv4s: fc.constantFrom([], ["10.0.0.1"]),
  nodeName: fc.constantFrom("", "node-1", "node-2"),
});
const anyState: fc.Arbitrary<PodState> = fc.record({ pod: anyPod, record: anyRecord }, { requiredKeys: [] });

/** Holds the plan of every state to `check`. */
function always(check: (plan: PodPlan, state: PodState) => void): void {
  fc.assert(
    fc.property(anyState, (state) => check(planPod(state), state)),
    { numRuns: 200 },
  );
}

describe("the plan of a pod's record", () => {
  it.each(table)("$name", ({ state, plan }) => {
    expect(planPod(state)).toEqual(plan);
  });

  it("names each case once", () => {
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
  });

  it("knows an answer to every state, and waits only for a node", () => {
    always(({ action, requeueAfterMs }) => {
      expect(requeueAfterMs).toBe(action?.type === "complain" ? 5_000 : undefined);
    });
  });

  it("never makes a record where one exists, nor for a pod that ends or asks for none", () => {
    always(({ action }, { pod, record }) => {
      if (action?.type !== "createRecord" && action?.type !== "complain") return;
      expect(record).toBeUndefined();
      expect(pod).toMatchObject({ isFinished: false, isDeleting: false, usesEni: true });
    });
  });

  it("never detaches an elastic record, and never gives a fixed one back", () => {
    always(({ action }, { record }) => {
      if (action?.type === "detach" || action?.type === "rebind") expect(record?.isFixed).toBe(true);
      if (action?.type === "release") expect(record?.isFixed).toBe(false);
    });
  });

  it("never touches a record that is on its way out", () => {
    always(({ action }, { record }) => {
      if (record?.isDeleting === true || record?.phase === "Deleting") expect(action).toBeUndefined();
    });
  });

  it("never takes the interfaces of a pod that runs under its own record", () => {
    always(({ action }, { pod, record }) => {
      if (pod === undefined || pod.isFinished || pod.uid !== record?.podUid || record.phase === "Unbind") return;
      expect(action).toBeUndefined();
    });
  });
});
