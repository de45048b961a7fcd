import { describe, expect, it } from "@jest/globals";
import { aState, createRecord, done, failed, nowMs, only, recordCreated, recorded, releasePlace } from "./fixtures.ts";
import { running, second, toPlan, unmade, unrecorded, type PlanRow } from "./fixtures.ts";
import type { PodEniAction } from "./actions.ts";
import { planPodEni } from "./plan.ts";
import type { PodEniState } from "./state.ts";

const none: readonly PodEniAction[] = [];
const noPlace = { place: "none" } as const;
const gone = unrecorded({ isKnownGone: true });
const removeFinalizers: PodEniAction = { type: "removeFinalizers" };
const requestSweep: PodEniAction = { type: "requestSweep" };
const releaseExpired: PodEniAction = { type: "releaseExpired" };
const deleteRecord = (eniId = "eni-1"): PodEniAction => ({ type: "deleteRecord", eniId });
const requestDetach = (eniId = "eni-1"): PodEniAction => ({ type: "requestDetach", eniId });

const bound = { phase: "Bind", ...noPlace };
const nodeGone = { isNodeGone: true, node: { problem: "node node-1 does not exist" } };
const restTable: readonly PlanRow[] = [
  { name: "Bind: at rest", given: { ...bound, ...only(recorded("Bind")) }, actions: none },
  {
    name: "Bind with a place still held: freed",
    given: { phase: "Bind", ...only(recorded("Bind")) },
    actions: [releasePlace],
  },
  {
    name: "Bind of an early release: its NetworkInterface is made",
    given: { ...bound, ...only(unrecorded()) },
    actions: [createRecord(unrecorded())],
  },
  {
    name: "Bind, its interface gone for good: not made again, but said",
    given: { ...bound, ...only(gone) },
    actions: none,
    reason: "InterfaceMissing",
    says: "delete the pod to get another",
    isFailure: true,
  },
  {
    name: "Bind, the node's machine was replaced by another of the same name: moves there",
    given: { ...bound, ...only(recorded("Bind")), instanceId: "i-0" },
    actions: [{ type: "reportMoved", instanceId: "i-1" }],
  },
  {
    name: "Bind, the machine was replaced and a pod of another UID is there: controller pod decides",
    given: { ...bound, ...only(recorded("Bind")), instanceId: "i-0", pod: undefined },
    actions: none,
  },
  {
    name: "Bind, the node is gone and the pod's object stays: said",
    given: { ...bound, ...only(recorded("Bind")), ...nodeGone, instanceId: "i-1" },
    actions: none,
    reason: "NodeGone",
    tellAfterMs: 60_000,
    says: "delete the pod",
  },
  {
    name: "Bind, the node is back: said",
    given: { ...bound, ...only(recorded("Bind")), instanceId: "i-1", readyReason: "NodeGone" },
    actions: [{ type: "reportNodeBack", instanceId: "i-1" }],
  },
  {
    name: "Bind, the node lost its zone label: at rest",
    given: { ...bound, ...only(recorded("Bind")), node: { problem: "node node-1 has no label" }, instanceId: "i-1" },
    actions: none,
  },
  {
    name: "Bind, its networks were edited: said",
    given: { ...bound, ...only(recorded("Bind")), instanceId: "i-1", drift: "interface eth1 was added" },
    actions: [{ type: "reportDrift", drift: "interface eth1 was added" }],
  },
  {
    name: "Bind, its networks were edited and the node is gone: one after the other",
    given: { ...bound, ...only(recorded("Bind")), ...nodeGone, instanceId: "i-1", drift: "interface eth1 was added" },
    actions: [{ type: "reportDrift", drift: "interface eth1 was added" }],
  },
  {
    name: "Bind, the edit was said, and the node is gone: said too",
    given: {
      ...bound,
      ...only(recorded("Bind")),
      ...nodeGone,
      instanceId: "i-1",
      drift: "interface eth1 was added",
      reportedDrift: "interface eth1 was added",
    },
    actions: none,
    reason: "NodeGone",
    tellAfterMs: 60_000,
  },
  {
    name: "Bind, the edit was taken back: said",
    given: { ...bound, ...only(recorded("Bind")), instanceId: "i-1", reportedDrift: "interface eth1 was added" },
    actions: [{ type: "reportDrift" }],
  },
  { name: "a phase of no known word: left alone", given: { phase: "Unheard", ...noPlace }, actions: none },
  {
    name: "a phase of no known word in an early release: its NetworkInterface is made",
    given: { phase: "Unheard", ...noPlace, ...only(unrecorded()) },
    actions: [createRecord(unrecorded())],
  },
];

