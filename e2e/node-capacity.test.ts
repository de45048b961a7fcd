import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import type { Node as NodeRecord } from "../crds/v1beta1/node.gen.ts";
import type { EniReport } from "../sandbox/alibaba-cloud/index.ts";
import type { Node } from "../sandbox/cluster/kinds.ts";
import type { NodeSpec } from "../sandbox/cluster/node-specs.ts";
import { landscape } from "../sandbox/landscape.ts";
import { aNamespace, aPlane, aPod } from "./manifests.ts";
import { aNodeRecord, centralised } from "./node-records.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "capacity";
const trunkOn = "k8s.aliyun.com/trunk-on";
const maxAvailableIp = "k8s.aliyun.com/max-available-ip";
const notReady = { key: "network.alibabacloud.com/not-ready", effect: "NoSchedule" };
const recordPath = (name: string) => `/apis/network.alibabacloud.com/v1beta1/nodes/${name}`;

describe("what a machine can carry", () => {
  let world: World;
  let nodes: readonly NodeSpec[];
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    // Nine nodes in common mode and one in exclusive mode; each scenario has nodes of its own.
    world = await startWorld({ nodes: 10, bareNodes: true, config: centralised });
    nodes = world.sandbox.nodes;
    await world.kube.apply(aNamespace(namespace));
    await world.kube.apply(aPlane("members"));
    await world.kube.untilPlaneSays("members", "VSwitchesFound");
    start();
  }, 120_000);

  afterAll(() => world.stop(), 30_000);

  const recordOf = async (name: string) =>
    (await world.kube.request("GET", recordPath(name))).body as NodeRecord | undefined;
  const trunksOf = (instanceId: string): readonly EniReport[] =>
    world.sandbox.cloud
      .report()
      .enis.filter((eni) => eni.type === "Trunk" && eni.instanceId === instanceId && eni.status !== "Gone");
  const saysOf = (node: Node | undefined) => {
    const condition = node?.status?.conditions?.find(({ type }) => type === "TerwayInterfaces");
    return condition === undefined ? undefined : { status: condition.status, reason: condition.reason };
  };
  const untilNode = (name: string, what: string, holds: (node: Node) => boolean, limitMs = 30_000) =>
    eventually(
      `node ${name} ${what}`,
      async () => {
        const node = await world.kube.node(name);
        return node !== undefined && holds(node) ? node : undefined;
      },
      {
        limitMs,
        state: async () => [await world.kube.node(name), await recordOf(name), await world.kube.events("Node", name)],
      },
    );
  const members = (node: Node) => node.status?.allocatable?.["aliyun/member-eni"];
  const untilServing = (name: string, limitMs?: number) =>
    untilNode(name, "can carry members", (node) => Number(members(node) ?? 0) > 0, limitMs);
  const call = async (action: string, parameters: Readonly<Record<string, string>>) => {
    const { cloud } = world.sandbox;
    const RegionId = landscape.regionId;
    const answer = await cloud.call({ product: "ecs", action }, { RegionId, ...parameters }, landscape.account);
    expect(answer).toMatchObject({ status: 200 });
    return answer.body as { readonly NetworkInterfaceId?: string };
  };
  const statusOf = (eniId: string) => world.sandbox.cloud.enis().find((eni) => eni.eniId === eniId)?.status;

  scenario("gives a bare machine a trunk, publishes what it carries, and a pod runs on it", async () => {
    const { kube, sandbox } = world;
    const node = nodes[0]!;
    await kube.apply(aNodeRecord(node));
    const { metadata, status } = await untilServing(node.name);

    const [trunk, ...more] = trunksOf(node.instanceId);
    expect(more).toEqual([]);
    expect(trunk).toMatchObject({
      status: "InUse",
      vSwitchId: "vsw-nodes-h",
      tags: { team: "shop", creator: "terway", "ack.aliyun.com": landscape.clusterId },
    });
    expect(metadata.annotations).toMatchObject({ [trunkOn]: trunk!.eniId, [maxAvailableIp]: "140" });
    expect([status?.allocatable, status?.capacity]).toEqual([
      expect.objectContaining({ "aliyun/member-eni": "52" }),
      expect.objectContaining({ "aliyun/member-eni": "52" }),
    ]);
    const record = await recordOf(node.name);
    expect(record?.status?.networkInterfaces?.[trunk!.eniId]).toMatchObject({
      status: "InUse",
      networkInterfaceType: "Trunk",
      ipv4CIDR: "10.10.0.0/20",
      primaryIPAddress: trunk!.ipv4s[0],
    });
    expect(record?.status?.conditions).toMatchObject([{ type: "InterfacesReady", reason: "CapacityPublished" }]);
    expect((await kube.events("Node", node.name)).map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(["CreateENISucceed", "AttachENISucceed"]),
    );

    await kube.apply(aPod({ namespace, name: "member", plane: "members", spec: { nodeName: node.name } }));
    const { podEni } = await kube.untilRunning(namespace, "member");
    expect(podEni.status?.trunkENIID).toBe(trunk!.eniId);
    expect(
      sandbox.cloud.report().enis.find(({ eniId }) => eniId === podEni.spec!.allocations![0]!.eni!.id),
    ).toMatchObject({ type: "Member", trunkEniId: trunk!.eniId });
  });

  scenario("takes the trunk that a machine has, and makes none", async () => {
    const node = nodes[1]!;
    const trunk = world.sandbox.cloud.addTrunk(node.instanceId);
    await world.kube.apply(aNodeRecord(node));
    const { metadata } = await untilServing(node.name);
    expect(metadata.annotations?.[trunkOn]).toBe(trunk);
    expect(trunksOf(node.instanceId).map(({ eniId }) => eniId)).toEqual([trunk]);
  });

  scenario("publishes whole interfaces on a node in exclusive mode, less the places that others took", async () => {
    const node = nodes.find(({ exclusive }) => exclusive === true)!;
    await call("CreateNetworkInterface", { VSwitchId: "vsw-nodes-i", "SecurityGroupIds.1": landscape.securityGroupId })
      .then(({ NetworkInterfaceId: foreign }) => foreign!)
      .then((NetworkInterfaceId) =>
        call("AttachNetworkInterface", { NetworkInterfaceId, InstanceId: node.instanceId }),
      );
    await world.kube.apply(aNodeRecord(node));
    const { status, metadata } = await untilNode(node.name, "can carry interfaces", (found) =>
      Boolean(found.status?.allocatable?.["aliyun/eni"]),
    );
    expect(status?.allocatable).toMatchObject({ "aliyun/eni": "6" });
    expect(status?.allocatable?.["aliyun/member-eni"]).toBeUndefined();
    expect(metadata.annotations).toMatchObject({ [maxAvailableIp]: "6" });
    expect(trunksOf(node.instanceId)).toEqual([]);
  });

  scenario("makes no trunk when it is turned off or the machine supports none", async () => {
    const [off, unable] = [nodes[2]!, nodes[3]!];
    await world.kube.apply(aNodeRecord(off, { eni: { enableTrunk: false } }));
    await world.kube.apply(aNodeRecord(unable, { spec: { nodeCap: { adapters: 4, ipv4PerAdapter: 10 } } }));
    for (const { name, instanceId } of [off, unable]) {
      const node = await untilNode(name, "is ready", (found) => saysOf(found)?.status === "True");
      expect(members(node)).toBeUndefined();
      expect(trunksOf(instanceId)).toEqual([]);
    }
  });

  scenario("attaches a trunk again that somebody detached, and makes another when it was deleted", async () => {
    const node = nodes[4]!;
    await world.kube.apply(aNodeRecord(node));
    const first = (await untilServing(node.name)).metadata.annotations![trunkOn]!;
    const detach = { NetworkInterfaceId: first, InstanceId: node.instanceId };
    await call("DetachNetworkInterface", detach);
    await eventually("the trunk is free", () => statusOf(first) === "Available");
    // A pod that is to be a member finds out.
    await world.kube.apply(aPod({ namespace, name: "finder", plane: "members", spec: { nodeName: node.name } }));
    await eventually("the trunk is attached again", () => statusOf(first) === "InUse", { limitMs: 60_000 });
    await world.kube.untilRunning(namespace, "finder", { limitMs: 60_000 });

    await world.kube.deletePod(namespace, "finder");
    await eventually(
      "the trunk has no members",
      async () => (await world.kube.podEni(namespace, "finder")) === undefined,
    );
    await call("DetachNetworkInterface", detach);
    await eventually("the trunk is free", () => statusOf(first) === "Available");
    await call("DeleteNetworkInterface", { NetworkInterfaceId: first });
    await world.kube.apply(aPod({ namespace, name: "finder", plane: "members", spec: { nodeName: node.name } }));
    const second = await untilNode(
      node.name,
      "has another trunk",
      ({ metadata }) => ![undefined, first].includes(metadata.annotations?.[trunkOn]),
      60_000,
    );
    expect(trunksOf(node.instanceId).map(({ eniId }) => eniId)).toEqual([second.metadata.annotations![trunkOn]]);
    expect(Object.keys((await recordOf(node.name))!.status!.networkInterfaces!)).not.toContain(first);
  });

  scenario("says on both objects why there is no trunk, and heals when the record is corrected", async () => {
    const node = nodes[6]!;
    // Zone h, and a vSwitch of zone i.
    await world.kube.apply(aNodeRecord(node, { eni: { vSwitchOptions: ["vsw-nodes-i"] } }));
    const told = await untilNode(node.name, "says why", (found) => saysOf(found)?.reason === "NoVSwitchInZone");
    expect(saysOf(told)).toEqual({ status: "False", reason: "NoVSwitchInZone" });
    expect((await recordOf(node.name))?.status?.conditions).toMatchObject([{ reason: "NoVSwitchInZone" }]);
    await world.kube.untilEvent("Node", node.name, "ConfigError", "vsw-nodes-i is in zone");
    await world.kube.apply(aNodeRecord(node));
    await untilServing(node.name);
  });

  scenario("says that a vSwitch without IPv6 block cannot serve a dual-stack node", async () => {
    const { cloud } = world.sandbox;
    const node = nodes[8]!;
    const { vpcId } = landscape;
    await world.kube.apply(aNodeRecord(node, { eni: { enableIPv6: true } }));
    await world.kube.untilEvent("Node", node.name, "ConfigError", "vsw-nodes-h has no IPv6 block");
    cloud.addVSwitch({
      vSwitchId: "vsw-six",
      zoneId: "cn-hangzhou-h",
      vpcId,
      cidr: "10.12.0.0/20",
      ipv6Cidr: "2408:4005:3aa:4f00::/64",
    });
    await world.kube.apply(
      aNodeRecord(node, { eni: { enableIPv6: true, vSwitchOptions: ["vsw-nodes-h", "vsw-six"] } }),
    );
    await untilServing(node.name);
    const [trunk] = trunksOf(node.instanceId);
    expect(trunk).toMatchObject({ vSwitchId: "vsw-six" });
    const addresses = cloud.enis().find(({ eniId }) => eniId === trunk!.eniId)?.ipv6s;
    expect(addresses).toEqual([expect.stringContaining("2408:")]);
    expect((await recordOf(node.name))?.status?.networkInterfaces?.[trunk!.eniId]?.ipv6CIDR).toBe(
      "2408:4005:3aa:4f00::/64",
    );
  });

  scenario("takes the start-up taint off once the node can serve, and no other taint", async () => {
    const { cloud, cluster } = world.sandbox;
    const place = { zoneId: "cn-hangzhou-h", vpcId: landscape.vpcId, vSwitchId: "vsw-nodes-h" };
    cloud.addInstance({ instanceId: "i-late", instanceType: "ecs.g6.16xlarge", ...place });
    const other = { key: "shop.example.com/only", effect: "NoSchedule" };
    const late = { ...nodes[0]!, name: "node-late", instanceId: "i-late", taints: [notReady, other] };
    await cluster.addNode(late);
    const taints = (node: Node | undefined) => node?.spec?.taints?.map(({ key }) => key);
    expect(taints(await world.kube.node("node-late"))).toEqual(expect.arrayContaining([notReady.key, other.key]));
    await world.kube.apply(aNodeRecord(late));
    const served = await untilNode("node-late", "has lost the taint", (node) => !taints(node)?.includes(notReady.key));
    expect(taints(served)).toContain(other.key);
    expect(members(served)).toBe("52");
  });

  scenario("leaves the trunk of a deleted record on the machine, and takes it when the record returns", async () => {
    const node = nodes[7]!;
    await world.kube.apply(aNodeRecord(node));
    const trunk = (await untilServing(node.name)).metadata.annotations![trunkOn]!;
    await world.kube.deletePath(recordPath(node.name));
    await eventually("the record is gone", async () => (await recordOf(node.name))?.metadata.uid === undefined);
    await world.kube.apply(aNodeRecord(node));
    await eventually(
      "the new record names the trunk",
      async () => (await recordOf(node.name))?.status?.networkInterfaces?.[trunk]?.status === "InUse",
    );
    expect(trunksOf(node.instanceId).map(({ eniId }) => eniId)).toEqual([trunk]);
  });
});
