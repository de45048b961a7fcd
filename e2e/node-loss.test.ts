import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { systemClock } from "../runtime/clock.ts";
import type { NodeSpec } from "../sandbox/cluster/node-specs.ts";
import { landscape } from "../sandbox/landscape.ts";
import { pathOf } from "./kube.ts";
import { aNamespace, aPlane, aPod, aStatefulSet } from "./manifests.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually, startWorld, steadyLease, type World } from "./world.ts";

const namespace = "losses";
const zone = "cn-hangzhou-h";

describe("a node that is lost", () => {
  let world: World;
  /** Of one zone, in the order in which the scenarios take them. */
  let nodes: readonly NodeSpec[];
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    world = await startWorld({ nodes: 10, config: steadyLease });
    nodes = world.sandbox.nodes.filter((node) => node.zone === zone && node.exclusive !== true);
    const { kube } = world;
    await kube.apply(aNamespace(namespace));
    await kube.apply(aPlane("elastic"));
    const allocationType = { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "10m" };
    await kube.apply(aPlane("kept", { allocationType }));
    await Promise.all(["elastic", "kept"].map((name) => kube.untilPlaneSays(name, "VSwitchesFound")));
    start();
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  const putInPool = (pool: string, members: readonly NodeSpec[]): Promise<unknown> =>
    Promise.all(members.map(({ name }) => world.kube.patch(pathOf.node(name), { metadata: { labels: { pool } } })));
  const onlyOn = (pool: string) => ({ nodeSelector: { pool } });
  const eniOf = (eniId: string) => world.sandbox.cloud.report().enis.find((eni) => eni.eniId === eniId);

  const untilNothingIsLeftOf = (names: readonly string[], uids: readonly string[], limitMs: number) => {
    const left = async () => ({
      podEnis: (await world.kube.podEnis(namespace)).filter(({ metadata }) => names.includes(metadata.name)).length,
      records: (await world.kube.networkInterfaces()).filter(({ spec }) => names.includes(spec?.podENIRef?.name ?? ""))
        .length,
      inCloud: world.ownInterfaces().filter(({ tags }) => uids.includes(tags["k8s.aliyun.com/pod-eni-uid"] ?? ""))
        .length,
    });
    return eventually(
      "nothing is left of the pods",
      async () => {
        const { podEnis, records, inCloud } = await left();
        return podEnis + records + inCloud === 0;
      },
      { limitMs, state: left },
    );
  };

  scenario(
    "gives the fixed address to the next pod in the zone, although its machine went first",
    async () => {
      const { kube, sandbox } = world;
      await putInPool("survivors", nodes.slice(0, 2));
      const set = { namespace, name: "db", plane: "kept", replicas: 1, spec: onlyOn("survivors") };
      await kube.apply(aStatefulSet(set));
      const { pod, podEni } = await kube.untilRunning(namespace, "db-0", { limitMs: 60_000 });
      const lost = nodes.find(({ name }) => name === pod.spec.nodeName)!;

      sandbox.cloud.removeInstance(lost.instanceId);
      const eniId = podEni.spec!.allocations![0]!.eni!.id!;
      expect(eniOf(eniId)).toMatchObject({ status: "Available", ipv4s: [pod.status!.podIP] });
      await sandbox.cluster.removeNode(lost.name);
      const next = await kube.untilRunning(namespace, "db-0", { limitMs: 120_000, notUid: pod.metadata.uid! });
      expect(next.pod.spec.nodeName).not.toBe(lost.name);
      expect(next.pod.status?.podIP).toBe(pod.status?.podIP);
      const { instanceId } = nodes.find(({ name }) => name === next.pod.spec.nodeName)!;
      expect(eniOf(eniId)).toMatchObject({ status: "InUse", instanceId });
    },
    200_000,
  );

  scenario(
    "comes back under its name with another machine: fixed interfaces move there, elastic ones are made anew",
    async () => {
      const { kube, sandbox } = world;
      const [former] = nodes.slice(2);
      await putInPool("replaced", [former!]);
      await kube.apply(aPod({ namespace, name: "stays", plane: "kept", spec: onlyOn("replaced") }));
      await kube.apply(aPod({ namespace, name: "anew", plane: "elastic", spec: onlyOn("replaced") }));
      const [stays, anew] = await Promise.all(
        ["stays", "anew"].map((name) => kube.untilRunning(namespace, name, { limitMs: 60_000 })),
      );
      const replacement = machine("i-replacement", former!);
      sandbox.cloud.removeInstance(former!.instanceId);
      // Faster than the garbage collector of pods, so that the same pods are on the node that comes back.
      await sandbox.cluster.removeNode(former!.name);
      await sandbox.cluster.addNode(replacement);

      for (const { pod, podEni } of [stays!, anew!]) {
        const name = pod.metadata.name;
        const now = await eventually(
          `${name} is bound on the new machine`,
          async () => {
            const found = await kube.podEni(namespace, name);
            const isThere = found?.status?.phase === "Bind" && found.status.instanceID === replacement.instanceId;
            return isThere ? found : undefined;
          },
          {
            limitMs: 90_000,
            state: async () => [await kube.storyOf(namespace, name), await kube.networkInterfaces()],
          },
        );
        expect((await kube.pod(namespace, name))?.metadata.uid).toBe(pod.metadata.uid);
        const [before, after] = [podEni, now].map(({ spec }) => spec!.allocations![0]!);
        expect(eniOf(after!.eni!.id!)).toMatchObject({ status: "InUse", instanceId: replacement.instanceId });
        expect(after!.ipv4 === before!.ipv4 && after!.eni!.id === before!.eni!.id).toBe(name === "stays");
        const own = world.ownInterfaces().filter(({ tags }) => {
          return tags["k8s.aliyun.com/pod-eni-uid"] === now.metadata.uid;
        });
        expect(own.map(({ eniId }) => eniId)).toEqual([after!.eni!.id]);
      }
    },
    200_000,
  );

  scenario(
    "and whose machine does not exist in the cloud costs one interface and few calls, says so, and leaks nothing",
    async () => {
      const { kube, sandbox } = world;
      const ghost: NodeSpec = {
        ...nodes[0]!,
        name: "ghost",
        instanceId: "i-deleted",
        trunkEniId: "eni-deleted",
        internalIp: "10.0.9.9",
      };
      await sandbox.cluster.addNode(ghost);
      await putInPool("ghosts", [ghost]);
      await kube.apply(aPod({ namespace, name: "stranded", plane: "elastic", spec: onlyOn("ghosts") }));
      const { message } = await kube.untilPodEniSays(namespace, "stranded", "InstanceNotFound", 60_000);
      expect(message).not.toBe("");
      await kube.untilEvent("Pod", "stranded", "AttachENIFailed", "does not exist", 60_000);
      const { uid } = (await kube.podEni(namespace, "stranded"))!.metadata;
      const made = () => sandbox.cloud.report().enis.filter(({ tags }) => tags["k8s.aliyun.com/pod-eni-uid"] === uid);
      const refusedBefore = refusalsOfGhosts();
      const startMs = systemClock.monotonic();
      await eventually("15 s have passed", () => systemClock.monotonic() - startMs > 15_000);
      expect(made().map(({ status }) => status)).toEqual(["Available"]);
      expect(refusalsOfGhosts() - refusedBefore).toBeLessThanOrEqual(1);
      await kube.deletePod(namespace, "stranded");
      await untilNothingIsLeftOf(["stranded"], [uid!], 60_000);
    },
    200_000,
  );

  scenario("or was never there is named, and nothing is made for its pods", async () => {
    const { kube } = world;
    const pod = aPod({ namespace, name: "early-bird", plane: "elastic", spec: { nodeName: "node-to-come" } });
    await kube.apply(pod);
    await kube.untilEvent("Pod", "early-bird", "PodCreateFailed", "node node-to-come does not exist", 60_000);
    expect(await kube.podEni(namespace, "early-bird")).toBeUndefined();
  });

  // By itself, for it keeps the machine of the test busy.
  it("gives 100 pods' interfaces back within two minutes of the pods' end, though they vanished with their machines", async () => {
    const { kube, sandbox } = world;
    const lost = nodes.slice(3, 5);
    await putInPool("big", lost);
    const names = Array.from({ length: 100 }, (_, index) => `many-${index}`);
    await Promise.all(
      names.map((name) => kube.apply(aPod({ namespace, name, plane: "elastic", spec: onlyOn("big") }))),
    );
    const running = await Promise.all(names.map((name) => kube.untilRunning(namespace, name, { limitMs: 120_000 })));
    for (const { instanceId, name } of lost) {
      sandbox.cloud.removeInstance(instanceId);
      await sandbox.cluster.removeNode(name);
    }
    const isOurs = ({ metadata }: { readonly metadata: { readonly name: string } }) =>
      metadata.name.startsWith("many-");
    await eventually("the pods are gone", async () => !(await kube.pods(namespace)).some(isOurs), {
      limitMs: 120_000,
    });
    await untilNothingIsLeftOf(
      names,
      running.map(({ podEni }) => podEni.metadata.uid!),
      60_000,
    );
  }, 400_000);

  /** How often an attach named a machine that does not exist. */
  function refusalsOfGhosts(): number {
    return world.sandbox.cloud.report().apis.AttachNetworkInterface?.refusals["InvalidEcsId.NotFound"] ?? 0;
  }

  /** A machine of that id in the cloud, as that node. */
  function machine(instanceId: string, { name, zone: zoneId, instanceType, ...rest }: NodeSpec): NodeSpec {
    const { cloud } = world.sandbox;
    const vSwitchId = "vsw-nodes-h";
    cloud.addInstance({ instanceId, instanceType, zoneId, vpcId: landscape.vpcId, vSwitchId });
    return { ...rest, name, zone: zoneId, instanceType, instanceId, trunkEniId: cloud.addTrunk(instanceId) };
  }
});
