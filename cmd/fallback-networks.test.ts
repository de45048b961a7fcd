import { describe, expect, it } from "@jest/globals";
import type { ConfigLookup, EniConfig } from "../domain/pod-network/eni-config.ts";
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

/** What is read for a machine, by the name of its own ConfigMap. */
const lookups: Readonly<Record<string, ConfigLookup<EniConfig>>> = {
  "": { type: "found", config: eniConfig },
  own: { type: "found", config: { ...eniConfig, vSwitchIds: ["vsw-own"], securityGroupIds: ["sg-own"] } },
  lost: { type: "missing", configMap: "lost" },
  faulty: { type: "faulty", message: "faulty: eni_conf is empty" },
};

interface Given {
  /** Annotation `pod-networking`. */
  readonly plane?: string;
  /** Label `terway-config` of its machine. */
  readonly ownConfig?: string;
  readonly hasEniConfig?: boolean;
}

/** Networks of a pod that admission did not see. */
function networksOf({ plane: named, ownConfig, hasEniConfig = true }: Given) {
  const labels = ownConfig === undefined ? {} : { "terway-config": ownConfig };
  const find = createFallbackNetworks({
    planes: { get: (name) => (name === plane.metadata.name ? plane : undefined) },
    nodes: { get: (name) => (name === "node-1" ? { metadata: { name, labels } } : undefined) },
    eniConfig: {
      getForPodOn: (configMap) =>
        Promise.resolve(hasEniConfig ? lookups[configMap]! : { type: "missing", configMap: "eni-config" }),
    },
  });
  const annotations = named === undefined ? {} : { "k8s.aliyun.com/pod-networking": named };
  const pod = { metadata: { name: "web-0", annotations }, spec: { nodeName: "node-1" } };
  return find(pod, new AbortController().signal);
}

describe("the networks of a pod that admission did not see", () => {
  it("are those of the plane that its annotation names, whatever eni-config says", async () => {
    expect(await networksOf({ plane: "shop", ownConfig: "own" })).toMatchObject([
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
      expect(await networksOf({ ...(named !== undefined && { plane: named }) })).toMatchObject([
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

  it("come from eni-config as it holds for its machine, which may have a ConfigMap of its own", async () => {
    expect(await networksOf({ ownConfig: "own" })).toMatchObject([
      { interface: "eth0", vSwitchOptions: ["vsw-own"], securityGroupIds: ["sg-own"] },
    ]);
  });

  it.each<{ name: string; given: Given; says: string }>([
    { name: "the plane does not exist", given: { plane: "lost" }, says: "PodNetworking lost does not exist" },
    {
      name: "there is no eni-config",
      given: { hasEniConfig: false },
      says: "podNetworking is empty, and ConfigMap kube-system/eni-config does not exist",
    },
    {
      name: "its machine's own ConfigMap does not exist",
      given: { ownConfig: "lost" },
      says: "ConfigMap kube-system/lost does not exist",
    },
    {
      name: "its machine's own ConfigMap is wrong",
      given: { ownConfig: "faulty" },
      says: "ConfigMap kube-system/faulty: eni_conf is empty",
    },
  ])("cannot be told when $name, in words", async ({ given, says }) => {
    await expect(networksOf(given)).rejects.toMatchObject({
      category: "terminal",
      message: expect.stringContaining(says),
    });
  });
});
