/** The whole chain of a machine that joins: core Node and eni-config → Node CR → trunk → what the core Node says → pods. */
import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import { systemClock } from "../runtime/clock.ts";
import { landscape } from "../sandbox/landscape.ts";
import { pathOf } from "./kube.ts";
import {
  interfacesOf,
  maxAvailableIp,
  membersOf,
  reasonOf,
  saysOf,
  startMachines,
  trunkOn,
  type Machines,
} from "./machines.ts";
import { aPod } from "./manifests.ts";
import { anEniConfig, aNodeRecord } from "./node-records.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually } from "./world.ts";

const namespace = "capacity";
const notReady = { key: "network.alibabacloud.com/not-ready", effect: "NoSchedule" };

describe("what a machine can carry", () => {
  let machines: Machines;
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    machines = await startMachines({ namespace, planes: { members: {} } });
    start();
  }, 120_000);

  afterAll(() => machines.world.stop(), 30_000);

  scenario("gives a bare machine a trunk, publishes what it carries, and a pod runs on it", async () => {
    const { kube } = machines.world;
    const { name, instanceId } = await machines.join("bare");
    const { metadata, status } = await machines.untilServing(name);
    const seenAtMs = systemClock.now();

    const [trunk, ...more] = machines.trunksOf(instanceId);
    expect(more).toEqual([]);
    expect(trunk).toMatchObject({
      status: "InUse",
      vSwitchId: "vsw-nodes-h",
      tags: { team: "shop", creator: "terway", "ack.aliyun.com": landscape.clusterId },
    });
    expect(seenAtMs - trunk!.timings.inUseAt!).toBeLessThanOrEqual(2_000);
    expect(metadata.annotations).toMatchObject({ [trunkOn]: trunk!.eniId, [maxAvailableIp]: "140" });
    expect([status?.allocatable, status?.capacity]).toEqual([
      expect.objectContaining({ "aliyun/member-eni": "52" }),
      expect.objectContaining({ "aliyun/member-eni": "52" }),
    ]);
    const record = await kube.nodeRecord(name);
    expect(record?.status?.networkInterfaces?.[trunk!.eniId]).toMatchObject({
      status: "InUse",
      networkInterfaceType: "Trunk",
      ipv4CIDR: "10.10.0.0/20",
      primaryIPAddress: trunk!.ipv4s[0],
    });
    expect([reasonOf(record, "Ready"), reasonOf(record, "InterfacesReady")]).toEqual(["Recorded", "CapacityPublished"]);
    await kube.untilEvent("Node", name, "CreateENISucceed", trunk!.eniId);
    await kube.untilEvent("Node", name, "AttachENISucceed", trunk!.eniId);

    await kube.apply(aPod({ namespace, name: "member", plane: "members", spec: { nodeName: name } }));
    const { podEni } = await kube.untilRunning(namespace, "member");
    expect(podEni.status?.trunkENIID).toBe(trunk!.eniId);
    expect(machines.eni(podEni.spec!.allocations![0]!.eni!.id!)).toMatchObject({
      type: "Member",
      trunkEniId: trunk!.eniId,
    });
  });

  scenario("takes the trunk that a machine has, and makes none", async () => {
    const { cloud, cluster } = machines.world.sandbox;
    const node = await machines.make("equipped");
    const trunk = cloud.addTrunk(node.instanceId);
    await cluster.addNode(node);
    const { metadata } = await machines.untilServing(node.name);
    expect(metadata.annotations?.[trunkOn]).toBe(trunk);
    expect(machines.trunksOf(node.instanceId).map(({ eniId }) => eniId)).toEqual([trunk]);
  });

  scenario("takes over a trunk that carries somebody else's members: publishes fewer", async () => {
    const { cloud, cluster } = machines.world.sandbox;
    const node = await machines.make("shared");
    const trunk = cloud.addTrunk(node.instanceId);
    const occupied = [await machines.occupy(node, trunk), await machines.occupy(node, trunk)];
    await cluster.addNode(node);
    const found = await machines.untilServing(node.name);
    expect([found.metadata.annotations?.[trunkOn], membersOf(found)]).toEqual([trunk, "50"]);
    expect(occupied.map((eniId) => machines.eni(eniId)?.type)).toEqual(["Member", "Member"]);
  });

  scenario("publishes whole interfaces on a node in exclusive mode, less the places that others took", async () => {
    const node = await machines.make("exclusive", { exclusive: true });
    await machines.occupy(node);
    await machines.world.sandbox.cluster.addNode(node);
    const found = await machines.untilNode(node.name, "can carry interfaces", (each) => Boolean(interfacesOf(each)));
    expect([interfacesOf(found), membersOf(found)]).toEqual(["6", undefined]);
    expect(found.metadata.annotations).toMatchObject({ [maxAvailableIp]: "6" });
    expect(machines.trunksOf(node.instanceId)).toEqual([]);
  });

  scenario("makes no trunk when it is turned off or the machine supports none", async () => {
    const off = await machines.join("off", { conf: { enable_eni_trunking: false } });
    const unable = await machines.join("unable", { instanceType: "ecs.g6.4xlarge" });
    for (const { name, instanceId } of [off, unable]) {
      const node = await machines.untilNodeSays(name, "CapacityPublished");
      expect(saysOf(node)?.status).toBe("True");
      expect(membersOf(node)).toBeUndefined();
      expect(machines.trunksOf(instanceId)).toEqual([]);
    }
  });

  scenario("leaves to a node daemon what it has written: its tags, its switch, its vSwitch", async () => {
    const { kube, sandbox } = machines.world;
    const node = await machines.make("daemon");
    // Before the core Node, so that nothing is filled from eni-config first.
    await kube.apply(aNodeRecord(node, { eni: { tag: { team: "daemon" } } }));
    await sandbox.cluster.addNode(node);
    await machines.untilServing(node.name);
    expect(machines.trunksOf(node.instanceId)).toMatchObject([{ tags: { team: "daemon" } }]);
    const record = await kube.nodeRecord(node.name);
    expect(record?.spec?.eni?.tag).toEqual({ team: "daemon" });
    // The rest is controller node's: the parts that the daemon left out, and the ties to the machine.
    expect(record?.spec?.pool).toBeDefined();
    expect(record?.metadata.ownerReferences).toMatchObject([{ kind: "Node", name: node.name }]);
  });

  scenario("says on both objects why there is no trunk, and heals when eni-config is corrected", async () => {
    const { kube } = machines.world;
    // Named under the wrong zone.
    const conf = { vswitches: { "cn-hangzhou-h": ["vsw-nodes-i"] } };
    const { name } = await machines.join("misplaced", { conf });
    const told = await machines.untilNodeSays(name, "NoVSwitchInZone");
    expect(saysOf(told)?.status).toBe("False");
    expect(reasonOf(await kube.nodeRecord(name), "InterfacesReady")).toBe("NoVSwitchInZone");
    await kube.untilEvent("Node", name, "ConfigError", "vsw-nodes-i is in zone");
    await kube.apply(anEniConfig({}, `own-${name}`));
    await machines.untilServing(name, 60_000);
  });

  scenario(
    "says that eni-config has no vSwitch in the zone of a machine, and equips it once there is one",
    async () => {
      const { kube } = machines.world;
      const { name, instanceId } = await machines.join("zoneless", { conf: { vswitches: { "cn-hangzhou-h": null } } });
      const record = await kube.untilNodeRecordSays(name, "EniConfigInvalid");
      expect(record.spec).toMatchObject({ nodeCap: { memberAdapterLimit: 52 } });
      const core = await machines.untilNodeSays(name, "NodeRecordIncomplete");
      const { message } = core.status!.conditions!.find(({ type }) => type === "TerwayInterfaces")!;
      expect(message).toContain("eni_conf names no vSwitch in cn-hangzhou-h");
      expect(machines.trunksOf(instanceId)).toEqual([]);
      await kube.untilEvent("Node", name, "ConfigError", "no vSwitch in cn-hangzhou-h");
      await kube.apply(anEniConfig({}, `own-${name}`));
      await machines.untilServing(name, 60_000);
    },
  );

  scenario("says that a vSwitch without IPv6 block cannot serve a dual-stack node", async () => {
    const { kube, sandbox } = machines.world;
    // As many IPv6 as IPv4 addresses, without which there is no dual stack.
    const options = { instanceType: "ecs.g7.4xlarge", conf: { ip_stack: "dual" } };
    const { name, instanceId } = await machines.join("dual", options);
    await machines.untilNodeSays(name, "VSwitchWithoutIPv6");
    await kube.untilEvent("Node", name, "ConfigError", "vsw-nodes-h has no IPv6 block");
    sandbox.cloud.addVSwitch({
      vSwitchId: "vsw-six",
      zoneId: "cn-hangzhou-h",
      vpcId: landscape.vpcId,
      cidr: "10.12.0.0/20",
      ipv6Cidr: "2408:4005:3aa:4f00::/64",
    });
    const vswitches = { "cn-hangzhou-h": ["vsw-nodes-h", "vsw-six"] };
    await kube.apply(anEniConfig({ ip_stack: "dual", vswitches }, `own-${name}`));
    await machines.untilServing(name, 60_000);
    const [trunk] = machines.trunksOf(instanceId);
    expect(trunk).toMatchObject({ vSwitchId: "vsw-six", ipv6s: [expect.stringContaining("2408:")] });
    const record = await kube.nodeRecord(name);
    expect(record?.status?.networkInterfaces?.[trunk!.eniId]?.ipv6CIDR).toBe("2408:4005:3aa:4f00::/64");
  });

  scenario("takes the start-up taint off once the node can serve, and no other taint", async () => {
    const other = { key: "shop.example.com/only", effect: "NoSchedule" };
    const { name } = await machines.join("tainted", { taints: [notReady, other] });
    const served = await machines.untilNode(name, "has lost the taint", ({ spec }) =>
      (spec?.taints ?? []).every(({ key }) => key !== notReady.key),
    );
    expect(served.spec?.taints?.map(({ key }) => key)).toContain(other.key);
    expect(membersOf(served)).toBe("52");
  });

  scenario("follows the machine to another instance type, and waits while the cloud does not know it", async () => {
    const { kube } = machines.world;
    const { name } = await machines.join("resized");
    await machines.untilServing(name);
    const typed = (type: string) => ({ metadata: { labels: { "node.kubernetes.io/instance-type": type } } });
    await kube.patch(pathOf.node(name), typed("ecs.none.large"));
    const record = await kube.untilNodeRecordSays(name, "InstanceTypeUnknown");
    expect(record.spec?.nodeCap).toBeUndefined();
    // What it could carry stays: nothing better is known.
    expect(membersOf(await machines.untilNodeSays(name, "NodeRecordIncomplete"))).toBe("52");
    await kube.patch(pathOf.node(name), typed("ecs.g6.26xlarge"));
    const resized = await machines.untilNode(name, "carries more", (node) => membersOf(node) === "85");
    expect(resized.metadata.annotations).toMatchObject({ [maxAvailableIp]: "280" });
  });

  scenario("keeps pods from a machine whose trunk is stuck, and lets them run there once it has one", async () => {
    const { kube } = machines.world;
    // Named under the wrong zone, so that there can be no trunk.
    const conf = { vswitches: { "cn-hangzhou-h": ["vsw-nodes-i"] } };
    const { name } = await machines.join("stuck", { conf, taints: [notReady] });
    const untainted = await machines.join("stuck-untainted", { conf });
    const spec = (host: string) => ({ nodeSelector: { "kubernetes.io/hostname": host } });
    await kube.apply(aPod({ namespace, name: "eager", plane: "members", spec: spec(name) }));
    await kube.apply(aPod({ namespace, name: "eager-shared", spec: spec(name) }));
    await kube.apply(aPod({ namespace, name: "eager-untainted", plane: "members", spec: spec(untainted.name) }));
    await machines.untilNodeSays(name, "NoVSwitchInZone");
    await machines.untilNodeSays(untainted.name, "NoVSwitchInZone");
    const waits = [
      { pod: "eager", why: "untolerated taint" },
      { pod: "eager-shared", why: "untolerated taint" },
      { pod: "eager-untainted", why: "Insufficient aliyun/member-eni" },
    ];
    for (const { pod, why } of waits) {
      const message = await untilUnschedulable(pod);
      expect(message).toContain(why);
    }
    for (const host of [name, untainted.name]) await kube.apply(anEniConfig({}, `own-${host}`));
    for (const pod of ["eager", "eager-untainted"]) await kube.untilRunning(namespace, pod, { limitMs: 60_000 });
    await eventually("the pod on the shared network runs", async () => {
      return (await kube.pod(namespace, "eager-shared"))?.status?.phase === "Running";
    });
    expect((await kube.pod(namespace, "eager"))?.spec.nodeName).toBe(name);
  });

  /** What the scheduler says of a pod that fits nowhere. */
  function untilUnschedulable(pod: string): Promise<string> {
    const { kube } = machines.world;
    return eventually(
      `pod ${pod} is Unschedulable`,
      async () => {
        const found = (await kube.pod(namespace, pod))?.status;
        expect(found?.phase).not.toBe("Running");
        const condition = found?.conditions?.find(({ type }) => type === "PodScheduled");
        return condition?.reason === "Unschedulable" ? (condition.message ?? "") : undefined;
      },
      { state: () => kube.storyOf(namespace, pod) },
    );
  }
});
