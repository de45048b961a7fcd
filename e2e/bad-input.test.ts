import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { landscape } from "../sandbox/landscape.ts";
import { pathOf } from "./kube.ts";
import { aNamespace, aPlane, aPod, aStatefulSet, inZone, type PodOptions } from "./manifests.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "bad";
const zone = "cn-hangzhou-h";
/** Longest time from the removal of a cause to the pod running. */
const recoveryMs = 30_000;
/** Three calls in five fail, so a pod may be unlucky for half a minute; that it runs is the promise here, not when. */
const stormMs = 90_000;

/** A pod that names its networks itself, so that admission adds no zone. */
const podOn = (name: string, vSwitchOptions: readonly string[], options: Partial<PodOptions> = {}) =>
  aPod({
    namespace,
    name,
    annotations: networksOf({ vSwitchOptions }),
    spec: inZone(zone),
    ...options,
  });

const networksOf = (changes: Readonly<Record<string, unknown>>) => ({
  "k8s.aliyun.com/pod-networks": JSON.stringify({
    podNetworks: [
      {
        interface: "eth0",
        vSwitchOptions: ["vsw-hz-h-1"],
        securityGroupIDs: [landscape.securityGroupId],
        allocationType: { type: "Elastic" },
        ...changes,
      },
    ],
  }),
});

