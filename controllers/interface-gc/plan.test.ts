import { describe, expect, it } from "@jest/globals";
import { creatorTagValue, tags as tagNames } from "../../crds/v1beta1/names.ts";
import fc from "../../test/fixtures/property.ts";
import type { Eni, EniStatus, EniType } from "../../domain/eni/eni.ts";
import type { ListedEni } from "../../domain/eni/orphans.ts";
import { certainAfterMs, planSweep, type SweepState } from "./plan.ts";

const nowMs = 10_000_000;

const ours = { [tagNames.clusterId]: "c-1", [tagNames.creator]: creatorTagValue };

function anEni(given: Partial<Eni> = {}): Eni {
  return {
    eniId: "eni-1",
    status: "Available",
    type: "Secondary",
    macAddress: "00:16:3e:00:00:01",
    vSwitchId: "vsw-1",
    zoneId: "zone-a",
    primaryIpv4: "10.0.0.1",
    ipv6s: [],
    securityGroupIds: ["sg-1"],
    tags: ours,
    ...given,
  };
}

/** eni-1, made for eth0 of a PodENI that is no more. */
function listed(given: Partial<Eni> = {}, tags: Omit<ListedEni, "eni"> = {}): ListedEni {
  return { eni: anEni(given), podEniUid: "uid-gone", interface: "eth0", createdAtMs: nowMs - 60_000, ...tags };
}

/** eni-1 as the published program made it: nothing says for whom. */
function untagged(ageMs: number | undefined): ListedEni {
  return { eni: anEni(), ...(ageMs !== undefined && { createdAtMs: nowMs - ageMs }) };
}

function aState(given: Partial<SweepState> = {}): SweepState {
  return {
    enis: [],
    clusterId: "c-1",
    ownedEniIds: new Set(),
    unmadeInterfacesByUid: new Map(),
    unreferencedRecords: [],
    trunkByNodeUid: new Map(),
    suspectSinceMs: new Map(),
    nowMs,
    ...given,
  };
}

const since = (agoMs: number, id = "eni-1"): Pick<SweepState, "suspectSinceMs"> => ({
  suspectSinceMs: new Map([[id, nowMs - agoMs]]),
});
const unmade = (uid: string, ...names: readonly string[]): Pick<SweepState, "unmadeInterfacesByUid"> => ({
  unmadeInterfacesByUid: new Map([[uid, new Set(names)]]),
});

/** eni-1, a trunk that was made for Node CR uid-node. */
const trunk = (
  given: Partial<Eni> = {},
  tags: Omit<ListedEni, "eni"> = { nodeUid: "uid-node" },
): SweepState["enis"] => [{ eni: anEni({ type: "Trunk", ...given }), createdAtMs: 0, ...tags }];
const named = (eniId?: string): Pick<SweepState, "trunkByNodeUid"> => ({
  trunkByNodeUid: new Map([["uid-node", eniId]]),
});

const orphan = { enis: [listed()] };
const leftOver = { unreferencedRecords: ["eni-1"] };

interface Row {
  readonly name: string;
  readonly given: Partial<SweepState>;
  /** @default "leave": neither collected nor suspected */
  readonly then?: "suspect" | "collect" | "deleteRecord" | "leave";
}

