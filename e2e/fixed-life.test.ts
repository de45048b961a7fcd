import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { leaderIndex } from "../cmd/sandbox-run.ts";
import { systemClock } from "../runtime/clock.ts";
import type { EniReport } from "../sandbox/alibaba-cloud/index.ts";
import type { Pod } from "../sandbox/cluster/kinds.ts";
import { pathOf } from "./kube.ts";
import { aFixedNetwork, aNamespace, aPlane, aPod, aStatefulSet, inZone } from "./manifests.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { withClockAhead } from "./skewed-clock.ts";
import { eventually, startWorld, steadyLease, type World } from "./world.ts";

const namespace = "homes";
const zone = "cn-hangzhou-h";
const kept = { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "10m" };

/** A workload that is no StatefulSet and whose pods have fixed names all the same. */
const customKind = { group: "games.example.com", kind: "GameServerSet", plural: "gameserversets" } as const;
const customDefinition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${customKind.plural}.${customKind.group}` },
  spec: {
    group: customKind.group,
    scope: "Namespaced",
    names: {
      kind: customKind.kind,
      plural: customKind.plural,
      singular: "gameserverset",
      listKind: "GameServerSetList",
    },
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
  },
};

/** When something was: not before the first, not after the second. Epoch milliseconds. */
interface Instant {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

async function untilGone({ kube }: World, name: string): Promise<Instant> {
  let notBeforeMs = systemClock.now();
  await eventually(`pod ${name} is gone`, async () => {
    const askedAtMs = systemClock.now();
    const isThere = (await kube.pod(namespace, name)) !== undefined;
    if (isThere) notBeforeMs = askedAtMs;
    return !isThere;
  });
  return { notBeforeMs, notAfterMs: systemClock.now() };
}

const eniOf = ({ sandbox }: World, address: string): EniReport | undefined =>
  sandbox.cloud.report().enis.findLast(({ ipv4s }) => ipv4s.includes(address));

/** Expects the cloud's release within [deletion + TTL, deletion + TTL + 5 s]. */
async function expectReleaseAfter(world: World, address: string, gone: Instant, ttlMs: number): Promise<void> {
  const deletedAtMs = await eventually(
    `the interface of ${address} is gone`,
    () => {
      const eni = eniOf(world, address);
      return eni?.status === "Gone" ? eni.timings.deletedAt : undefined;
    },
    { limitMs: ttlMs + 30_000 },
  );
  expect(deletedAtMs - gone.notBeforeMs).toBeGreaterThanOrEqual(ttlMs);
  expect(deletedAtMs - gone.notAfterMs).toBeLessThanOrEqual(ttlMs + 5_000);
}

describe("the life of a fixed address", () => {
  let world: World;
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    world = await startWorld({
      nodes: 8,
      config: { ...steadyLease, customStatefulWorkloadKinds: [customKind.kind] },
    });
    const { kube } = world;
    await kube.apply(aNamespace(namespace));
    await kube.apply(aPlane("kept", { allocationType: kept }));
    await kube.untilPlaneSays("kept", "VSwitchesFound");
    start();
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  const running = async (name: string, notUid = ""): Promise<Pod> =>
    (await world.kube.untilRunning(namespace, name, { limitMs: 60_000, notUid })).pod;

  const untilKept = (name: string): Promise<unknown> => world.kube.untilPodEniSays(namespace, name, "AddressRetained");

  scenario("it waits for the pods of a StatefulSet that is scaled to nothing, and back", async () => {
    const { kube } = world;
    const names = ["idle-0", "idle-1"];
    await kube.apply(aStatefulSet({ namespace, name: "idle", plane: "kept", replicas: 2 }));
    const before = await Promise.all(names.map((name) => running(name)));
    await kube.patch(pathOf.statefulSet(namespace, "idle"), { spec: { replicas: 0 } });
    await Promise.all(names.map(untilKept));
    await kube.patch(pathOf.statefulSet(namespace, "idle"), { spec: { replicas: 2 } });
    const after = await Promise.all(before.map(({ metadata }) => running(metadata.name, metadata.uid)));
    expect(after.map(({ status }) => status?.podIP)).toEqual(before.map(({ status }) => status?.podIP));
  });

  scenario("it goes from each pod to the next in a rolling update", async () => {
    const { kube } = world;
    const names = ["rolled-0", "rolled-1"];
    await kube.apply(aStatefulSet({ namespace, name: "rolled", plane: "kept", replicas: 2 }));
    const before = await Promise.all(names.map((name) => running(name)));
    const template = { metadata: { annotations: { version: "2" } } };
    await kube.patch(pathOf.statefulSet(namespace, "rolled"), { spec: { template } });
    const after = await Promise.all(before.map(({ metadata }) => running(metadata.name, metadata.uid)));
    expect(after.map(({ metadata }) => metadata.annotations?.["version"])).toEqual(["2", "2"]);
    expect(after.map(({ status }) => status?.podIP)).toEqual(before.map(({ status }) => status?.podIP));
  });

  scenario("it goes from an evicted pod to the one that replaces it", async () => {
    const { kube } = world;
    await kube.apply(aStatefulSet({ namespace, name: "evicted", plane: "kept", replicas: 1 }));
    const before = await running("evicted-0");
    await evict("evicted-0");
    const after = await running("evicted-0", before.metadata.uid);
    expect(after.status?.podIP).toBe(before.status?.podIP);
  });

  scenario(
    "it is kept for pods of the configured kinds, through an eviction and a pod that is replaced at once",
    async () => {
      const { kube } = world;
      await kube.apply(customDefinition);
      const apiVersion = `${customKind.group}/v1`;
      const owner = { apiVersion, kind: customKind.kind, metadata: { name: "game", namespace } };
      await eventually("the kind is served", async () => (await kube.refusalOf(owner)) === undefined);
      const { body } = await kube.request(
        "GET",
        `/apis/${apiVersion}/namespaces/${namespace}/${customKind.plural}/game`,
      );
      const { uid } = (body as { readonly metadata: { readonly uid: string } }).metadata;
      const pod = aPod({ namespace, name: "game-0", plane: "kept" });
      const ownerReferences = [{ apiVersion, kind: customKind.kind, name: "game", uid, controller: true }];
      const owned = { ...pod, metadata: { ...pod.metadata, ownerReferences } };
      await kube.apply(owned);
      const first = await running("game-0");

      await evict("game-0");
      await untilKept("game-0");
      await replace(first, owned);
      const second = await running("game-0", first.metadata.uid);
      await replace(second, owned);
      const third = await running("game-0", second.metadata.uid);
      expect([second.status?.podIP, third.status?.podIP]).toEqual([first.status?.podIP, first.status?.podIP]);
    },
  );

  scenario("it can be given back before its time by deleting the PodENI", async () => {
    const { kube } = world;
    await kube.apply(aStatefulSet({ namespace, name: "early", plane: "kept", replicas: 1 }));
    const address = (await running("early-0")).status!.podIP!;
    await kube.deletePath(pathOf.statefulSet(namespace, "early"));
    await untilKept("early-0");
    await kube.deletePodEni(namespace, "early-0");
    await eventually("the interface is gone", async () => {
      const isGone = eniOf(world, address)?.status === "Gone";
      return isGone && (await kube.podEni(namespace, "early-0")) === undefined;
    });
  });

  scenario("it is released within 5 s of its time and never before", async () => {
    const { kube } = world;
    const names = ["bare-0", "bare-1", "bare-2", "bare-3", "bare-4"];
    const annotations = aFixedNetwork("4s");
    await Promise.all(names.map((name) => kube.apply(aPod({ namespace, name, annotations }))));
    const pods = await Promise.all(names.map((name) => running(name)));
    await Promise.all(
      pods.map(async ({ metadata: { name }, status }, index) => {
        // So that they do not all fall into the same part of a second.
        await systemClock.sleep(index * 170);
        await kube.deletePod(namespace, name);
        await expectReleaseAfter(world, status!.podIP!, await untilGone(world, name), 4_000);
      }),
    );
  });

  it("it says which zone must have room, when no node there takes the pod, and is used once one does", async () => {
    const { kube, sandbox } = world;
    await kube.apply(aStatefulSet({ namespace, name: "pinned", plane: "kept", replicas: 1, spec: inZone(zone) }));
    const before = await running("pinned-0");
    const address = before.status!.podIP!;
    // Asked for nothing of that kind, so that only the address holds the next pod in the zone.
    await kube.patch(pathOf.statefulSet(namespace, "pinned"), {
      spec: { template: { spec: { nodeSelector: null } }, updateStrategy: { type: "OnDelete", rollingUpdate: null } },
    });
    const cordon = (unschedulable: boolean): Promise<unknown> =>
      Promise.all(
        sandbox.nodes
          .filter((node) => node.zone === zone)
          .map(({ name }) => kube.patch(pathOf.node(name), { spec: { unschedulable } })),
      );
    await cordon(true);
    await kube.deletePod(namespace, "pinned-0");
    const { note } = await kube.untilEvent("Pod", "pinned-0", "PodCreateFailed", zone);
    expect(note).toContain(`the fixed address ${address} is kept in zone ${zone}`);
    expect(note).toContain("delete the PodENI");
    await cordon(false);
    const after = await running("pinned-0", before.metadata.uid);
    expect(after.status?.podIP).toBe(address);
  }, 90_000);

  /** What the kubelet reports of a pod that it evicts. */
  async function evict(name: string): Promise<void> {
    const status = { phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory." };
    await world.kube.patch(`${pathOf.pod(namespace, name)}/status`, { status });
  }

  /** The next pod of the same name, as soon as the API server allows it. */
  async function replace(former: Pod, next: ReturnType<typeof aPod>): Promise<void> {
    const { kube } = world;
    const { name, uid } = former.metadata;
    await kube.deletePath(`${pathOf.pod(namespace, name)}?gracePeriodSeconds=0`);
    await eventually(`pod ${name} is replaced`, async () => {
      await kube.refusalOf(next);
      const pod = await kube.pod(namespace, name);
      return pod !== undefined && pod.metadata.uid !== uid;
    });
  }
});

describe("fixed addresses and replicas whose clocks are five minutes wrong", () => {
  const skewMs = 300_000;
  /** Longer than the published lease, for whoever follows a killed leader is to be there in time. */
  const ttlMs = 25_000;
  let world: World;

  beforeAll(async () => {
    world = await startWorld({
      nodes: 2,
      replicas: 2,
      // One behind and one ahead: ten minutes apart.
      between: (index, access) => Promise.resolve({ ...access, env: withClockAhead(index === 0 ? -skewMs : skewMs) }),
    });
    await world.kube.apply(aNamespace(namespace));
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  it("are released in time although another replica saw the deletion than releases, whichever of the two", async () => {
    const { kube, sandbox } = world;
    const leaders: number[] = [];
    for (const name of ["first", "second"]) {
      await kube.apply(aPod({ namespace, name, annotations: aFixedNetwork(`${ttlMs / 1_000}s`) }));
      const address = (await kube.untilRunning(namespace, name)).pod.status!.podIP!;
      await kube.deletePod(namespace, name);
      const gone = await untilGone(world, name);
      await kube.untilPodEniSays(namespace, name, "AddressRetained");
      const seenAtMs = Date.parse((await kube.podEni(namespace, name))!.status!.podLastSeen!);
      expect(Math.abs(seenAtMs - gone.notAfterMs)).toBeLessThan(3_000);
      const leader = await leaderIndex(sandbox);
      leaders.push(leader);
      sandbox.replicas[leader]!.process.kill("SIGKILL");
      await sandbox.replicas[leader]!.process.ended;
      await expectReleaseAfter(world, address, gone, ttlMs);
      expect(await leaderIndex(sandbox)).toBe(1 - leader);
      await sandbox.restart(leader);
      await sandbox.ready(30_000);
    }
    expect(leaders.toSorted()).toEqual([0, 1]);
  }, 180_000);
});
