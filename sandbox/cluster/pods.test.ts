import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { annotations } from "../../crds/v1beta1/names.ts";
import { podIsReady, resources, type Node, type Pod } from "./kinds.ts";
import { startWorld, type World } from "./world.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world.stop());

const wantsEni = { annotations: { [annotations.podEni]: "true" } };

async function untilScheduled(name: string): Promise<Pod> {
  return world.until(async () => {
    const pod = await world.pod(name);
    return pod?.status?.containerStatuses?.[0]?.state?.waiting === undefined ? undefined : pod;
  });
}

async function untilRunning(name: string): Promise<Pod> {
  return world.until(async () => {
    const pod = await world.pod(name);
    return pod !== undefined && podIsReady(pod) && pod;
  });
}

async function untilGone(name: string): Promise<true> {
  return world.until(async () => (await world.pod(name)) === undefined);
}

describe("a node", () => {
  it("is registered with zone, instance, trunk and interface capacity", async () => {
    const [node] = await world.list<Node>(resources.nodes);
    expect(node?.spec?.providerID).toBe("cn-hangzhou.i-sandbox0001");
    expect(node?.metadata.annotations?.[annotations.trunkOn]).toBe("eni-trunk0001");
    expect(node?.metadata.labels?.["topology.kubernetes.io/zone"]).toBe("cn-hangzhou-h");
    expect(node?.status?.allocatable?.["aliyun/member-eni"]).toBe("16");
  });
});

