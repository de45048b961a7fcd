import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import {
  podIsReady,
  resources,
  type ControllerRevision,
  type Deployment,
  type Pod,
  type ReplicaSet,
  type StatefulSet,
} from "./kinds.ts";
import { nodeSpecs } from "./node-specs.ts";
import { startWorld, type World } from "./world.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world.stop());

function template(image: string): StatefulSet["spec"]["template"] {
  return { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "app", image }] } };
}

async function createStatefulSet(spec: Partial<StatefulSet["spec"]>): Promise<void> {
  const set: StatefulSet = {
    metadata: { name: "web", namespace: "default" },
    spec: { serviceName: "web", selector: { matchLabels: { app: "web" } }, template: template("app:1"), ...spec },
  };
  await world.api.create(resources.statefulSets, set);
}

async function createDeployment(replicas: number): Promise<void> {
  const deployment: Deployment = {
    metadata: { name: "api", namespace: "default" },
    spec: { replicas, selector: { matchLabels: { app: "web" } }, template: template("app:1") },
  };
  await world.api.create(resources.deployments, deployment);
}

async function pods(): Promise<Pod[]> {
  return world.list<Pod>(resources.pods);
}

/** Waits for exactly these many pods, all ready and of this image. */
async function untilReady(count: number, image = "app:1"): Promise<Pod[]> {
  return world.until(async () => {
    const all = await pods();
    const good = all.filter((pod) => podIsReady(pod) && pod.spec.containers[0]?.image === image);
    return good.length === count && all.length === count && good;
  });
}

const isServing = (pod: Pod): boolean => podIsReady(pod) && pod.metadata.deletionTimestamp === undefined;

const namesOf = (all: readonly Pod[]): string[] => all.map(({ metadata }) => metadata.name).sort();

async function statusOf(): Promise<StatefulSet["status"]> {
  return (await world.list<StatefulSet>(resources.statefulSets))[0]?.status;
}

describe("a StatefulSet", () => {
  it("starts its pods in order, each after the one before is ready, with the labels of their index", async () => {
    await createStatefulSet({ replicas: 3 });
    let mostUnready = 0;
    const all = await world.until(async () => {
      const seen = await pods();
      mostUnready = Math.max(mostUnready, seen.filter((pod) => !podIsReady(pod)).length);
      return seen.length === 3 && seen.every(podIsReady) && seen;
    });
    expect(mostUnready).toBeLessThanOrEqual(1);
    expect(namesOf(all)).toEqual(["web-0", "web-1", "web-2"]);
    const last = all.find(({ metadata }) => metadata.name === "web-2");
    expect(last?.metadata.labels).toMatchObject({
      app: "web",
      "statefulset.kubernetes.io/pod-name": "web-2",
      "apps.kubernetes.io/pod-index": "2",
    });
    expect(last?.metadata.ownerReferences).toMatchObject([{ kind: "StatefulSet", name: "web", controller: true }]);
    await world.pass(500);
    expect(await statusOf()).toMatchObject({ replicas: 3, readyReplicas: 3, updatedReplicas: 3, currentReplicas: 3 });
  });

  it("makes a deleted pod again under its name", async () => {
    await createStatefulSet({ replicas: 2 });
    const [first] = await untilReady(2);
    await world.api.delete(resources.pods, first!);
    const again = await world.until(async () => {
      const pod = await world.pod(first!.metadata.name);
      return pod !== undefined && pod.metadata.uid !== first!.metadata.uid && podIsReady(pod) && pod;
    });
    expect(again.metadata.name).toBe(first!.metadata.name);
  });

  it("scales up and down, the highest first", async () => {
    await createStatefulSet({ replicas: 1, podManagementPolicy: "Parallel" });
    await untilReady(1);
    await world.mergePatch(resources.statefulSets, "web", { spec: { replicas: 4 } });
    await untilReady(4);
    await world.mergePatch(resources.statefulSets, "web", { spec: { replicas: 2 } });
    expect(namesOf(await untilReady(2))).toEqual(["web-0", "web-1"]);
  });

  it("rolls to a new template pod by pod from the highest, and records both revisions", async () => {
    await createStatefulSet({ replicas: 3, podManagementPolicy: "Parallel" });
    await untilReady(3);
    await world.mergePatch(resources.statefulSets, "web", { spec: { template: template("app:2") } });
    let fewestReady = 3;
    await world.until(async () => {
      const all = await pods();
      fewestReady = Math.min(fewestReady, all.filter(isServing).length);
      return all.length === 3 && all.every((pod) => podIsReady(pod) && pod.spec.containers[0]?.image === "app:2");
    });
    expect(fewestReady).toBe(2);
    await world.pass(500);
    const status = await statusOf();
    expect(status?.currentRevision).toBe(status?.updateRevision);
    expect(await world.list<ControllerRevision>(resources.controllerRevisions)).toHaveLength(2);
  });

  it("makes a pod below the partition again from the old template, also after a restart of the controller", async () => {
    await createStatefulSet({ replicas: 2, podManagementPolicy: "Parallel" });
    await untilReady(2);
    const updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 1 } };
    await world.mergePatch(resources.statefulSets, "web", { spec: { updateStrategy, template: template("app:2") } });
    await world.until(async () => {
      const pod = await world.pod("web-1");
      return pod?.spec.containers[0]?.image === "app:2" && podIsReady(pod);
    });
    const first = await world.pod("web-0");
    await world.restart();
    await world.api.delete(resources.pods, first!);
    const again = await world.until(async () => {
      const pod = await world.pod("web-0");
      return pod !== undefined && pod.metadata.uid !== first!.metadata.uid && pod;
    });
    expect(again.spec.containers[0]?.image).toBe("app:1");
  });

  it("tells by an event that a pod was refused, makes the others, and the refused one later", async () => {
    const message = 'admission webhook "mpod.terway" denied the request: no';
    const body = { kind: "Status", reason: "Forbidden", message, metadata: {} };
    world.interfere = ({ method, path, body: sent }) => {
      const isFirst = JSON.stringify(sent ?? "").includes('"name":"web-0"');
      return method === "POST" && path.endsWith("/pods") && isFirst ? { status: 403, headers: {}, body } : undefined;
    };
    await createStatefulSet({ replicas: 3, podManagementPolicy: "Parallel" });
    expect(namesOf(await untilReady(2))).toEqual(["web-1", "web-2"]);
    const events = await world.list<Pod & { reason: string; note: string }>(resources.events);
    expect(events.filter(({ reason }) => reason === "FailedCreate").map(({ note }) => note)).toEqual([
      `create Pod web-0 in StatefulSet web failed error: ${message}`,
    ]);
    world.interfere = () => undefined;
    await untilReady(3);
  });

  it("replaces a pod whose node is removed", async () => {
    await createStatefulSet({ replicas: 1 });
    const [pod] = await untilReady(1);
    void world.cluster.removeNode(pod!.spec.nodeName!);
    const again = await world.until(async () => {
      const next = await world.pod("web-0");
      return next !== undefined && podIsReady(next) && next.metadata.uid !== pod!.metadata.uid && next;
    });
    expect(again.spec.nodeName).not.toBe(pod!.spec.nodeName);
  });
});

