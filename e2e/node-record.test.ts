/** Controller `node`: what a user, a node daemon and the garbage collector see of the record of each machine. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Node as NodeRecord } from "../crds/v1beta1/node.gen.ts";
import { landscape } from "../sandbox/landscape.ts";
import { pathOf } from "./kube.ts";
import type { AnyManifest } from "./manifests.ts";
import { anEniConfig } from "./node-records.ts";
import { eventually, startWorld, type World } from "./world.ts";

const finalizer = "network.alibabacloud.com/node-controller";
const modeLabel = "k8s.aliyun.com/exclusive-mode-eni-type";
const vSwitchesByZone = { "cn-hangzhou-h": ["vsw-hz-h-1"], "cn-hangzhou-i": ["vsw-hz-i-1"] };

/** ecs.g6.16xlarge: 8 interfaces, 60 with members, 20 IPv4 and 1 IPv6 address each. */
const capOfMachines = {
  adapters: 8,
  totalAdapters: 60,
  memberAdapterLimit: 52,
  maxMemberAdapterLimit: 58,
  ipv4PerAdapter: 20,
  ipv6PerAdapter: 1,
  eriQuantity: 0,
  networkCards: [],
  networkCardsCount: 0,
};

/** A machine that only the API server knows: no kubelet, no instance. */
function aMachine(name: string, more: { labels?: Record<string, string>; providerId?: string } = {}): AnyManifest {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        "topology.kubernetes.io/region": "cn-hangzhou",
        "topology.kubernetes.io/zone": "cn-hangzhou-h",
        "node.kubernetes.io/instance-type": "ecs.g7.xlarge",
        ...more.labels,
      },
    },
    ...(more.providerId !== "" && { spec: { providerID: more.providerId ?? `cn-hangzhou.i-${name}` } }),
  } as AnyManifest;
}

const isGone = async (world: World, name: string): Promise<boolean> =>
  (await world.kube.nodeRecord(name)) === undefined;

