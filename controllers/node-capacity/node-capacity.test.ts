import { describe, expect, it } from "@jest/globals";
import type { Crash } from "../../test/fixtures/crash-gate.ts";
import type { Eni } from "../../domain/eni/eni.ts";
import {
  aCoreNode,
  aWorld,
  nodeName,
  reasonsOf,
  untilServing,
  World,
} from "../../test/fixtures/node-capacity-world.ts";

/** Calls of a whole join, for the crash at each of them. */
async function callsOfJoin(): Promise<readonly string[]> {
  const world = aWorld();
  const process = world.start();
  await untilServing(world);
  process.die();
  return process.gate.calls;
}

describe("a machine's trunk", () => {
  it("serves after four writes and four calls, and then costs nothing but a listing in five minutes", async () => {
    const world = aWorld();
    const { gate } = world.start();
    await untilServing(world);
    expect(world.cloud.count).toMatchObject({ created: 1, attached: 1, refused: 0 });
    expect(gate.calls.filter((call) => call !== "describeEnis").sort()).toEqual(
      [
        "attachEni",
        "createEni",
        "listEnis",
        "listEnis",
        "patch Node CR",
        "patch core Node",
        "patchStatus Node CR",
        "patchStatus core Node",
      ].sort(),
    );
    await world.clock.advance(5_000);
    const before = gate.calls.length;
    await world.clock.advance(240_000);
    expect(gate.calls.length).toBe(before);
    await world.clock.advance(120_000);
    expect(gate.calls.slice(before)).toEqual(["listEnis", "listEnis"]);
    expect(world.complaints).toEqual([]);
  });

  it("is one, whatever call the process dies at", async () => {
    const calls = await callsOfJoin();
    const crashes = calls.flatMap((name, index): (Crash & { readonly name: string })[] => [
      { name, atCall: index + 1, when: "before" },
      { name, atCall: index + 1, when: "after" },
    ]);
    for (const crash of crashes) {
      const world = aWorld({ lateReadsMs: 1_000 });
      world.start(crash);
      await world.clock.advance(8_000);
      world.start();
      await untilServing(world);
      await world.clock.advance(30_000);
      expect({ ...crash, created: world.cloud.count.created, trunks: world.trunks().length }).toEqual({
        ...crash,
        created: 1,
        trunks: 1,
      });
      expect(world.complaints).toEqual([]);
    }
  });

  it("is one although the answers of creations and attaches are lost", async () => {
    const world = aWorld();
    let lost = 0;
    world.cloud.faults = { losesAnswer: () => lost++ < 3 };
    world.start();
    await untilServing(world);
    expect(world.cloud.count).toMatchObject({ created: 1, attached: 1 });
  });

  it("is attached again after an attach that came to nothing", async () => {
    const world = aWorld();
    let attaches = 0;
    world.cloud.faults = { fallsBack: () => attaches++ === 0 };
    world.start();
    await untilServing(world);
    await world.clock.advance(1_000);
    expect(world.cloud.count).toMatchObject({ created: 1, attached: 2, refused: 0 });
    expect(world.events.map(({ reason }) => reason)).toEqual([
      "CreateENISucceed",
      "AttachENIFailed",
      "AttachENISucceed",
    ]);
  });

  it("is made anew when somebody deleted it, and nothing is promised meanwhile", async () => {
    const world = aWorld();
    world.start();
    await untilServing(world);
    const [first] = world.trunks();
    world.cloud.vanish(first!.eniId);
    expect(await world.clock.runUntil(() => world.members === 0, 400_000)).toBe(true);
    await untilServing(world);
    expect(world.trunks().map(({ eniId }) => eniId)).not.toContain(first!.eniId);
    expect(Object.keys(world.record!.status!.networkInterfaces!)).toEqual(world.trunks().map(({ eniId }) => eniId));
    expect(world.cloud.count.created).toBe(2);
  });

  it("is attached again when somebody detached it", async () => {
    const world = aWorld();
    world.start();
    await untilServing(world);
    const [trunk] = world.trunks();
    world.cloud.detach(trunk!);
    await world.clock.advance(400_000);
    await untilServing(world);
    expect(world.cloud.count).toMatchObject({ created: 1, attached: 2 });
  });

  it("is said on both node objects to be attached while that lasts, and then to serve", async () => {
    const world = aWorld({ attachMs: 40_000 });
    world.start();
    await world.clock.advance(20_000);
    expect(reasonsOf(world)).toEqual(["AttachingTrunk", "AttachingTrunk"]);
    expect(world.members).toBe(0);
    await untilServing(world);
    await world.clock.advance(1_000);
    expect(reasonsOf(world)).toEqual(["CapacityPublished", "CapacityPublished"]);
  });

  it("is said on both node objects to leave while somebody takes it off, and is attached again", async () => {
    const world = aWorld({ detachMs: 600_000 });
    world.start();
    await untilServing(world);
    world.cloud.detach(world.trunks()[0]!);
    const isSaid = await world.clock.runUntil(() => reasonsOf(world).includes("TrunkLeaving"), 400_000);
    expect({ isSaid, reasons: reasonsOf(world) }).toMatchObject({ isSaid: true });
    await world.clock.advance(1_000);
    expect(reasonsOf(world)).toEqual(["TrunkLeaving", "TrunkLeaving"]);
    expect(world.members).toBe(0);
    await world.clock.advance(600_000);
    await untilServing(world);
    expect(world.cloud.count).toMatchObject({ created: 1, attached: 2 });
  });

  it("stays where it is when another process takes over, without a doubt in the meantime", async () => {
    const world = aWorld({ lateReadsMs: 2_000 });
    const first = world.start();
    await untilServing(world);
    await world.clock.advance(10_000);
    const { resourceVersion } = world.node!.metadata;
    first.die();
    world.start();
    await world.clock.advance(400_000);
    expect(world.node!.metadata.resourceVersion).toBe(resourceVersion);
    expect(world.cloud.count).toMatchObject({ created: 1, attached: 1 });
  });

  it("of a replaced machine is forgotten, and the new machine gets its own", async () => {
    const world = aWorld();
    world.start();
    await untilServing(world);
    const [old] = world.trunks();
    world.nodes.delete("", nodeName);
    await world.clock.advance(1_000);
    world.cloud.vanish(old!.eniId);
    world.nodes.create(aCoreNode("i-2"));
    world.records.patch("", nodeName, { spec: { nodeMetadata: { instanceID: "i-2" } } });
    await untilServing(world, "i-2");
    expect(world.trunks()).toMatchObject([{ instanceId: "i-2", status: "InUse" }]);
    expect(Object.keys(world.record!.status!.networkInterfaces!)).not.toContain(old!.eniId);
  });

  it("of a node that goes while it is made or attached is left to the collector, which is told", async () => {
    for (const status of ["being made", "Available", "Attaching"]) {
      const world = aWorld();
      const { gate } = world.start();
      const isThere = (): boolean =>
        status === "being made" ? gate.calls.includes("createEni") : world.trunks()[0]?.status === status;
      expect(await world.clock.runUntil(isThere, 30_000)).toBe(true);
      const before = world.sweeps;
      world.nodes.delete("", nodeName);
      world.records.delete("", nodeName);
      await world.clock.advance(2_000);
      expect({ status, isTold: world.sweeps > before }).toEqual({ status, isTold: true });
    }
  });

  it("that serves is nothing for the collector", async () => {
    const world = aWorld();
    world.start();
    await untilServing(world);
    world.records.delete("", nodeName);
    await world.clock.advance(2_000);
    expect(world.sweeps).toBe(0);
  });

  it("is made in the next vSwitch when the first is full, as a new attempt", async () => {
    const world = aWorld();
    world.cloud.setFree("vsw-1", 0);
    world.start();
    await untilServing(world);
    expect(world.trunks()).toMatchObject([{ vSwitchId: "vsw-2" }]);
  });

  it("waits with a reason while every vSwitch is full, and comes when addresses return", async () => {
    const world = aWorld();
    for (const id of ["vsw-1", "vsw-2"]) world.cloud.setFree(id, 0);
    world.start();
    await world.clock.advance(5_000);
    expect(world.record!.status!.conditions).toMatchObject([{ status: "False", reason: "VSwitchesExhausted" }]);
    expect(world.node!.status!.conditions).toMatchObject([{ type: "TerwayInterfaces", reason: "VSwitchesExhausted" }]);
    world.cloud.setFree("vsw-2", 10);
    await untilServing(world);
    expect(world.record!.status!.conditions).toMatchObject([{ status: "True", reason: "CapacityPublished" }]);
  });
});

