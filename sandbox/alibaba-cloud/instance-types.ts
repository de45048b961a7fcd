/** Limits of the instance types that the sandbox knows. Source: DescribeInstanceTypes, cloud-api §C6. */
export interface InstanceTypeLimits {
  readonly vCpus: number;
  /** Adapters, the primary interface included: `EniQuantity`. */
  readonly eniQuantity: number;
  /** `EniPrivateIpAddressQuantity`, the primary address included. */
  readonly ipv4PerEni: number;
  /** `EniIpv6AddressQuantity`. */
  readonly ipv6PerEni: number;
  /** `EniTotalQuantity`: adapters and members together. */
  readonly eniTotal: number;
  readonly isTrunkSupported: boolean;
  /** Physical network cards, `NetworkCardQuantity`; 1 for types that do not let callers choose. */
  readonly networkCards: number;
}

/** vCPUs, EniQuantity, IPv4 per ENI, IPv6 per ENI, EniTotalQuantity, EniTrunkSupported. */
type Row = readonly [number, number, number, number, number, boolean];

// EniQuantity and the address counts are published; an EniTotalQuantity or trunk value behind which stands "ours" is a
// plausible number chosen for the sandbox, because no published answer for that type was found (cloud-api §C6, "?").
const rows: Readonly<Record<string, Row>> = {
  "ecs.g7.large": [2, 3, 6, 6, 10, true], // total, trunk: ours
  "ecs.g7.xlarge": [4, 4, 15, 15, 20, true],
  "ecs.g7.2xlarge": [8, 4, 15, 15, 30, true], // total, trunk: ours
  "ecs.g7.3xlarge": [12, 8, 15, 15, 40, true], // total, trunk: ours
  "ecs.g7.4xlarge": [16, 8, 30, 30, 60, true], // total, trunk: ours (52 members, as in the published measurements)
  "ecs.g7.6xlarge": [24, 8, 30, 30, 80, true], // total, trunk: ours
  "ecs.g7.8xlarge": [32, 8, 30, 30, 100, true], // total, trunk: ours
  "ecs.g7.16xlarge": [64, 8, 30, 30, 110, true], // total, trunk: ours
  "ecs.g7.32xlarge": [128, 15, 30, 30, 120, true], // total, trunk: ours
  "ecs.c7.large": [2, 3, 6, 6, 10, true], // IPv6, total, trunk: ours
  "ecs.c7.xlarge": [4, 4, 15, 15, 20, true], // IPv6, total, trunk: ours
  "ecs.c7.2xlarge": [8, 4, 15, 15, 30, true], // IPv6, total, trunk: ours
  "ecs.c7.4xlarge": [16, 8, 30, 30, 60, true], // IPv6, total, trunk: ours
  "ecs.c7.8xlarge": [32, 8, 30, 30, 100, true], // IPv6, total, trunk: ours
  "ecs.g6.large": [2, 2, 6, 1, 2, false],
  "ecs.g6.xlarge": [4, 3, 10, 1, 3, false], // total, trunk: ours
  "ecs.g6.2xlarge": [8, 4, 10, 1, 4, false], // total, trunk: ours
  "ecs.g6.3xlarge": [12, 6, 10, 1, 6, false], // total, trunk: ours
  "ecs.g6.4xlarge": [16, 8, 20, 1, 8, false], // total, trunk: ours
  "ecs.g6.6xlarge": [24, 8, 20, 1, 8, false], // total, trunk: ours
  "ecs.g6.8xlarge": [32, 8, 20, 1, 8, false],
  "ecs.g6.13xlarge": [52, 7, 20, 1, 50, true], // total, trunk: ours
  "ecs.g6.16xlarge": [64, 8, 20, 1, 60, true],
  "ecs.g6.26xlarge": [104, 15, 20, 1, 100, true], // total, trunk: ours
  "ecs.g5.large": [2, 2, 6, 0, 2, false], // IPv6, total, trunk: ours
  "ecs.g5.xlarge": [4, 3, 10, 0, 3, false], // IPv6, total, trunk: ours
  "ecs.g5.2xlarge": [8, 4, 10, 0, 4, false], // IPv6, total, trunk: ours
  "ecs.g5.4xlarge": [16, 8, 20, 0, 8, false], // IPv6, total, trunk: ours
  "ecs.u1-c1m4.xlarge": [4, 3, 10, 1, 6, true],
  "ecs.g8a.xlarge": [4, 4, 15, 15, 5, true], // IPv6, trunk: ours
  "ecs.ebmg7.32xlarge": [128, 32, 20, 20, 110, true], // total, trunk: ours
  "ecs.ebmg5.24xlarge": [96, 32, 10, 0, 32, false],
  "ecs.ebmre7p.32xlarge": [128, 32, 15, 1, 110, true],
  "ecs.t1.xsmall": [1, 1, 1, 0, 1, false],
  "ecs.g7h.large": [2, 3, 6, 6, 10, true], // total, trunk: ours
  "ecs.g7h.xlarge": [4, 4, 10, 10, 20, true], // total, trunk: ours
  "ecs.g7h.4xlarge": [16, 8, 30, 30, 60, true], // total, trunk: ours
  "ecs.g9h.large": [2, 3, 6, 6, 10, true], // total, trunk: ours
  "ecs.g9h.xlarge": [4, 4, 6, 6, 20, true], // total, trunk: ours
  "ecs.g9h.2xlarge": [8, 4, 15, 15, 30, true], // total, trunk: ours
  "ecs.g9h.4xlarge": [16, 8, 30, 30, 60, true], // total, trunk: ours
  "ecs.g6r.large": [2, 3, 6, 1, 3, false], // total, trunk: ours
  "ecs.g6r.xlarge": [4, 4, 15, 1, 4, false], // total, trunk: ours
  "ecs.g6r.4xlarge": [16, 8, 30, 1, 8, false], // total, trunk: ours
  "ecs.g6r.8xlarge": [32, 7, 30, 1, 7, false], // total, trunk: ours
  "ecs.g6r.16xlarge": [64, 8, 30, 1, 8, false], // total, trunk: ours
};

/** Types on which `NetworkCardIndex` may be given. Which ones do is published, but not for which numbers: ours. */
const networkCards: Readonly<Record<string, number>> = { "ecs.ebmg7.32xlarge": 2, "ecs.g7.32xlarge": 2 };

/** Ids of all known types, in the order in which DescribeInstanceTypes lists them. */
export const instanceTypeIds: readonly string[] = Object.keys(rows);

export function findInstanceType(instanceTypeId: string): InstanceTypeLimits | undefined {
  const row = rows[instanceTypeId];
  if (row === undefined) return undefined;
  const [vCpus, eniQuantity, ipv4PerEni, ipv6PerEni, eniTotal, isTrunkSupported] = row;
  return {
    vCpus,
    eniQuantity,
    ipv4PerEni,
    ipv6PerEni,
    eniTotal,
    isTrunkSupported,
    networkCards: networkCards[instanceTypeId] ?? 1,
  };
}