describe("the record of a machine", () => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld({
      nodes: 5,
      config: { controllers: ["*"], nodeLabelWhiteList: { "topology.kubernetes.io/region": "cn-hangzhou" } },
    });
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  it("is made for each, with owner, finalizer, labels, place and capacity, for one call to the cloud", async () => {
    const { kube, sandbox } = world;
    for (const { name, zone, instanceId, instanceType, exclusive } of sandbox.nodes) {
      const record = await kube.untilNodeRecordSays(name, "Recorded");
      const node = await kube.node(name);
      expect(record.metadata).toMatchObject({
        finalizers: [finalizer],
        labels: { name, [modeLabel]: exclusive === true ? "eniOnly" : "default" },
        ownerReferences: [
          { apiVersion: "v1", kind: "Node", name, uid: node!.metadata.uid, controller: true, blockOwnerDeletion: true },
        ],
      });
      expect(record.spec?.nodeMetadata).toEqual({
        regionID: landscape.regionId,
        zoneID: zone,
        instanceType,
        instanceID: instanceId,
      });
      expect(record.spec?.nodeCap).toMatchObject(capOfMachines);
      // Not centralised: the rest is the daemon's.
      expect(Object.keys(record.spec!).sort()).toEqual(["nodeCap", "nodeMetadata"]);
    }
    const calls = () => sandbox.cloud.report().apis.DescribeInstanceTypes?.calls ?? 0;
    // One for the machines; the check of permissions makes the other, sooner or later.
    await eventually("both have asked", () => calls() >= 2);
    expect(calls()).toBe(2);
  }, 60_000);

  it("is written twice, and then no more", async () => {
    const { kube, sandbox } = world;
    const [first] = sandbox.nodes;
    const before = await kube.untilNodeRecordSays(first!.name, "Recorded");
    await kube.patch(pathOf.node(first!.name), { metadata: { labels: { unrelated: "x" } } });
    await kube.apply(aMachine("other"));
    await kube.untilNodeRecordSays("other", "Recorded");
    const after = await kube.nodeRecord(first!.name);
    expect(after!.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
  }, 30_000);

  it("says what the core Node lacks, and is completed when it comes", async () => {
    const { kube } = world;
    await kube.apply(aMachine("bare", { providerId: "" }));
    const incomplete = await kube.untilNodeRecordSays("bare", "NodeIncomplete");
    expect(incomplete.spec?.nodeMetadata).toBeUndefined();
    await kube.untilEvent("Node", "bare", "ConfigError", "no instance id in .spec.providerID");
    await kube.patch(pathOf.node("bare"), { spec: { providerID: "cn-hangzhou.i-late" } });
    const complete = await kube.untilNodeRecordSays("bare", "Recorded");
    expect(complete.spec).toMatchObject({ nodeMetadata: { instanceID: "i-late" }, nodeCap: { adapters: 4 } });
  }, 60_000);

  it("says that the cloud does not know the instance type", async () => {
    const { kube } = world;
    await kube.apply(aMachine("odd", { labels: { "node.kubernetes.io/instance-type": "ecs.none.large" } }));
    const record = await kube.untilNodeRecordSays("odd", "InstanceTypeUnknown");
    expect(record.spec?.nodeCap).toBeUndefined();
    await kube.untilEvent("Node", "odd", "ConfigError", "ecs.none.large");
  }, 60_000);

  it("keeps the mode that the machine joined with, and says so", async () => {
    const { kube } = world;
    await kube.apply(aMachine("mode", { labels: { [modeLabel]: "ENIOnly" } }));
    await kube.untilNodeRecordSays("mode", "Recorded");
    await kube.patch(pathOf.node("mode"), { metadata: { labels: { [modeLabel]: "default" } } });
    const record = await kube.untilNodeRecordSays("mode", "ModeChanged");
    expect(record.metadata.labels?.[modeLabel]).toBe("eniOnly");
    await kube.untilEvent("Node", "mode", "ConfigError", "node exclusive mode changed to default");
    await kube.patch(pathOf.node("mode"), { metadata: { labels: { [modeLabel]: "eniOnly" } } });
    await kube.untilNodeRecordSays("mode", "Recorded");
  }, 60_000);

  it("follows another machine of the same name", async () => {
    const { kube } = world;
    await kube.apply(aMachine("again"));
    const first = await kube.untilNodeRecordSays("again", "Recorded");
    await kube.deletePath(pathOf.node("again"));
    await eventually("the record went with the machine", () => isGone(world, "again"));
    await kube.apply(
      aMachine("again", {
        providerId: "cn-hangzhou.i-second",
        labels: { "node.kubernetes.io/instance-type": "ecs.g7.4xlarge" },
      }),
    );
    const second = await kube.untilNodeRecordSays("again", "Recorded");
    expect(second.metadata.uid).not.toBe(first.metadata.uid);
    expect(second.spec).toMatchObject({
      nodeMetadata: { instanceID: "i-second", instanceType: "ecs.g7.4xlarge" },
      nodeCap: { adapters: 8, ipv4PerAdapter: 30 },
    });
  }, 60_000);

  it("is let go when the machine is to be ignored, and made anew when somebody deletes it", async () => {
    const { kube } = world;
    await kube.apply(aMachine("ignored"));
    const before = await kube.untilNodeRecordSays("ignored", "Recorded");
    await kube.deletePath(pathOf.nodeRecord("ignored"));
    await eventually("there is another one", async () => {
      const record = await kube.nodeRecord("ignored");
      return record !== undefined && record.metadata.uid !== before.metadata.uid;
    });
    await kube.patch(pathOf.node("ignored"), { metadata: { labels: { "k8s.aliyun.com/ignore-by-terway": "true" } } });
    await eventually("the finalizer is off", async () => {
      const record = await kube.nodeRecord("ignored");
      return record !== undefined && (record.metadata.finalizers ?? []).length === 0;
    });
  }, 60_000);

  it.each([
    { name: "virtual", labels: { type: "virtual-kubelet" } },
    { name: "elsewhere", labels: { "topology.kubernetes.io/region": "cn-beijing" } },
  ])(
    "is not made for a machine that is not served: $name",
    async ({ name, labels }) => {
      const { kube } = world;
      await kube.apply(aMachine(name, { labels }));
      await kube.apply(aMachine(`${name}-after`));
      await kube.untilNodeRecordSays(`${name}-after`, "Recorded");
      expect(await kube.nodeRecord(name)).toBeUndefined();
    },
    60_000,
  );

  it("is not made for a Lingjun machine yet, and its owner is told", async () => {
    const { kube } = world;
    await kube.apply(aMachine("lingjun", { labels: { "alibabacloud.com/lingjun-worker": "true" } }));
    await kube.untilEvent("Node", "lingjun", "ConfigError", "Lingjun");
    expect(await kube.nodeRecord("lingjun")).toBeUndefined();
  }, 60_000);
});

