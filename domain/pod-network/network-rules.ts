/** The rules that the networks of a pod must keep, and the defaults of what they leave out. */
import { parseGoDuration } from "../retention/go-duration.ts";
import { maxSecurityGroups } from "./eni-config.ts";
import type { EniConfig } from "./eni-config.ts";
import type { PodNetwork } from "./pod-networks.ts";

/** The interface that has defaults, and the one of a pod that names none. */
export const defaultInterface = "eth0";

/** The first rule that a network breaks, network by network; undefined when all are kept. The texts are published. */
export function findNetworkFault(networks: readonly PodNetwork[], isFixedName: boolean): string | undefined {
  const seen = new Set<string>();
  for (const network of networks) {
    const fault = faultOf(network, seen.has(network.interface), isFixedName);
    if (fault !== undefined) return fault;
    seen.add(network.interface);
  }
  return undefined;
}

function faultOf(network: PodNetwork, isRepeated: boolean, isFixedName: boolean): string | undefined {
  const nameLength = new TextEncoder().encode(network.interface).length;
  const { type, releaseAfter } = network.allocationType;
  if (network.securityGroupIds.length > maxSecurityGroups) return "security group can not more than 10";
  // The kernel allows 15 bytes; the published limit leaves room for the names that the daemon derives from it.
  if (nameLength < 1 || nameLength > 5) return "interface name should >0 and <6 ";
  if (isRepeated) return "duplicated interface";
  if (type === "Fixed" && !isFixedName) return "fixed ip only support for fixed name pod";
  if (releaseAfter === undefined) return undefined;
  return (parseGoDuration(releaseAfter) ?? -1) < 0 ? `invalid releaseAfter ${releaseAfter}` : undefined;
}

/** True when the network names vSwitches and security groups. */
export function isComplete({ vSwitchOptions, securityGroupIds }: PodNetwork): boolean {
  return vSwitchOptions.length > 0 && securityGroupIds.length > 0;
}

/** The network with what it leaves out. Further interfaces have no defaults: eni-config describes the pod's own network. */
export function completeNetwork(network: PodNetwork, defaults: EniConfig | undefined): PodNetwork {
  if (defaults === undefined || network.interface !== defaultInterface) return network;
  return {
    ...network,
    vSwitchOptions: network.vSwitchOptions.length > 0 ? network.vSwitchOptions : defaults.vSwitchIds,
    securityGroupIds: network.securityGroupIds.length > 0 ? network.securityGroupIds : defaults.securityGroupIds,
  };
}
