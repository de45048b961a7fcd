import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import type { EniStatus } from "../../domain/eni/eni.ts";
import type { Suspension } from "../../domain/suspension/suspension.ts";
import { anEni, aState, called, clusterId, nowMs, ourTags, seen } from "./fixtures.ts";
import { planNetworkInterface, type NetworkInterfacePlan } from "./plan.ts";
import type { Knowledge, LastCall, NetworkInterfaceState } from "./state.ts";

interface Row {
  readonly name: string;
  readonly given: Partial<NetworkInterfaceState>;
  readonly plan: NetworkInterfacePlan;
}

const gone = { goal: "gone" } as const;
const detached = { goal: "detached" } as const;
const elsewhere = { eni: { instanceId: "i-2", trunkEniId: "eni-other" } };

const watch = (operation: "look" | "attach" | "detach" | "delete", sinceMs: number): NetworkInterfacePlan => ({
  action: { type: "watch", operation, sinceMs },
});
const attach = (tries = 1): NetworkInterfacePlan => ({ action: { type: "call", effect: "attach", tries } });
const remove = (tries = 1): NetworkInterfacePlan => ({ action: { type: "call", effect: "delete", tries } });
const detach = (tries = 1, from = { instanceId: "i-1", trunkEniId: "eni-trunk" }): NetworkInterfacePlan => ({
  action: { type: "call", effect: "detach", ...from, tries },
});
const missing: NetworkInterfacePlan = { action: { type: "reportMissing" } };
const unbound: NetworkInterfacePlan = { action: { type: "reportUnbind" } };
const finalized: NetworkInterfacePlan = { action: { type: "removeFinalizer" } };
const bound: NetworkInterfacePlan = { action: { type: "reportBind", eni: anEni("InUse") } };

const outage = (agoMs: number): Suspension => ({
  reason: "CloudUnavailable",
  message: "calls to the cloud are suspended",
  sinceMs: nowMs - agoMs,
});

/** Known for a while; the next call of that kind is tried in `inMs`. */
const denied = (inMs: number): Suspension => ({
  reason: "AccessDenied",
  message: "missing RAM action ecs:AttachNetworkInterface",
  sinceMs: nowMs - 60_000,
  tryAtMs: nowMs + inMs,
});

const foreignTags = [
  { whose: "an interface without our tags", tags: {} },
  { whose: "one with the cluster's tag alone", tags: { "ack.aliyun.com": clusterId } },
  { whose: "one of another cluster", tags: { ...ourTags, "ack.aliyun.com": "c-2" } },
  { whose: "one of the shared pool", tags: { ...ourTags, creator: "terway" } },
  { whose: "one of the ERDMA controller", tags: { ...ourTags, creator: "alibabacloud-erdma-controller" } },
  { whose: "one that was taken out", tags: { ...ourTags, "terway.alibabacloud.com/excluded": "true" } },
];

