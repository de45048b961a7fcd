import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { landscape } from "../sandbox/landscape.ts";
import { addExclusiveMachine } from "./exclusive-machine.ts";
import { pathOf } from "./kube.ts";
import { aNamespace, aPlane, aPod, inZone } from "./manifests.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "several";
const zone = "cn-hangzhou-h";
const key = "k8s.aliyun.com/pod-networks";

type Changes = Readonly<Record<string, unknown>>;

/** The annotation that asks for one interface for each of `networks`, eth0, eth1 …, in vsw-hz-h-1 unless it says otherwise. */
const asking = (...networks: readonly Changes[]) => ({
  [key]: JSON.stringify({
    podNetworks: networks.map((changes, index) => ({
      interface: `eth${index}`,
      vSwitchOptions: ["vsw-hz-h-1"],
      securityGroupIDs: [landscape.securityGroupId],
      allocationType: { type: "Elastic" },
      ...changes,
    })),
  }),
});

const exclusive = { eniOptions: { eniType: "ENI" } };
const highPerformance = { ...exclusive, networkInterfaceTrafficMode: "HighPerformance" };

const ownedBy = (world: World, uid: string | undefined) =>
  world.ownInterfaces().filter(({ tags }) => tags["k8s.aliyun.com/pod-eni-uid"] === uid);

