/** Pods that name no network: they get what eni-config says, as it holds for their machine. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { PodENI } from "../crds/v1beta1/pod-eni.gen.ts";
import { landscape } from "../sandbox/landscape.ts";
import { addExclusiveMachine } from "./exclusive-machine.ts";
import { aNamespace, aPod, inZone } from "./manifests.ts";
import { anEniConfig } from "./node-records.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { startWorld, type World } from "./world.ts";

const namespace = "defaults";
const zone = "cn-hangzhou-h";
const ofCluster = { vswitches: { [zone]: ["vsw-hz-h-1"] }, security_group: landscape.securityGroupId };
const ofCrowd = { vswitches: { [zone]: ["vsw-hz-h-2"] }, security_group: "sg-own" };

/** The interface in the cloud, and where the PodENI says that it is. */
function interfaceOf({ sandbox }: World, podEni: PodENI) {
  const [allocation, ...more] = podEni.spec!.allocations!;
  expect(more).toEqual([]);
  const eni = sandbox.cloud.report().enis.find(({ eniId }) => eniId === allocation!.eni!.id);
  const { vSwitchID, securityGroupIDs } = allocation!.eni!;
  return { type: eni?.type, inCloud: eni?.vSwitchId, vSwitchID, securityGroupIDs };
}

describe("a pod that names no network", () => {
  let world: World;
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    world = await startWorld({ nodes: 2 });
    const { kube, sandbox } = world;
    sandbox.cloud.addSecurityGroup({ securityGroupId: "sg-own", vpcId: landscape.vpcId });
    await kube.apply(aNamespace(namespace));
    await kube.apply(aNamespace("kube-system"));
    await kube.apply(anEniConfig(ofCluster));
    await kube.apply(anEniConfig(ofCrowd, "crowd"));
    await addExclusiveMachine(world, "plain");
    // The ConfigMap of its own that its label names.
    await addExclusiveMachine(world, "crowd", { labels: { "terway-config": "crowd" } });
    await addExclusiveMachine(world, "astray", { labels: { "terway-config": "later" } });
    start();
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  scenario("but asks for an interface gets a member in the cluster's vSwitch and security group", async () => {
    const { kube } = world;
    const annotations = { "k8s.aliyun.com/pod-eni": "true" };
    await kube.create(aPod({ namespace, name: "asking", annotations, spec: inZone(zone) }));
    const { pod, podEni } = await kube.untilRunning(namespace, "asking");
    expect(pod.spec.containers[0]?.resources?.limits).toMatchObject({ "aliyun/member-eni": "1" });
    expect(interfaceOf(world, podEni)).toEqual({
      type: "Member",
      inCloud: "vsw-hz-h-1",
      vSwitchID: "vsw-hz-h-1",
      securityGroupIDs: [landscape.securityGroupId],
    });
  });

  scenario("and lands on an exclusive machine gets an interface of its own, by the cluster's defaults", async () => {
    const { kube } = world;
    await kube.create(aPod({ namespace, name: "landed", spec: { nodeName: "plain" } }));
    const { pod, podEni } = await kube.untilRunning(namespace, "landed");
    expect(pod.metadata.annotations ?? {}).not.toHaveProperty(["k8s.aliyun.com/pod-networks"]);
    expect(interfaceOf(world, podEni)).toEqual({
      type: "Secondary",
      inCloud: "vsw-hz-h-1",
      vSwitchID: "vsw-hz-h-1",
      securityGroupIDs: [landscape.securityGroupId],
    });
  });

  scenario("gets what the machine's own ConfigMap says, where it has one", async () => {
    const { kube } = world;
    await kube.create(aPod({ namespace, name: "crowded", spec: { nodeName: "crowd" } }));
    const { podEni } = await kube.untilRunning(namespace, "crowded");
    expect(interfaceOf(world, podEni)).toEqual({
      type: "Secondary",
      inCloud: "vsw-hz-h-2",
      vSwitchID: "vsw-hz-h-2",
      securityGroupIDs: ["sg-own"],
    });
  });

  scenario("is told when its machine names a ConfigMap that is not there, and runs once it is", async () => {
    const { kube } = world;
    await kube.create(aPod({ namespace, name: "astray", spec: { nodeName: "astray" } }));
    await kube.untilEvent("Pod", "astray", "PodCreateFailed", "ConfigMap kube-system/later does not exist");
    expect(await kube.podEni(namespace, "astray")).toBeUndefined();
    await kube.apply(anEniConfig(ofCrowd, "later"));
    const { podEni } = await kube.untilRunning(namespace, "astray");
    expect(interfaceOf(world, podEni)).toMatchObject({ inCloud: "vsw-hz-h-2" });
  });
});

describe("with `enableTrunk: false`, `enableWebhookInjectResource: false` and `ipamType: crd`", () => {
  let world: World;

  beforeAll(async () => {
    const config = { enableTrunk: false, enableWebhookInjectResource: false, ipamType: "crd" };
    world = await startWorld({ nodes: 2, config });
    await world.kube.apply(aNamespace(namespace));
    await world.kube.apply(aNamespace("kube-system"));
    await world.kube.apply(anEniConfig(ofCluster));
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  it("a pod that asks for nothing has an interface of its own, and the scheduler counts none", async () => {
    const { kube, sandbox } = world;
    const trunked = sandbox.nodes.find(({ trunkEniId }) => trunkEniId !== undefined)!;
    expect(trunked.zone).toBe(zone);
    await kube.create(aPod({ namespace, name: "plain", spec: inZone(zone) }));
    const { pod, podEni } = await kube.untilRunning(namespace, "plain");
    expect(pod.spec.nodeName).toBe(trunked.name);
    expect(pod.spec.containers[0]?.resources?.limits ?? {}).toEqual({});
    expect(interfaceOf(world, podEni)).toMatchObject({ type: "Secondary", inCloud: "vsw-hz-h-1" });
    expect(podEni.status?.trunkENIID ?? "").toBe("");
    await kube.deletePod(namespace, "plain");
  }, 60_000);
});
