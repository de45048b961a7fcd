import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { landscape } from "../sandbox/landscape.ts";
import { addExclusiveMachine } from "./exclusive-machine.ts";
import { aNamespace, aPod } from "./manifests.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "cards";
const zone = "cn-hangzhou-h";
/** Two network cards that carry 8 interfaces each, the primary interface on the first. */
const instanceType = "ecs.g7.32xlarge";

const networksOf = (changes: Readonly<Record<string, unknown>> = {}) =>
  JSON.stringify({
    podNetworks: [
      {
        interface: "eth0",
        vSwitchOptions: ["vsw-hz-h-1"],
        securityGroupIDs: [landscape.securityGroupId],
        eniOptions: { eniType: "ENI" },
        allocationType: { type: "Elastic" },
        ...changes,
      },
    ],
  });

describe("a machine with two network cards", () => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld({ nodes: 2 });
    await world.kube.apply(aNamespace(namespace));
    for (const name of ["level", "numa", "kept"]) await addMachine(name);
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  const addMachine = async (name: string): Promise<void> => {
    const { instanceId } = await addExclusiveMachine(world, name, { instanceType, enis: 14 });
    const nodeMetadata = { regionID: landscape.regionId, instanceType, instanceID: instanceId, zoneID: zone };
    await world.kube.apply({
      apiVersion: "network.alibabacloud.com/v1beta1",
      kind: "Node",
      metadata: { name },
      spec: { nodeMetadata, nodeCap: { networkCardsCount: 2 } },
    });
  };

  const run = async (machine: string, names: readonly string[], annotations: Readonly<Record<string, string>> = {}) => {
    const all = { "k8s.aliyun.com/pod-networks": networksOf(), ...annotations };
    const pods = names.map((name) => aPod({ namespace, name, annotations: all, spec: { nodeName: machine } }));
    await Promise.all(pods.map((pod) => world.kube.apply(pod)));
    return Promise.all(names.map((name) => world.kube.untilRunning(namespace, name)));
  };

  /** How many interfaces each card carries in the cloud. */
  const loads = (machine: string): readonly number[] => {
    const { enis } = world.sandbox.cloud.report();
    const here = enis.filter(({ instanceId, status }) => instanceId === `i-${machine}` && status !== "Gone");
    return [0, 1].map((card) => here.filter(({ networkCardIndex = 0 }) => networkCardIndex === card).length);
  };

  const namesOf = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

  it("spreads pods that come at the same instant, and the next process goes on as the last one did", async () => {
    const { kube, sandbox } = world;
    const first = await run("level", namesOf("first", 6));
    expect(Math.abs(loads("level")[0]! - loads("level")[1]!)).toBeLessThanOrEqual(1);
    for (const { podEni } of first) {
      const eniId = podEni.spec!.allocations![0]!.eni!.id!;
      const eni = sandbox.cloud.report().enis.find((found) => found.eniId === eniId)!;
      expect(eni.networkCardIndex).toEqual(expect.any(Number));
      expect(podEni.status?.eniInfos?.[eniId]?.networkCardIndex).toBe(eni.networkCardIndex);
      const { status } = (await kube.networkInterface(eniId))!;
      expect([status?.networkCardIndex, status?.eniInfo.networkCardIndex]).toEqual([
        eni.networkCardIndex,
        eni.networkCardIndex,
      ]);
    }

    // Only the pods of the first card go, so that the next ones must know which card is the emptier one.
    const onFirstCard = first.filter(({ podEni }) =>
      Object.values(podEni.status?.eniInfos ?? {}).some(({ networkCardIndex }) => networkCardIndex === 0),
    );
    await Promise.all(onFirstCard.map(({ pod }) => kube.deletePod(namespace, pod.metadata.name)));
    await eventually("nothing is left of them", async () => {
      const records = [...(await kube.networkInterfaces()), ...(await kube.podEnis(namespace))];
      return loads("level")[0] === 1 && records.length === 6;
    });
    sandbox.replicas[0]!.process.kill("SIGKILL");
    await sandbox.replicas[0]!.process.ended;
    await sandbox.restart(0);
    await sandbox.ready(60_000);
    await run("level", namesOf("next", 2));
    expect(loads("level")).toEqual([3, 3]);
  }, 120_000);

  it("keeps pods near their processors", async () => {
    await run("numa", namesOf("near", 3), { cpuSet: '{"main":{"0":{"elems":{"0":{}}}}}' });
    expect(loads("numa")).toEqual([4, 0]);
  }, 60_000);

  it("forgets the card of an interface that is taken off and kept", async () => {
    const { kube } = world;
    const fixed = networksOf({ allocationType: { type: "Fixed", releaseStrategy: "Never" } });
    const [bound] = await run("kept", ["kept"], { "k8s.aliyun.com/pod-networks": fixed });
    const eniId = bound!.podEni.spec!.allocations![0]!.eni!.id!;
    await kube.deletePod(namespace, "kept");
    const podEni = await eventually("the address is kept", async () => {
      const found = await kube.podEni(namespace, "kept");
      return found?.status?.phase === "Unbind" ? found : undefined;
    });
    expect(podEni.status?.eniInfos?.[eniId]).not.toHaveProperty("networkCardIndex");
    const { status } = (await kube.networkInterface(eniId))!;
    expect(status).not.toHaveProperty("networkCardIndex");
    expect(status?.eniInfo).not.toHaveProperty("networkCardIndex");
    await kube.deletePodEni(namespace, "kept");
    await eventually("it is given back", async () => (await kube.networkInterface(eniId)) === undefined);
  }, 60_000);
});
