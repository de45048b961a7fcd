/** Times of fixed addresses that the published program took and this one refuses in new PodNetworkings: under five minutes. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { systemClock } from "../runtime/clock.ts";
import { pathOf } from "./kube.ts";
import { aNamespace, aPlane, aPod } from "./manifests.ts";
import { PublishedCluster, type PublishedEni } from "./published-cluster.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "short";
const ttlMs = 20_000;
const releaseAfter = "20s";

describe("a short releaseAfter of an existing cluster", () => {
  let world: World;
  let left: PublishedEni;
  let startedAtMs = 0;
  let readyAtMs = 0;

  beforeAll(async () => {
    world = await startWorld({ nodes: 2, replicas: 0 });
    const { kube, sandbox } = world;
    const cluster = new PublishedCluster(world, namespace);
    await kube.apply(aNamespace(namespace));
    await cluster.installCrds();
    await cluster.plane(aPlane("short", { allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter } }));
    left = await cluster.eni(sandbox.nodes[0]!, { isAttached: false });
    await cluster.record({ name: "left", eni: left, phase: "Unbind", record: "Unbind", isFixed: true, releaseAfter });
    startedAtMs = systemClock.now();
    await sandbox.restart(0);
    await sandbox.ready(60_000);
    readyAtMs = systemClock.now();
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  const untilReleased = (eniId: string): Promise<number> => {
    const eni = () => world.sandbox.cloud.report().enis.find((each) => each.eniId === eniId);
    return eventually(
      `${eniId} is gone`,
      () => {
        const found = eni();
        return found?.status === "Gone" ? found.timings.deletedAt : undefined;
      },
      { limitMs: ttlMs + 30_000, state: eni },
    );
  };

  it("counts for an address that was kept at the update, from when it was first seen", async () => {
    const releasedAtMs = await untilReleased(left.id);
    expect(releasedAtMs - startedAtMs).toBeGreaterThanOrEqual(ttlMs);
    // The lease is had up to 5 s after the process is ready.
    expect(releasedAtMs - readyAtMs).toBeLessThanOrEqual(ttlMs + 10_000);
    await eventually("its record is gone", async () => (await world.kube.podEni(namespace, "left")) === undefined);
  }, 90_000);

  it("counts for new pods of its PodNetworking", async () => {
    const { kube } = world;
    await kube.untilPlaneSays("short", "VSwitchesFound");
    await kube.create(aPod({ namespace, name: "fresh", plane: "short" }));
    const { podEni } = await kube.untilRunning(namespace, "fresh");
    const [allocation] = podEni.spec!.allocations!;
    expect(allocation?.allocationType).toEqual({ type: "Fixed", releaseStrategy: "TTL", releaseAfter });
    const deletedAtMs = systemClock.now();
    await kube.deletePod(namespace, "fresh");
    await kube.untilPodEniSays(namespace, "fresh", "AddressRetained");
    const seenAtMs = systemClock.now();
    const releasedAtMs = await untilReleased(allocation!.eni!.id!);
    expect(releasedAtMs - deletedAtMs).toBeGreaterThanOrEqual(ttlMs);
    expect(releasedAtMs - seenAtMs).toBeLessThanOrEqual(ttlMs + 5_000);
  }, 90_000);

  it("does not keep its PodNetworking from being edited, unless by another one that is as short", async () => {
    const { kube } = world;
    await kube.patch(pathOf.plane("short"), { spec: { vSwitchOptions: ["vsw-hz-h-1"] } });
    const shorter = kube.patch(pathOf.plane("short"), { spec: { allocationType: { releaseAfter: "10s" } } });
    await expect(shorter).rejects.toThrow("releaseAfter 10s is too short: at least 5m");
    const { spec } = (await kube.plane("short"))!;
    expect([spec?.vSwitchOptions, spec?.allocationType?.releaseAfter]).toEqual([["vsw-hz-h-1"], releaseAfter]);
  });
});
