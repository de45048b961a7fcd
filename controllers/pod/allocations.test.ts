import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import type { PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { PodEniType, PodNetwork } from "../../domain/pod-network/pod-networks.ts";
import type { UnreadVSwitch, VSwitch } from "../../domain/vswitch/vswitch.ts";
import { toAllocations, type AllocationInputs } from "./allocations.ts";

const node: NodeFacts = {
  name: "node-1",
  instanceId: "i-1",
  zone: "zone-a",
  trunkEniId: "eni-trunk",
  isExclusive: false,
  isIgnored: false,
};

function aNetwork(given: Partial<PodNetwork> = {}): PodNetwork {
  return {
    interface: "eth0",
    vSwitchOptions: ["vsw-a"],
    securityGroupIds: ["sg-1"],
    extraRoutes: [],
    eniType: "",
    vSwitchSelectionPolicy: undefined,
    resourceGroupId: "",
    networkInterfaceTrafficMode: "",
    defaultRoute: false,
    allocationType: { type: "Elastic" },
    ...given,
  };
}

function aVSwitch(vSwitchId: string, given: Partial<VSwitch> = {}): VSwitch {
  return {
    vSwitchId,
    vpcId: "vpc-1",
    zoneId: "zone-a",
    ipv4Cidr: "10.0.0.0/24",
    ipv6Cidr: "2001:db8::/64",
    freeIpv4Count: 5,
    isExhausted: false,
    ...given,
  };
}

type Known = VSwitch | UnreadVSwitch;
const byId = (...vSwitches: readonly Known[]): ReadonlyMap<string, Known> =>
  new Map(vSwitches.map((vSwitch) => [vSwitch.vSwitchId, vSwitch]));

/** vsw-a is in the zone of node-1 and has free addresses. */
function allocate(given: Partial<AllocationInputs>) {
  return toAllocations({
    networks: [aNetwork()],
    node,
    vSwitches: byId(aVSwitch("vsw-a")),
    enableTrunk: true,
    needsIpv6: false,
    pick: () => 0,
    ...given,
  });
}

/** @throws unless the request makes sense */
function allocations(given: Partial<AllocationInputs>): readonly PodEniAllocation[] {
  const result = allocate(given);
  if ("problem" in result) throw new Error(result.problem);
  return result;
}

const groups = (count: number): string[] => Array.from({ length: count }, (_, n) => `sg-${n}`);
const vSwitchOf = (given: Partial<AllocationInputs>): string | undefined => allocations(given)[0]?.eni?.vSwitchID;
const trunkOf = (given: Partial<AllocationInputs>): boolean | undefined =>
  allocations(given)[0]?.eni?.attachmentOptions?.trunk;

describe("the intent for a pod's interfaces", () => {
  it("records all that was asked for and chosen, and no interface id", () => {
    const network = aNetwork({
      interface: "eth1",
      securityGroupIds: ["sg-1", "sg-2"],
      resourceGroupId: "rg-1",
      defaultRoute: true,
      extraRoutes: [{ dst: "192.168.0.0/16" }],
      allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "30m" },
    });
    const [eth0, eth1] = allocations({ networks: [aNetwork(), network] });
    expect([eth0?.interface, eth1]).toEqual([
      "eth0",
      {
        interface: "eth1",
        allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "30m" },
        ipv4CIDR: "10.0.0.0/24",
        ipv6CIDR: "2001:db8::/64",
        eni: {
          vSwitchID: "vsw-a",
          zone: "zone-a",
          securityGroupIDs: ["sg-1", "sg-2"],
          resourceGroupID: "rg-1",
          attachmentOptions: { trunk: true },
        },
        defaultRoute: true,
        extraRoutes: [{ dst: "192.168.0.0/16" }],
        extraConfig: {},
      },
    ]);
  });

  it("leaves out what was not asked for, and calls an interface without name eth0", () => {
    expect(allocate({ networks: [aNetwork({ interface: "" })] })).toEqual([
      {
        interface: "eth0",
        allocationType: { type: "Elastic" },
        ipv4CIDR: "10.0.0.0/24",
        ipv6CIDR: "2001:db8::/64",
        eni: {
          vSwitchID: "vsw-a",
          zone: "zone-a",
          securityGroupIDs: ["sg-1"],
          attachmentOptions: { trunk: true },
        },
        extraConfig: {},
      },
    ]);
  });

  it("is sorted by interface, whatever the order of the networks", () => {
    const names = ["eth0", "eth1", "eth10", "eth2", "net1"];
    fc.assert(
      fc.property(fc.shuffledSubarray(names, { minLength: names.length - 2 }), (shuffled) => {
        fc.pre(shuffled.includes("eth0"));
        const networks = shuffled.map((name) => aNetwork({ interface: name, securityGroupIds: [`sg-of-${name}`] }));
        const result = allocations({ networks });
        expect(result.map((allocation) => allocation.interface)).toEqual(shuffled.toSorted());
        expect(result.map((allocation) => allocation.eni?.securityGroupIDs?.[0])).toEqual(
          shuffled.toSorted().map((name) => `sg-of-${name}`),
        );
      }),
    );
  });
});