describe("centralised, the record of a machine that has no node daemon", () => {
  let world: World;
  let shared = "";
  let exclusive = "";

  beforeAll(async () => {
    world = await startWorld({
      nodes: 2,
      config: { controllers: ["*"], centralizedIPAM: true },
    });
    for (const { name, exclusive: isExclusive } of world.sandbox.nodes) {
      if (isExclusive === true) exclusive = name;
      else shared = name;
    }
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  const clusterConf = {
    vswitches: vSwitchesByZone,
    vswitch_selection_policy: "ordered",
    security_group: landscape.securityGroupId,
    eni_tags: { team: "net" },
    enable_eni_trunking: true,
    max_pool_size: 5,
    min_pool_size: 1,
  };

  it("says that eni-config is missing, and is filled when it is there", async () => {
    const { kube } = world;
    await kube.untilNodeRecordSays(shared, "EniConfigMissing");
    await kube.apply(anEniConfig(clusterConf));
    const record = await kube.untilNodeRecordSays(shared, "Recorded");
    expect(record.spec).toMatchObject({
      eni: {
        vSwitchOptions: vSwitchesByZone[record.spec!.nodeMetadata!.zoneID as keyof typeof vSwitchesByZone],
        securityGroupIDs: [landscape.securityGroupId],
        vSwitchSelectPolicy: "most",
        tag: { team: "net" },
        enableIPv4: true,
        enableTrunk: true,
      },
      flavor: [
        { networkInterfaceType: "Trunk", networkInterfaceTrafficMode: "Standard", count: 1 },
        { networkInterfaceType: "Secondary", networkInterfaceTrafficMode: "Standard", count: 6 },
      ],
      pool: { maxPoolSize: 5, minPoolSize: 1 },
      datapath: { type: "veth" },
    });
    const alone = await kube.untilNodeRecordSays(exclusive, "Recorded");
    expect(alone.spec?.eni?.enableTrunk).toBeUndefined();
    expect(alone.spec).toMatchObject({ flavor: [{ count: 7 }], pool: { maxPoolSize: 0, minPoolSize: 0 } });
  }, 120_000);

  it("follows the machine's own ConfigMap, but leaves to a node daemon what it has written", async () => {
    const { kube } = world;
    const poolOf = async () => (await kube.nodeRecord(shared))?.spec?.pool?.maxPoolSize;
    await kube.apply(anEniConfig({ max_pool_size: 9 }, "own"));
    await kube.patch(pathOf.node(shared), { metadata: { labels: { "terway-config": "own" } } });
    await eventually("its own size", async () => (await poolOf()) === 9, { state: poolOf });
    const eni = await putAsDaemon(world, shared, { vSwitchOptions: ["vsw-hz-h-2"] });
    await kube.apply(anEniConfig({ max_pool_size: 8, eni_tags: { team: "other" } }, "own"));
    await eventually("the new size", async () => (await poolOf()) === 8, { state: poolOf, limitMs: 30_000 });
    expect((await kube.nodeRecord(shared))?.spec?.eni).toEqual(eni);
    expect((await kube.nodeRecord(exclusive))?.spec?.eni?.tag).toEqual({ team: "net" });
  }, 90_000);

  it("says what is wrong with its ConfigMap and keeps what it has", async () => {
    const { kube } = world;
    const before = (await kube.nodeRecord(exclusive))!.spec;
    await kube.apply(anEniConfig({ max_pool_size: "many" }, "wrong"));
    await kube.patch(pathOf.node(exclusive), { metadata: { labels: { "terway-config": "wrong" } } });
    const faulty = await kube.untilNodeRecordSays(exclusive, "EniConfigInvalid");
    expect(faulty.status?.conditions?.[0]?.message).toContain("max_pool_size");
    expect(faulty.spec).toEqual(before);
    await kube.untilEvent("Node", exclusive, "ConfigError", "max_pool_size");
  }, 60_000);
});

/**
 * Changes `spec.eni` as a node daemon does: it writes the whole object with the version that it has read, and reads it again
 * when somebody was faster.
 * @returns what it wrote
 */
async function putAsDaemon({ kube, sandbox }: World, name: string, changes: object): Promise<object> {
  const path = `${pathOf.nodeRecord(name)}?fieldManager=terway`;
  return await eventually(`PUT ${path}`, async () => {
    const record: NodeRecord = (await kube.nodeRecord(name))!;
    const eni = { ...record.spec!.eni!, ...changes };
    const spec = { ...record.spec, eni };
    const body = { apiVersion: "network.alibabacloud.com/v1beta1", kind: "Node", ...record, spec };
    const request = { method: "PUT", path, body } as const;
    const { status, body: answer } = await sandbox.transport.request(request, AbortSignal.timeout(5_000));
    if (status !== 200 && status !== 409) throw new Error(`PUT ${path}: ${JSON.stringify(answer)}`);
    return status === 200 ? eni : undefined;
  });
}
