import { describe, expect, it } from "@jest/globals";
import { World } from "../test/fixtures/controlplane-world.ts";

describe("the record of an interface", () => {
  it("keeps what the pod asked for when it is attached, though the cloud's answers do not say it", async () => {
    const world = new World();
    const process = world.start();
    world.createPod("node-1", [{ resourceGroupID: "rg-1" }]);
    expect(await world.clock.runUntil(() => world.isBound(), 30_000)).toBe(true);
    const [allocation] = world.podEni()!.spec!.allocations!;
    const [record] = world.networkInterfaces.list();
    expect(allocation!.eni).toMatchObject({ id: record!.metadata.name, resourceGroupID: "rg-1" });
    expect(record!.spec!.eni).toEqual(allocation!.eni);
    expect(record).toMatchObject({
      metadata: { finalizers: ["network.alibabacloud.com/eni"], labels: { "k8s.aliyun.com/node": "node-1" } },
      spec: { ipv4: allocation!.ipv4, podENIRef: { kind: "Pod", namespace: "default", name: "web-0" } },
      status: { phase: "Bind", instanceID: "i-node-1", eniInfo: { id: allocation!.eni!.id, status: "Bind" } },
    });
    process.die();
  });
});