describe("a Deployment", () => {
  it("keeps its pods through one ReplicaSet and reports itself available", async () => {
    await createDeployment(4);
    const all = await untilReady(4);
    expect(all.every(({ metadata }) => /^api-\w+-\w+$/.test(metadata.name))).toBe(true);
    await world.pass(1000);
    const [deployment] = await world.list<Deployment>(resources.deployments);
    expect(deployment?.status).toMatchObject({ replicas: 4, updatedReplicas: 4, availableReplicas: 4 });
    expect(deployment?.status?.conditions?.find(({ type }) => type === "Available")?.status).toBe("True");
  });

  it("replaces a deleted pod and scales", async () => {
    await createDeployment(2);
    const [victim] = await untilReady(2);
    await world.api.delete(resources.pods, victim!);
    await world.until(async () => (await world.pod(victim!.metadata.name)) === undefined);
    await untilReady(2);
    await world.mergePatch(resources.deployments, "api", { spec: { replicas: 5 } });
    await untilReady(5);
    await world.mergePatch(resources.deployments, "api", { spec: { replicas: 1 } });
    await untilReady(1);
  });

  it("rolls to a new template and never has fewer available pods than it may", async () => {
    await createDeployment(4);
    await untilReady(4);
    await world.mergePatch(resources.deployments, "api", { spec: { template: template("app:2") } });
    let fewest = 4;
    await world.until(async () => {
      const all = await pods();
      fewest = Math.min(fewest, all.filter(isServing).length);
      return all.length === 4 && all.every((pod) => podIsReady(pod) && pod.spec.containers[0]?.image === "app:2");
    });
    expect(fewest).toBeGreaterThanOrEqual(3);
    const sets = await world.list<ReplicaSet>(resources.replicaSets);
    expect(sets.map(({ spec }) => spec.replicas).sort()).toEqual([0, 4]);
  });
});

describe("a burst", () => {
  it("of 1000 pods of one StatefulSet is scheduled within 5 s, spread over the nodes", async () => {
    await world.stop();
    world = await startWorld({ nodes: nodeSpecs({ count: 50, zones: ["cn-hangzhou-h"] }) });
    await createStatefulSet({ replicas: 1000, podManagementPolicy: "Parallel" });
    await world.pass(5000);
    const all = await pods();
    expect(all.filter(podIsReady)).toHaveLength(1000);
    const perNode = new Map<string, number>();
    for (const { spec } of all) perNode.set(spec.nodeName!, (perNode.get(spec.nodeName!) ?? 0) + 1);
    expect([...perNode.values()]).toEqual(new Array(50).fill(20));
    const writes = world.requests.filter((request) => request.includes("/pods/web-") && !request.startsWith("GET"));
    expect(writes.length).toBeLessThanOrEqual(3000);
  }, 60_000);
});