describe("pods with several interfaces", () => {
  let world: World;
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    world = await startWorld();
    await world.kube.apply(aNamespace(namespace));
    await addExclusiveMachine(world, "whole");
    start();
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  scenario("have on each what was asked for it: route, group, traffic mode", async () => {
    const { kube } = world;
    const second = {
      ...highPerformance,
      vSwitchOptions: ["vsw-hz-h-2"],
      resourceGroupID: "rg-second",
      defaultRoute: true,
      extraRoutes: [{ dst: "192.168.0.0/16" }],
    };
    const annotations = asking(exclusive, second);
    await kube.apply(aPod({ namespace, name: "rich", annotations, spec: { nodeName: "whole" } }));
    const { podEni } = await kube.untilRunning(namespace, "rich");
    const [eth0, eth1] = podEni.spec!.allocations!;
    expect(eth0).not.toHaveProperty("defaultRoute");
    expect(eth1).toMatchObject({
      interface: "eth1",
      defaultRoute: true,
      extraRoutes: [{ dst: "192.168.0.0/16" }],
      eni: { vSwitchID: "vsw-hz-h-2", resourceGroupID: "rg-second" },
    });
    const inCloud = new Map(ownedBy(world, podEni.metadata.uid).map((eni) => [eni.eniId, eni]));
    expect(inCloud.get(eth0!.eni!.id!)).toMatchObject({ trafficMode: "Standard", resourceGroupId: "" });
    expect(inCloud.get(eth1!.eni!.id!)).toMatchObject({ trafficMode: "HighPerformance", resourceGroupId: "rg-second" });
    for (const { eni } of [eth0!, eth1!]) {
      expect((await kube.networkInterface(eni!.id!))?.status?.phase).toBe("Bind");
      expect(podEni.status?.eniInfos?.[eni!.id!]).toMatchObject({ type: "Secondary", status: "Bind" });
    }
  });

  scenario(
    "of two planes that it asks for by name: each with its vSwitch, and the routes that it asks for",
    async () => {
      const { kube } = world;
      const noSelector = { selector: {} };
      await kube.apply(aPlane("front", { ...noSelector, vSwitchOptions: ["vsw-hz-h-1"] }));
      await kube.apply(aPlane("back", { ...noSelector, vSwitchOptions: ["vsw-hz-h-2", "vsw-hz-i-1"] }));
      for (const name of ["front", "back"]) await kube.untilPlaneSays(name, "VSwitchesFound");
      const request = [
        { network: "front", interfaceName: "eth0" },
        { network: "back", interfaceName: "eth1", defaultRoute: true, routes: [{ dst: "192.168.0.0/16" }] },
      ];
      const annotations = { "k8s.aliyun.com/pod-networks-request": JSON.stringify(request) };
      await kube.create(aPod({ namespace, name: "by-request", annotations }));
      const { pod, podEni } = await kube.untilRunning(namespace, "by-request");
      const [eth0, eth1, ...more] = podEni.spec!.allocations!;
      expect(more).toEqual([]);
      expect(eth0).toMatchObject({ interface: "eth0", ipv4: pod.status?.podIP, eni: { vSwitchID: "vsw-hz-h-1" } });
      expect(eth0).not.toHaveProperty("defaultRoute");
      expect(eth1).toMatchObject({
        interface: "eth1",
        defaultRoute: true,
        extraRoutes: [{ dst: "192.168.0.0/16" }],
        eni: { vSwitchID: "vsw-hz-h-2" },
      });
      const owned = ownedBy(world, podEni.metadata.uid);
      expect(new Set(owned.map(({ eniId }) => eniId))).toEqual(new Set([eth0!.eni!.id, eth1!.eni!.id]));
      expect(owned.map(({ type, status }) => [type, status])).toEqual([
        ["Member", "InUse"],
        ["Member", "InUse"],
      ]);
      // Only there do both planes have a vSwitch.
      expect(podEni.spec?.zone).toBe(zone);
    },
  );

  scenario("that nobody can set up are not made, and the pod says why", async () => {
    const { kube } = world;
    const rows = [
      { name: "two-routes", networks: [{ defaultRoute: true }, { defaultRoute: true }], says: "eth0, eth1 each ask" },
      { name: "no-eth0", networks: [{ interface: "net1" }], says: "needs an interface eth0" },
      {
        name: "fast-member",
        networks: [{ networkInterfaceTrafficMode: "HighPerformance" }],
        says: "a member of a trunk cannot have",
      },
      {
        name: "odd-mode",
        networks: [{ networkInterfaceTrafficMode: "Fast" }],
        says: "must be Standard or HighPerformance",
      },
    ];
    for (const { name, networks, says } of rows) {
      await kube.apply(aPod({ namespace, name, annotations: asking(...networks), spec: inZone(zone) }));
      await kube.untilEvent("Pod", name, "PodCreateFailed", says);
      expect(await kube.podEni(namespace, name)).toBeUndefined();
    }
  });

  scenario("of which one cannot be made name it, do not run, and leave nothing behind", async () => {
    const { kube } = world;
    const annotations = asking({}, { securityGroupIDs: ["sg-lost"] }, {});
    await kube.apply(aPod({ namespace, name: "torn", annotations, spec: inZone(zone) }));
    const condition = await kube.untilPodEniSays(namespace, "torn", "SecurityGroupNotFound");
    expect(condition.message).toContain("eth1: ");
    expect(condition.message).toContain("sg-lost");
    const podEni = await eventually("the other two are made", async () => {
      const found = await kube.podEni(namespace, "torn");
      return found?.spec?.allocations?.filter(({ eni }) => (eni?.id ?? "") !== "").length === 2 ? found : undefined;
    });
    expect(podEni.status?.phase ?? "").not.toBe("Bind");
    expect((await kube.pod(namespace, "torn"))?.status?.phase).toBe("Pending");
    await kube.deletePod(namespace, "torn");
    await eventually("nothing is left", async () => {
      return ownedBy(world, podEni.metadata.uid).length === 0 && (await kube.podEni(namespace, "torn")) === undefined;
    });
  });

  scenario("whose networks are edited while they run say what does not apply, until it matches again", async () => {
    const { kube, sandbox } = world;
    const asked = asking({}, { vSwitchOptions: ["vsw-hz-h-2"] });
    await kube.apply(aPod({ namespace, name: "edited", annotations: asked, spec: inZone(zone) }));
    const { podEni } = await kube.untilRunning(namespace, "edited");
    const made = ownedBy(world, podEni.metadata.uid).map(({ eniId }) => eniId);
    const sg = landscape.securityGroupId;
    const edited = asking({ securityGroupIDs: ["sg-other"] }, { vSwitchOptions: ["vsw-hz-h-1"] });
    await kube.patch(pathOf.pod(namespace, "edited"), { metadata: { annotations: edited } });
    const reported = () =>
      kube.podEni(namespace, "edited").then((now) => now?.status?.conditions?.find(({ type }) => type === "UpToDate"));
    const condition = await eventually("the record says so", async () => {
      const found = await reported();
      return found?.status === "False" ? found : undefined;
    });
    expect(condition.reason).toBe("NetworksChangedAfterBind");
    expect(condition.message).toContain(`security groups of eth0 changed from ${sg} to sg-other`);
    expect(condition.message).toContain("vSwitches of eth1 changed to vsw-hz-h-1 (it is in vsw-hz-h-2)");
    expect(condition.message).toContain("recreate the pod");
    await kube.untilEvent("Pod", "edited", "NetworksChangedAfterBind", "security groups of eth0");
    await kube.patch(pathOf.pod(namespace, "edited"), { metadata: { annotations: asked } });
    await eventually("the record says that it matches", async () => (await reported())?.status === "True");
    const now = await kube.podEni(namespace, "edited");
    expect(now?.spec).toEqual(podEni.spec);
    expect(now?.status).toMatchObject({ phase: "Bind", eniInfos: podEni.status!.eniInfos });
    expect(
      (await kube.events("Pod", "edited")).filter(({ reason }) => reason === "NetworksChangedAfterBind"),
    ).toHaveLength(1);
    const timings = sandbox.cloud.report().enis.filter(({ eniId }) => made.includes(eniId));
    expect(timings.map(({ status, timings: { detachStartedAt } }) => [status, detachStartedAt])).toEqual(
      made.map(() => ["InUse", undefined]),
    );
  });

  it("a process that dies before it hears of an interface asks for the same one again", async () => {
    const { kube, sandbox } = world;
    const api = "CreateNetworkInterface" as const;
    sandbox.cloud.setFaults([{ name: "unheard", api, effect: { type: "timeoutAfterEffect" } }]);
    const annotations = asking({ ...highPerformance, resourceGroupID: "rg-again" });
    await kube.apply(aPod({ namespace, name: "unheard", annotations, spec: { nodeName: "whole" } }));
    const made = await eventually("the cloud has made it", () =>
      world.ownInterfaces().find(({ resourceGroupId }) => resourceGroupId === "rg-again"),
    );
    sandbox.replicas[0]!.process.kill("SIGKILL");
    await sandbox.replicas[0]!.process.ended;
    sandbox.cloud.setFaults([]);
    await sandbox.restart(0);
    await sandbox.ready(60_000);
    const { podEni } = await kube.untilRunning(namespace, "unheard");
    const own = ownedBy(world, podEni.metadata.uid);
    expect(own).toMatchObject([{ eniId: made.eniId, trafficMode: "HighPerformance", resourceGroupId: "rg-again" }]);
    expect(podEni.spec!.allocations![0]!.eni!.id).toBe(made.eniId);
  }, 120_000);
});

