import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import { landscape } from "../sandbox/landscape.ts";
import { aNamespace, aPlane, aPod, inZone } from "./manifests.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "life";

describe("the life of a pod with interfaces of its own", () => {
  let world: World;
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    world = await startWorld();
    const { kube } = world;
    await kube.apply(aNamespace(namespace));
    await kube.apply(aPlane("elastic"));
    await kube.apply(aPlane("exclusive", { eniOptions: { eniType: "ENI" } }));
    await kube.untilPlaneSays("elastic", "VSwitchesFound");
    await kube.untilPlaneSays("exclusive", "VSwitchesFound");
    start();
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  scenario(
    "gives each pod of a trunk plane a member with its own address, VLAN and tags, and takes all of it back",
    async () => {
      const { kube, sandbox, ownInterfaces } = world;
      const names = Array.from({ length: 12 }, (_, index) => `member-${index}`);
      await Promise.all(names.map((name) => kube.create(aPod({ namespace, name, plane: "elastic" }))));
      const running = await Promise.all(names.map((name) => kube.untilRunning(namespace, name)));

      expect(new Set(running.map(({ pod }) => pod.status?.podIP)).size).toBe(names.length);
      const vlansOfTrunk = new Map<string, number[]>();
      for (const { pod, podEni } of running) {
        const [allocation] = podEni.spec!.allocations!;
        const eniId = allocation!.eni!.id!;
        const node = await kube.node(pod.spec.nodeName!);
        const eni = sandbox.cloud.report().enis.find((found) => found.eniId === eniId)!;
        expect(eni).toMatchObject({
          status: "InUse",
          type: "Member",
          ipv4s: [pod.status?.podIP],
          trunkEniId: node!.metadata.annotations!["k8s.aliyun.com/trunk-on"],
          tags: {
            "ack.aliyun.com": landscape.clusterId,
            creator: "terway-controller",
            "k8s.aliyun.com/pod-eni-uid": podEni.metadata.uid,
            "k8s.aliyun.com/interface": "eth0",
          },
        });
        expect(podEni.status?.eniInfos?.[eniId]).toMatchObject({
          type: "Member",
          vid: eni.deviceIndex,
          status: "Bind",
        });
        expect(podEni.status?.trunkENIID).toBe(eni.trunkEniId);
        expect(podEni.metadata.labels?.["k8s.aliyun.com/node"]).toBe(pod.spec.nodeName);
        expect(await kube.networkInterface(eniId)).toMatchObject({ status: { phase: "Bind" } });
        vlansOfTrunk.set(eni.trunkEniId!, [...(vlansOfTrunk.get(eni.trunkEniId!) ?? []), eni.deviceIndex!]);
      }
      for (const vlans of vlansOfTrunk.values()) expect(new Set(vlans).size).toBe(vlans.length);
      expect((await kube.events("PodENI", "member-0")).map(({ reason }) => reason)).toEqual(
        expect.arrayContaining(["CreateENISucceed", "AttachENISucceed"]),
      );

      const eniIds = running.map(({ podEni }) => podEni.spec!.allocations![0]!.eni!.id!);
      await Promise.all(names.map((name) => kube.deletePod(namespace, name)));
      await eventually("nothing is left of the pods", async () => {
        const records = (await kube.podEnis(namespace)).filter(({ metadata }) => names.includes(metadata.name));
        const interfaces = (await kube.networkInterfaces()).filter(({ metadata }) => eniIds.includes(metadata.name));
        const inCloud = ownInterfaces().filter(({ eniId }) => eniIds.includes(eniId));
        return records.length + interfaces.length + inCloud.length === 0;
      });
    },
  );

  scenario("moves a whole interface into a pod of an exclusive plane", async () => {
    const { kube, sandbox } = world;
    await kube.create(aPod({ namespace, name: "whole", plane: "exclusive" }));
    const { pod, podEni } = await kube.untilRunning(namespace, "whole");
    const eniId = podEni.spec!.allocations![0]!.eni!.id!;
    const eni = sandbox.cloud.report().enis.find((found) => found.eniId === eniId)!;
    expect(eni).toMatchObject({ status: "InUse", type: "Secondary", ipv4s: [pod.status?.podIP] });
    expect(eni.trunkEniId).toBeUndefined();
    const node = await kube.node(pod.spec.nodeName!);
    expect(node!.metadata.labels!["k8s.aliyun.com/exclusive-mode-eni-type"]).toBe("eniOnly");
    expect(pod.spec.containers[0]!.resources!.requests!["aliyun/eni"]).toBe("1");
    await kube.deletePod(namespace, "whole");
    await eventually("the interface is gone", async () => {
      const isKept = world.ownInterfaces().some((found) => found.eniId === eniId);
      return !isKept && (await kube.podEni(namespace, "whole")) === undefined;
    });
  });

  scenario("gives a pod every interface that it asks for, on the networks that it names", async () => {
    const { kube, ownInterfaces } = world;
    const network = (name: string, vSwitch: string, isDefault: boolean) => ({
      interface: name,
      vSwitchOptions: [vSwitch],
      securityGroupIDs: [landscape.securityGroupId],
      allocationType: { type: "Elastic" },
      defaultRoute: isDefault,
    });
    const podNetworks = [network("eth0", "vsw-hz-h-1", true), network("eth1", "vsw-hz-h-2", false)];
    const annotations = { "k8s.aliyun.com/pod-networks": JSON.stringify({ podNetworks }) };
    await kube.apply(aPod({ namespace, name: "double", annotations, spec: inZone("cn-hangzhou-h") }));
    const { pod, podEni } = await kube.untilRunning(namespace, "double");
    const allocations = podEni.spec!.allocations!;
    expect(allocations.map((allocation) => [allocation.interface, allocation.eni?.vSwitchID])).toEqual([
      ["eth0", "vsw-hz-h-1"],
      ["eth1", "vsw-hz-h-2"],
    ]);
    expect(pod.status?.podIP).toBe(allocations[0]!.ipv4);
    expect(pod.spec.containers[0]!.resources!.requests!["aliyun/member-eni"]).toBe("2");
    const uid = podEni.metadata.uid;
    const mine = () => ownInterfaces().filter(({ tags }) => tags["k8s.aliyun.com/pod-eni-uid"] === uid);
    expect(mine().map(({ status }) => status)).toEqual(["InUse", "InUse"]);
    await kube.deletePod(namespace, "double");
    await eventually("both interfaces are gone", () => mine().length === 0);
  });

  scenario("takes the interface of a finished pod back while the pod still exists", async () => {
    const { kube, ownInterfaces } = world;
    await kube.apply(
      aPod({ namespace, name: "job", plane: "elastic", image: "sandbox/exit-0", spec: { restartPolicy: "Never" } }),
    );
    // It runs for a moment only, which a busy machine may not see.
    const { podIP } = await eventually("the pod has run", async () => {
      const status = (await kube.pod(namespace, "job"))?.status;
      return status?.phase === "Succeeded" ? { podIP: status.podIP ?? "" } : undefined;
    });
    expect(world.sandbox.cloud.report().enis.flatMap(({ ipv4s }) => ipv4s)).toContain(podIP);
    await eventually("the interface of the finished pod is gone", async () => {
      const isKept = ownInterfaces().some(({ ipv4s }) => ipv4s.includes(podIP));
      return !isKept && (await kube.podEni(namespace, "job")) === undefined;
    });
    expect((await kube.pod(namespace, "job"))?.status?.phase).toBe("Succeeded");
  });

  scenario("leaves a pod that matches no plane on the cluster's network", async () => {
    const { kube } = world;
    // Zone h has no node in exclusive mode, where every pod would need an interface.
    await kube.apply(aPod({ namespace, name: "plain", spec: inZone("cn-hangzhou-h") }));
    const pod = await eventually("the pod runs", async () => {
      const found = await kube.pod(namespace, "plain");
      return found?.status?.phase === "Running" ? found : undefined;
    });
    expect(pod.metadata.annotations?.["k8s.aliyun.com/pod-eni"]).toBeUndefined();
    expect(await kube.podEni(namespace, "plain")).toBeUndefined();
  });
});
