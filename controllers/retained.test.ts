import { describe, expect, it } from "@jest/globals";
import { creatorTagValue, finalizers, labels, tags } from "../crds/v1beta1/names.ts";
import { toWireTime } from "../domain/conditions/wire-time.ts";
import { World, clusterId } from "../test/fixtures/controlplane-world.ts";

const count = 10_000;
const hourMs = 3_600_000;

/** An address whose pod was seen to be gone at `goneAtMs`, kept for two hours; its interface is detached. */
function keep(world: World, index: number, goneAtMs: number): void {
  const name = `db-${index}`;
  const eniId = `eni-kept-${index}`;
  const goneAt = toWireTime(goneAtMs);
  const podEni = world.podEnis.create(
    {
      metadata: { name, namespace: "default", finalizers: [finalizers.podEni] },
      spec: {
        zone: "zone-a",
        allocations: [
          {
            interface: "eth0",
            eni: { id: eniId, vSwitchID: "vsw-1" },
            ipv4: `10.0.${index >> 8}.${index & 255}`,
            allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "2h" },
          },
        ],
      },
      status: {
        phase: "Unbind",
        podLastSeen: goneAt,
        conditions: [
          { type: "PodPresent", status: "False", reason: "PodDeleted", message: "gone", lastTransitionTime: goneAt },
        ],
      },
    },
    { withStatus: true },
  );
  world.networkInterfaces.create(
    {
      metadata: { name: eniId, finalizers: [finalizers.networkInterface] },
      spec: { eni: { id: eniId }, podENIRef: { kind: "Pod", namespace: "default", name } },
      status: { phase: "Unbind", eniInfo: { id: eniId, status: "Unbind" } },
    },
    { withStatus: true },
  );
  world.cloud.add({
    eniId,
    tags: { [tags.clusterId]: clusterId, [tags.creator]: creatorTagValue, [tags.podEniUid]: podEni.metadata.uid ?? "" },
  });
}

describe(`${count} kept addresses`, () => {
  it("cost no write, no call and no growing set of timers for an hour, and then each goes in time", async () => {
    const world = new World();
    const { clock } = world;
    const startMs = clock.now();
    // Seen to go one after the other over the last hour.
    const goneAtMs = (index: number): number => startMs - (index * hourMs) / count;
    for (let index = 0; index < count; index += 1) keep(world, index, goneAtMs(index));
    let writes = 0;
    let ended = 0;
    let looks = 0;
    const errorsMs: number[] = [];
    world.networkInterfaces.subscribe(() => (writes += 1));
    world.podEnis.subscribe(({ type, object }) => {
      writes += 1;
      if (type === "deleted") ended += 1;
      if (type !== "changed" || object.status?.phase !== "Deleting" || object.metadata.deletionTimestamp !== undefined)
        return;
      errorsMs.push(clock.now() - goneAtMs(Number(object.metadata.name.slice("db-".length))) - 2 * hourMs);
    });
    const read = world.cloud.read.bind(world.cloud);
    let isListing = false;
    world.cloud.list = () => {
      isListing = true;
      const all = world.cloud.enis();
      isListing = false;
      return all;
    };
    world.cloud.read = (eniId) => {
      if (!isListing) looks += 1;
      return read(eniId);
    };

    const process = world.start();
    await clock.advance(hourMs - 2_000);
    expect({ writes, looks, ...world.cloud.count }).toEqual({
      writes: 0,
      looks: 0,
      created: 0,
      attached: 0,
      detached: 0,
      deleted: 0,
      refused: 0,
    });
    expect(clock.pending).toBeLessThan(20);

    expect(await clock.runUntil(() => ended === count, hourMs + 60_000)).toBe(true);
    process.die();
    expect(world.isEmpty()).toBe(true);
    expect(errorsMs).toHaveLength(count);
    expect(Math.min(...errorsMs)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...errorsMs)).toBeLessThanOrEqual(5_000);
  }, 240_000);
});

describe("a kept address", () => {
  it("whose next pod came without its plane, on a machine that cannot carry it, is kept, and the record says what helps", async () => {
    const world = new World();
    world.nodes.create({
      metadata: { name: "node-x", labels: { [labels.zone]: "zone-a", [labels.exclusiveMode]: "eniOnly" } },
      spec: { providerID: "cn-test.i-node-x" },
    });
    const process = world.start();
    const allocationType = { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "2h" };
    world.createPod("node-1", [{ allocationType }]);
    expect(await world.clock.runUntil(() => world.isBound(), 30_000)).toBe(true);
    const address = world.podEni()!.spec!.allocations![0]!.ipv4;
    world.deletePod();
    expect(await world.clock.runUntil(() => world.phase() === "Unbind", 30_000)).toBe(true);
    world.pods.create({ metadata: { name: "web-0", namespace: "default" }, spec: { nodeName: "node-x" } });
    const ready = () => world.podEni()?.status?.conditions?.find(({ type }) => type === "Ready");
    expect(await world.clock.runUntil(() => ready()?.reason === "NodeWithoutTrunk", 30_000)).toBe(true);
    process.die();
    expect(ready()?.message).toContain("no PodNetworking matched this pod");
    expect(world.podEni()!.spec!.allocations![0]!.ipv4).toBe(address);
  });
});