const forbidden = { reason: "AccessDenied", message: "vpc:DescribeVSwitches is not allowed" };
const candidates = byId(
  aVSwitch("vsw-b", { zoneId: "zone-b" }),
  aVSwitch("vsw-full", { freeIpv4Count: 0 }),
  aVSwitch("vsw-marked", { isExhausted: true }),
  aVSwitch("vsw-v4", { ipv6Cidr: "", freeIpv4Count: 2 }),
  aVSwitch("vsw-a"),
  { vSwitchId: "vsw-locked", error: forbidden },
  { vSwitchId: "vsw-gone", error: "NotFound" },
);

interface VSwitchRow {
  readonly name: string;
  readonly options: readonly string[];
  readonly policy?: PodNetwork["vSwitchSelectionPolicy"];
  readonly needsIpv6?: boolean;
  readonly want: string | undefined;
}

const vSwitchTable: readonly VSwitchRow[] = [
  { name: "the one in the node's zone", options: ["vsw-b", "vsw-a"], want: "vsw-a" },
  { name: "the first of several, when no policy is named", options: ["vsw-v4", "vsw-a"], want: "vsw-v4" },
  { name: "the one with the most addresses", options: ["vsw-v4", "vsw-a"], policy: "most", want: "vsw-a" },
  { name: "the picked one", options: ["vsw-v4", "vsw-a"], policy: "random", want: "vsw-a" },
  { name: "one that is not full", options: ["vsw-full", "vsw-marked", "vsw-a"], want: "vsw-a" },
  { name: "one with IPv6 when it is needed", options: ["vsw-v4", "vsw-a"], needsIpv6: true, want: "vsw-a" },
  { name: "a readable one", options: ["vsw-locked", "vsw-gone", "vsw-a"], want: "vsw-a" },
  { name: "none when the only one cannot be read", options: ["vsw-locked"], want: undefined },
  { name: "none when the only one does not exist", options: ["vsw-gone"], want: undefined },
  { name: "none when nothing is known of the only one", options: ["vsw-unheard"], want: undefined },
  { name: "none when the only one is in another zone", options: ["vsw-b"], want: undefined },
  { name: "none when the only one is full", options: ["vsw-full"], want: undefined },
];

describe("the vSwitch of a new allocation", () => {
  it.each(vSwitchTable)("is $name", ({ options, policy, needsIpv6 = false, want }) => {
    const networks = [aNetwork({ vSwitchOptions: options, vSwitchSelectionPolicy: policy })];
    expect(vSwitchOf({ networks, vSwitches: candidates, needsIpv6, pick: (n) => n - 1 })).toBe(want);
  });

  it("is chosen for each interface by itself, and lacking one spoils no other", () => {
    const networks = [
      aNetwork({ interface: "eth1", vSwitchOptions: ["vsw-a"] }),
      aNetwork({ interface: "eth0", vSwitchOptions: ["vsw-locked"] }),
    ];
    const [eth0, eth1] = allocations({ networks, vSwitches: candidates });
    expect(eth0).toEqual({
      interface: "eth0",
      allocationType: { type: "Elastic" },
      eni: { zone: "zone-a", securityGroupIDs: ["sg-1"], attachmentOptions: { trunk: true } },
      extraConfig: {},
    });
    expect(eth1?.eni?.vSwitchID).toBe("vsw-a");
  });

  it("is always one of the network's candidates, in the node's zone, with free addresses", () => {
    const ids = [...candidates.keys(), "vsw-unheard"];
    fc.assert(
      fc.property(
        fc.subarray(ids, { minLength: 1 }),
        fc.constantFrom("ordered" as const, "random" as const, "most" as const, undefined),
        fc.boolean(),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (options, policy, needsIpv6, random) => {
          const networks = [aNetwork({ vSwitchOptions: options, vSwitchSelectionPolicy: policy })];
          const pick = (n: number): number => Math.floor(random * n);
          const chosen = vSwitchOf({ networks, vSwitches: candidates, needsIpv6, pick });
          const usable = options.filter((id) => id === "vsw-a" || (id === "vsw-v4" && !needsIpv6));
          if (usable.length === 0) expect(chosen).toBeUndefined();
          else expect(usable).toContain(chosen);
        },
      ),
      { numRuns: 200 },
    );
  });
});

interface ProblemRow {
  readonly name: string;
  readonly networks: readonly PodNetwork[];
  readonly problem: string;
}

