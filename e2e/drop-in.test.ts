import { appendFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import FakeTimers from "@sinonjs/fake-timers";
import { systemClock } from "../runtime/clock.ts";
import type { EniReport } from "../sandbox/alibaba-cloud/index.ts";
import type { NodeSpec } from "../sandbox/cluster/node-specs.ts";
import { aNamespace, aPlane, aPod } from "./manifests.ts";
import { PublishedCluster, type PublishedRecord } from "./published-cluster.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "left";
const crdsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const runningCount = 200;

/** How the record of a pod that runs may have been left. */
const runningShapes: readonly Omit<PublishedRecord, "name" | "eni">[] = [
  { phase: "Bind", record: "Bind" },
  { phase: "Bind" },
  { phase: "Bind", finalizer: "pod-eni" },
  { phase: "Bind", record: "" },
  { phase: "Bind", isFixed: true },
];

interface Unfinished extends Omit<PublishedRecord, "eni" | "podUid"> {
  readonly hasPod: boolean;
  readonly isAttached: boolean;
  /** It was being deleted. */
  readonly isDeleted?: boolean;
  readonly becomes: "Bind" | "Unbind" | "gone";
}

/** Work that the published program had not finished, or had not noticed. */
const unfinished: readonly Unfinished[] = [
  { name: "made", phase: "", record: "", hasPod: true, isAttached: false, becomes: "Bind" },
  { name: "made-bare", phase: "", hasPod: true, isAttached: false, becomes: "Bind" },
  { name: "attached", phase: "", record: "Bind", hasPod: true, isAttached: true, becomes: "Bind" },
  { name: "attached-bare", phase: "", hasPod: true, isAttached: true, becomes: "Bind" },
  { name: "made-in-vain", phase: "", record: "", hasPod: false, isAttached: false, becomes: "gone" },
  { name: "back", phase: "Binding", record: "Unbind", isFixed: true, hasPod: true, isAttached: false, becomes: "Bind" },
  { name: "back-bare", phase: "Binding", isFixed: true, hasPod: true, isAttached: false, becomes: "Bind" },
  {
    name: "kept",
    phase: "Unbind",
    record: "Unbind",
    isFixed: true,
    hasPod: false,
    isAttached: false,
    becomes: "Unbind",
  },
  { name: "kept-bare", phase: "Unbind", isFixed: true, hasPod: false, isAttached: false, becomes: "Unbind" },
  {
    name: "leaving",
    phase: "Detaching",
    record: "Detaching",
    isFixed: true,
    hasPod: false,
    isAttached: true,
    becomes: "Unbind",
  },
  { name: "leaving-bare", phase: "Detaching", isFixed: true, hasPod: false, isAttached: true, becomes: "Unbind" },
  {
    name: "leaving-blank",
    phase: "Detaching",
    record: "",
    isFixed: true,
    hasPod: false,
    isAttached: true,
    becomes: "Unbind",
  },
  { name: "going", phase: "Deleting", record: "Bind", hasPod: false, isAttached: true, becomes: "gone" },
  { name: "going-bare", phase: "Deleting", finalizer: "pod-eni", hasPod: false, isAttached: true, becomes: "gone" },
  { name: "going-blank", phase: "Deleting", record: "", hasPod: false, isAttached: true, becomes: "gone" },
  {
    name: "marked",
    phase: "Bind",
    record: "Deleting",
    hasPod: false,
    isAttached: true,
    isDeleted: true,
    becomes: "gone",
  },
  { name: "marked-bare", phase: "Bind", hasPod: false, isAttached: true, isDeleted: true, becomes: "gone" },
  { name: "unnoticed", phase: "Bind", record: "Bind", hasPod: false, isAttached: true, becomes: "gone" },
];

/** Everything about a pod, its record and its interface that must be as it was. */
interface Snapshot {
  readonly pods: ReadonlyMap<string, string | undefined>;
  readonly podEnis: ReadonlyMap<string, string | undefined>;
  readonly enis: ReadonlyMap<string, EniReport>;
}

describe("a cluster that the published program left", () => {
  let world: World;
  let cluster: PublishedCluster;
  let trunkNodes: readonly NodeSpec[] = [];
  let readyMs = 0;
  const eniOf = new Map<string, string>();
  /** Nobody's: made long ago, made just now, and one with a record. */
  const abandoned = { old: "", young: "", recorded: "" };
  let before: Snapshot;
  let callsBefore: Readonly<Record<string, number>>;

  const runningNames = Array.from({ length: runningCount }, (_, index) => `run-${index}`);
  const eniById = (id: string): EniReport | undefined =>
    world.sandbox.cloud.report().enis.find(({ eniId }) => eniId === id);
  const isThere = (id: string): boolean => world.ownInterfaces().some(({ eniId }) => eniId === id);

  beforeAll(async () => {
    world = await startWorld({ nodes: 7, replicas: 0 });
    cluster = new PublishedCluster(world, namespace);
    trunkNodes = world.sandbox.nodes.filter(({ trunkEniId }) => trunkEniId !== undefined);
    // What was admitted by the published program is not admitted again.
    await world.kube.apply(aNamespace(namespace, { "k8s.aliyun.com/pod-eni": "false" }));
    await cluster.installCrds();
    await Promise.all([leaveRunning(), ...unfinished.map(leaveUnfinished), leaveAbandoned()]);
    before = await snapshot();
    callsBefore = calls();
    const startedAtMs = systemClock.monotonic();
    await world.sandbox.restart(0);
    await world.sandbox.ready(60_000);
    readyMs = systemClock.monotonic() - startedAtMs;
  }, 120_000);

  afterAll(() => world.stop(), 30_000);

  it("does not block the start", () => {
    // 3 s on an idle machine, of which Node takes one; what there is to take over, takes a minute.
    expect(readyMs).toBeLessThan(10_000);
  });

  it("finishes what was under way, and keeps the addresses that were kept", async () => {
    await Promise.all(unfinished.map(expectFinished));
  }, 60_000);

  it("makes the records that are missing, without a write to a pod that runs, its PodENI or its interface", async () => {
    await eventually("every interface has a record with its state", async () => {
      const records = new Map((await world.kube.networkInterfaces()).map((each) => [each.metadata.name, each]));
      return runningNames.every((name) => {
        const record = records.get(eniOf.get(name)!);
        return record?.spec?.podENIRef?.name === name && record.status?.phase === "Bind";
      });
    });
    const after = await snapshot();
    for (const name of runningNames) {
      expect([name, after.pods.get(name)]).toEqual([name, before.pods.get(name)]);
      expect([name, after.podEnis.get(name)]).toEqual([name, before.podEnis.get(name)]);
      expect(after.enis.get(eniOf.get(name)!)).toEqual(before.enis.get(eniOf.get(name)!));
    }
  }, 30_000);

  it("collects what was abandoned, once it is old enough", async () => {
    await eventually(
      "the old interface and the record without owner are gone",
      async () =>
        !isThere(abandoned.old) &&
        !isThere(abandoned.recorded) &&
        (await world.kube.networkInterface(abandoned.recorded)) === undefined,
      { limitMs: 60_000 },
    );
    expect(eniById(abandoned.young)).toMatchObject({ status: "Available" });
  }, 70_000);

  it("asks the cloud for nothing more than that, and is refused nothing", () => {
    const made = calls();
    // The check of permissions asks each API once, about nothing.
    const count = (api: string): number => (made[api] ?? 0) - (callsBefore[api] ?? 0) - 1;
    const waiting = unfinished.filter(({ isAttached, becomes }) => !isAttached && becomes === "Bind");
    const leaving = unfinished.filter(({ isAttached, becomes }) => isAttached && becomes !== "Bind");
    const gone = unfinished.filter(({ becomes }) => becomes === "gone");
    expect({
      created: count("CreateNetworkInterface"),
      attached: count("AttachNetworkInterface"),
      detached: count("DetachNetworkInterface"),
      deleted: count("DeleteNetworkInterface"),
    }).toEqual({ created: 0, attached: waiting.length, detached: leaving.length, deleted: gone.length + 2 });
    const refused = Object.values(world.sandbox.cloud.report().apis).flatMap(({ refusals }) => Object.keys(refusals));
    for (const code of refused) expect(code).toMatch(/\.NotFound$/);
  });

  it("takes degradation from its configuration file while it runs, and names what waits for a restart", async () => {
    const { sandbox, logs } = world;
    const [replica] = sandbox.replicas;
    appendFileSync(replica!.configPath, "degradation: l1\nvSwitchPoolSize: 7\n");
    await eventually("the metric shows the level", async () => {
      const answer = await fetch(replica!.metricsUrl);
      return (await answer.text()).includes('terway_degradation{level="l1"} 1');
    });
    const warned = logs.filter(({ level }) => level === "warn");
    expect(warned).toContainEqual(expect.objectContaining({ message: "degradation has changed", from: "", to: "l1" }));
    expect(warned).toContainEqual(
      expect.objectContaining({ message: expect.stringMatching(/restart.*: vSwitchPoolSize$/) }),
    );
  }, 40_000);

  it("leaves CRDs of a newer release alone, warns about them, and serves", async () => {
    const { kube, sandbox } = world;
    const path = `${crdsPath}/podenis.network.alibabacloud.com`;
    await sandbox.replicas[0]!.process.stop();
    const newer = { "crd.network.alibabacloud.com/version": "v9.0.0" };
    await kube.patch(path, { metadata: { annotations: newer }, spec: { names: { shortNames: ["pe9"] } } });
    await sandbox.restart(0);
    await sandbox.ready(60_000);
    expect(world.logs).toContainEqual(
      expect.objectContaining({
        level: "warn",
        message: expect.stringContaining("newer"),
        name: "podenis.network.alibabacloud.com",
        version: "v9.0.0",
      }),
    );
    const { body } = await kube.request("GET", path);
    expect(body).toMatchObject({ metadata: { annotations: newer }, spec: { names: { shortNames: ["pe9"] } } });
    await kube.apply(aNamespace("fresh"));
    await kube.apply(aPlane("fresh"));
    await kube.untilPlaneSays("fresh", "VSwitchesFound");
    await kube.create(aPod({ namespace: "fresh", name: "fresh", plane: "fresh" }));
    await kube.untilRunning("fresh", "fresh");
    await kube.deletePod("fresh", "fresh");
  }, 60_000);

  it("leaks nothing when the pods go and the kept addresses are given up", async () => {
    const { kube } = world;
    const names = [...runningNames, ...unfinished.filter(({ hasPod }) => hasPod).map(({ name }) => name)];
    await Promise.all(names.map((name) => kube.deletePod(namespace, name)));
    const fixed = async () => (await kube.podEnis(namespace)).filter(({ status }) => status?.phase === "Unbind");
    const fixedCount = runningCount / runningShapes.length + unfinished.filter(({ isFixed }) => isFixed).length;
    await eventually(
      "the fixed addresses are kept, everything else is gone",
      async () => (await fixed()).length === fixedCount && (await kube.podEnis(namespace)).length === fixedCount,
      { limitMs: 90_000, state: async () => (await kube.podEnis(namespace)).map(({ status }) => status?.phase) },
    );
    await Promise.all((await fixed()).map(({ metadata }) => kube.deletePodEni(namespace, metadata.name)));
    await cluster.call("DeleteNetworkInterface", { NetworkInterfaceId: abandoned.young });
    await eventually(
      "nothing is left",
      async () =>
        world.ownInterfaces().length +
          (await kube.networkInterfaces()).length +
          (await kube.podEnis(namespace)).length ===
        0,
      { limitMs: 90_000, state: () => world.ownInterfaces() },
    );
  }, 200_000);

  // ---- what was left ----

  async function leaveRunning(): Promise<void> {
    await Promise.all(
      runningNames.map(async (name, index) => {
        const node = trunkNodes[index % trunkNodes.length]!;
        const shape = runningShapes[index % runningShapes.length]!;
        const [eni, podUid] = await Promise.all([
          cluster.eni(node, { isAttached: true }),
          cluster.pod(name, node, shape.isFixed),
        ]);
        eniOf.set(name, eni.id);
        await cluster.record({ name, eni, podUid, ...shape });
      }),
    );
    await eventually("all pods run", async () => {
      const pods = await world.kube.pods(namespace);
      return pods.filter(({ status }) => status?.phase === "Running").length >= runningCount;
    });
  }

  async function leaveUnfinished(given: Unfinished, index: number): Promise<void> {
    const { name, hasPod, isAttached } = given;
    const node = trunkNodes[index % trunkNodes.length]!;
    const eni = await cluster.eni(node, { isAttached });
    eniOf.set(name, eni.id);
    const owner = hasPod ? { podUid: await cluster.pod(name, node, given.isFixed) } : {};
    await cluster.record({ ...given, eni, ...owner });
    if (given.isDeleted === true) await world.kube.deletePodEni(namespace, name);
  }

  async function leaveAbandoned(): Promise<void> {
    const [node] = trunkNodes;
    // The cloud notes when the call arrived; for this one call it is 11 minutes ago.
    const past = FakeTimers.install({ toFake: ["Date"], now: Date.now() - 660_000 });
    const old = cluster.eni(node!, { isAttached: false });
    past.uninstall();
    abandoned.old = (await old).id;
    abandoned.young = (await cluster.eni(node!, { isAttached: false })).id;
    const recorded = await cluster.eni(node!, { isAttached: false });
    abandoned.recorded = recorded.id;
    await cluster.networkInterface(recorded, "nobody", "Unbind");
  }

  // ---- what became of it ----

  async function expectFinished({ name, becomes }: Unfinished): Promise<void> {
    const { kube, sandbox } = world;
    const eniId = eniOf.get(name)!;
    if (becomes === "gone") {
      await eventually(
        `${name} is gone`,
        async () =>
          !isThere(eniId) &&
          (await kube.podEni(namespace, name)) === undefined &&
          (await kube.networkInterface(eniId)) === undefined,
        { state: async () => [await kube.podEni(namespace, name), eniById(eniId)] },
      );
      return;
    }
    const wanted = becomes === "Bind" ? "InUse" : "Available";
    await eventually(
      `${name} is ${becomes} and its interface ${wanted}`,
      async () => {
        const phases = [await kube.podEni(namespace, name), await kube.networkInterface(eniId)];
        return phases.every((each) => each?.status?.phase === becomes) && eniById(eniId)?.status === wanted;
      },
      {
        state: async () => [
          await kube.podEni(namespace, name),
          (await kube.networkInterface(eniId)) ?? null,
          eniById(eniId),
        ],
      },
    );
    const podEni = await kube.podEni(namespace, name);
    expect(podEni?.spec?.allocations?.[0]).toMatchObject({ ipv4: eniById(eniId)?.ipv4s[0], eni: { id: eniId } });
    if (becomes !== "Bind") return;
    // Members of the trunk, as the published program attaches them whatever the record says.
    const node = sandbox.nodes.find((each) => each.name === podEni?.metadata.labels?.["k8s.aliyun.com/node"]);
    expect(eniById(eniId)).toMatchObject({ type: "Member", trunkEniId: node?.trunkEniId });
    await kube.untilRunning(namespace, name);
  }

  async function snapshot(): Promise<Snapshot> {
    const { kube, sandbox } = world;
    const versions = (objects: readonly { readonly metadata: { name: string; resourceVersion?: string } }[]) =>
      new Map(objects.map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
    return {
      pods: versions(await kube.pods(namespace)),
      podEnis: versions(await kube.podEnis(namespace)),
      enis: new Map(sandbox.cloud.report().enis.map((eni) => [eni.eniId, eni])),
    };
  }

  function calls(): Readonly<Record<string, number>> {
    const { apis } = world.sandbox.cloud.report();
    return Object.fromEntries(Object.entries(apis).map(([api, report]) => [api, report.calls]));
  }
});
