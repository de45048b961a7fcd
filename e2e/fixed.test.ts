import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { systemClock } from "../runtime/clock.ts";
import type { EniReport } from "../sandbox/alibaba-cloud/index.ts";
import type { Pod } from "../sandbox/cluster/kinds.ts";
import { aNamespace, aPlane, aStatefulSet, inZone } from "./manifests.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "fixed";
const ttlMs = 5_000;

/**
 * Scenarios of one world that share nothing but the controlplane process, which one of them kills: they run one after
 * the other, each with a StatefulSet of its own.
 */
describe("fixed addresses", () => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld({ nodes: 6 });
    const { kube } = world;
    await kube.apply(aNamespace(namespace));
    const fixed = { type: "Fixed" };
    await kube.apply(
      aPlane("kept", { allocationType: { ...fixed, releaseStrategy: "TTL", releaseAfter: "10m" } }),
    );
    await kube.apply(
      aPlane("short", { allocationType: { ...fixed, releaseStrategy: "TTL", releaseAfter: `${ttlMs / 1_000}s` } }),
    );
    await kube.apply(aPlane("forever", { allocationType: { ...fixed, releaseStrategy: "Never" } }));
    for (const name of ["kept", "short", "forever"]) await kube.untilPlaneSays(name, "VSwitchesFound");
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  const podsOf = async (name: string, count: number, notUids: ReadonlySet<string> = new Set()): Promise<Pod[]> => {
    const names = Array.from({ length: count }, (_, index) => `${name}-${index}`);
    return Promise.all(
      names.map(async (podName) => {
        const isOld = async () => {
          const pod = await world.kube.pod(namespace, podName);
          return pod === undefined || notUids.has(pod.metadata.uid ?? "");
        };
        await eventually(`pod ${podName} is there again`, async () => !(await isOld()), { limitMs: 60_000 });
        return (await world.kube.untilRunning(namespace, podName, { limitMs: 60_000 })).pod;
      }),
    );
  };
  const addressesOf = (pods: readonly Pod[]) =>
    new Map(pods.map(({ metadata, status }) => [metadata.name, status?.podIP]));
  const uidsOf = (pods: readonly Pod[]) => new Set(pods.map(({ metadata }) => metadata.uid ?? ""));
  const killController = async (): Promise<void> => {
    const [replica] = world.sandbox.replicas;
    replica!.process.kill("SIGKILL");
    await replica!.process.ended;
  };
  const startController = async (): Promise<void> => {
    await world.sandbox.restart(0);
    await world.sandbox.ready(60_000);
  };
  const eniOf = (address: string): EniReport | undefined =>
    world.sandbox.cloud.report().enis.find(({ ipv4s }) => ipv4s.includes(address));

  it("stay with their pods over a deletion, over a kill of the controlplane and over a change of the node", async () => {
    const { kube, sandbox } = world;
    await kube.apply(
      aStatefulSet({ namespace, name: "db", plane: "kept", replicas: 2, spec: inZone("cn-hangzhou-h") }),
    );
    const first = await podsOf("db", 2);
    const addresses = addressesOf(first);
    expect(new Set(addresses.values()).size).toBe(2);

    await Promise.all(first.map(({ metadata }) => kube.deletePod(namespace, metadata.name)));
    const second = await podsOf("db", 2, uidsOf(first));
    expect(addressesOf(second)).toEqual(addresses);

    await Promise.all(second.map(({ metadata }) => kube.deletePod(namespace, metadata.name)));
    await killController();
    await startController();
    const third = await podsOf("db", 2, uidsOf(second));
    expect(addressesOf(third)).toEqual(addresses);

    const [moved] = third;
    const lost = moved!.spec.nodeName!;
    await sandbox.cluster.removeNode(lost);
    const fourth = await podsOf("db", 1, uidsOf(third));
    expect(addressesOf(fourth).get("db-0")).toBe(addresses.get("db-0"));
    expect(fourth[0]!.spec.nodeName).not.toBe(lost);
    const node = await kube.node(fourth[0]!.spec.nodeName!);
    expect(node!.metadata.labels!["topology.kubernetes.io/zone"]).toBe("cn-hangzhou-h");
    expect(await kube.podEni(namespace, "db-0")).toMatchObject({
      metadata: { labels: { "k8s.aliyun.com/node": fourth[0]!.spec.nodeName } },
      status: { phase: "Bind" },
    });
  }, 150_000);

  it("are released at the deletion plus the TTL, and not earlier", async () => {
    const { kube } = world;
    await kube.apply(aStatefulSet({ namespace, name: "cache", plane: "short", replicas: 1 }));
    const [pod] = await podsOf("cache", 1);
    const address = pod!.status!.podIP!;
    await kube.deletePath(`/apis/apps/v1/namespaces/${namespace}/statefulsets/cache`);
    const goneAtMs = await goneAt("cache-0");
    await expectReleaseAt(address, goneAtMs);
  }, 60_000);

  it("are released at the deletion plus the TTL also when the controlplane was down at the deletion", async () => {
    const { kube } = world;
    await kube.apply(aStatefulSet({ namespace, name: "queue", plane: "short", replicas: 1 }));
    const [pod] = await podsOf("queue", 1);
    const address = pod!.status!.podIP!;
    await killController();
    await kube.deletePath(`/apis/apps/v1/namespaces/${namespace}/statefulsets/queue`);
    await goneAt("queue-0");
    await startController();
    const seen = await eventually("the controlplane notices that the pod is gone", async () => {
      const podEni = await kube.podEni(namespace, "queue-0");
      return podEni?.status?.podLastSeen;
    });
    // Whole seconds on the wire, rounded down.
    await expectReleaseAt(address, Date.parse(seen) + 999, 2_000);
  }, 60_000);

  it("that are kept for ever go when their PodENI is deleted", async () => {
    const { kube } = world;
    await kube.apply(aStatefulSet({ namespace, name: "ledger", plane: "forever", replicas: 1 }));
    const [pod] = await podsOf("ledger", 1);
    const address = pod!.status!.podIP!;
    await kube.deletePath(`/apis/apps/v1/namespaces/${namespace}/statefulsets/ledger`);
    await goneAt("ledger-0");
    await eventually("the address is kept, detached", async () => {
      const podEni = await kube.podEni(namespace, "ledger-0");
      return podEni?.status?.phase === "Unbind" && eniOf(address)?.status === "Available";
    });
    expect((await kube.podEni(namespace, "ledger-0"))!.status!.conditions).toContainEqual(
      expect.objectContaining({ type: "Ready", status: "False", reason: "AddressRetained" }),
    );
    await kube.deletePodEni(namespace, "ledger-0");
    await eventually("the interface is gone", async () => {
      const isKept = eniOf(address)?.status === "Available";
      return !isKept && (await kube.podEni(namespace, "ledger-0")) === undefined;
    });
  }, 60_000);

  /** Epoch milliseconds at which the pod was seen to be gone, at most 60 ms late. */
  async function goneAt(name: string): Promise<number> {
    await eventually(`pod ${name} is gone`, async () => (await world.kube.pod(namespace, name)) === undefined);
    return systemClock.now();
  }

  /** Expects the cloud's release within [deletion + TTL, deletion + TTL + 5 s]. */
  async function expectReleaseAt(address: string, goneAtMs: number, earlyMs = 1_000): Promise<void> {
    const gone = await eventually("the interface is gone", () => {
      const eni = eniOf(address);
      return eni?.status === "Gone" ? eni : undefined;
    });
    const releasedAfterMs = gone.timings.deletedAt! - goneAtMs;
    expect(releasedAfterMs).toBeGreaterThanOrEqual(ttlMs - earlyMs);
    expect(releasedAfterMs).toBeLessThanOrEqual(ttlMs + 5_000);
  }
});