const table: readonly Row[] = [
  // Nothing is asked for, or nothing may be done.
  { name: "no goal: quiet whatever the cloud shows", given: { goal: "none", ...seen("InUse") }, plan: {} },
  { name: "unmanaged and wanted: left alone", given: { isUnmanaged: true, ...seen("Available") }, plan: {} },
  { name: "unmanaged and unwanted: let go without a call", given: { isUnmanaged: true, ...detached }, plan: unbound },
  { name: "unmanaged and deleted: only its finalizer goes", given: { isUnmanaged: true, ...gone }, plan: finalized },
  {
    name: "unmanaged, deleted, finalizer of ours already off: nothing",
    given: { isUnmanaged: true, ...gone, hasFinalizer: false },
    plan: {},
  },
  // Somebody else's interface, which a record names by mistake.
  ...(["Primary", "Trunk"] as const).map((type): Row => ({
    name: `a ${type} interface is not detached for a deletion`,
    given: { ...gone, ...seen("InUse", { eni: { type } }) },
    plan: finalized,
  })),
  ...foreignTags.flatMap(({ whose, tags }): readonly Row[] => [
    {
      name: `${whose}, deleted: only the record goes`,
      given: { ...gone, ...seen("Available", { eni: { tags } }) },
      plan: finalized,
    },
    {
      name: `${whose}, unwanted where it is: let go without a call`,
      given: { ...detached, ...seen("InUse", { eni: { tags } }) },
      plan: unbound,
    },
    {
      name: `${whose}, wanted: said, not attached`,
      given: seen("Available", { eni: { tags } }),
      plan: { action: { type: "reportForeign" } },
    },
    {
      name: `${whose}, hanging: not asked for again`,
      given: { ...gone, ...seen("Deleting", { sameForMs: 60_000, eni: { tags } }) },
      plan: finalized,
    },
  ]),

  // Calls are held back.
  {
    name: "a held-back attach: not begun, told once that has lasted",
    given: { ...seen("Available"), suspensions: { attach: outage(5_000) } },
    plan: { suspension: outage(5_000), requeueAfterMs: 60_000 },
  },
  {
    name: "a held-back attach, a moment ago: not begun, not told yet",
    given: { ...seen("Available"), suspensions: { attach: outage(4_000) } },
    plan: { requeueAfterMs: 1_000 },
  },
  {
    name: "a held-back deletion",
    given: { ...gone, ...seen("Available"), suspensions: { delete: outage(9_000) } },
    plan: { suspension: outage(9_000), requeueAfterMs: 60_000 },
  },
  {
    name: "a held-back detach",
    given: { ...gone, ...seen("InUse"), suspensions: { detach: outage(9_000) } },
    plan: { suspension: outage(9_000), requeueAfterMs: 60_000 },
  },
  {
    name: "deletions are held back, attaches are not",
    given: { ...seen("Available"), suspensions: { delete: outage(9_000) } },
    plan: attach(),
  },
  {
    name: "a held-back look: asked for all the same, so that it comes first",
    given: { suspensions: { look: outage(9_000) } },
    plan: { ...watch("look", 0), suspension: outage(9_000), requeueAfterMs: 60_000 },
  },
  {
    name: "a refused kind of call, not yet due: waits until the next one is tried",
    given: { ...seen("Available"), suspensions: { attach: denied(7_000) } },
    plan: { suspension: denied(7_000), requeueAfterMs: 7_000 },
  },
  {
    name: "a refused kind of call, due: tried",
    given: { ...seen("Available"), suspensions: { attach: denied(0) } },
    plan: attach(),
  },
  {
    name: "refused looks, due: the observer tries, and the record says why it waits",
    given: { suspensions: { look: denied(0) } },
    plan: { ...watch("look", 0), suspension: denied(0), requeueAfterMs: 60_000 },
  },
  {
    name: "refused for a missing right: what was known of the interface still holds",
    given: {
      ...seen("Available", { agoMs: 40_000 }),
      ...called("attach", "refused", 30_000, { retryInMs: 0, knowledgeHolds: true }),
    },
    plan: attach(2),
  },
  {
    name: "what needs no call goes on while all are held back",
    given: { ...seen("InUse"), suspensions: { attach: outage(9_000), look: outage(9_000) } },
    plan: bound,
  },

  { name: "a call runs: wait for it", given: { ...seen("Available"), ...called("attach", "running", 100) }, plan: {} },

  // Look first.
  { name: "after a restart: look", given: {}, plan: watch("look", 0) },
  { name: "deletion after a restart: look", given: gone, plan: watch("look", 0) },
  {
    name: "the read is older than the call: read again",
    given: { ...seen("Available", { agoMs: 200 }), ...called("attach", "accepted", 100) },
    plan: watch("attach", nowMs - 100),
  },
  {
    name: "the answer was lost: look for its effect",
    given: { ...seen("Available", { agoMs: 200 }), ...called("attach", "unknown", 100) },
    plan: watch("attach", nowMs - 100),
  },
  {
    name: "refused, knowledge dropped: look before the next call",
    given: called("attach", "refused", 100),
    plan: watch("look", nowMs - 100),
  },
  { name: "a status of no known word: look again", given: seen("Unknown"), plan: watch("look", 0) },

  // Wanted attached.
  { name: "Available: attach", given: seen("Available"), plan: attach() },
  { name: "Attaching by a former process: wait", given: seen("Attaching"), plan: watch("attach", nowMs) },
  { name: "InUse where wanted: done", given: seen("InUse"), plan: bound },
  {
    name: "InUse on another instance: detach it there first",
    given: seen("InUse", elsewhere),
    plan: detach(1, { instanceId: "i-2", trunkEniId: "eni-other" }),
  },
  {
    name: "InUse on the instance but on no trunk: detach first",
    given: { ...seen("InUse"), ...{ knowledge: { eni: exclusive(), observedAtMs: nowMs, sameSinceMs: nowMs } } },
    plan: detach(1, { instanceId: "i-1", trunkEniId: "eni-trunk" }),
  },
  { name: "Detaching by somebody: wait", given: seen("Detaching"), plan: watch("detach", nowMs) },
  {
    name: "Detaching by somebody for 15 s: help it",
    given: seen("Detaching", { sameForMs: 15_000 }),
    plan: detach(),
  },
  { name: "Deleting: it is lost", given: seen("Deleting"), plan: missing },
  { name: "absent from one read: look again", given: seen("gone"), plan: watch("look", 0) },
  { name: "absent for 10 s: it is lost", given: seen("gone", { sameForMs: 10_000 }), plan: missing },
  {
    name: "attach accepted, late read 3.9 s later: wait",
    given: { ...seen("Available"), ...called("attach", "accepted", 3_900) },
    plan: watch("attach", nowMs - 3_900),
  },
  {
    name: "attach accepted, still Available 4 s later: it came to nothing, again",
    given: { ...seen("Available"), ...called("attach", "accepted", 4_000) },
    plan: { ...attach(2), attachFellBack: true },
  },
  {
    name: "fell back for the fourth time: 8 s between two tries",
    given: { ...seen("Available"), ...called("attach", "accepted", 5_000, { tries: 4 }) },
    plan: { requeueAfterMs: 3_000, attachFellBack: true },
  },
  {
    name: "attach of unknown end, still Available after late reads: again",
    given: { ...seen("Available"), ...called("attach", "unknown", 5_000) },
    plan: { ...attach(2), attachFellBack: true },
  },
  {
    name: "attach refused, its time not come: wait",
    given: { ...seen("Available"), ...called("attach", "refused", 100, { retryInMs: 900 }) },
    plan: { requeueAfterMs: 900 },
  },
  {
    name: "attach refused, its time has come: again",
    given: { ...seen("Available"), ...called("attach", "refused", 1_000) },
    plan: attach(2),
  },
  {
    name: "detached from elsewhere just now: attach",
    given: { ...seen("Available"), ...called("detach", "accepted", 1_500) },
    plan: attach(),
  },

  {
    name: "InUse a moment after this process took over, of an interface that was detached before: maybe a late read, look on",
    given: { wasDetached: true, leadsSinceMs: nowMs - 3_900, ...seen("InUse") },
    plan: watch("attach", nowMs),
  },
  {
    name: "the same when late reads are over: bound",
    given: { wasDetached: true, leadsSinceMs: nowMs - 4_000, ...seen("InUse") },
    plan: bound,
  },
  {
    name: "InUse where wanted, but detached there 3.9 s ago: perhaps a late read",
    given: { ...seen("InUse"), ...called("attach", "accepted", 2_000, { formerDetachAgoMs: 3_900 }) },
    plan: watch("attach", nowMs - 2_000),
  },
  {
    name: "InUse where wanted, detached there 4 s ago: done",
    given: { ...seen("InUse"), ...called("attach", "accepted", 2_000, { formerDetachAgoMs: 4_000 }) },
    plan: bound,
  },

  // Wanted detached.
  { name: "never attached: detached already, without a look", given: { ...detached, instanceId: "" }, plan: unbound },
  {
    name: "detach accepted, Available: done",
    given: { ...detached, ...seen("Available"), ...called("detach", "accepted", 1_500) },
    plan: unbound,
  },
  {
    name: "to detach after a restart, Available: perhaps from before the attach, look again",
    given: { ...detached, ...seen("Available", { sameForMs: 3_999 }) },
    plan: watch("detach", nowMs),
  },
  {
    name: "to detach after a restart, Available for 4 s: done",
    given: { ...detached, ...seen("Available", { sameForMs: 4_000 }) },
    plan: unbound,
  },
  {
    name: "to detach while our attach is on its way, late read: wait",
    given: { ...detached, ...seen("Available"), ...called("attach", "accepted", 300) },
    plan: watch("detach", nowMs),
  },
  { name: "to detach, InUse: detach", given: { ...detached, ...seen("InUse") }, plan: detach() },
  {
    name: "to detach, Attaching: let it arrive",
    given: { ...detached, ...seen("Attaching") },
    plan: watch("attach", nowMs),
  },
  {
    name: "to detach, gone for sure: done",
    given: { ...detached, ...seen("gone", { sameForMs: 10_000 }) },
    plan: unbound,
  },
  { name: "to detach, gone in one read: look again", given: { ...detached, ...seen("gone") }, plan: watch("look", 0) },
  {
    name: "detach accepted, late read: wait",
    given: { ...detached, ...seen("InUse"), ...called("detach", "accepted", 2_000) },
    plan: watch("detach", nowMs - 2_000),
  },
  {
    name: "detach accepted, still InUse after late reads: again",
    given: { ...detached, ...seen("InUse"), ...called("detach", "accepted", 4_000) },
    plan: detach(2),
  },
  {
    name: "our detach hangs for less than 15 s: wait",
    given: { ...detached, ...seen("Detaching"), ...called("detach", "accepted", 14_999) },
    plan: watch("detach", nowMs - 14_999),
  },
  {
    name: "our detach hangs for 15 s: ask again",
    given: { ...detached, ...seen("Detaching"), ...called("detach", "accepted", 15_000) },
    plan: detach(2),
  },
  {
    name: "detach accepted long ago and not looked at since: no second call, looks may be rare",
    given: { ...detached, ...seen("Detaching", { agoMs: 10_000 }), ...called("detach", "accepted", 20_000) },
    plan: watch("detach", nowMs - 20_000),
  },
  {
    name: "detach refused while Detaching: not before its time",
    given: { ...detached, ...seen("Detaching"), ...called("detach", "refused", 20_000, { retryInMs: 700 }) },
    plan: { requeueAfterMs: 700 },
  },

  // Wanted gone.
  { name: "to delete, Available: delete", given: { ...gone, ...seen("Available") }, plan: remove() },
  { name: "to delete, InUse: detach first", given: { ...gone, ...seen("InUse") }, plan: detach() },
  {
    name: "to delete, Attaching: let it arrive",
    given: { ...gone, ...seen("Attaching") },
    plan: watch("attach", nowMs),
  },
  { name: "to delete, Deleting: wait", given: { ...gone, ...seen("Deleting") }, plan: watch("delete", nowMs) },
  {
    name: "our delete hangs for 15 s: ask again",
    given: { ...gone, ...seen("Deleting"), ...called("delete", "accepted", 15_000) },
    plan: remove(2),
  },
  {
    name: "delete accepted and absent: gone",
    given: { ...gone, ...seen("gone"), ...called("delete", "accepted", 300) },
    plan: finalized,
  },
  {
    name: "absent from one read, never deleted by us: look again",
    given: { ...gone, ...seen("gone") },
    plan: watch("look", 0),
  },
  { name: "absent for 10 s: gone", given: { ...gone, ...seen("gone", { sameForMs: 10_000 }) }, plan: finalized },
  {
    name: "delete refused and absent: look again",
    given: { ...gone, ...seen("gone"), ...called("delete", "refused", 300) },
    plan: watch("look", nowMs - 300),
  },
  {
    name: "delete of unknown end and absent: look again",
    given: { ...gone, ...seen("gone"), ...called("delete", "unknown", 300) },
    plan: watch("delete", nowMs - 300),
  },
  {
    name: "absent from a read before the delete: read again",
    given: { ...gone, ...seen("gone", { agoMs: 500 }), ...called("delete", "accepted", 300) },
    plan: watch("delete", nowMs - 300),
  },
  {
    name: "delete refused: wait",
    given: { ...gone, ...seen("Available"), ...called("delete", "refused", 100, { retryInMs: 400 }) },
    plan: { requeueAfterMs: 400 },
  },
];

