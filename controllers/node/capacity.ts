import type { NodeCap } from "../../crds/v1beta1/node.gen.ts";
import type { InstanceType } from "../../domain/eni/instance-type.ts";

/**
 * What a machine of the type can carry, in the published terms. Exclusive interfaces: `adapters` − 1; addresses of shared
 * ones: (`adapters` − 1) × `ipv4PerAdapter`; members of a trunk: `memberAdapterLimit`. Pure and total.
 */
export function toNodeCap(type: InstanceType): Required<NodeCap> {
  const { eniQuantity, eniTotalQuantity, isTrunkSupported } = type;
  return {
    adapters: eniQuantity,
    totalAdapters: eniTotalQuantity,
    eriQuantity: usableErdma(type),
    ipv4PerAdapter: notNegative(type.ipv4PerEni),
    ipv6PerAdapter: notNegative(type.ipv6PerEni),
    memberAdapterLimit: isTrunkSupported ? notNegative(eniTotalQuantity - eniQuantity) : 0,
    // The primary interface and the trunk itself cannot be members.
    maxMemberAdapterLimit: isTrunkSupported ? notNegative(eniTotalQuantity - 2) : 0,
    instanceBandwidthRx: type.bandwidthRx,
    instanceBandwidthTx: type.bandwidthTx,
    networkCards: type.networkCardIndexes.map((index) => ({ index })),
    networkCardsCount: type.networkCardIndexes.length,
  };
}

/** Fewer than the cloud allows: they take slots from ordinary interfaces. Source: the published program. */
function usableErdma({ eriQuantity, eniQuantity }: InstanceType): number {
  if (eriQuantity <= 0 || eniQuantity <= 2) return 0;
  return Math.min(eniQuantity >= 8 ? 2 : 1, eriQuantity);
}

function notNegative(count: number): number {
  return Math.max(0, count);
}
