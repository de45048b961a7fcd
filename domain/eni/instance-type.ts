/** What machines of one type can carry. Source: ECS DescribeInstanceTypes; each member names its field of the answer. */
export interface InstanceType {
  /** `InstanceTypeId`, for instance `ecs.g7.xlarge`. */
  readonly instanceType: string;
  /** `EniQuantity`: interfaces that are no members, the primary included. */
  readonly eniQuantity: number;
  /** `EniTotalQuantity`: interfaces, members included. */
  readonly eniTotalQuantity: number;
  /** `EniTrunkSupported` */
  readonly isTrunkSupported: boolean;
  /** `EniPrivateIpAddressQuantity`: addresses per interface, the primary one included. */
  readonly ipv4PerEni: number;
  /** `EniIpv6AddressQuantity` */
  readonly ipv6PerEni: number;
  /** `EriQuantity`: ERDMA interfaces. */
  readonly eriQuantity: number;
  /** `InstanceBandwidthRx`, kbit/s. */
  readonly bandwidthRx: number;
  /** `InstanceBandwidthTx`, kbit/s. */
  readonly bandwidthTx: number;
  /** `NetworkCards`: index of each physical card. Empty for types with one card: the cloud does not list that one. */
  readonly networkCardIndexes: readonly number[];
}
