import type { PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";
import { parseTrafficMode, recordTrafficMode } from "../../domain/eni/traffic-mode.ts";
import type { NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { PodNetwork } from "../../domain/pod-network/pod-networks.ts";
import { selectVSwitch } from "../../domain/vswitch/select.ts";
import type { UnreadVSwitch, VSwitch } from "../../domain/vswitch/vswitch.ts";

export interface AllocationInputs {
  readonly networks: readonly PodNetwork[];
  readonly node: NodeFacts;
  /** What is known of the candidates, by id. */
  readonly vSwitches: ReadonlyMap<string, VSwitch | UnreadVSwitch>;
  /** Configuration `enableTrunk`. */
  readonly enableTrunk: boolean;
  readonly needsIpv6: boolean;
  readonly pick: (n: number) => number;
}

/** Limit of ECS and of the published admission. */
const maxSecurityGroups = 10;

/**
 * The intent to record for a pod: one allocation per network, without interface ids, sorted by interface name. A network
 * without a usable vSwitch gets an allocation without one; controller `pod-eni` chooses again and says what is missing.
 * Returns the problem, naming the interface, when the request itself makes no sense.
 */
export function toAllocations(inputs: AllocationInputs): readonly PodEniAllocation[] | { readonly problem: string } {
  const { networks } = inputs;
  if (networks.length === 0) return { problem: "the pod asks for interfaces but names no network" };
  const problem = networks.map((network) => problemOf(network, inputs)).find((text) => text !== undefined);
  const found = problem ?? problemTogether(networks);
  if (found !== undefined) return { problem: found };
  return networks
    .map((network) => toAllocation(network, inputs))
    .sort((a, b) => ((a.interface ?? "") < (b.interface ?? "") ? -1 : 1));
}

/** The interface that carries the pod's own address. The node daemon refuses a pod without it. */
const podInterface = "eth0";

function nameOf(network: PodNetwork): string {
  return network.interface === "" ? podInterface : network.interface;
}

/** What the node daemon could not set up, so that the pod would wait in vain. */
function problemTogether(networks: readonly PodNetwork[]): string | undefined {
  const names = networks.map(nameOf);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) return `interface ${repeated} is named twice in annotation k8s.aliyun.com/pod-networks`;
  if (!names.includes(podInterface)) {
    return `the pod asks for ${names.join(", ")}, but every pod needs an interface ${podInterface}`;
  }
  const withRoute = networks.filter(({ defaultRoute }) => defaultRoute).map(nameOf);
  if (withRoute.length < 2) return undefined;
  return `interfaces ${withRoute.join(", ")} each ask for the default route of the pod; at most one may`;
}

function problemOf(network: PodNetwork, inputs: AllocationInputs): string | undefined {
  const name = nameOf(network);
  if (network.vSwitchOptions.length === 0) return `interface ${name} names no vSwitch`;
  if (network.securityGroupIds.length === 0) return `interface ${name} names no security group`;
  if (network.securityGroupIds.length > maxSecurityGroups) {
    return `interface ${name} names ${network.securityGroupIds.length} security groups; at most ${maxSecurityGroups} are possible`;
  }
  return trafficProblemOf(network, name, inputs);
}

function trafficProblemOf(network: PodNetwork, name: string, inputs: AllocationInputs): string | undefined {
  const text = network.networkInterfaceTrafficMode;
  const mode = parseTrafficMode(text);
  if (mode === undefined) {
    return `interface ${name} asks for networkInterfaceTrafficMode ${text}; it must be Standard or HighPerformance`;
  }
  if (mode === "Standard" || !wantsTrunk(network, inputs)) return undefined;
  return `interface ${name} asks for networkInterfaceTrafficMode HighPerformance, which a member of a trunk cannot have; give it eniOptions eniType ENI`;
}

function toAllocation(network: PodNetwork, inputs: AllocationInputs): PodEniAllocation {
  const { node, vSwitches, pick, needsIpv6 } = inputs;
  const { vSwitch } = selectVSwitch({
    vSwitchIds: network.vSwitchOptions,
    vSwitches,
    zone: node.zone,
    policy: network.vSwitchSelectionPolicy ?? "ordered",
    pick,
    needsIpv6,
  });
  return {
    interface: nameOf(network),
    allocationType: network.allocationType,
    ...(vSwitch !== undefined && { ipv4CIDR: vSwitch.ipv4Cidr, ipv6CIDR: vSwitch.ipv6Cidr }),
    eni: {
      ...(vSwitch !== undefined && { vSwitchID: vSwitch.vSwitchId }),
      zone: node.zone,
      securityGroupIDs: network.securityGroupIds,
      ...(network.resourceGroupId !== "" && { resourceGroupID: network.resourceGroupId }),
      attachmentOptions: { trunk: wantsTrunk(network, inputs) },
    },
    ...(network.defaultRoute && { defaultRoute: true }),
    ...(network.extraRoutes.length > 0 && { extraRoutes: network.extraRoutes }),
    extraConfig: recordTrafficMode(parseTrafficMode(network.networkInterfaceTrafficMode) ?? "Standard"),
  };
}

/** Nodes in exclusive mode have no trunk; elsewhere the network says, or the cluster's setting decides. */
function wantsTrunk(network: PodNetwork, { node, enableTrunk }: AllocationInputs): boolean {
  if (node.isExclusive || network.eniType === "ENI") return false;
  return network.eniType === "Trunk" || enableTrunk;
}