function exclusive(): NonNullable<Knowledge["eni"]> {
  const { trunkEniId: _trunk, ...eni } = anEni("InUse");
  return eni;
}

// ---- every state there is ----

const statuses: readonly EniStatus[] = ["Available", "Attaching", "InUse", "Detaching", "Deleting", "Unknown"];
const agoMs = fc.nat({ max: 30_000 });

const anyKnowledge: fc.Arbitrary<Knowledge> = fc
  .record({ status: fc.constantFrom(...statuses, "gone" as const), agoMs, sameForMs: agoMs, isElsewhere: fc.boolean() })
  .map(({ status, isElsewhere, ...times }) => seen(status, { ...times, ...(isElsewhere && elsewhere) }).knowledge)
  .filter((knowledge) => knowledge !== undefined);

const anyCall: fc.Arbitrary<LastCall> = fc
  .record({
    effect: fc.constantFrom("attach" as const, "detach" as const, "delete" as const),
    outcome: fc.constantFrom("running" as const, "accepted" as const, "unknown" as const, "refused" as const),
    agoMs,
    formerDetachAgoMs: fc.option(agoMs, { nil: undefined }),
    tries: fc.integer({ min: 1, max: 20 }),
    retryInMs: fc.integer({ min: -10_000, max: 60_000 }),
  })
  .map(
    ({ effect, outcome, agoMs: callAgoMs, formerDetachAgoMs, ...more }) =>
      called(effect, outcome, callAgoMs, { ...more, ...(formerDetachAgoMs !== undefined && { formerDetachAgoMs }) })
        .lastCall,
  )
  .filter((call) => call !== undefined);