describe("bad input", () => {
  let world: World;
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    world = await startWorld({ nodes: 4 });
    await world.kube.apply(aNamespace(namespace));
    start();
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  const addVSwitch = (vSwitchId: string, cidr: string, freeAddresses?: number, zoneId = zone) =>
    world.sandbox.cloud.addVSwitch({
      vSwitchId,
      cidr,
      zoneId,
      vpcId: landscape.vpcId,
      ...(freeAddresses !== undefined && { freeAddresses }),
    });

  scenario("a vSwitch that does not exist: the plane and its waiting pods name it, until it exists", async () => {
    const { kube } = world;
    await kube.apply(aPlane("lost", { vSwitchOptions: ["vsw-lost"] }));
    const condition = await kube.untilPlaneSays("lost", "VSwitchNotFound");
    expect(condition).toMatchObject({ status: "False", message: expect.stringContaining("vsw-lost") });
    expect((await kube.plane("lost"))?.status).toMatchObject({ status: "Fail", message: condition.message });
    await kube.untilEvent("PodNetworking", "lost", "SyncPodNetworkingFailed", "vsw-lost");
    await kube.apply(aStatefulSet({ namespace, name: "lost", plane: "lost", replicas: 1 }));
    await kube.untilEvent("Pod", "lost-0", "WaitingForPodNetworking", "vsw-lost");

    addVSwitch("vsw-lost", "10.20.0.0/24");
    await kube.untilPlaneSays("lost", "VSwitchesFound", recoveryMs);
    await kube.untilRunning(namespace, "lost-0", { limitMs: recoveryMs });
  });

  scenario("a plane that is corrected serves at once", async () => {
    const { kube } = world;
    await kube.apply(aPlane("misspelt", { vSwitchOptions: ["vsw-hz-h-l"] }));
    await kube.untilPlaneSays("misspelt", "VSwitchNotFound");
    await kube.patch(pathOf.plane("misspelt"), { spec: { vSwitchOptions: ["vsw-hz-h-1"] } });
    await kube.untilPlaneSays("misspelt", "VSwitchesFound", 10_000);
    await kube.create(aPod({ namespace, name: "misspelt", plane: "misspelt" }));
    await kube.untilRunning(namespace, "misspelt");
  });

  scenario("vSwitches in another zone only: the pod's record names them and the zone", async () => {
    const { kube } = world;
    await kube.apply(podOn("elsewhere", ["vsw-hz-i-1"]));
    const condition = await kube.untilPodEniSays(namespace, "elsewhere", "NoVSwitchInZone");
    expect(condition.message).toContain("vsw-hz-i-1");
    expect(condition.message).toContain(zone);
    await kube.untilEvent("Pod", "elsewhere", "CreateENIFailed", "vsw-hz-i-1");
    await kube.patch(pathOf.pod(namespace, "elsewhere"), {
      metadata: { annotations: networksOf({ vSwitchOptions: ["vsw-hz-i-1", "vsw-hz-h-1"] }) },
    });
    await kube.untilRunning(namespace, "elsewhere", { limitMs: recoveryMs });
  });

  scenario("a plane of one zone keeps its pods off the nodes of the others", async () => {
    const { kube } = world;
    await kube.apply(aPlane("one-zone", { vSwitchOptions: ["vsw-hz-i-1"] }));
    await kube.untilPlaneSays("one-zone", "VSwitchesFound");
    await kube.create(aPod({ namespace, name: "one-zone", plane: "one-zone" }));
    const { pod } = await kube.untilRunning(namespace, "one-zone");
    const node = await kube.node(pod.spec.nodeName!);
    expect(node?.metadata.labels?.["topology.kubernetes.io/zone"]).toBe("cn-hangzhou-i");
  });

  scenario("a full vSwitch: the next one is taken", async () => {
    const { kube, sandbox } = world;
    addVSwitch("vsw-next-1", "10.20.1.0/24");
    addVSwitch("vsw-next-2", "10.20.2.0/24");
    await kube.apply(podOn("next-0", ["vsw-next-1", "vsw-next-2"]));
    const first = await kube.untilRunning(namespace, "next-0");
    expect(first.podEni.spec?.allocations?.[0]?.eni?.vSwitchID).toBe("vsw-next-1");
    // The controlplane believes in 250 free addresses until the cloud refuses.
    sandbox.cloud.setFreeAddresses("vsw-next-1", 0);
    await kube.apply(podOn("next-1", ["vsw-next-1", "vsw-next-2"]));
    const second = await kube.untilRunning(namespace, "next-1");
    expect(second.podEni.spec?.allocations?.[0]?.eni?.vSwitchID).toBe("vsw-next-2");
  });

  scenario(
    "all vSwitches full: record and events name them, and the pod runs soon after addresses return",
    async () => {
      const { kube, sandbox } = world;
      addVSwitch("vsw-full-1", "10.20.3.0/24", 0);
      addVSwitch("vsw-full-2", "10.20.4.0/24", 0);
      await kube.apply(podOn("full", ["vsw-full-1", "vsw-full-2"]));
      const condition = await kube.untilPodEniSays(namespace, "full", "VSwitchesExhausted");
      expect(condition.message).toContain("vsw-full-1");
      expect(condition.message).toContain("vsw-full-2");
      for (const kind of ["Pod", "PodENI"]) {
        const { note } = await kube.untilEvent(kind, "full", "CreateENIFailed", "vsw-full-1");
        expect(note).toContain("vsw-full-2");
      }
      sandbox.cloud.setFreeAddresses("vsw-full-2", 1);
      const { podEni } = await kube.untilRunning(namespace, "full", { limitMs: 30_000 });
      expect(podEni.spec?.allocations?.[0]?.eni?.vSwitchID).toBe("vsw-full-2");
    },
  );

  scenario("what cannot work is refused by admission, in the published words", async () => {
    const { kube } = world;
    const groups = Array.from({ length: 11 }, (_, index) => `sg-${index}`);
    const tooMany = "security group can not more than 10";
    expect(await kube.refusalOf(aPlane("crowded", { securityGroupIDs: groups }))).toContain(tooMany);
    const crowded = networksOf({ securityGroupIDs: groups });
    expect(await kube.refusalOf(podOn("crowded", [], { annotations: crowded }))).toContain(tooMany);
    const malformed = { "k8s.aliyun.com/pod-networks": "{podNetworks" };
    expect(await kube.refusalOf(podOn("malformed", [], { annotations: malformed }))).toContain(
      "unable parse annotation field k8s.aliyun.com/pod-networks",
    );
    const fixed = { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "soon" };
    expect(await kube.refusalOf(aPlane("soon", { allocationType: fixed }))).toContain("invalid releaseAfter soon");
    expect(await kube.pod(namespace, "crowded")).toBeUndefined();
    expect(await kube.plane("soon")).toBeUndefined();
  });

  scenario(
    "a pod that matches two planes: the older one serves it, and both planes and the user are told",
    async () => {
      const { kube } = world;
      const selector = { podSelector: { matchLabels: { plane: "twin" } } };
      await kube.apply(aPlane("twin-b", { selector, vSwitchOptions: ["vsw-hz-h-1"] }));
      // Age is counted in whole seconds.
      const older = (await kube.plane("twin-b"))!.metadata.creationTimestamp ?? "";
      await eventually("the next second", () => Date.now() >= Date.parse(older) + 1_000);
      await kube.apply(aPlane("twin-a", { selector, vSwitchOptions: ["vsw-hz-h-2"] }));
      for (const name of ["twin-a", "twin-b"]) await kube.untilPlaneSays(name, "VSwitchesFound");
      let warnings = "";
      const { metadata, ...rest } = aPod({ namespace, name: "twin", plane: "twin" });
      await eventually("a pod is told of both planes", async () => {
        const path = pathOf.pod(namespace, metadata.name);
        await kube.deletePath(path);
        const body = { metadata, ...rest };
        const answer = await kube.request("POST", path.replace(/\/[^/]+$/, ""), body);
        warnings = answer.headers["warning"] ?? "";
        return answer.status === 201 && warnings.includes("twin-a");
      });
      expect(warnings).toContain("twin-b");
      const { pod, podEni } = await kube.untilRunning(namespace, "twin");
      expect(pod.metadata.annotations?.["k8s.aliyun.com/pod-networking"]).toBe("twin-b");
      expect(podEni.spec?.allocations?.[0]?.eni?.vSwitchID).toBe("vsw-hz-h-1");
      for (const name of ["twin-a", "twin-b"]) {
        await kube.untilEvent("PodNetworking", name, "OverlappingPodNetworking", "twin-a");
      }
    },
  );

  scenario("a node without trunk: the pod's record names the node, until it has one", async () => {
    const { kube, sandbox } = world;
    const { trunkEniId: _, ...machine } = sandbox.nodes[0]!;
    // Without a trunk it offers no place on one, so that the scheduler puts no other scenario's pod there.
    const capacity = { cpu: "4", memory: "16Gi", pods: 110 };
    const spec = { ...machine, capacity, name: "node-bare", instanceId: "i-bare", internalIp: "10.0.9.9" };
    const { vpcId } = landscape;
    sandbox.cloud.addInstance({ ...spec, zoneId: spec.zone, vpcId, vSwitchId: "vsw-nodes-h" });
    await sandbox.cluster.addNode(spec);
    await kube.apply(podOn("bare", ["vsw-hz-h-1"], { spec: { nodeName: "node-bare" } }));
    const condition = await kube.untilPodEniSays(namespace, "bare", "NodeWithoutTrunk");
    expect(condition.message).toContain("node-bare");
    await kube.untilEvent("Pod", "bare", "CreateENIFailed", "node-bare");
    const trunkEniId = sandbox.cloud.addTrunk("i-bare");
    // Brings the annotation to the Node and tells the kubelet stand-in.
    await sandbox.cluster.addNode({ ...spec, trunkEniId });
    await kube.untilRunning(namespace, "bare", { limitMs: recoveryMs });
  });

  scenario("a security group that does not exist: the pod's record names it, until it exists", async () => {
    const { kube, sandbox } = world;
    const annotations = networksOf({ securityGroupIDs: ["sg-lost"] });
    await kube.apply(podOn("group", [], { annotations }));
    await kube.untilEvent("Pod", "group", "CreateENIFailed", "sg-lost");
    const status = (await kube.podEni(namespace, "group"))?.status;
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({ type: "Ready", status: "False", message: expect.stringContaining("sg-lost") }),
    );
    sandbox.cloud.addSecurityGroup({ securityGroupId: "sg-lost", vpcId: landscape.vpcId });
    await kube.untilRunning(namespace, "group", { limitMs: recoveryMs });
  });

  scenario(
    "a pod without networks on a node that gives every pod an interface: the pod says what is missing",
    async () => {
      const { kube, sandbox } = world;
      const node = sandbox.nodes.find(({ exclusive }) => exclusive === true)!;
      await kube.apply(aPod({ namespace, name: "unasked", spec: { nodeName: node.name } }));
      await kube.untilEvent("Pod", "unasked", "PodCreateFailed", "eni-config");
    },
  );

  // The following ones change the account or the whole cloud, so they run alone, one after the other.

  it("a missing permission: record, plane and events name the action, until it is granted", async () => {
    const { kube, sandbox } = world;
    const { accessKeyId } = landscape.account;
    addVSwitch("vsw-denied", "10.20.5.0/24");
    sandbox.cloud.setMissingActions(accessKeyId, ["ecs:CreateNetworkInterface", "vpc:DescribeVSwitches"]);
    await kube.apply(podOn("denied", ["vsw-hz-h-1"]));
    await kube.apply(aPlane("denied", { vSwitchOptions: ["vsw-denied"] }));
    const ofPod = await kube.untilPodEniSays(namespace, "denied", "AccessDenied");
    expect(ofPod.message).toContain("ecs:CreateNetworkInterface");
    for (const kind of ["Pod", "PodENI"]) {
      await kube.untilEvent(kind, "denied", "CreateENIFailed", "ecs:CreateNetworkInterface");
    }
    const ofPlane = await kube.untilPlaneSays("denied", "AccessDenied");
    expect(ofPlane.message).toContain("vpc:DescribeVSwitches");
    await kube.untilEvent("PodNetworking", "denied", "SyncPodNetworkingFailed", "vpc:DescribeVSwitches");
    sandbox.cloud.setMissingActions(accessKeyId, []);
    await Promise.all([
      kube.untilRunning(namespace, "denied", { limitMs: recoveryMs }),
      kube.untilPlaneSays("denied", "VSwitchesFound", recoveryMs),
    ]);
  }, 120_000);

  it("a cloud that answers HTML or nothing: every pod runs all the same", async () => {
    const { kube, sandbox } = world;
    const api = ["CreateNetworkInterface", "AttachNetworkInterface", "DescribeNetworkInterfaces"] as const;
    sandbox.cloud.setFaults([
      { name: "proxy", api, everyNth: 4, effect: { type: "html", status: 502 } },
      { name: "reset", api, everyNth: 5, effect: { type: "reset" } },
      { name: "lost answer", api, everyNth: 3, effect: { type: "resetAfterEffect" } },
    ]);
    const names = Array.from({ length: 8 }, (_, index) => `storm-${index}`);
    try {
      await Promise.all(names.map((name) => kube.apply(podOn(name, ["vsw-hz-h-1"]))));
      const running = await Promise.all(names.map((name) => kube.untilRunning(namespace, name, { limitMs: stormMs })));
      expect(new Set(running.map(({ pod }) => pod.status?.podIP)).size).toBe(names.length);
      const { faults } = sandbox.cloud.report();
      expect(Object.values(faults).every((count) => count > 0)).toBe(true);
    } finally {
      sandbox.cloud.setFaults([]);
    }
  }, 120_000);

  it("nothing is left in the cloud when all pods of these scenarios are gone", async () => {
    const { kube, logs, ownInterfaces } = world;
    await kube.deletePath(pathOf.statefulSet(namespace, "lost"));
    await kube.deletePath(`/api/v1/namespaces/${namespace}/pods`);
    await eventually("no interface is left", () => ownInterfaces().length === 0, {
      limitMs: 60_000,
      state: async () => ({
        inCloud: ownInterfaces().map(({ eniId, status }) => `${eniId} ${status}`),
        pods: (await kube.pods(namespace)).map(({ metadata }) => metadata.name),
        podEnis: (await kube.podEnis(namespace)).map(
          ({ metadata, status }) => `${metadata.name} ${status?.phase ?? ""}`,
        ),
        // Among them that the lease was lost, or that calls are suspended.
        lastLog: logs.filter(({ level }) => level === "warn" || level === "error").slice(-10),
      }),
    });
    await eventually("no record is left", async () => {
      return (await kube.podEnis(namespace)).length + (await kube.networkInterfaces()).length === 0;
    });
  }, 120_000);
});

