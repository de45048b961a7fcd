/** Something is used up, or refused for long: what the user is told, what it costs, and that it heals by itself. */
import { describe, expect, it } from "@jest/globals";
import { CapacityError, TerminalError } from "../runtime/errors.ts";
import { World, type Event } from "../test/fixtures/controlplane-world.ts";

const minuteMs = 60_000;

const reasonOf = (world: World, name: string): string | undefined =>
  world.podEni(name)?.status?.conditions?.find(({ type }) => type === "Ready")?.reason;

const notesOf = (events: readonly Event[], kind: string, reason: string): readonly string[] =>
  events.filter((event) => event.regarding.kind === kind && event.reason === reason).map(({ note }) => note);

async function expectWithin(world: World, ms: number, isReached: () => boolean): Promise<void> {
  expect({ isReached: await world.clock.runUntil(isReached, ms), ...world.describe() }).toMatchObject({
    isReached: true,
  });
}

function aCapacityError(api: string, code: string, reason: string): CapacityError {
  return new CapacityError(reason, `${api}: ${code}`, { cloud: { api, code, outcome: "refused" } });
}

describe("an account that has no quota for another interface", () => {
  it("is asked a few times a minute for all pods, each says why, nothing is made, and all run once there is quota", async () => {
    const world = new World();
    const create = world.cloud.create.bind(world.cloud);
    let asked = 0;
    world.cloud.create = () => {
      asked += 1;
      throw aCapacityError("CreateNetworkInterface", "MaxEniCountExceeded", "AccountInterfaceLimit");
    };
    const names = Array.from({ length: 20 }, (_, index) => `web-${index}`);
    // Pods of many kinds: the account stops them all alike.
    for (const name of names) world.createPod("node-1", [{ securityGroupIDs: [`sg-of-${name}`] }], { name });
    const process = world.start();
    await world.clock.advance(minuteMs);
    const before = asked;
    await world.clock.advance(5 * minuteMs);
    expect(asked - before).toBeLessThanOrEqual(15);
    expect(world.cloud.enis()).toEqual([]);
    expect(new Set(names.map((name) => reasonOf(world, name)))).toEqual(new Set(["AccountInterfaceLimit"]));
    expect(notesOf(world.events, "Pod", "CreateENIFailed")[0]).toContain("MaxEniCountExceeded");

    world.cloud.create = create;
    await expectWithin(world, minuteMs, () => names.every((name) => world.isBound(name)));
    expect(world.cloud.count.created).toBe(names.length);
    process.die();
  });
});

describe("a machine that has no place for another interface", () => {
  const fill = (world: World): { readonly asked: () => number; readonly mend: () => void } => {
    const attach = world.cloud.attach.bind(world.cloud);
    let asked = 0;
    world.cloud.attach = () => {
      asked += 1;
      throw aCapacityError("AttachNetworkInterface", "EniPerInstanceLimitExceeded", "InstanceInterfaceLimit");
    };
    return { asked: () => asked, mend: () => void (world.cloud.attach = attach) };
  };

  it("costs a pod one interface and few calls, says why, and takes the same interface once there is a place", async () => {
    const world = new World();
    const { asked, mend } = fill(world);
    world.createPod("node-1", [{}]);
    const process = world.start();
    await world.clock.advance(10 * minuteMs);
    expect(world.cloud.count).toMatchObject({ created: 1, deleted: 0 });
    expect(asked()).toBeLessThanOrEqual(60);
    expect(reasonOf(world, "web-0")).toBe("InstanceInterfaceLimit");
    expect(notesOf(world.events, "Pod", "AttachENIFailed")[0]).toContain("EniPerInstanceLimitExceeded");
    mend();
    await expectWithin(world, minuteMs, () => world.isBound());
    expect(world.cloud.count.created).toBe(1);
    process.die();
  });

  it("keeps nothing of a pod that is deleted while it waits for a place", async () => {
    const world = new World();
    fill(world);
    world.createPod("node-1", [{}]);
    const process = world.start();
    await world.clock.advance(minuteMs);
    world.deletePod();
    await expectWithin(world, minuteMs, () => world.isEmpty());
    process.die();
  });
});

describe("a vSwitch without a free address", () => {
  it("keeps no pod from giving its address back, which the pod that waits gets, also after a restart", async () => {
    const world = new World({ freeAddresses: { "vsw-1": 1 } });
    world.createPod("node-1", [{}], { name: "leaving" });
    const first = world.start();
    await expectWithin(world, minuteMs, () => world.isBound("leaving"));
    world.createPod("node-1", [{}], { name: "waiting" });
    await expectWithin(world, minuteMs, () => reasonOf(world, "waiting") === "VSwitchesExhausted");
    first.die();

    const second = world.start();
    world.deletePod("leaving");
    await expectWithin(world, minuteMs, () => world.cloud.enis().length === 0);
    world.cloud.setFree("vsw-1", 1);
    await expectWithin(world, minuteMs, () => world.isBound("waiting"));
    second.die();
  });
});

describe("a deletion that is refused for hours", () => {
  it("is said, tried again however often it failed, and ends once it is allowed, with nothing left", async () => {
    const world = new World();
    world.createPod("node-1", [{}]);
    const process = world.start();
    await expectWithin(world, minuteMs, () => world.isBound());
    const remove = world.cloud.delete.bind(world.cloud);
    let asked = 0;
    world.cloud.delete = () => {
      asked += 1;
      throw new TerminalError("AccessDenied", "missing RAM action ecs:DeleteNetworkInterface");
    };
    world.deletePod();
    await world.clock.advance(120 * minuteMs);
    const before = asked;
    await world.clock.advance(60 * minuteMs);
    expect(asked - before).toBeGreaterThan(0);
    expect(asked - before).toBeLessThanOrEqual(180);
    expect(notesOf(world.events, "Pod", "DeleteENIFailed")[0]).toContain("ecs:DeleteNetworkInterface");
    expect(reasonOf(world, "web-0")).toBe("ReleasingInterface");
    expect(world.networkInterfaces.list()[0]?.status?.conditions?.[0]?.reason).toBe("AccessDenied");

    world.cloud.delete = remove;
    await expectWithin(world, 10 * minuteMs, () => world.isEmpty());
    process.die();
  });
});
