import { describe, expect, it } from "@jest/globals";
import { World } from "../test/fixtures/controlplane-world.ts";

const fixed = { allocationType: { type: "Fixed", releaseStrategy: "Never" } };

describe("an interface", () => {
  it.each([
    { name: "elastic: it goes with its machine", network: {}, deleteOnRelease: true },
    { name: "of a fixed address: it outlives its machine", network: fixed, deleteOnRelease: false },
  ])("is asked for with the tags of its owner, $name", async ({ network, deleteOnRelease }) => {
    const world = new World();
    const requests: object[] = [];
    const create = world.cloud.create.bind(world.cloud);
    world.cloud.create = (request) => {
      requests.push(request);
      return create(request);
    };
    const process = world.start();
    world.createPod("node-1", [{ ...network, resourceGroupID: "rg-1" }]);
    expect(await world.clock.runUntil(() => world.isBound(), 30_000)).toBe(true);
    process.die();
    expect(requests).toMatchObject([
      {
        vSwitchId: "vsw-1",
        securityGroupIds: ["sg-1"],
        resourceGroupId: "rg-1",
        ipv6Count: 0,
        deleteOnRelease,
        tags: {
          "ack.aliyun.com": "c-test",
          creator: "terway-controller",
          "k8s.aliyun.com/pod-eni-uid": world.podEni()!.metadata.uid,
          "k8s.aliyun.com/interface": "eth0",
        },
      },
    ]);
  });
});

describe("the record of an interface", () => {
  it("keeps what the pod asked for when it is attached, though the cloud's answers do not say it", async () => {
    const world = new World();
    const process = world.start();
    world.createPod("node-1", [{ resourceGroupID: "rg-1" }]);
    expect(await world.clock.runUntil(() => world.isBound(), 30_000)).toBe(true);
    process.die();
    const [allocation] = world.podEni()!.spec!.allocations!;
    const [record] = world.networkInterfaces.list();
    expect(allocation!.eni).toMatchObject({ id: record!.metadata.name, resourceGroupID: "rg-1" });
    expect(record!.spec!.eni).toEqual(allocation!.eni);
    expect(record).toMatchObject({
      metadata: { finalizers: ["network.alibabacloud.com/eni"], labels: { "k8s.aliyun.com/node": "node-1" } },
      spec: { ipv4: allocation!.ipv4, podENIRef: { kind: "Pod", namespace: "default", name: "web-0" } },
      status: { phase: "Bind", instanceID: "i-node-1", eniInfo: { id: allocation!.eni!.id, status: "Bind" } },
    });
  });
});