const table: readonly Row[] = [
  // Not ours, though the listing shows them.
  ...[
    { whose: "an interface without our tags", given: { tags: {} } },
    { whose: "one of another creator", given: { tags: { ...ours, creator: "alibabacloud-erdma-controller" } } },
    { whose: "one that was taken out", given: { tags: { ...ours, "terway.alibabacloud.com/excluded": "true" } } },
    { whose: "a primary one", given: { type: "Primary" as const } },
    { whose: "a trunk", given: { type: "Trunk" as const } },
  ].map(({ whose, given }): Row => ({
    name: `${whose}: left alone`,
    given: { enis: [listed(given)], ...since(60_000) },
  })),

  // Twice, ten seconds apart.
  { name: "an orphan seen once is suspected", given: orphan, then: "suspect" },
  { name: "seen again after 9.999 s: still suspected", given: { ...orphan, ...since(9_999) }, then: "suspect" },
  { name: "seen again after 10 s: collected", given: { ...orphan, ...since(10_000) }, then: "collect" },
  {
    name: "suspected before and owned now: left alone",
    given: { ...orphan, ...since(60_000), ownedEniIds: new Set(["eni-1"]) },
  },
  { name: "suspected before and not listed any more: forgotten", given: since(60_000) },
  { name: "a left-over record seen once is suspected", given: leftOver, then: "suspect" },
  { name: "a left-over record seen again after 9.999 s", given: { ...leftOver, ...since(9_999) }, then: "suspect" },
  {
    name: "a left-over record seen again after 10 s: deleted",
    given: { ...leftOver, ...since(10_000) },
    then: "deleteRecord",
  },
  {
    name: "the suspicion against another one proves nothing",
    given: { ...orphan, ...since(60_000, "eni-2") },
    then: "suspect",
  },

  // Trunks.
  { name: "a free trunk whose Node CR is gone", given: { enis: trunk(), ...since(60_000) }, then: "collect" },
  { name: "one that was seen free once", given: { enis: trunk() }, then: "suspect" },
  { name: "a free trunk whose Node CR names it", given: { enis: trunk(), ...since(60_000), ...named("eni-1") } },
  {
    name: "a free trunk whose Node CR is gone, and that another one names",
    given: { enis: trunk(), ...since(60_000), trunkByNodeUid: new Map([["uid-anew", "eni-1"]]) },
  },
  { name: "a free trunk whose Node CR names none yet", given: { enis: trunk(), ...since(60_000), ...named() } },
  {
    name: "a free trunk whose Node CR names another",
    given: { enis: trunk(), ...since(60_000), ...named("eni-2") },
    then: "collect",
  },
  { name: "a free trunk that somebody else made", given: { enis: trunk({}, {}), ...since(60_000) } },
  ...(["Attaching", "InUse", "Detaching", "Deleting", "Unknown"] as const).map((status) => ({
    name: `a trunk that is ${status}, its Node CR gone`,
    given: { enis: trunk({ status }), ...since(60_000) },
  })),

  // Whose it is.
  { name: "a record names it", given: { ...orphan, ...since(60_000), ownedEniIds: new Set(["eni-1"]) } },
  {
    name: "its PodENI still is to make that interface: the token will find it",
    given: { ...orphan, ...since(60_000), ...unmade("uid-gone", "eth0") },
  },
  {
    name: "its PodENI has that interface and still is to make another",
    given: { ...orphan, ...since(60_000), ...unmade("uid-gone", "eth1") },
    then: "collect",
  },
  {
    name: "another PodENI is to make an interface of that name",
    given: { ...orphan, ...since(60_000), ...unmade("uid-other", "eth0") },
    then: "collect",
  },
  {
    name: "made for eth1, which still is to be made",
    given: { enis: [listed({}, { interface: "eth1" })], ...since(60_000), ...unmade("uid-gone", "eth0", "eth1") },
  },
  {
    name: "no tag names its interface: it is taken for eth0",
    given: { enis: [{ eni: anEni(), podEniUid: "uid-gone" }], ...since(60_000), ...unmade("uid-gone", "eth0") },
  },

  // What it is.
  ...(["Available", "Attaching", "InUse", "Detaching", "Unknown"] as const).map((status): Row => ({
    name: `an orphan that is ${status}`,
    given: { enis: [listed({ status })], ...since(60_000) },
    then: "collect",
  })),
  { name: "an orphan that is being deleted", given: { enis: [listed({ status: "Deleting" })], ...since(60_000) } },
  {
    name: "an orphan that is a member of a trunk",
    given: { enis: [listed({ type: "Member" })], ...since(60_000) },
    then: "collect",
  },
  { name: "the primary interface of a machine", given: { enis: [listed({ type: "Primary" })], ...since(60_000) } },
  { name: "the trunk of a machine", given: { enis: [listed({ type: "Trunk" })], ...since(60_000) } },

  // Made by the published program.
  { name: "without owner's tag, 1 ms less than 10 min old", given: { enis: [untagged(599_999)], ...since(60_000) } },
  { name: "without owner's tag, 10 min old: suspected", given: { enis: [untagged(600_000)] }, then: "suspect" },
  {
    name: "without owner's tag, 10 min old, seen twice",
    given: { enis: [untagged(600_000)], ...since(10_000) },
    then: "collect",
  },
  { name: "without owner's tag, of unknown age", given: { enis: [untagged(undefined)], ...since(60_000) } },
  {
    name: "without owner's tag, old, but a record names it",
    given: { enis: [untagged(9e6)], ...since(60_000), ownedEniIds: new Set(["eni-1"]) },
  },
];

const anyListed: fc.Arbitrary<ListedEni> = fc
  .record({
    status: fc.constantFrom<EniStatus>("Available", "Attaching", "InUse", "Detaching", "Deleting", "Unknown"),
    type: fc.constantFrom<EniType>("Primary", "Secondary", "Trunk", "Member"),
    podEniUid: fc.constantFrom(undefined, "uid-1", "uid-2"),
    name: fc.constantFrom(undefined, "eth0", "eth1"),
    createdAtMs: fc.option(fc.nat({ max: nowMs }), { nil: undefined }),
  })
  .map(({ status, type, podEniUid, name, createdAtMs }) => ({
    eni: anEni({ status, type }),
    ...(podEniUid !== undefined && { podEniUid }),
    ...(name !== undefined && { interface: name }),
    ...(createdAtMs !== undefined && { createdAtMs }),
  }));