describe("a wrong access key", () => {
  it("is named by record and plane, and a restart with the right one mends everything", async () => {
    const world = await startWorld({ nodes: 2, credential: { accessSecret: "wrong" } });
    try {
      const { kube, sandbox } = world;
      await kube.apply(aNamespace(namespace));
      await kube.apply(aPlane("locked"));
      await kube.apply(podOn("locked", ["vsw-hz-h-1"]));
      const ofPlane = await eventually("the plane says that the key is refused", async () => {
        const status = (await kube.plane("locked"))?.status;
        return status?.status === "Fail" ? status : undefined;
      });
      expect(ofPlane.message).toMatch(/SignatureDoesNotMatch|access key/i);
      const { note } = await kube.untilEvent("Pod", "locked", "CreateENIFailed", "");
      expect(note).toMatch(/SignatureDoesNotMatch|access key/i);
      expect((await kube.podEni(namespace, "locked"))?.status?.conditions?.[0]).toMatchObject({
        type: "Ready",
        status: "False",
      });

      await sandbox.replicas[0]!.process.stop();
      // Nothing needs it yet; it is named all the same.
      sandbox.cloud.setMissingActions(landscape.account.accessKeyId, ["ecs:DetachNetworkInterface"]);
      await sandbox.restart(0, { credential: {} });
      await Promise.all([
        kube.untilPlaneSays("locked", "VSwitchesFound", recoveryMs),
        kube.untilRunning(namespace, "locked", { limitMs: recoveryMs }),
      ]);
      const lacking = world.logs.filter(({ message }) => message === "the credential lacks a permission");
      expect(lacking.map(({ action }) => action)).toEqual(["ecs:DetachNetworkInterface"]);
    } finally {
      await world.stop();
    }
  }, 120_000);
});
