import { describe, expect, it } from "@jest/globals";
import type { PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";
import { findDrift } from "./drift.ts";

const made: PodEniAllocation = {
  interface: "eth0",
  allocationType: { type: "Elastic" },
  eni: {
    vSwitchID: "vsw-1",
    securityGroupIDs: ["sg-2", "sg-1"],
    resourceGroupID: "rg-default",
    attachmentOptions: { trunk: true },
  },
  extraConfig: {},
};

const asked = { interface: "eth0", vSwitchOptions: ["vsw-0", "vsw-1"], securityGroupIDs: ["sg-1", "sg-2"] };

const annotation = (...networks: readonly object[]): string => JSON.stringify({ podNetworks: networks });

interface Row {
  readonly name: string;
  readonly asks: string | undefined;
  readonly has?: readonly PodEniAllocation[];
  /** Parts of the sentence before the remedy; absent: nothing has drifted. */
  readonly says?: string;
}

const rows: readonly Row[] = [
  { name: "all as asked for, groups in another order and the account's resource group", asks: annotation(asked) },
  { name: "no annotation", asks: undefined },
  { name: "eth0 by default", asks: annotation({ ...asked, interface: "" }), has: [{ ...made, interface: "" }] },
  { name: "the default route asked for where it is anyway", asks: annotation({ ...asked, defaultRoute: true }) },
  {
    name: "a type that leaves the choice to the node",
    asks: annotation({ ...asked, eniOptions: { eniType: "Trunk" } }),
  },
  {
    name: "other security groups",
    asks: annotation({ ...asked, securityGroupIDs: ["sg-3"] }),
    says: "security groups of eth0 changed from sg-1, sg-2 to sg-3",
  },
  {
    name: "other vSwitches",
    asks: annotation({ ...asked, vSwitchOptions: ["vsw-8", "vsw-9"] }),
    says: "vSwitches of eth0 changed to vsw-8, vsw-9 (it is in vsw-1)",
  },
  {
    name: "another resource group",
    asks: annotation({ ...asked, resourceGroupID: "rg-1" }),
    says: "resource group of eth0 changed from rg-default to rg-1",
  },
  {
    name: "an interface of its own",
    asks: annotation({ ...asked, eniOptions: { eniType: "ENI" } }),
    says: "eniType of eth0 changed from Trunk to ENI",
  },
  {
    name: "another traffic mode",
    asks: annotation({ ...asked, networkInterfaceTrafficMode: "HighPerformance" }),
    says: "traffic mode of eth0 changed from Standard to HighPerformance",
  },
  {
    name: "routes",
    asks: annotation({ ...asked, extraRoutes: [{ dst: "10.9.0.0/16" }] }),
    says: "extra routes of eth0 changed from none to 10.9.0.0/16",
  },
  {
    name: "another time to live",
    asks: annotation({ ...asked, allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "10m" } }),
    says: "allocation type of eth0 changed from Elastic to Fixed TTL 10m",
  },
  {
    name: "one more, with the default route, and one less",
    asks: annotation(asked, { ...asked, interface: "eth2", defaultRoute: true }),
    has: [made, { ...made, interface: "eth1" }],
    says: "interface eth1 was removed; interface eth2 was added; default route changed from eth0 to eth2",
  },
  {
    name: "no JSON",
    asks: "{",
    says: "annotation k8s.aliyun.com/pod-networks cannot be read any more: ",
  },
];

describe("what a bound pod asks for and does not have", () => {
  it.each(rows)("$name", ({ asks, has = [made], says }) => {
    const drift = findDrift(asks, has);
    if (says === undefined) expect(drift).toBeUndefined();
    else expect(drift).toContain(says);
  });

  it("names the remedy, which for a fixed address begins with its record", () => {
    const asks = annotation({ ...asked, securityGroupIDs: ["sg-3"] });
    expect(findDrift(asks, [made])).toMatch(/; interfaces are made when the pod is created: recreate the pod$/);
    const fixed = { ...made, allocationType: { type: "Fixed", releaseStrategy: "Never" } } as const;
    expect(findDrift(asks, [fixed])).toContain("delete its PodENI before");
  });
});
