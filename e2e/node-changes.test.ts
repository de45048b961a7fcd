/** What becomes of a machine's trunk, of what the core Node says and of the pods, when others change something. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { NodeSpec } from "../sandbox/cluster/node-specs.ts";
import { pathOf } from "./kube.ts";
import { interfacesOf, membersOf, startMachines, trunkOn, type Machines } from "./machines.ts";
import { aPod } from "./manifests.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually } from "./world.ts";

const namespace = "changes";
const fixed = { allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "10m" } };
/** Whole interfaces, for nodes in exclusive mode. */
const whole = { eniOptions: { eniType: "ENI" } };
/** 4 interfaces, of which the primary is one. */
const small = { instanceType: "ecs.g7.xlarge", exclusive: true };

describe("a machine that serves pods", () => {
  let machines: Machines;
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    machines = await startMachines({ namespace, planes: { members: {}, kept: fixed, whole } });
    start();
  }, 120_000);

  afterAll(() => machines.world.stop(), 30_000);

  const run = (name: string, plane: string, node: NodeSpec) =>
    machines.world.kube.apply(aPod({ namespace, name, plane, spec: { nodeName: node.name } }));
  const trunkIdsOf = ({ instanceId }: NodeSpec) => machines.trunksOf(instanceId).map(({ eniId }) => eniId);
  const untilStatus = (eniId: string, status: string, limitMs?: number) =>
    eventually(`${eniId} is ${status}`, () => machines.eni(eniId)?.status === status, {
      ...(limitMs !== undefined && { limitMs }),
      state: () => machines.eni(eniId),
    });
  const isGone = (eniId: string): boolean => (machines.eni(eniId)?.status ?? "Gone") === "Gone";
  const untilGone = (what: string, look: () => Promise<unknown>) =>
    eventually(`${what} is gone`, async () => (await look()) === undefined);

  scenario("attaches a trunk again that somebody detached, and the pod that waited binds", async () => {
    const node = await machines.join("detached");
    const trunk = (await machines.untilServing(node.name)).metadata.annotations![trunkOn]!;
    await machines.call("DetachNetworkInterface", { NetworkInterfaceId: trunk, InstanceId: node.instanceId });
    await untilStatus(trunk, "Available");
    // A pod that is to be a member finds out.
    await run("finder", "members", node);
    await machines.world.kube.untilRunning(namespace, "finder", { limitMs: 60_000 });
    expect(trunkIdsOf(node)).toEqual([trunk]);
  });

  scenario("gets another trunk when somebody deleted it, and the pod that waited binds", async () => {
    const { kube } = machines.world;
    const node = await machines.join("robbed");
    const first = (await machines.untilServing(node.name)).metadata.annotations![trunkOn]!;
    await machines.call("DetachNetworkInterface", { NetworkInterfaceId: first, InstanceId: node.instanceId });
    await untilStatus(first, "Available");
    await machines.call("DeleteNetworkInterface", { NetworkInterfaceId: first });
    await run("victim", "members", node);
    const { podEni } = await kube.untilRunning(namespace, "victim", { limitMs: 90_000 });
    const core = await kube.node(node.name);
    const second = core!.metadata.annotations![trunkOn]!;
    expect(second).not.toBe(first);
    expect(trunkIdsOf(node)).toEqual([second]);
    expect(podEni.status?.trunkENIID).toBe(second);
    expect(Object.keys((await kube.nodeRecord(node.name))!.status!.networkInterfaces!)).toEqual([second]);
  });

  scenario("gets another record when somebody deletes it, which takes the trunk over", async () => {
    const { kube } = machines.world;
    const node = await machines.join("forgotten");
    const trunk = (await machines.untilServing(node.name)).metadata.annotations![trunkOn]!;
    const { uid } = (await kube.nodeRecord(node.name))!.metadata;
    await kube.deletePath(pathOf.nodeRecord(node.name));
    const state = () => kube.nodeRecord(node.name);
    const record = await eventually(
      "a new record names the trunk",
      async () => {
        const found = await state();
        const isNew = found !== undefined && found.metadata.uid !== uid;
        return isNew && found.status?.networkInterfaces?.[trunk]?.status === "InUse" ? found : undefined;
      },
      { state },
    );
    expect(record.metadata.finalizers).toEqual(["network.alibabacloud.com/node-controller"]);
    expect(trunkIdsOf(node)).toEqual([trunk]);
    await run("after-deletion", "members", node);
    await kube.untilRunning(namespace, "after-deletion");
  });

  scenario("keeps its trunk when its node is deleted and joins again", async () => {
    const { kube, sandbox } = machines.world;
    const node = await machines.join("returning");
    const trunk = (await machines.untilServing(node.name)).metadata.annotations![trunkOn]!;
    await sandbox.cluster.removeNode(node.name);
    await untilGone("the record", () => kube.nodeRecord(node.name));
    await sandbox.cluster.addNode(node);
    const { metadata } = await machines.untilServing(node.name);
    expect(metadata.annotations?.[trunkOn]).toBe(trunk);
    expect(trunkIdsOf(node)).toEqual([trunk]);
    await run("after-return", "members", node);
    await kube.untilRunning(namespace, "after-return");
  });

  scenario("is replaced under its name: a new trunk, fixed addresses move there, elastic pods get others", async () => {
    const { kube, sandbox } = machines.world;
    const former = await machines.join("replaced");
    const first = (await machines.untilServing(former.name)).metadata.annotations![trunkOn]!;
    await run("stays", "kept", former);
    await run("anew", "members", former);
    const before = await Promise.all(["stays", "anew"].map((name) => kube.untilRunning(namespace, name)));
    const replacement = await machines.make("replacement", { name: former.name });
    sandbox.cloud.removeInstance(former.instanceId);
    // Faster than the garbage collectors, so that the same pods and the same record may be there when the node comes back.
    await sandbox.cluster.removeNode(former.name);
    await sandbox.cluster.addNode(replacement);

    const core = await machines.untilServing(former.name, 60_000);
    const second = core.metadata.annotations![trunkOn]!;
    expect(second).not.toBe(first);
    expect(trunkIdsOf(replacement)).toEqual([second]);
    expect((await kube.nodeRecord(former.name))?.spec?.nodeMetadata?.instanceID).toBe(replacement.instanceId);
    for (const { pod, podEni } of before) {
      const { name } = pod.metadata;
      // A garbage collector may have been faster, and then somebody makes the pod again.
      if ((await kube.pod(namespace, name)) === undefined) {
        await run(name, name === "stays" ? "kept" : "members", replacement);
      }
      const now = await eventually(
        `${name} is bound on the new machine`,
        async () => {
          const found = await kube.podEni(namespace, name);
          const { phase, instanceID } = found?.status ?? {};
          return phase === "Bind" && instanceID === replacement.instanceId ? found : undefined;
        },
        { limitMs: 90_000, state: () => kube.storyOf(namespace, name) },
      );
      expect(now.status?.trunkENIID).toBe(second);
      const isSame = now.spec!.allocations![0]!.ipv4 === podEni.spec!.allocations![0]!.ipv4;
      expect({ name, isSame }).toEqual({ name, isSame: name === "stays" });
    }
    const elastic = before[1]!.podEni.spec!.allocations![0]!.eni!.id!;
    await eventually("the former trunk and its members are gone", () => isGone(first) && isGone(elastic), {
      limitMs: 60_000,
      state: () => [machines.eni(first), machines.eni(elastic)],
    });
    expect(await kube.networkInterface(elastic)).toBeUndefined();
    const { enis } = sandbox.cloud.report();
    expect(enis.filter((eni) => eni.trunkEniId === first && eni.status !== "Gone")).toEqual([]);
  });

  scenario("that is full lets a rolling update go on as soon as an old pod's interface has left", async () => {
    const { kube } = machines.world;
    // 3 interfaces, 10 in all with members.
    const node = await machines.join("rolling", { instanceType: "ecs.g7.large" });
    const count = Number(membersOf(await machines.untilServing(node.name)));
    expect(count).toBe(7);
    const spec = { nodeSelector: { "kubernetes.io/hostname": node.name } };
    const make = (name: string) => kube.apply(aPod({ namespace, name, plane: "members", spec }));
    const former = Array.from({ length: count }, (_, index) => `former-${index}`);
    await Promise.all(former.map(make));
    await Promise.all(former.map((name) => kube.untilRunning(namespace, name)));
    for (const [index, name] of former.slice(0, 2).entries()) {
      const next = `next-${index}`;
      await make(next);
      await eventually(
        `${next} is told why it waits`,
        async () => {
          const conditions = (await kube.pod(namespace, next))?.status?.conditions;
          const said = conditions?.find(({ type }) => type === "PodScheduled");
          return said?.status === "False" && said.message?.includes("Insufficient aliyun/member-eni") === true;
        },
        { state: () => kube.storyOf(namespace, next) },
      );
      await kube.deletePod(namespace, name);
      await kube.untilRunning(namespace, next);
    }
    expect(machines.trunksOf(node.instanceId)).toHaveLength(1);
  });

  scenario("says less when the cloud has fewer places than it said, and the pod runs once there is one", async () => {
    const { kube } = machines.world;
    const node = await machines.join("crowded", small);
    await machines.untilNode(node.name, "can carry three", (each) => interfacesOf(each) === "3");
    const strangers = await Promise.all([machines.occupy(node), machines.occupy(node)]);
    await run("first", "whole", node);
    await kube.untilRunning(namespace, "first");
    await run("second", "whole", node);
    await kube.untilPodEniSays(namespace, "second", "InstanceInterfaceLimit", 60_000);
    const limitMs = 90_000;
    await machines.untilNode(node.name, "can carry one", (each) => interfacesOf(each) === "1", limitMs);
    await machines.call("DetachNetworkInterface", {
      NetworkInterfaceId: strangers[0],
      InstanceId: node.instanceId,
    });
    await kube.untilRunning(namespace, "second", { limitMs });
  });

  // By itself, for the fault concerns every machine.
  it.each([
    { mode: "trunk", options: {}, plane: "members", countOf: membersOf, full: "52", less: "51" },
    { mode: "exclusive", options: small, plane: "whole", countOf: interfacesOf, full: "3", less: "2" },
  ])(
    "says one less while the interface of a pod that is gone leaves: $mode mode",
    async ({ mode, options, plane, countOf, full, less }) => {
      const { kube, sandbox } = machines.world;
      const node = await machines.join(`leaving-${mode}`, options);
      const untilSays = (count: string) =>
        machines.untilNode(node.name, `can carry ${count}`, (each) => countOf(each) === count);
      await untilSays(full);
      await run(`leaver-${mode}`, plane, node);
      await kube.untilRunning(namespace, `leaver-${mode}`);
      expect(countOf((await kube.node(node.name))!)).toBe(full);
      const effect = { type: "stuckDetaching", seconds: 5, repeatHelps: false } as const;
      sandbox.cloud.setFaults([{ name: "slow-detach", api: "DetachNetworkInterface", effect }]);
      await kube.deletePod(namespace, `leaver-${mode}`);
      await untilSays(less);
      expect(await kube.pod(namespace, `leaver-${mode}`)).toBeUndefined();
      await untilSays(full);
      sandbox.cloud.setFaults([]);
    },
    120_000,
  );
});