const problemTable: readonly ProblemRow[] = [
  { name: "no network", networks: [], problem: "the pod asks for interfaces but names no network" },
  {
    name: "no vSwitch",
    networks: [aNetwork(), aNetwork({ interface: "eth1", vSwitchOptions: [] })],
    problem: "interface eth1 names no vSwitch",
  },
  {
    name: "no security group",
    networks: [aNetwork({ securityGroupIds: [] })],
    problem: "interface eth0 names no security group",
  },
  {
    name: "11 security groups",
    networks: [aNetwork(), aNetwork({ interface: "eth1", securityGroupIds: groups(11) })],
    problem: "interface eth1 names 11 security groups; at most 10 are possible",
  },
  {
    name: "an interface twice",
    networks: [aNetwork({ interface: "eth1" }), aNetwork(), aNetwork({ interface: "eth1" })],
    problem: "interface eth1 is named twice in annotation k8s.aliyun.com/pod-networks",
  },
  {
    name: "eth0 by name and by default",
    networks: [aNetwork(), aNetwork({ interface: "" })],
    problem: "interface eth0 is named twice in annotation k8s.aliyun.com/pod-networks",
  },
  {
    name: "an interface without name and without vSwitch",
    networks: [aNetwork({ interface: "", vSwitchOptions: [] })],
    problem: "interface eth0 names no vSwitch",
  },
  {
    name: "no eth0",
    networks: [aNetwork({ interface: "eth1" }), aNetwork({ interface: "net1" })],
    problem: "the pod asks for eth1, net1, but every pod needs an interface eth0",
  },
  {
    name: "two default routes",
    networks: [aNetwork({ defaultRoute: true }), aNetwork({ interface: "eth1", defaultRoute: true })],
    problem: "interfaces eth0, eth1 each ask for the default route of the pod; at most one may",
  },
  {
    name: "an unknown traffic mode",
    networks: [aNetwork({ networkInterfaceTrafficMode: "Fast" })],
    problem: "interface eth0 asks for networkInterfaceTrafficMode Fast; it must be Standard or HighPerformance",
  },
  {
    name: "a fast member",
    networks: [aNetwork({ networkInterfaceTrafficMode: "HighPerformance" })],
    problem:
      "interface eth0 asks for networkInterfaceTrafficMode HighPerformance, which a member of a trunk cannot have; give it eniOptions eniType ENI",
  },
];

describe("a request that makes no sense", () => {
  it.each(problemTable)("with $name is refused in words that name the interface", ({ networks, problem }) => {
    expect(allocate({ networks })).toEqual({ problem });
  });

  it("does not include a fast interface of its own, and the record keeps the mode for whoever makes it", () => {
    const networks = [aNetwork({ networkInterfaceTrafficMode: "HighPerformance", eniType: "ENI" })];
    expect(allocations({ networks })).toMatchObject([
      { extraConfig: { networkInterfaceTrafficMode: "HighPerformance" } },
    ]);
  });

  it("does not include 10 security groups", () => {
    expect(allocations({ networks: [aNetwork({ securityGroupIds: groups(10) })] })).toHaveLength(1);
  });
});

interface TrunkRow {
  readonly eniType: PodEniType;
  readonly enableTrunk: boolean;
  readonly isExclusive: boolean;
  readonly trunk: boolean;
}

const trunkTable: readonly TrunkRow[] = [
  { eniType: "", enableTrunk: true, isExclusive: false, trunk: true },
  { eniType: "", enableTrunk: false, isExclusive: false, trunk: false },
  { eniType: "Default", enableTrunk: true, isExclusive: false, trunk: true },
  { eniType: "Default", enableTrunk: false, isExclusive: false, trunk: false },
  { eniType: "Trunk", enableTrunk: false, isExclusive: false, trunk: true },
  { eniType: "Trunk", enableTrunk: true, isExclusive: false, trunk: true },
  { eniType: "ENI", enableTrunk: true, isExclusive: false, trunk: false },
  { eniType: "ENI", enableTrunk: false, isExclusive: false, trunk: false },
  { eniType: "", enableTrunk: true, isExclusive: true, trunk: false },
  { eniType: "Default", enableTrunk: true, isExclusive: true, trunk: false },
  { eniType: "Trunk", enableTrunk: true, isExclusive: true, trunk: false },
  { eniType: "ENI", enableTrunk: true, isExclusive: true, trunk: false },
];

describe("whether an interface is a member of the trunk", () => {
  it.each(trunkTable)(
    "eniType '$eniType', enableTrunk $enableTrunk, exclusive node $isExclusive: $trunk",
    ({ eniType, enableTrunk, isExclusive, trunk }) => {
      expect(trunkOf({ networks: [aNetwork({ eniType })], enableTrunk, node: { ...node, isExclusive } })).toBe(trunk);
    },
  );

  it("is decided for each interface by itself", () => {
    const networks = [aNetwork({ eniType: "ENI" }), aNetwork({ interface: "eth1", eniType: "Trunk" })];
    expect(allocations({ networks }).map((allocation) => allocation.eni?.attachmentOptions?.trunk)).toEqual([
      false,
      true,
    ]);
  });

  it("is wanted of a node without a trunk too, for controller pod-eni to say what is missing", () => {
    const { trunkEniId: _trunk, ...withoutTrunk } = node;
    expect(trunkOf({ networks: [aNetwork({ eniType: "Trunk" })], node: withoutTrunk })).toBe(true);
  });
});
