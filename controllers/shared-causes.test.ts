/** Many pods that one cause stops: how often the cloud is asked, and how soon its end is noticed. */
import { describe, expect, it } from "@jest/globals";
import { TerminalError } from "../runtime/errors.ts";
import { World } from "../test/fixtures/controlplane-world.ts";

const pods = 100;
const other = { securityGroupIDs: ["sg-2"] };

/** A hundred pods, and a cloud that refuses creations while `isRefused` says so; counts all that it is asked for. */
function aStoppedWorld(isRefused: (securityGroupIds: readonly string[]) => boolean): {
  readonly world: World;
  readonly asked: () => number;
  readonly mend: () => void;
} {
  const world = new World();
  const create = world.cloud.create.bind(world.cloud);
  let asked = 0;
  let isMended = false;
  world.cloud.create = (request) => {
    asked++;
    if (!isMended && isRefused(request.securityGroupIds)) {
      throw new TerminalError("AccessDenied", "missing RAM action ecs:CreateNetworkInterface");
    }
    return create(request);
  };
  for (let index = 0; index < pods; index++) world.createPod("node-1", [{}], { name: `web-${index}` });
  return { world, asked: () => asked, mend: () => void (isMended = true) };
}

const bound = (world: World): number => world.podEnis.list().filter(({ status }) => status?.phase === "Bind").length;

describe("a hundred pods that a missing permission stops", () => {
  it("ask three times a minute in all, each says why, and all go on within 30 s of its end", async () => {
    const { world, asked, mend } = aStoppedWorld(() => true);
    const process = world.start();
    await world.clock.advance(30_000);
    const before = asked();
    await world.clock.advance(300_000);
    expect(asked() - before).toBeLessThanOrEqual(15);
    expect(asked() - before).toBeGreaterThanOrEqual(14);
    expect(process.places.inUse).toBe(0);
    for (const { status } of world.podEnis.list()) {
      expect(status?.conditions?.[0]).toMatchObject({
        reason: "AccessDenied",
        message: expect.stringContaining("RAM action"),
      });
    }
    mend();
    const beganAtMs = world.clock.now();
    await world.clock.runUntil(() => bound(world) === pods, 60_000);
    expect(bound(world)).toBe(pods);
    expect(world.clock.now() - beganAtMs).toBeLessThanOrEqual(30_000);
    expect(world.cloud.enis()).toHaveLength(pods);
    process.die();
  });

  it("do not keep a pod from its interface that asks for something else, which is allowed", async () => {
    const { world, asked } = aStoppedWorld((groups) => !groups.includes("sg-2"));
    const process = world.start();
    await world.clock.advance(30_000);
    const before = asked();
    world.createPod("node-1", [other], { name: "allowed" });
    await world.clock.runUntil(() => world.isBound("allowed"), 60_000);
    expect(world.isBound("allowed")).toBe(true);
    await world.clock.advance(60_000);
    expect(asked() - before).toBeLessThanOrEqual(1 + 5);
    process.die();
  });
});

describe("pods with two interfaces that one cause stops", () => {
  it("do not wait for each other: all are bound within 30 s of its end", async () => {
    const world = new World();
    const create = world.cloud.create.bind(world.cloud);
    let isMended = false;
    world.cloud.create = (request) => {
      if (!isMended) throw new TerminalError("AccountInterfaceLimit", "no more interfaces for this account");
      return create(request);
    };
    const names = ["web-0", "web-1", "web-2"];
    for (const name of names) world.createPod("node-1", [{}, other], { name });
    const process = world.start();
    await world.clock.advance(100_000);
    isMended = true;
    const beganAtMs = world.clock.now();
    await world.clock.runUntil(() => bound(world) === names.length, 120_000);
    expect(bound(world)).toBe(names.length);
    expect(world.clock.now() - beganAtMs).toBeLessThanOrEqual(30_000);
    process.die();
  });
});

describe("a bound record that names another machine than the pod's", () => {
  it("is detached there and attached here when it is bound anew", async () => {
    const world = new World();
    const fixed = { allocationType: { type: "Fixed", releaseStrategy: "Never" } };
    world.createPod("node-1", [fixed]);
    const process = world.start();
    await world.clock.runUntil(() => world.isBound(), 30_000);
    const eniId = world.podEni()?.spec?.allocations?.[0]?.eni?.id ?? "";
    // As after a detach that nobody recorded: the PodENI is free, its interface's record still says Bind on node-1.
    process.die();
    world.pods.delete("default", "web-0");
    world.podEnis.patchStatus("default", "web-0", { status: { phase: "Unbind", instanceID: null } });
    world.createPod("node-2", [fixed]);
    const next = world.start();
    await world.clock.runUntil(() => world.isBound(), 60_000);
    expect(world.podEni()?.status?.instanceID).toBe("i-node-2");
    expect(world.networkInterfaces.get("", eniId)?.status).toMatchObject({ phase: "Bind", instanceID: "i-node-2" });
    expect(world.cloud.enis()).toMatchObject([{ eniId, instanceId: "i-node-2", status: "InUse" }]);
    next.die();
  });
});
