import { describe, expect, it } from "@jest/globals";
import { TerminalError } from "../../runtime/errors.ts";
import { aRecord, aWorld, reasonsOf, untilServing, World } from "../../test/fixtures/node-capacity-world.ts";

/** Says at the gate, and with the cloud's own words, that a right is missing. */
function denied(api: string): TerminalError {
  const message = `${api}: Forbidden.RAM: ecs:${api}`;
  return new TerminalError("AccessDenied", message, { cloud: { api, code: "Forbidden.RAM", outcome: "refused" } });
}

function joinMany(world: World, count: number): readonly string[] {
  const names = Array.from({ length: count }, (_, index) => `m${index}`);
  for (const name of names) world.join(name);
  return names;
}

async function untilAllServe(world: World, names: readonly string[], limitMs: number): Promise<void> {
  const serve = (): boolean => names.every((name) => world.isServing(`i-${name}`, name));
  const waiting = (): readonly string[] => names.filter((name) => !world.isServing(`i-${name}`, name));
  expect({ serve: await world.clock.runUntil(serve, limitMs), waiting: waiting() }).toEqual({
    serve: true,
    waiting: [],
  });
}

describe("degradation", () => {
  it("under l1 a machine that joins gets its trunk, however long the level lasts", async () => {
    const world = aWorld();
    world.start();
    await untilServing(world);
    world.degrade("l1");
    await world.clock.advance(600_000);
    world.join("late");
    await untilAllServe(world, ["late"], 30_000);
    expect(world.complaints).toEqual([]);
  });

  it.each<{ readonly name: string; readonly until: (world: World, calls: readonly string[]) => boolean }>([
    { name: "before it is listed", until: () => true },
    { name: "before its trunk is made", until: (_, calls) => calls.includes("listEnis") },
    { name: "before its trunk is attached", until: (world) => world.trunks().length === 1 },
    { name: "while its trunk is being attached", until: (world) => world.trunks()[0]?.status === "Attaching" },
  ])(
    "l0 that begins $name: no call, no event, the reason on both objects, and the trunk after the end",
    async ({ until }) => {
      const world = aWorld();
      const { gate } = world.start();
      expect(await world.clock.runUntil(() => until(world, gate.calls), 30_000)).toBe(true);
      world.degrade("l0");
      await world.clock.advance(2_000);
      const calls = (): number => gate.calls.filter((call) => /Enis?$/.test(call)).length;
      const [before, news] = [calls(), world.events.length];
      await world.clock.advance(200_000);
      expect(calls()).toBe(before);
      expect(world.events.length).toBe(news);
      expect(reasonsOf(world)).toEqual(["Degraded", "Degraded"]);
      world.degrade("");
      const endedAtMs = world.clock.now();
      await untilServing(world);
      expect(world.clock.now() - endedAtMs).toBeLessThanOrEqual(20_000);
      expect(world.cloud.count).toMatchObject({ created: 1, attached: 1, refused: 0 });
      expect(world.events.map(({ reason }) => reason)).not.toContain("CreateENIFailed");
    },
  );

  it.each(["create", "attach"] as const)(
    "a level that begins while %s waits for its quota makes no event",
    async (held) => {
      const world = aWorld();
      world.start();
      world.onTurn = (work) => (work === held ? world.degrade("l0") : undefined);
      await world.clock.advance(20_000);
      expect(reasonsOf(world)).toEqual(["Degraded", "Degraded"]);
      world.onTurn = () => undefined;
      world.degrade("");
      await untilServing(world);
      await world.clock.advance(1_000);
      expect(world.events.map(({ reason }) => reason)).toEqual(["CreateENISucceed", "AttachENISucceed"]);
    },
  );

  it("a level that lasts a few seconds costs no write on the two objects", async () => {
    const world = aWorld();
    world.start();
    world.degrade("l0");
    await world.clock.advance(6_000);
    expect([world.record?.status?.conditions, world.node?.status]).toEqual([undefined, undefined]);
    world.degrade("");
    await untilServing(world);
  });
});

describe("a right that is missing", () => {
  it.each<{ readonly api: "CreateNetworkInterface" | "AttachNetworkInterface" }>([
    { api: "CreateNetworkInterface" },
    { api: "AttachNetworkInterface" },
  ])(
    "$api: 100 machines ask three times a minute in all, each says what is missing, and all go on within 30 s of the grant",
    async ({ api }) => {
      const world = new World();
      world.cloud.faults = { refuses: (asked) => (asked === api ? denied(api) : undefined) };
      world.start();
      const names = joinMany(world, 100);
      await world.clock.advance(60_000);
      const before = world.cloud.count.refused;
      await world.clock.advance(120_000);
      expect(world.cloud.count.refused - before).toBeLessThanOrEqual(6);
      expect(world.cloud.count.refused - before).toBeGreaterThanOrEqual(5);
      const saying = names.flatMap((name) => {
        const record = world.records.get("", name)?.status?.conditions?.find(({ type }) => type === "InterfacesReady");
        const node = world.nodes.get("", name)?.status?.conditions?.find(({ type }) => type === "TerwayInterfaces");
        return [record, node].map((condition) => `${condition?.reason ?? ""} ${condition?.message ?? ""}`);
      });
      expect(new Set(saying)).toEqual(new Set([`AccessDenied ${denied(api).message}`]));
      world.cloud.faults = {};
      await untilAllServe(world, names, 30_000);
      expect(world.cloud.count).toMatchObject({ created: 100, attached: 100 });
    },
  );

  it("to create in one vSwitch only stops no machine of another one", async () => {
    const world = new World();
    let tried = 0;
    world.cloud.faults = {
      refuses: (api) =>
        api === "CreateNetworkInterface" && tried++ === 0
          ? new TerminalError("InvalidSecurityGroup", "no", {
              cloud: { api, code: "InvalidSecurityGroupId", outcome: "refused" },
            })
          : undefined,
    };
    world.start();
    world.join("first");
    await world.clock.advance(5_000);
    world.join("other", { eni: { ...aRecord().spec!.eni!, securityGroupIDs: ["sg-2"] } });
    await untilAllServe(world, ["other"], 10_000);
    await untilAllServe(world, ["first"], 20_000);
  });
});
