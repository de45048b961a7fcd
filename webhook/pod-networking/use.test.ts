import { describe, expect, it } from "@jest/globals";
import { World } from "../../test/fixtures/controlplane-world.ts";
import { planesOf } from "./use.ts";

describe("the record of a pod", () => {
  it("says which planes it came from, as the pod did, for the time when the pod is gone", async () => {
    const world = new World();
    const process = world.start();
    const pod = world.pods.create({
      metadata: {
        name: "web-0",
        namespace: "default",
        annotations: {
          "k8s.aliyun.com/pod-eni": "true",
          "k8s.aliyun.com/pod-networking": "matched",
          "k8s.aliyun.com/pod-networks-request": '[{"network":"asked"}]',
          "k8s.aliyun.com/pod-networks": JSON.stringify({
            podNetworks: [{ interface: "eth0", vSwitchOptions: ["vsw-1"], securityGroupIDs: ["sg-1"] }],
          }),
        },
      },
      spec: { nodeName: "node-1" },
    });
    expect(await world.clock.runUntil(() => world.podEni() !== undefined, 10_000)).toBe(true);
    expect(planesOf(pod)).toEqual(["matched", "asked"]);
    expect(planesOf(world.podEni()!)).toEqual(["matched", "asked"]);
    process.die();
  });
});