const trouble = { reason: "InstanceNotReady", message: "the instance is stopped" };
const deleting = { isDeleting: true, phase: "Deleting", pod: undefined, hasAnyPod: false, ...noPlace };
const releasing = { reason: "ReleasingInterface" };
const removalTable: readonly PlanRow[] = [
  {
    name: "phase Deleting: deletes itself, and the rest follows",
    given: { phase: "Deleting", ...only(recorded("Bind")) },
    actions: [releasePlace, { type: "deleteSelf" }],
  },
  { name: "finalizer of ours already off: nothing", given: { ...deleting, hasFinalizer: false }, actions: none },
  {
    name: "attached: its NetworkInterface is deleted",
    given: { ...deleting, ...only(recorded("Bind")) },
    actions: [deleteRecord()],
    ...releasing,
    says: "eni-1",
  },
  {
    name: "in the middle of its bind: gives its place up and its NetworkInterface is deleted",
    given: { ...deleting, phase: "Binding", place: "held", ...only(recorded("Binding")) },
    actions: [releasePlace, deleteRecord()],
    ...releasing,
  },
  {
    name: "its NetworkInterface is being deleted: waits",
    given: { ...deleting, ...only(recorded("Bind", { isDeleting: true })) },
    actions: none,
    ...releasing,
  },
  {
    name: "its NetworkInterface cannot be deleted: told in its words",
    given: { ...deleting, ...only(recorded("Detaching", { isDeleting: true, trouble })) },
    actions: none,
    ...releasing,
    says: "releasing eni-1: the instance is stopped",
  },
  {
    name: "a legacy record without NetworkInterface: one is made, to be deleted",
    given: { ...deleting, ...only(unrecorded()) },
    actions: [createRecord(unrecorded())],
    ...releasing,
  },
  { name: "gone for good: let go", given: { ...deleting, ...only(gone) }, actions: [removeFinalizers], ...releasing },
  {
    name: "gone for good once, but its NetworkInterface was made again: that is deleted first",
    given: { ...deleting, ...only(recorded("Binding", { isMissing: true }, { isKnownGone: true })) },
    actions: [deleteRecord()],
    ...releasing,
  },
  {
    name: "one of two gone for good: waits for the other",
    given: { ...deleting, allocations: [gone, second(recorded("Bind", { isDeleting: true }))] },
    actions: none,
    ...releasing,
    says: "eni-1, eni-2",
  },
  {
    name: "two attached: both are released at once",
    given: { ...deleting, allocations: [recorded("Bind"), second(recorded("Bind"))] },
    actions: [deleteRecord("eni-1"), deleteRecord("eni-2")],
    ...releasing,
  },
  {
    name: "never begun: let go",
    given: { ...deleting, ...only(unmade()) },
    actions: [removeFinalizers],
    ...releasing,
  },
  {
    name: "without allocation: let go",
    given: { ...deleting, allocations: [] },
    actions: [removeFinalizers],
    ...releasing,
  },
  { name: "being made: waits for the answer", given: { ...deleting, ...only(running) }, actions: none, ...releasing },
  {
    name: "made meanwhile: recorded, to be released",
    given: { ...deleting, ...only(done) },
    actions: [recordCreated(done)],
    ...releasing,
  },
  {
    name: "its creation failed: let go, and the collector looks whether something was made after all",
    given: { ...deleting, ...only(unmade(failed("repeat"))) },
    actions: [requestSweep, removeFinalizers],
    ...releasing,
  },
  {
    name: "one creation failed, the other runs: the collector looks once all is let go",
    given: { ...deleting, allocations: [unmade(failed("repeat")), second(running)] },
    actions: none,
    ...releasing,
  },
];

const detaching = { phase: "Detaching", isFixed: true, pod: undefined, hasAnyPod: false, ...noPlace };
const taking = { reason: "DetachingInterface" };
const detachTable: readonly PlanRow[] = [
  {
    name: "attached: taken off",
    given: { ...detaching, ...only(recorded("Bind")) },
    actions: [requestDetach()],
    ...taking,
  },
  {
    name: "in the middle of its bind: gives its place up and is taken off",
    given: { ...detaching, place: "held", ...only(recorded("Binding")) },
    actions: [releasePlace, requestDetach()],
    ...taking,
  },
  {
    name: "not attached yet: taken off all the same, the attach may be on its way",
    given: { ...detaching, ...only(recorded("")) },
    actions: [requestDetach()],
    ...taking,
  },
  {
    name: "being taken off: waits",
    given: { ...detaching, ...only(recorded("Detaching")) },
    actions: none,
    ...taking,
    says: "the interfaces are being detached",
  },
  {
    name: "taking it off has trouble: told in the words of the NetworkInterface",
    given: { ...detaching, ...only(recorded("Detaching", { trouble })) },
    actions: none,
    ...taking,
    says: "the instance is stopped",
  },
  {
    name: "its NetworkInterface is being deleted: waits",
    given: { ...detaching, ...only(recorded("Bind", { isDeleting: true })) },
    actions: none,
    ...taking,
  },
  {
    name: "off: kept",
    given: { ...detaching, ...only(recorded("Unbind")) },
    actions: [{ type: "reportUnbind" }],
    ...taking,
  },
  {
    name: "one off, the other not: waits for both",
    given: { ...detaching, allocations: [recorded("Unbind"), second(recorded("Detaching"))] },
    actions: none,
    ...taking,
  },
  {
    name: "one off, the other never made: kept",
    given: { ...detaching, allocations: [recorded("Unbind"), second(unmade())] },
    actions: [{ type: "reportUnbind" }],
    ...taking,
  },
  {
    name: "nothing was made: there is nothing to keep",
    given: { ...detaching, ...only(unmade()) },
    actions: [{ type: "reportDeleting" }],
    ...taking,
  },
  { name: "being made: waits for the answer", given: { ...detaching, ...only(running) }, actions: none, ...taking },
  {
    name: "made meanwhile: recorded, to be kept",
    given: { ...detaching, ...only(done) },
    actions: [recordCreated(done)],
    ...taking,
  },
  {
    name: "a legacy record without NetworkInterface: one is made, to be taken off",
    given: { ...detaching, ...only(unrecorded()) },
    actions: [createRecord(unrecorded())],
    ...taking,
  },
  {
    name: "gone for good: nothing to take off",
    given: { ...detaching, ...only(gone) },
    actions: [{ type: "reportUnbind" }],
    ...taking,
  },
];

