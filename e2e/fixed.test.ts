import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { systemClock } from "../runtime/clock.ts";
import type { EniReport } from "../sandbox/alibaba-cloud/index.ts";
import type { Pod } from "../sandbox/cluster/kinds.ts";
import { pathOf } from "./kube.ts";
import { aFixedNetwork, aNamespace, aPlane, aStatefulSet, inZone } from "./manifests.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually, quickLease, startWorld, type World } from "./world.ts";

const namespace = "fixed";
const zone = "cn-hangzhou-h";
const ttlMs = 5_000;
/**
 * kube-controller-manager looks every 20 s for pods whose node is gone, and deletes them 40 s later at the earliest, at one of
 * its looks: 40 to 80 s after the node went. Source: Kubernetes, pkg/controller/podgc
 */
const nodeLossMs = 120_000;
const short = aFixedNetwork(`${ttlMs / 1_000}s`);

describe("fixed addresses", () => {
  let world: World;
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    world = await startWorld({ nodes: 6, config: quickLease });
    const { kube } = world;
    await kube.apply(aNamespace(namespace));
    const fixed = { type: "Fixed" };
    await kube.apply(aPlane("kept", { allocationType: { ...fixed, releaseStrategy: "TTL", releaseAfter: "10m" } }));
    await kube.apply(aPlane("forever", { allocationType: { ...fixed, releaseStrategy: "Never" } }));
    await Promise.all(["kept", "forever"].map((name) => kube.untilPlaneSays(name, "VSwitchesFound")));
    start();
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  /** Pods `<name>-0`… once they run under other uids than `notUids`. */
  const podsOf = (
    name: string,
    count: number,
    notUids: ReadonlySet<string> = new Set(),
    limitMs = 60_000,
  ): Promise<Pod[]> =>
    Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const podName = `${name}-${index}`;
        const isSuccessor = async () => {
          const pod = await world.kube.pod(namespace, podName);
          return pod !== undefined && !notUids.has(pod.metadata.uid ?? "");
        };
        await eventually(`pod ${podName} is there again`, isSuccessor, { limitMs });
        return (await world.kube.untilRunning(namespace, podName, { limitMs: 60_000 })).pod;
      }),
    );
  const addressesOf = (pods: readonly Pod[]) =>
    new Map(pods.map(({ metadata, status }) => [metadata.name, status?.podIP]));
  const uidsOf = (pods: readonly Pod[]) => new Set(pods.map(({ metadata }) => metadata.uid ?? ""));
  const eniOf = (address: string): EniReport | undefined =>
    world.sandbox.cloud.report().enis.find(({ ipv4s }) => ipv4s.includes(address));

  scenario("stay with their pods over a deletion and over a change of the node within the zone", async () => {
    const { kube, sandbox } = world;
    await kube.apply(aStatefulSet({ namespace, name: "db", plane: "kept", replicas: 2, spec: inZone(zone) }));
    const first = await podsOf("db", 2);
    const addresses = addressesOf(first);
    expect(new Set(addresses.values()).size).toBe(2);

    await Promise.all(first.map(({ metadata }) => kube.deletePod(namespace, metadata.name)));
    const second = await podsOf("db", 2, uidsOf(first));
    expect(addressesOf(second)).toEqual(addresses);

    const lost = second[0]!.spec.nodeName!;
    await sandbox.cluster.removeNode(lost);
    const [moved] = await podsOf("db", 1, uidsOf(second), nodeLossMs);
    expect(moved!.status?.podIP).toBe(addresses.get("db-0"));
    expect(moved!.spec.nodeName).not.toBe(lost);
    const node = await kube.node(moved!.spec.nodeName!);
    expect(node!.metadata.labels!["topology.kubernetes.io/zone"]).toBe(zone);
    expect(await kube.podEni(namespace, "db-0")).toMatchObject({
      metadata: { labels: { "k8s.aliyun.com/node": moved!.spec.nodeName } },
      status: { phase: "Bind" },
    });
  });

  scenario("are released at the deletion plus the TTL, and not earlier", async () => {
    const { kube } = world;
    await kube.apply(aStatefulSet({ namespace, name: "cache", plane: "none", replicas: 1, annotations: short }));
    const [pod] = await podsOf("cache", 1);
    await kube.deletePath(pathOf.statefulSet(namespace, "cache"));
    await expectReleaseAt(pod!.status!.podIP!, await goneAt("cache-0"));
  });

  scenario("that are kept for ever go when their PodENI is deleted", async () => {
    const { kube } = world;
    await kube.apply(aStatefulSet({ namespace, name: "ledger", plane: "forever", replicas: 1 }));
    const [pod] = await podsOf("ledger", 1);
    const address = pod!.status!.podIP!;
    await kube.deletePath(pathOf.statefulSet(namespace, "ledger"));
    await goneAt("ledger-0");
    await eventually("the address is kept, detached", async () => {
      const podEni = await kube.podEni(namespace, "ledger-0");
      return podEni?.status?.phase === "Unbind" && eniOf(address)?.status === "Available";
    });
    await kube.untilPodEniSays(namespace, "ledger-0", "AddressRetained");
    await kube.deletePodEni(namespace, "ledger-0");
    await eventually("the interface is gone", async () => {
      const isGone = eniOf(address)?.status === "Gone";
      return isGone && (await kube.podEni(namespace, "ledger-0")) === undefined;
    });
  });

  it("are kept and released in time although the controlplane was killed and did not see the pods go", async () => {
    const { kube, sandbox } = world;
    await kube.apply(aStatefulSet({ namespace, name: "disk", plane: "kept", replicas: 2 }));
    await kube.apply(aStatefulSet({ namespace, name: "queue", plane: "none", replicas: 1, annotations: short }));
    const kept = await podsOf("disk", 2);
    const [released] = await podsOf("queue", 1);
    const [replica] = sandbox.replicas;
    replica!.process.kill("SIGKILL");
    await replica!.process.ended;

    await Promise.all(kept.map(({ metadata }) => kube.deletePod(namespace, metadata.name)));
    await kube.deletePath(pathOf.statefulSet(namespace, "queue"));
    await goneAt("queue-0");
    await sandbox.restart(0);
    await sandbox.ready(60_000);

    // The clock starts when the deletion is observed: whole seconds on the wire, rounded down.
    const seenAt = await eventually("the controlplane has seen that the pod is gone", async () => {
      const status = (await kube.podEni(namespace, "queue-0"))?.status;
      return status?.phase === "Unbind" ? status.podLastSeen : undefined;
    });
    const [again] = await Promise.all([
      podsOf("disk", 2, uidsOf(kept)),
      expectReleaseAt(released!.status!.podIP!, Date.parse(seenAt)),
    ]);
    expect(addressesOf(again)).toEqual(addressesOf(kept));
  }, 120_000);

  /** Epoch milliseconds at which the pod was seen to be gone, at most 60 ms late. */
  async function goneAt(name: string): Promise<number> {
    await eventually(`pod ${name} is gone`, async () => (await world.kube.pod(namespace, name)) === undefined);
    return systemClock.now();
  }

  /** Expects the cloud's release within [deletion + TTL, deletion + TTL + 5 s]. */
  async function expectReleaseAt(address: string, goneAtMs: number): Promise<void> {
    const gone = await eventually("the interface is gone", () => {
      const eni = eniOf(address);
      return eni?.status === "Gone" ? eni : undefined;
    });
    const releasedAfterMs = gone.timings.deletedAt! - goneAtMs;
    // The controlplane may have seen the deletion a moment before this process did.
    expect(releasedAfterMs).toBeGreaterThanOrEqual(ttlMs - 1_000);
    expect(releasedAfterMs).toBeLessThanOrEqual(ttlMs + 5_000);
  }
});
