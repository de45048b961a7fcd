import { describe, expect, it } from "@jest/globals";
import type { PodEniAction } from "./actions.ts";
import {
  aHold,
  aNetwork,
  aState,
  aVSwitch,
  byId,
  dueAgain,
  failed,
  nodeWithoutTrunk,
  nowMs,
  recorded,
  second,
} from "./fixtures.ts";
import {
  createRecord,
  done,
  only,
  recordCreated,
  releasePlace,
  running,
  unasked,
  unmade,
  unrecorded,
} from "./fixtures.ts";
import { toPlan, type PlanRow } from "./fixtures.ts";
import { planPodEni } from "./plan.ts";
import type { AllocationState, PodEniState } from "./state.ts";

const none: readonly PodEniAction[] = [];
const noPlace = { place: "none" } as const;
const withBoth = { vSwitches: byId(aVSwitch("vsw-1"), aVSwitch("vsw-2")) };

const backOff = (retryAfterMs: number, name?: string): PodEniAction => ({
  type: "backOff",
  ...(name !== undefined && { interface: name }),
  retryAfterMs,
});
const requestPlace = (priority: number): PodEniAction => ({ type: "requestPlace", priority });
const startCreate = (allocation: AllocationState): PodEniAction => ({ type: "startCreate", allocation });
const recordIntent = (allocation: AllocationState, vSwitchId?: string): PodEniAction => ({
  type: "recordIntent",
  allocation,
  vSwitch: vSwitchId === undefined ? undefined : aVSwitch(vSwitchId),
});
const requestAttach = (eniId = "eni-1", trunkEniId = "eni-trunk"): PodEniAction => ({
  type: "requestAttach",
  eniId,
  instanceId: "i-1",
  trunkEniId,
});
const reportBind = (trunkEniId = "eni-trunk"): PodEniAction => ({ type: "reportBind", instanceId: "i-1", trunkEniId });

const full = unmade({ vSwitchIsUnusable: true });
const undecided = unmade({ vSwitchId: "", vSwitchIsUnusable: true });
const fixed = { isFixed: true, retention: [{ type: "Fixed", releaseStrategy: "Never" }] } as const;
const trouble = { reason: "InstanceNotReady", message: "the instance is stopped" };