const ttl = (releaseAfter: string) => ({ type: "Fixed", releaseStrategy: "TTL", releaseAfter }) as const;
const never = { type: "Fixed", releaseStrategy: "Never" } as const;

/** Kept, the pod's deletion seen `agoMs` ago. */
const kept = (agoMs: number, ...retention: PodEniState["retention"]): Partial<PodEniState> => ({
  phase: "Unbind",
  isFixed: true,
  pod: undefined,
  hasAnyPod: false,
  ...noPlace,
  ...only(recorded("Unbind")),
  retention,
  podGoneAtMs: nowMs - agoMs,
});
const { podGoneAtMs: _unseen, ...keptSinceNobodyKnows } = kept(0, ttl("1m"));

const retentionTable: readonly PlanRow[] = [
  {
    name: "1 ms before the end of its time: kept",
    given: kept(59_999, ttl("1m")),
    actions: none,
    requeueAfterMs: 1,
  },
  {
    name: "at the end of its time by this machine's clock, but maybe not by the one that all replicas share: kept",
    given: { ...kept(60_000, ttl("1m")), sharedNowMs: nowMs - 300_000 },
    actions: none,
    requeueAfterMs: 300_000,
  },
  {
    name: "hours before the end of its time: looked at again in ten minutes, for clocks drift apart",
    given: kept(0, ttl("3h")),
    actions: none,
    requeueAfterMs: 600_000,
  },
  { name: "at the end of its time: given back", given: kept(60_000, ttl("1m")), actions: [releaseExpired] },
  { name: "long after the end of its time", given: kept(9e6, ttl("1m")), actions: [releaseExpired] },
  { name: "a time of nothing: given back at once", given: kept(0, ttl("0s")), actions: [releaseExpired] },
  {
    name: "two interfaces: kept for the longer time",
    given: kept(60_000, ttl("1m"), ttl("3m"), { type: "Elastic" }),
    actions: none,
    requeueAfterMs: 120_000,
  },
  { name: "Never: kept for ever", given: kept(9e12, never), actions: none },
  { name: "Never beside a time: kept for ever", given: kept(9e12, ttl("1m"), never), actions: none },
  { name: "fixed without a strategy: kept for ever", given: kept(9e12, { type: "Fixed" }), actions: none },
  { name: "a time that is none: kept for ever", given: kept(9e12, ttl("soon")), actions: none },
  { name: "a negative time: kept for ever", given: kept(9e12, ttl("-1m")), actions: none },
  { name: "nothing asks to keep it: given back", given: kept(0, { type: "Elastic" }), actions: [releaseExpired] },
  {
    name: "the deletion of the pod is not recorded: its clock starts",
    given: keptSinceNobodyKnows,
    actions: [{ type: "recordPodGone" }],
  },
  {
    name: "a pod of its name is there: kept for it, whatever the time",
    given: { ...kept(9e6, ttl("1m")), hasAnyPod: true },
    actions: none,
  },
  {
    name: "a place still held: freed",
    given: { ...kept(0, never), place: "held" },
    actions: [releasePlace],
  },
  {
    name: "a legacy record without NetworkInterface: one is made",
    given: { ...kept(0, never), ...only(unrecorded()) },
    actions: [createRecord(unrecorded())],
  },
];

describe.each([
  { title: "interfaces at rest", table: restTable },
  { title: "interfaces to be released", table: removalTable },
  { title: "interfaces to be taken off and kept", table: detachTable },
  { title: "kept interfaces", table: retentionTable },
])("the plan of $title", ({ table }) => {
  it.each(table)("$name", (row) => {
    expect(planPodEni(aState(row.given), () => 0)).toEqual(toPlan(row));
  });

  it("names each row once", () => {
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
  });
});
