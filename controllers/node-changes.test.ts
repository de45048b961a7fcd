import { describe, expect, it } from "@jest/globals";
import { annotations, labels } from "../crds/v1beta1/names.ts";
import { World } from "../test/fixtures/controlplane-world.ts";

const fixed = { allocationType: { type: "Fixed", releaseStrategy: "Never" } };
const readyOf = (world: World) => world.podEni()?.status?.conditions?.find(({ type }) => type === "Ready");

async function bound(network: object): Promise<World> {
  const world = new World();
  world.start();
  world.createPod("node-1", [network]);
  expect(await world.clock.runUntil(() => world.isBound(), 30_000)).toBe(true);
  return world;
}

function addNode(world: World, instanceId: string): void {
  world.nodes.create({
    metadata: {
      name: "node-1",
      labels: { [labels.zone]: "zone-a" },
      annotations: { [annotations.trunkOn]: "eni-trunk-of-node-1" },
    },
    spec: { providerID: `cn-test.${instanceId}` },
  });
}

describe("a bound pod whose node", () => {
  it("is gone says so once the pod has stayed for a minute, and no more when the node is back", async () => {
    const world = await bound({});
    world.nodes.delete("", "node-1");
    await world.clock.advance(55_000);
    expect(readyOf(world)).toMatchObject({ status: "True", reason: "Bound" });
    await world.clock.advance(10_000);
    expect(readyOf(world)).toMatchObject({ status: "False", reason: "NodeGone" });
    expect(readyOf(world)?.message).toContain("node node-1 does not exist");
    addNode(world, "i-node-1");
    await world.clock.advance(1_000);
    expect(readyOf(world)).toMatchObject({ status: "True", reason: "Bound" });
    expect(world.cloud.count).toMatchObject({ attached: 1, detached: 0 });
  });

  it.each([
    { name: "fixed: keeps its interface, which moves", network: fixed, vanishes: false, made: 1 },
    { name: "elastic, machine alive: keeps its interface, which moves", network: {}, vanishes: false, made: 1 },
    { name: "elastic, interface gone with the machine: gets another", network: {}, vanishes: true, made: 2 },
  ])("is another machine now, $name", async ({ network, vanishes, made }) => {
    const world = await bound(network);
    const [allocation] = world.podEni()!.spec!.allocations!;
    if (vanishes) world.cloud.vanish(allocation!.eni!.id!);
    world.nodes.delete("", "node-1");
    addNode(world, "i-new");
    const isMoved = (): boolean => world.isBound() && world.podEni()?.status?.instanceID === "i-new";
    expect(await world.clock.runUntil(isMoved, 60_000)).toBe(true);
    await world.clock.advance(30_000);
    expect(world.cloud.enis()).toMatchObject([{ status: "InUse", instanceId: "i-new" }]);
    expect(world.cloud.enis()[0]!.eniId).toBe(world.podEni()!.spec!.allocations![0]!.eni!.id);
    expect(world.cloud.count.created).toBe(made);
  });
});
