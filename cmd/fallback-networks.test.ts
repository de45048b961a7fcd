import { describe, expect, it } from "@jest/globals";
import type { EniConfig } from "../domain/pod-network/eni-config.ts";
import type { Plane } from "../domain/pod-network/plane.ts";
import { createFallbackNetworks } from "./fallback-networks.ts";

const plane: Plane = {
  metadata: { name: "shop" },
  spec: {
    vSwitchOptions: ["vsw-p"],
    securityGroupIDs: ["sg-p"],
    eniOptions: { eniType: "ENI" },
    vSwitchSelectOptions: { vSwitchSelectionPolicy: "most" },
    allocationType: { type: "Fixed", releaseStrategy: "Never" },
  },
};
const eniConfig: EniConfig = { vSwitchIds: ["vsw-1", "vsw-2"], securityGroupIds: ["sg-1"], ipStack: "ipv4" };

/** Networks of a pod that admission did not see, with the given name of a plane. */
function networksOf(given: { readonly plane?: string; readonly eniConfig?: EniConfig }) {
  const find = createFallbackNetworks({
    planes: { get: (name) => (name === plane.metadata.name ? plane : undefined) },
    eniConfig: { get: () => Promise.resolve(given.eniConfig) },
  });
  const annotations = given.plane === undefined ? {} : { "k8s.aliyun.com/pod-networking": given.plane };
  return find({ metadata: { name: "web-0", annotations } }, new AbortController().signal);
}

describe("the networks of a pod that admission did not see", () => {
  it("are those of the plane that its annotation names, whatever eni-config says", async () => {
    expect(await networksOf({ plane: "shop", eniConfig })).toMatchObject([
      {
        interface: "eth0",
        vSwitchOptions: ["vsw-p"],
        securityGroupIds: ["sg-p"],
        eniType: "ENI",
        vSwitchSelectionPolicy: "most",
        allocationType: { type: "Fixed", releaseStrategy: "Never" },
      },
    ]);
  });

  it.each([{ name: "no plane" }, { name: "an empty name", plane: "" }])(
    "come from eni-config when it names $name: an elastic eth0 on the first vSwitch that serves",
    async ({ plane: named }) => {
      expect(await networksOf({ ...(named !== undefined && { plane: named }), eniConfig })).toMatchObject([
        {
          interface: "eth0",
          vSwitchOptions: ["vsw-1", "vsw-2"],
          securityGroupIds: ["sg-1"],
          eniType: "",
          vSwitchSelectionPolicy: "ordered",
          allocationType: { type: "Elastic" },
        },
      ]);
    },
  );

  it.each([
    {
      name: "the plane does not exist",
      given: { plane: "lost", eniConfig },
      says: "PodNetworking lost does not exist",
    },
    { name: "there is no eni-config", given: {}, says: "podNetworking is empty" },
  ])("cannot be told when $name, in words", async ({ given, says }) => {
    await expect(networksOf(given)).rejects.toMatchObject({
      category: "terminal",
      message: expect.stringContaining(says),
    });
  });
});
