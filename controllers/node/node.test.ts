import { describe, expect, it } from "@jest/globals";
import {
  ConflictError,
  TerminalError,
  SuspendedError,
  ThrottledError,
  TransientError,
  type OperatorError,
} from "../../runtime/errors.ts";
import { aCoreNode, NodeWorld, usableConf } from "../../test/fixtures/node-world.ts";

const finalizer = "network.alibabacloud.com/node-controller";
const modeLabel = "k8s.aliyun.com/exclusive-mode-eni-type";
const typeLabel = "node.kubernetes.io/instance-type";
const reasonsOf = (world: NodeWorld) => world.events.map(({ reason }) => reason);

/** A world whose machine has its record. */
async function aRecorded(...settings: ConstructorParameters<typeof NodeWorld>): Promise<NodeWorld> {
  const world = new NodeWorld(...settings);
  await world.reconcile();
  expect(world.finding).toBe("Recorded");
  return world;
}

describe("controller node", () => {
  it("makes the record complete at once, says so, and then writes nothing", async () => {
    const world = await aRecorded();
    expect(world.record).toMatchObject({
      metadata: {
        finalizers: [finalizer],
        labels: { name: "node-1", [modeLabel]: "default" },
        ownerReferences: [{ kind: "Node", uid: "core-uid", controller: true, blockOwnerDeletion: true }],
      },
      spec: {
        nodeMetadata: { regionID: "cn-test", instanceType: "ecs.g7.xlarge", instanceID: "i-1", zoneID: "zone-a" },
        nodeCap: { adapters: 4, totalAdapters: 20, memberAdapterLimit: 16, networkCardsCount: 0 },
      },
    });
    await world.reconcile();
    expect(world.writes.map(({ verb }) => verb)).toEqual(["create", "patchStatus"]);
    expect([world.lookups.length, world.events.length]).toEqual([1, 0]);
  });

  it("takes over a record of the published program with a condition and nothing else", async () => {
    const world = await aRecorded();
    const { metadata, spec } = world.record!;
    const taken = new NodeWorld();
    taken.table.create({ metadata, spec: spec! });
    await taken.reconcile();
    expect(taken.writes.map(({ verb }) => verb)).toEqual(["patchStatus"]);
    expect(taken.lookups).toEqual([]);
  });

  it("adds what is missing in a record and leaves what others put there", async () => {
    const world = new NodeWorld();
    world.table.create({
      metadata: {
        name: "node-1",
        labels: { theirs: "x" },
        annotations: { theirs: "y" },
        finalizers: ["theirs/finalizer"],
        ownerReferences: [
          {
            apiVersion: "v1",
            kind: "Node",
            name: "node-1",
            uid: "former-uid",
            controller: true,
            blockOwnerDeletion: true,
          },
          { apiVersion: "v1", kind: "ConfigMap", name: "theirs", uid: "u" },
        ],
      },
    });
    await world.reconcile();
    expect(world.record?.metadata).toMatchObject({
      labels: { theirs: "x", name: "node-1" },
      annotations: { theirs: "y" },
      finalizers: ["theirs/finalizer", finalizer],
      ownerReferences: [{ name: "theirs" }, { kind: "Node", uid: "core-uid" }],
    });
  });

  it.each([
    {
      name: "another machine of the same type",
      change: { providerId: "cn-test.i-2" },
      want: { instanceID: "i-2" },
      lookups: 1,
      adapters: 4,
    },
    {
      name: "another type",
      change: { labels: { [typeLabel]: "ecs.g7.4xlarge" } },
      want: { instanceType: "ecs.g7.4xlarge" },
      lookups: 2,
      adapters: 8,
    },
    {
      name: "another zone",
      change: { labels: { "topology.kubernetes.io/zone": "zone-b" } },
      want: { zoneID: "zone-b" },
      lookups: 1,
      adapters: 4,
    },
  ])("follows the core Node: $name", async ({ change, want, lookups, adapters }) => {
    const world = await aRecorded();
    world.node = aCoreNode(change);
    await world.reconcile();
    const { nodeMetadata, nodeCap } = world.record!.spec!;
    expect(nodeMetadata).toEqual({
      regionID: "cn-test",
      instanceType: "ecs.g7.xlarge",
      instanceID: "i-1",
      zoneID: "zone-a",
      ...want,
    });
    expect([nodeCap?.adapters, world.lookups.length]).toEqual([adapters, lookups]);
  });

  it("takes the capacity of another type away while that of the new one is not known", async () => {
    const world = await aRecorded();
    world.node = aCoreNode({ providerId: "cn-test.i-2", labels: { [typeLabel]: "ecs.g7.4xlarge" } });
    world.typeError = new TransientError("CloudUnreachable", "no answer");
    expect(await world.reconcile()).toEqual({ requeueAfterMs: 5_000 });
    expect(world.record?.spec).toMatchObject({ nodeMetadata: { instanceID: "i-2" } });
    expect(world.record?.spec?.nodeCap).toBeUndefined();
    world.typeError = undefined;
    await world.reconcile();
    expect([world.record?.spec?.nodeCap?.adapters, world.finding]).toEqual([8, "Recorded"]);
  });

  it("looks the capacity up again when the network cards are not known", async () => {
    const world = await aRecorded();
    world.table.patch("", "node-1", { spec: { nodeCap: { networkCardsCount: null, adapters: 99, stale: 1 } } });
    await world.reconcile();
    expect(world.record?.spec?.nodeCap).toMatchObject({ adapters: 4, networkCardsCount: 0 });
    expect(world.record?.spec?.nodeCap).not.toHaveProperty("stale");
  });

  const denied = new TerminalError("AccessDenied", "You are not authorized", {
    cloud: {
      api: "DescribeInstanceTypes",
      code: "Forbidden.RAM",
      outcome: "refused",
      missingAction: "ecs:DescribeInstanceTypes",
    },
  });
  it.each<{ name: string; error: "NotFound" | OperatorError; reason: string; says: string; requeueAfterMs: number }>([
    {
      name: "does not know the type",
      error: "NotFound",
      reason: "InstanceTypeUnknown",
      says: "ecs.g7.xlarge",
      requeueAfterMs: 60_000,
    },
    {
      name: "does not allow the call",
      error: denied,
      reason: "AccessDenied",
      says: "ecs:DescribeInstanceTypes",
      requeueAfterMs: 60_000,
    },
    {
      name: "does not answer",
      error: new TransientError("CloudUnreachable", "no answer"),
      reason: "CloudAPIUnavailable",
      says: "no answer",
      requeueAfterMs: 5_000,
    },
    {
      name: "refuses the call for its rate",
      error: new ThrottledError("Throttled", "too many", 42_000),
      reason: "CloudAPIUnavailable",
      says: "too many",
      requeueAfterMs: 42_000,
    },
  ])("says once that the cloud $name, and asks again", async ({ error, reason, says, requeueAfterMs }) => {
    const world = new NodeWorld();
    world.typeError = error;
    expect(await world.reconcile()).toEqual({ requeueAfterMs });
    expect(await world.reconcile()).toEqual({ requeueAfterMs });
    expect(world.record?.status?.conditions).toMatchObject([
      { status: "False", reason, message: expect.stringContaining(says) },
    ]);
    expect(world.events).toMatchObject([
      {
        type: "Warning",
        reason: "ConfigError",
        action: "Config",
        regarding: { kind: "Node", name: "node-1", uid: "core-uid" },
      },
    ]);
    expect(world.writes).toHaveLength(2);
    world.typeError = undefined;
    expect(await world.reconcile()).toEqual({});
    expect(world.finding).toBe("Recorded");
  });

  it("says that calls to the cloud are held back, without an event for each machine", async () => {
    const world = new NodeWorld();
    world.typeError = new SuspendedError("Degraded", "calls are suspended", 10_000);
    expect(await world.reconcile()).toEqual({ requeueAfterMs: 10_000 });
    expect(world.record?.status?.conditions).toMatchObject([
      { status: "False", reason: "CloudAPIUnavailable", message: expect.stringContaining("calls are suspended") },
    ]);
    expect(world.events).toEqual([]);
  });

  it.each([
    { name: "instance id", change: { providerId: "" }, says: ".spec.providerID" },
    {
      name: "zone",
      change: { labels: { "topology.kubernetes.io/zone": undefined } },
      says: "topology.kubernetes.io/zone",
    },
    { name: "instance type", change: { labels: { [typeLabel]: undefined } }, says: typeLabel },
    {
      name: "region",
      change: { labels: { "topology.kubernetes.io/region": "" } },
      says: "topology.kubernetes.io/region",
    },
  ])("says that the core Node lacks its $name, and keeps what it knew", async ({ change, says }) => {
    const world = await aRecorded();
    const before = world.record?.spec;
    world.node = aCoreNode(change);
    await world.reconcile();
    expect(world.record?.status?.conditions).toMatchObject([
      { reason: "NodeIncomplete", message: expect.stringContaining(says) },
    ]);
    expect(world.record?.spec).toEqual(before);
    expect(reasonsOf(world)).toEqual(["ConfigError"]);
  });

  it("reports a change of the mode and does not follow it", async () => {
    const world = await aRecorded();
    world.node = aCoreNode({ labels: { [modeLabel]: "eniOnly" } });
    await world.reconcile();
    await world.reconcile();
    expect([world.finding, world.record?.metadata.labels?.[modeLabel]]).toEqual(["ModeChanged", "default"]);
    expect(world.events).toMatchObject([{ note: expect.stringContaining("node exclusive mode changed to eniOnly") }]);
    world.node = aCoreNode();
    await world.reconcile();
    expect(world.finding).toBe("Recorded");
  });

  it.each([
    { name: "gone", node: undefined },
    { name: "to be ignored", node: aCoreNode({ labels: { "k8s.aliyun.com/ignore-by-terway": "true" } }) },
    { name: "a virtual kubelet", node: aCoreNode({ labels: { type: "virtual-kubelet" } }) },
    { name: "without a region", node: aCoreNode({ labels: { "topology.kubernetes.io/region": undefined } }) },
    { name: "not on the list of labels", node: aCoreNode({ labels: { pool: "other" } }) },
  ])("lets the record go of a machine that is $name, and makes none", async ({ node }) => {
    const settings = { labelWhiteList: { pool: "mine" } };
    const world = new NodeWorld(settings);
    world.node = aCoreNode({ labels: { pool: "mine" } });
    await world.reconcile();
    world.table.patch("", "node-1", { metadata: { finalizers: ["theirs/finalizer", finalizer] } });
    world.node = node;
    await world.reconcile();
    await world.reconcile();
    expect(world.record?.metadata.finalizers).toEqual(["theirs/finalizer"]);
    expect(world.writes.map(({ verb }) => verb)).toEqual(["create", "patchStatus", "patch"]);
    const empty = new NodeWorld(settings);
    empty.node = node;
    await empty.reconcile();
    expect(empty.writes).toEqual([]);
  });

  it("lets a record go that is being deleted, though its machine waits for that, and makes another one", async () => {
    const world = await aRecorded();
    const node = world.node!;
    world.node = { ...node, metadata: { ...node.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
    await world.reconcile();
    expect(world.record?.metadata.finalizers).toEqual([finalizer]);
    world.table.delete("", "node-1");
    await world.reconcile();
    expect(world.record).toBeUndefined();
    await world.reconcile();
    expect(world.record).toBeUndefined();
    world.node = node;
    await world.reconcile();
    expect(world.finding).toBe("Recorded");
  });

  it("leaves a Lingjun machine and its record exactly as they are, and says so once", async () => {
    const world = await aRecorded();
    const before = world.record;
    world.node = aCoreNode({ providerId: "e01-1", labels: { "alibabacloud.com/lingjun-worker": "true" } });
    await world.reconcile();
    await world.reconcile();
    expect(world.record).toBe(before);
    expect(world.events).toMatchObject([{ reason: "ConfigError", note: expect.stringContaining("Lingjun") }]);
  });

  it("writes nothing over a version that it has not read", async () => {
    const world = await aRecorded();
    world.stale = world.record!;
    world.daemonWrites({ datapath: { type: "ipvlan" } });
    world.node = aCoreNode({ providerId: "cn-test.i-2" });
    await expect(world.reconcile()).rejects.toThrow(ConflictError);
    expect(world.record?.spec).toMatchObject({ datapath: { type: "ipvlan" }, nodeMetadata: { instanceID: "i-1" } });
  });
});

describe("controller node and eni-config", () => {
  it("leaves the parts of a daemon empty where addresses are not given out centrally", async () => {
    const world = await aRecorded({ isCentralized: false });
    expect(Object.keys(world.record!.spec!).sort()).toEqual(["nodeCap", "nodeMetadata"]);
    expect(world.record?.metadata.annotations).toBeUndefined();
  });

  it("fills them centrally, in the same write, and follows the configuration", async () => {
    const world = await aRecorded({ isCentralized: true });
    expect(world.record?.spec).toMatchObject({
      eni: { vSwitchOptions: ["vsw-1"], enableTrunk: true },
      flavor: [{ networkInterfaceType: "Trunk" }, { count: 2 }],
      pool: { maxPoolSize: 0 },
      datapath: { type: "veth" },
    });
    world.conf = { ...usableConf, eni_tags: { team: "x" } };
    await world.reconcile();
    expect(world.record?.spec?.eni?.tag).toEqual({ team: "x" });
    world.conf = usableConf;
    await world.reconcile();
    expect(world.record?.spec?.eni).not.toHaveProperty("tag");
    await world.reconcile();
    expect(world.writes.map(({ verb }) => verb)).toEqual(["create", "patchStatus", "patch", "patch"]);
    expect(world.events).toEqual([]);
  });

  it("does not write back the zero values that a Go program left out", async () => {
    const world = await aRecorded({ isCentralized: true });
    world.daemonWrites({ pool: {} });
    const writes = world.writes.length;
    await world.reconcile();
    expect(world.writes).toHaveLength(writes);
    world.conf = { ...usableConf, max_pool_size: 3 };
    await world.reconcile();
    expect(world.record?.spec?.pool?.maxPoolSize).toBe(3);
  });

  it.each([
    { name: "is missing", conf: undefined, reason: "EniConfigMissing", says: "kube-system/eni-config" },
    { name: "is wrong", conf: { ...usableConf, max_pool_size: -1 }, reason: "EniConfigInvalid", says: "max_pool_size" },
    {
      name: "has no vSwitch of the zone",
      conf: { ...usableConf, vswitches: {} },
      reason: "EniConfigInvalid",
      says: "zone-a",
    },
  ])("says that it $name, and keeps the capacity and what was there", async ({ conf, reason, says }) => {
    const fresh = new NodeWorld({ isCentralized: true });
    fresh.conf = conf;
    await fresh.reconcile();
    expect(fresh.record?.spec).toMatchObject({ nodeCap: { adapters: 4 } });
    const world = await aRecorded({ isCentralized: true });
    const before = world.record?.spec;
    world.conf = conf;
    await world.reconcile();
    for (const { record, events } of [fresh, world]) {
      expect(record?.status?.conditions).toMatchObject([{ reason, message: expect.stringContaining(says) }]);
      expect(events).toMatchObject([{ reason: "ConfigError", note: expect.stringContaining(says) }]);
    }
    expect(world.record?.spec).toEqual(before);
  });

  it("is Ready with a word, and an event, about what the machine cannot do", async () => {
    const world = await aRecorded({ isCentralized: true });
    world.conf = { ...usableConf, enable_ip_prefix: true };
    await world.reconcile();
    await world.reconcile();
    expect(world.record?.status?.conditions).toMatchObject([
      { status: "True", message: expect.stringContaining("enable_ip_prefix") },
    ]);
    expect(reasonsOf(world)).toEqual(["PrefixModeImmutable"]);
  });

  it("is not read where a daemon has filled every part", async () => {
    const world = await aRecorded({ isCentralized: true });
    world.daemonWrites({
      eni: { vSwitchOptions: ["theirs"], securityGroupIDs: [], vSwitchSelectPolicy: "random" },
      flavor: [],
      pool: { maxPoolSize: 77 },
      datapath: { type: "datapathv2" },
    });
    world.daemonWrites({
      flavor: [{ networkInterfaceType: "Secondary", networkInterfaceTrafficMode: "Standard", count: 9 }],
    });
    world.conf = undefined;
    await world.reconcile();
    expect(world.finding).toBe("Recorded");
  });
});