const noInstance = { reason: "InstanceNotFound", message: "no such instance" };
const table: readonly PlanRow[] = [
  // The way to Bind, step by step.
  { name: "new record: a place is asked for", given: { phase: "", ...noPlace }, actions: [requestPlace(0)] },
  {
    name: "asks with the pod's priority",
    given: { ...noPlace, pod: { priority: 7 } },
    actions: [requestPlace(7)],
  },
  {
    name: "waits for a place",
    given: { place: "waiting" },
    actions: none,
    reason: "WaitingForPlace",
    says: "one of the places in which pods are given interfaces",
  },
  {
    name: "waits behind 60: told in steps of 50, or each pod served would be another message",
    given: { place: "waiting", placesAhead: 60 },
    actions: none,
    reason: "WaitingForPlace",
    says: "about 100 before it",
  },
  { name: "place held, vSwitch recorded: made", given: {}, actions: [startCreate(unmade())] },
  {
    name: "place held, no vSwitch recorded: chosen and recorded before anything is made",
    given: { ...only(undecided), ...withBoth },
    actions: [recordIntent(undecided, "vsw-1")],
  },
  { name: "being made", given: only(running), actions: none, reason: "CreatingInterface", says: "eth0 in vsw-1" },
  { name: "made: recorded", given: only(done), actions: [recordCreated(done)] },
  { name: "recorded, no NetworkInterface yet", given: only(unrecorded()), actions: [createRecord(unrecorded())] },
  { name: "NetworkInterface of no phase: attach", given: only(recorded("")), actions: [requestAttach()] },
  { name: "NetworkInterface Unbind: attach", given: only(recorded("Unbind")), actions: [requestAttach()] },
  {
    name: "exclusive interface: attach to no trunk",
    given: only(recorded("", {}, { wantsTrunk: false })),
    actions: [requestAttach("eni-1", "")],
  },
  {
    name: "being attached",
    given: only(recorded("Binding")),
    actions: none,
    reason: "AttachingInterface",
    says: "attaching eni-1 to i-1",
  },
  {
    name: "being attached to a trunk that the machine does not have any more: to the present one",
    given: only(recorded("Binding", { trunkEniId: "eni-former", trouble })),
    actions: [requestAttach()],
  },
  {
    name: "the attach has trouble: told in the words of the NetworkInterface",
    given: only(recorded("Binding", { trouble })),
    actions: none,
    reason: "InstanceNotReady",
    says: "the instance is stopped",
    isFailure: true,
  },
  {
    name: "attached: Bind, and the place is free",
    given: only(recorded("Bind")),
    actions: [reportBind(), releasePlace],
  },
  {
    name: "an exclusive one is attached: Bind without a trunk",
    given: { ...only(recorded("Bind", {}, { wantsTrunk: false })), node: nodeWithoutTrunk },
    actions: [reportBind(""), releasePlace],
  },
  {
    name: "attached where a former pod ran: taken off there",
    given: only(recorded("Bind", { instanceId: "i-2" })),
    actions: [{ type: "requestDetach", eniId: "eni-1" }],
  },
  {
    name: "its NetworkInterface is being deleted: waits",
    given: only(recorded("Bind", { isDeleting: true })),
    actions: none,
    reason: "InterfaceMissing",
    says: "eni-1 is being deleted",
  },
  {
    name: "two interfaces, one attached: goes on with the other",
    given: { allocations: [recorded("Bind"), second(recorded("Unbind"))] },
    actions: [requestAttach("eni-2")],
  },
  {
    name: "two interfaces to make: both at once",
    given: { allocations: [unmade(), second(unmade())] },
    actions: [startCreate(unmade()), startCreate(second(unmade()))],
  },
  {
    name: "two interfaces in progress: a failure is told before progress",
    given: { allocations: [running, second(recorded("Binding", { trouble }))] },
    actions: none,
    reason: "InstanceNotReady",
    isFailure: true,
  },
  { name: "the pod is gone: nothing is begun", given: { pod: undefined, ...noPlace }, actions: none },
  { name: "the pod is gone: its place is free", given: { pod: undefined }, actions: [releasePlace] },

  // Failures of a creation, by what helps.
  {
    name: "refused for its vSwitch: the vSwitch is passed over, without a pause",
    given: only(unmade(failed("nextVSwitch", 0))),
    actions: [{ type: "blockVSwitch", vSwitchId: "vsw-1" }, backOff(0, "eth0")],
  },
  {
    name: "the token is spent: another attempt is recorded, and the collector looks for the former",
    given: only(unmade(failed("newToken"))),
    actions: [{ type: "requestSweep" }, backOff(4_000, "eth0"), recordIntent(unmade(failed("newToken")))],
    reason: "Refused",
    isFailure: true,
  },
  {
    name: "may work if repeated: keeps its place and waits",
    given: only(unmade(failed("repeat"))),
    actions: [backOff(4_000, "eth0")],
    reason: "Refused",
    isFailure: true,
    requeueAfterMs: 4_000,
  },
  {
    name: "somebody must help: gives its place to another",
    given: only(unmade(failed("stop"))),
    actions: [backOff(0, "eth0"), releasePlace],
    reason: "Refused",
    says: "it said no",
    isFailure: true,
    requeueAfterMs: 4_000,
  },
  {
    name: "one of two cannot be made: it is named, and the other is recorded and not attached",
    given: { allocations: [unmade(failed("stop")), second(done)] },
    actions: [backOff(0, "eth0"), recordCreated(second(done)), releasePlace],
    reason: "Refused",
    says: "eth0: it said no",
    isFailure: true,
    requeueAfterMs: 4_000,
  },
  {
    name: "creations like it are refused: waits without a place and says why",
    given: { ...only(unmade({ hold: aHold() })), place: "none" },
    actions: [],
    reason: "AccessDenied",
    says: "not allowed",
    isFailure: true,
    requeueAfterMs: 7_000,
  },
  {
    name: "creations like it are refused since it got its place: gives the place to another",
    given: only(unmade({ hold: aHold() })),
    actions: [releasePlace],
    reason: "AccessDenied",
    isFailure: true,
    requeueAfterMs: 7_000,
  },
  {
    name: "creations like it were refused, and it is time: tries for all of them",
    given: { ...only(dueAgain), place: "none" },
    actions: [{ type: "claimProbe", allocation: dueAgain }],
  },
  {
    name: "creations like one of its two were refused, and it is time for that one only: keeps nobody from trying",
    given: { allocations: [dueAgain, second({ ...unmade(), hold: aHold() })], place: "none" },
    actions: [],
    reason: "AccessDenied",
    says: "eth0: not allowed",
    isFailure: true,
    requeueAfterMs: 7_000,
  },
  {
    name: "the interface is known to be gone: another one, without a record that nobody needs",
    given: only(unrecorded({ isKnownGone: true })),
    actions: [{ type: "forgetInterface", allocation: unrecorded({ isKnownGone: true }) }],
  },
  {
    name: "the interface of a fixed address is known to be gone: says that the address is lost",
    given: only(unrecorded({ isKnownGone: true, isFixed: true })),
    actions: [backOff(30_000), releasePlace],
    reason: "InterfaceMissing",
    says: "delete the PodENI",
    isFailure: true,
    requeueAfterMs: 30_000,
  },
  {
    name: "two failures: looked at again at the earlier of their times",
    given: { allocations: [unmade(failed("repeat", 9_000)), second(unmade(failed("repeat", 3_000)))] },
    actions: [backOff(9_000, "eth0"), backOff(3_000, "eth1")],
    reason: "Refused",
    isFailure: true,
    requeueAfterMs: 3_000,
  },
  { name: "after a failure, 1 ms early: waits", given: { retryAtMs: nowMs + 1 }, actions: none, requeueAfterMs: 1 },
  { name: "after a failure, in time: again", given: { retryAtMs: nowMs }, actions: [startCreate(unmade())] },

  // The recorded vSwitch cannot be used.
  {
    name: "the recorded vSwitch is full: the next one is recorded",
    given: { ...only(full), vSwitches: byId(aVSwitch("vsw-1", { isExhausted: true }), aVSwitch("vsw-2")) },
    actions: [recordIntent(full, "vsw-2")],
  },
  {
    name: "all vSwitches are full: waits 10 s without a place",
    given: {
      ...only(full),
      vSwitches: byId(aVSwitch("vsw-1", { isExhausted: true }), aVSwitch("vsw-2", { freeIpv4Count: 0 })),
    },
    actions: [backOff(10_000), releasePlace],
    reason: "VSwitchesExhausted",
    says: "vsw-1 has no free address, vsw-2 has no free address",
    isFailure: true,
    requeueAfterMs: 10_000,
  },
  {
    name: "a vSwitch could not be read: told why",
    given: {
      ...only(undecided),
      vSwitches: byId(
        { vSwitchId: "vsw-1", error: { reason: "AccessDenied", message: "not allowed" } },
        { vSwitchId: "vsw-2", error: "NotFound" },
      ),
    },
    actions: [backOff(10_000), releasePlace],
    reason: "AccessDenied",
    says: "vsw-1 could not be read: not allowed, vsw-2 was not found",
    isFailure: true,
    requeueAfterMs: 10_000,
  },
  {
    name: "no vSwitch was found",
    given: only(undecided),
    actions: [backOff(10_000), releasePlace],
    reason: "VSwitchNotFound",
    says: "vsw-1 was not found, vsw-2 was not found",
    isFailure: true,
    requeueAfterMs: 10_000,
  },
  {
    name: "vSwitches of other zones only",
    given: { ...only(undecided), vSwitches: byId(aVSwitch("vsw-1", { zoneId: "zone-b" })) },
    actions: [backOff(10_000), releasePlace],
    reason: "NoVSwitchInZone",
    says: "zone-a",
    isFailure: true,
    requeueAfterMs: 10_000,
  },
  {
    name: "IPv6 is needed and no vSwitch has it",
    given: { ...only(undecided), ...withBoth, needsIpv6: true },
    actions: [backOff(10_000), releasePlace],
    reason: "VSwitchWithoutIPv6",
    says: "vsw-1 has no IPv6 block",
    isFailure: true,
    requeueAfterMs: 10_000,
  },
  {
    name: "full, and the pod no longer says what else it may use",
    given: only({ ...unasked, vSwitchIsUnusable: true }),
    actions: [backOff(10_000), releasePlace],
    reason: "VSwitchesExhausted",
    says: "interface eth0 may use, and vsw-1 has no free address",
    isFailure: true,
    requeueAfterMs: 10_000,
  },

  // What stands in the way whatever the cloud says.
  {
    name: "the node does not exist",
    given: { node: { problem: "node node-1 does not exist" } },
    actions: [releasePlace],
    reason: "NodeNotReady",
    says: "node node-1 does not exist",
    isFailure: true,
    requeueAfterMs: 30_000,
  },
  {
    name: "the node has no trunk",
    given: { node: nodeWithoutTrunk, ...noPlace },
    actions: none,
    reason: "NodeWithoutTrunk",
    says: "node node-1",
    isFailure: true,
    requeueAfterMs: 30_000,
  },
  {
    name: "the node has no trunk and none is wanted: made",
    given: { node: nodeWithoutTrunk, ...only(unmade({ wantsTrunk: false })) },
    actions: [startCreate(unmade({ wantsTrunk: false }))],
  },
  {
    name: "the kept interface is in another zone than the node",
    given: { ...only(recorded("Unbind")), zone: "zone-b" },
    actions: [releasePlace],
    reason: "ZoneMismatch",
    says: "the pod must run in zone-b",
    isFailure: true,
    requeueAfterMs: 30_000,
  },
  {
    name: "the kept interface is in another zone than the node of a pod that came without its plane",
    given: { ...only(recorded("Unbind")), zone: "zone-b", isUnmatched: true },
    actions: [releasePlace],
    reason: "ZoneMismatch",
    says: "no PodNetworking matched this pod when it was created",
    isFailure: true,
    requeueAfterMs: 30_000,
  },
  {
    name: "the node of a pod that came without its plane has no trunk for the kept interface",
    given: { node: nodeWithoutTrunk, ...only(recorded("Unbind")), isUnmatched: true },
    actions: [releasePlace],
    reason: "NodeWithoutTrunk",
    says: "delete the PodENI to give the address up",
    isFailure: true,
    requeueAfterMs: 30_000,
  },
  {
    name: "recorded for another zone, but nothing made there: made in the node's",
    given: { zone: "zone-b" },
    actions: [startCreate(unmade())],
  },
  {
    name: "a legacy record that names no zone: attach",
    given: { ...only(recorded("Unbind")), zone: "" },
    actions: [requestAttach()],
  },
  {
    name: "a record without allocation",
    given: { allocations: [] },
    actions: [releasePlace],
    reason: "InvalidSpec",
    isFailure: true,
    requeueAfterMs: 30_000,
  },

  {
    name: "the node's instance does not exist: the attempt is called off, and the place is free for others",
    given: only(recorded("Binding", { trouble: noInstance })),
    actions: [backOff(60_000), { type: "requestDetach", eniId: "eni-1" }, releasePlace],
    reason: "InstanceNotFound",
    says: "no such instance",
    isFailure: true,
    requeueAfterMs: 60_000,
  },
  {
    name: "the node's instance does not exist, and the attempt is being called off: not twice",
    given: only(recorded("Detaching", { trouble: noInstance })),
    actions: [backOff(60_000), releasePlace],
    reason: "InstanceNotFound",
    isFailure: true,
    requeueAfterMs: 60_000,
  },

  // The cloud lost the interface.
  {
    name: "an elastic interface is missing: forgotten, for another to be made",
    given: only(recorded("Binding", { isMissing: true })),
    actions: [{ type: "forgetInterface", allocation: recorded("Binding", { isMissing: true }) }],
  },
  {
    name: "a fixed interface is missing: told what to do, looked at again after 30 s, and the place is free",
    given: { ...fixed, ...only(recorded("Binding", { isMissing: true }, { isFixed: true })) },
    actions: [backOff(30_000), releasePlace],
    reason: "InterfaceMissing",
    says: "delete the PodENI to get another",
    isFailure: true,
    requeueAfterMs: 30_000,
  },
];