const anyState: fc.Arbitrary<NetworkInterfaceState> = fc
  .record({
    goal: fc.constantFrom("attached" as const, "detached" as const, "gone" as const, "none" as const),
    isUnmanaged: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.boolean()),
    hasFinalizer: fc.boolean(),
    instanceId: fc.constantFrom("", "i-1"),
    knowledge: fc.option(anyKnowledge, { nil: undefined }),
    lastCall: fc.option(anyCall, { nil: undefined }),
  })
  .map(({ knowledge, lastCall, ...given }) =>
    aState({ ...given, ...(knowledge && { knowledge }), ...(lastCall && { lastCall }) }),
  );

describe("the plan of a cloud interface", () => {
  it.each(table)("$name", ({ given, plan }) => {
    expect(planNetworkInterface(aState(given))).toEqual(plan);
  });

  it("names each row once", () => {
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
  });

  it("knows an answer to every state, with waits that are no longer than a minute", () => {
    fc.assert(
      fc.property(anyState, (state) => {
        const { requeueAfterMs } = planNetworkInterface(state);
        if (requeueAfterMs !== undefined) {
          expect(requeueAfterMs).toBeGreaterThan(0);
          expect(requeueAfterMs).toBeLessThanOrEqual(60_000);
        }
      }),
    );
  });

  it("always has a next step, or waits for a call, unless there is nothing to do", () => {
    fc.assert(
      fc.property(anyState, (state) => {
        fc.pre(state.goal !== "none" && !state.isUnmanaged && state.lastCall?.outcome.type !== "running");
        const plan = planNetworkInterface(state);
        expect(plan.action !== undefined || plan.requeueAfterMs !== undefined).toBe(true);
      }),
    );
  });

  it("asks for nothing while a call runs, of an unmanaged interface, or without a fresh read", () => {
    fc.assert(
      fc.property(anyState, (state) => {
        const isStale = (state.knowledge?.observedAtMs ?? -1) < (state.lastCall?.startedAtMs ?? 0);
        fc.pre(state.isUnmanaged || state.lastCall?.outcome.type === "running" || isStale || !state.knowledge);
        expect(planNetworkInterface(state).action?.type).not.toBe("call");
      }),
    );
  });

  it("attaches only what the newest read shows Available", () => {
    fc.assert(
      fc.property(anyState, (state) => {
        const { action } = planNetworkInterface(state);
        if (action?.type !== "call" || action.effect !== "attach") return;
        expect(state.goal).toBe("attached");
        expect(state.knowledge?.eni?.status).toBe("Available");
        expect(state.knowledge?.observedAtMs).toBeGreaterThanOrEqual(state.lastCall?.startedAtMs ?? 0);
      }),
    );
  });

  it("takes Available within 4 s of an accepted attach for a late read", () => {
    fc.assert(
      fc.property(fc.nat({ max: 3_999 }), fc.constantFrom("accepted" as const, "unknown" as const), (ms, outcome) => {
        const plan = planNetworkInterface(aState({ ...seen("Available"), ...called("attach", outcome, ms) }));
        expect(plan).toEqual(watch("attach", nowMs - ms));
      }),
    );
  });

  it("deletes only what is Available or hangs in Deleting, and detaches only what is attached or hangs in Detaching", () => {
    fc.assert(
      fc.property(anyState, (state) => {
        const { action } = planNetworkInterface(state);
        if (action?.type !== "call" || action.effect === "attach") return;
        const allowed = action.effect === "delete" ? ["Available", "Deleting"] : ["InUse", "Detaching"];
        expect(allowed).toContain(state.knowledge?.eni?.status);
        if (action.effect === "delete") expect(state.goal).toBe("gone");
      }),
    );
  });

  it("takes the finalizer off only when absence is certain: after our own accepted deletion, or ten seconds long", () => {
    fc.assert(
      fc.property(anyState, (state) => {
        if (planNetworkInterface(state).action?.type !== "removeFinalizer" || state.isUnmanaged) return;
        expect(state.goal).toBe("gone");
        expect(state.knowledge).toMatchObject({ eni: undefined });
        const { observedAtMs = 0, sameSinceMs = 0 } = state.knowledge ?? {};
        const isDeleted = state.lastCall?.effect === "delete" && state.lastCall.outcome.type === "accepted";
        expect(isDeleted || observedAtMs - sameSinceMs >= 10_000).toBe(true);
      }),
    );
  });
});