describe("a pod", () => {
  it("without an interface of its own runs with an address of its node's range", async () => {
    await world.createPod("plain");
    const pod = await untilRunning("plain");
    expect(pod.status?.podIP).toMatch(/^100\.64\.\d+\.2$/);
    expect(pod.status?.phase).toBe("Running");
  });

  it("on the host network has the address of its node", async () => {
    await world.createPod("host", { spec: { hostNetwork: true } });
    const pod = await untilRunning("host");
    expect(pod.status?.podIP).toBe(world.nodes.find(({ name }) => name === pod.spec.nodeName)?.internalIp);
  });

  it("waits for its PodENI and takes the address from there, in at most three writes", async () => {
    await world.createPod("web", wantsEni);
    const scheduled = await untilScheduled("web");
    await world.pass(5000);
    expect((await world.pod("web"))?.status?.phase).toBe("Pending");
    const node = world.nodes.find(({ name }) => name === scheduled.spec.nodeName)!;
    await world.bindPodEni(scheduled, node, "10.9.0.7");
    const pod = await untilRunning("web");
    expect(pod.status?.podIPs).toEqual([{ ip: "10.9.0.7" }]);
    expect(pod.status?.containerStatuses?.[0]?.state).toHaveProperty("running");
    const writes = world.requests.filter((request) => request.includes("/pods/web") && !request.startsWith("GET"));
    expect(writes).toHaveLength(3);
  });

  it("waits while the PodENI belongs to a former pod of its name, and says so after 30 s", async () => {
    await world.createPod("web", wantsEni);
    const pod = await untilScheduled("web");
    const node = world.nodes.find(({ name }) => name === pod.spec.nodeName)!;
    await world.bindPodEni(pod, node, "10.9.0.7", "former-uid");
    await world.pass(31_000);
    expect((await world.pod("web"))?.status?.phase).toBe("Pending");
    const events = await world.list<Pod & { reason: string; note: string }>(resources.events);
    expect(events.find(({ reason }) => reason === "FailedCreatePodSandBox")?.note).toContain("former-uid");
    await world.mergePatch(resources.podEnis, "web", {
      metadata: { annotations: { [annotations.podUid]: pod.metadata.uid } },
    });
    expect((await untilRunning("web")).status?.podIP).toBe("10.9.0.7");
  });

  it("stops with grace: it stays a moment, then it is gone", async () => {
    await world.createPod("plain");
    const pod = await untilRunning("plain");
    await world.api.delete(resources.pods, pod);
    await world.pass(100);
    expect((await world.pod("plain"))?.metadata.deletionTimestamp).toBeDefined();
    await world.pass(1000);
    expect(await world.pod("plain")).toBeUndefined();
  });

  it("that never started is deleted at once", async () => {
    await world.createPod("web", wantsEni);
    await world.api.delete(resources.pods, await untilScheduled("web"));
    await world.pass(100);
    expect(await world.pod("web")).toBeUndefined();
  });

  it("held by a finalizer is deleted once, and gone when the finalizer is", async () => {
    await world.createPod("plain");
    const pod = await untilRunning("plain");
    await world.mergePatch(resources.pods, "plain", { metadata: { finalizers: ["example.com/hold"] } });
    await world.api.delete(resources.pods, pod);
    await world.pass(10_000);
    expect(world.requests.filter((request) => request === "DELETE /api/v1/namespaces/default/pods/plain")).toHaveLength(
      1,
    );
    await world.mergePatch(resources.pods, "plain", { metadata: { finalizers: null } });
    await untilGone("plain");
  });

  it("of the exit image succeeds after a second", async () => {
    await world.createPod("job", { spec: { containers: [{ name: "c", image: "sandbox/exit-0" }] } });
    await untilRunning("job");
    await world.pass(1100);
    const pod = await world.pod("job");
    expect(pod?.status?.phase).toBe("Succeeded");
    expect(pod?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(0);
  });

  it("that fits nowhere says why, and is placed when a node with room joins", async () => {
    const requests = { "aliyun/member-eni": "17" };
    await world.createPod("big", {
      spec: { containers: [{ name: "c", image: "app:1", resources: { requests, limits: requests } }] },
    });
    const condition = await world.until(async () =>
      (await world.pod("big"))?.status?.conditions?.find(({ type }) => type === "PodScheduled"),
    );
    expect(condition.reason).toBe("Unschedulable");
    expect(condition.message).toContain("0/3 nodes are available: 3 Insufficient aliyun/member-eni.");
    const roomy = { ...world.nodes[0]!, name: "roomy" };
    void world.cluster.addNode({ ...roomy, capacity: { ...roomy.capacity, "aliyun/member-eni": 20 } });
    expect((await untilRunning("big")).spec.nodeName).toBe("roomy");
    expect((await world.list<Pod & { reason: string }>(resources.events)).map(({ reason }) => reason)).toContain(
      "FailedScheduling",
    );
  });

  it("is bound although the API server fails for a while", async () => {
    let failures = 3;
    world.interfere = ({ path }) =>
      path.endsWith("/binding") && failures-- > 0 ? { status: 500, headers: {}, body: "oops" } : undefined;
    await world.createPod("plain");
    await untilRunning("plain");
    expect(failures).toBeLessThan(0);
  });

  it("deleted before it has a node is gone", async () => {
    await world.createPod("lost", { spec: { nodeSelector: { zone: "none" } } });
    await world.pass(1000);
    const pod = await world.pod("lost");
    await world.api.delete(resources.pods, pod!);
    await untilGone("lost");
  });

  it("goes with its node: after the removal the pod garbage collector deletes it", async () => {
    await world.createPod("plain");
    const pod = await untilRunning("plain");
    void world.cluster.removeNode(pod.spec.nodeName!);
    await world.pass(500);
    expect(await world.pod("plain")).toBeDefined();
    await untilGone("plain");
    expect((await world.list<Node>(resources.nodes)).map(({ metadata }) => metadata.name)).not.toContain(
      pod.spec.nodeName,
    );
  });
});

describe("the whole cluster", () => {
  it("writes nothing when quiet", async () => {
    await world.createPod("plain");
    await untilRunning("plain");
    await world.pass(1000);
    const before = world.requests.length;
    await world.pass(200_000);
    expect(world.requests.slice(before).filter((request) => !request.startsWith("GET"))).toEqual([]);
  });
});