describe("a pod of two interfaces, one of which cannot be made", () => {
  it.each([
    { name: "a creation", other: unmade() },
    { name: "an attach", other: recorded("Unbind") },
  ])("does not begin $name for the other as it gives its place up", ({ other }) => {
    const { actions } = planPodEni(aState({ allocations: [unmade(failed("stop")), second(other)] }), () => 0);
    expect(actions.map(({ type }) => type)).toEqual(["backOff", "releasePlace"]);
  });
});

describe("the plan of a pod's interfaces on their way to Bind", () => {
  it.each(table)("$name", (row) => {
    expect(planPodEni(aState(row.given), () => 0)).toEqual(toPlan(row));
  });

  it("names each row once", () => {
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
  });

  it.each([
    { policy: "ordered" as const, want: "vsw-1" },
    { policy: "most" as const, want: "vsw-2" },
    { policy: "random" as const, want: "vsw-3" },
  ])("chooses a vSwitch by the policy $policy of the pod's network", ({ policy, want }) => {
    const network = aNetwork({ vSwitchOptions: ["vsw-1", "vsw-2", "vsw-3"], vSwitchSelectionPolicy: policy });
    const vSwitches = byId(aVSwitch("vsw-1"), aVSwitch("vsw-2", { freeIpv4Count: 9 }), aVSwitch("vsw-3"));
    const state = aState({ ...only({ ...undecided, network }), vSwitches });
    const { actions } = planPodEni(state, (n) => n - 1);
    expect(actions).toEqual([expect.objectContaining({ vSwitch: expect.objectContaining({ vSwitchId: want }) })]);
  });

  it("serves fixed addresses first, then interfaces that exist already, then by the pod's priority", () => {
    const [leastPriority, greatestPriority] = [-2_147_483_648, 2_147_483_647];
    const made = only(recorded("Unbind"));
    const asking: Partial<PodEniState>[] = [
      { ...fixed, ...made, pod: { priority: leastPriority } },
      { ...fixed, pod: { priority: greatestPriority } },
      { ...fixed, pod: { priority: leastPriority } },
      { ...made, pod: { priority: greatestPriority } },
      { ...made, pod: { priority: leastPriority } },
      { pod: { priority: greatestPriority } },
      { pod: { priority: 0 } },
      { pod: { priority: leastPriority } },
    ];
    const priorities = asking.map((given) => {
      const [action] = planPodEni(aState({ ...given, ...noPlace }), () => 0).actions;
      return action?.type === "requestPlace" ? action.priority : NaN;
    });
    expect(priorities).toEqual(priorities.toSorted((a, b) => b - a));
    expect(new Set(priorities).size).toBe(asking.length);
  });
});