describe("a trunk that somebody else made", () => {
  /** It is on the machine, with so many members that are not of this cluster. */
  function equip(world: World, instanceId: string, members: number, tags: Eni["tags"] = {}): void {
    const eniId = `trunk-${instanceId}`;
    world.cloud.add({ eniId, type: "Trunk", status: "InUse", instanceId, tags });
    for (let index = 0; index < members; index += 1) {
      const member = { eniId: `${eniId}-${index}`, type: "Member", status: "InUse" } as const;
      world.cloud.add({ ...member, instanceId, trunkEniId: eniId });
    }
  }

  it.each<{ readonly name: string; readonly machines: number; readonly listings: number }>([
    { name: "one machine: it is listed alone", machines: 1, listings: 3 },
    { name: "ten machines: all members are listed together", machines: 10, listings: 3 },
  ])("is taken over with its members, which are never promised to the scheduler; $name", async (row) => {
    const world = new World();
    const names = Array.from({ length: row.machines }, (_, index) => `m${index}`);
    for (const name of names) equip(world, `i-${name}`, 3);
    const { gate } = world.start();
    for (const name of names) world.join(name);
    const promised = new Set<number>();
    await world.clock.runUntil(() => {
      for (const name of names) promised.add(world.membersOf(name));
      return false;
    }, 20_000);
    expect([...promised]).toEqual([0, 49]);
    expect(gate.calls.filter((call) => call === "listEnis")).toHaveLength(row.listings);
    expect(world.cloud.count).toMatchObject({ created: 0, attached: 0 });
  });

  it("is seen on a machine that had none, with its members", async () => {
    const world = aWorld();
    world.start();
    await untilServing(world);
    const [own] = world.trunks();
    world.cloud.vanish(own!.eniId);
    equip(world, "i-1", 2);
    expect(await world.clock.runUntil(() => world.members === 50, 400_000)).toBe(true);
    expect(world.cloud.count.created).toBe(1);
  });
});