const ids = ["eni-0", "eni-1", "eni-2", "eni-3", "eni-4"];
const anyState: fc.Arbitrary<SweepState> = fc
  .record({
    enis: fc.array(anyListed, { maxLength: 4 }),
    ownedEniIds: fc.subarray(ids, { maxLength: 2 }),
    unmade: fc.dictionary(fc.constantFrom("uid-1", "uid-2"), fc.subarray(["eth0", "eth1"])),
    records: fc.subarray(ids, { maxLength: 2 }),
    suspects: fc.dictionary(fc.constantFrom(...ids), fc.integer({ min: nowMs - 20_000, max: nowMs })),
  })
  .map(({ enis, ownedEniIds, unmade: names, records, suspects }) => ({
    enis: enis.map((one, index) => ({ ...one, eni: { ...one.eni, eniId: `eni-${index}` } })),
    clusterId: "c-1",
    // A record owns the interface of its name, be it left over or not.
    ownedEniIds: new Set([...ownedEniIds, ...records]),
    unmadeInterfacesByUid: new Map(Object.entries(names).map(([uid, list]) => [uid, new Set(list)])),
    unreferencedRecords: records,
    trunkByNodeUid: new Map(),
    suspectSinceMs: new Map(Object.entries(suspects)),
    nowMs,
  }));

function always(check: (state: SweepState, plan: ReturnType<typeof planSweep>) => void): void {
  fc.assert(
    fc.property(anyState, (state) => check(state, planSweep(state))),
    { numRuns: 200 },
  );
}

describe("the plan of a sweep", () => {
  it.each(table)("$name", ({ given, then = "leave" }) => {
    const { collect, deleteRecords, suspectSinceMs } = planSweep(aState(given));
    expect({ collect: collect.map(({ eniId }) => eniId), deleteRecords, suspects: [...suspectSinceMs.keys()] }).toEqual(
      {
        collect: then === "collect" ? ["eni-1"] : [],
        deleteRecords: then === "deleteRecord" ? ["eni-1"] : [],
        suspects: then === "leave" ? [] : ["eni-1"],
      },
    );
  });

  it("names each row once", () => {
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
  });

  it("counts from the first sighting, however many follow", () => {
    let state = aState(orphan);
    for (const ms of [0, 4_000, 8_000]) {
      const plan = planSweep({ ...state, nowMs: nowMs + ms });
      expect(plan.collect).toEqual([]);
      state = { ...state, suspectSinceMs: plan.suspectSinceMs };
    }
    expect(planSweep({ ...state, nowMs: nowMs + certainAfterMs }).collect).toEqual([anEni()]);
  });

  it("counts anew when an owner was seen in between", () => {
    const { suspectSinceMs } = planSweep(aState({ ...orphan, ...since(60_000), ownedEniIds: new Set(["eni-1"]) }));
    expect(planSweep(aState({ ...orphan, suspectSinceMs })).collect).toEqual([]);
  });

  it("never collects what a record names, what is to be made, or what belongs to a machine", () => {
    always(({ enis, ownedEniIds, unmadeInterfacesByUid }, { collect }) => {
      for (const eni of collect) {
        const from = enis.find((one) => one.eni === eni);
        expect(ownedEniIds.has(eni.eniId)).toBe(false);
        expect(unmadeInterfacesByUid.get(from?.podEniUid ?? "")?.has(from?.interface ?? "eth0")).not.toBe(true);
        expect(["Primary", "Trunk"]).not.toContain(eni.type);
      }
    });
  });

  it("gives nothing up that was not suspected 10 s ago, and keeps the time of every suspicion", () => {
    always((before, { collect, deleteRecords, suspectSinceMs }) => {
      for (const id of [...collect.map(({ eniId }) => eniId), ...deleteRecords]) {
        expect(before.suspectSinceMs.get(id)).toBeLessThanOrEqual(nowMs - certainAfterMs);
      }
      for (const [id, sinceMs] of suspectSinceMs) expect(sinceMs).toBe(before.suspectSinceMs.get(id) ?? nowMs);
    });
  });

  it("gives up in time whatever it suspects, if nothing changes", () => {
    always((state, { suspectSinceMs }) => {
      const later = planSweep({ ...state, suspectSinceMs, nowMs: nowMs + certainAfterMs });
      const given = [...later.collect.map(({ eniId }) => eniId), ...later.deleteRecords];
      expect(given).toEqual(expect.arrayContaining([...suspectSinceMs.keys()]));
    });
  });

  it("releases no interface and deletes no record twice", () => {
    always((_, { collect, deleteRecords }) => {
      const given = [...collect.map(({ eniId }) => eniId), ...deleteRecords];
      expect(new Set(given).size).toBe(given.length);
    });
  });
});