describe.each(["dual", "ipv6"])("with ipStack %s", (ipStack) => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld({ nodes: 2, config: { ipStack } });
    const { kube, sandbox } = world;
    await kube.apply(aNamespace(namespace));
    await addExclusiveMachine(world, "whole");
    const place = { vpcId: landscape.vpcId, zoneId: zone };
    sandbox.cloud.addVSwitch({ vSwitchId: "vsw-six", cidr: "10.30.0.0/24", ipv6Cidr: "2001:db8:0:1::/64", ...place });
    sandbox.cloud.addVSwitch({
      vSwitchId: "vsw-six-full",
      cidr: "10.31.0.0/24",
      ipv6Cidr: "2001:db8:0:2::/64",
      freeAddresses: 0,
      ...place,
    });
    sandbox.cloud.addVSwitch({ vSwitchId: "vsw-four", cidr: "10.32.0.0/24", ...place });
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  it.each([
    { name: "member", changes: {}, spec: inZone(zone) },
    { name: "whole", changes: exclusive, spec: { nodeName: "whole" } },
  ])(
    "a $name has addresses and blocks of both families, from a vSwitch that has both",
    async (row) => {
      const { kube } = world;
      const options = ["vsw-four", "vsw-six-full", "vsw-six"];
      const annotations = asking({ ...row.changes, vSwitchOptions: options });
      await kube.apply(aPod({ namespace, name: row.name, annotations, spec: row.spec }));
      const { podEni } = await kube.untilRunning(namespace, row.name);
      const [allocation] = podEni.spec!.allocations!;
      const eniId = allocation!.eni!.id!;
      const [eni] = ownedBy(world, podEni.metadata.uid);
      const addresses = {
        ipv4: eni!.ipv4s[0],
        ipv6: eni!.ipv6s[0],
        ipv4CIDR: "10.30.0.0/24",
        ipv6CIDR: "2001:db8:0:1::/64",
      };
      expect(eni!.ipv6s).toHaveLength(1);
      expect(eni!.type).toBe(row.name === "whole" ? "Secondary" : "Member");
      expect(allocation).toMatchObject(addresses);
      expect((await kube.networkInterface(eniId))?.spec).toMatchObject(addresses);
    },
    60_000,
  );

  it("a vSwitch without IPv6 block is named, until it has one", async () => {
    const { kube, sandbox } = world;
    await kube.apply(aPlane("four", { vSwitchOptions: ["vsw-four"] }));
    const annotations = asking({ vSwitchOptions: ["vsw-four"] });
    await kube.apply(aPod({ namespace, name: "four", annotations, spec: inZone(zone) }));
    const condition = await kube.untilPodEniSays(namespace, "four", "VSwitchWithoutIPv6");
    expect(condition.message).toContain("vsw-four has no IPv6 block");
    await kube.untilEvent("Pod", "four", "CreateENIFailed", "vsw-four has no IPv6 block");
    expect(sandbox.cloud.report().enis.filter(({ vSwitchId }) => vSwitchId === "vsw-four")).toEqual([]);
  }, 60_000);
});
