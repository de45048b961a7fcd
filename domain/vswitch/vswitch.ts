/** A vSwitch as the cloud describes it. Source: VPC DescribeVSwitches. */
export interface VSwitch {
  readonly vSwitchId: string;
  readonly vpcId: string;
  readonly zoneId: string;
  readonly ipv4Cidr: string;
  /** Empty when the vSwitch has no IPv6 block. */
  readonly ipv6Cidr: string;
  /** Free IPv4 addresses when last read, less what this process has taken since. A hint: the cloud's refusal decides. */
  readonly freeIpv4Count: number;
  /** True from a refusal for lack of addresses until a later read shows free ones. */
  readonly isExhausted: boolean;
}

/** A vSwitch that could not be read, and why. An error has a reason of docs/errors.md. */
export interface UnreadVSwitch {
  readonly vSwitchId: string;
  readonly error: "NotFound" | { readonly reason: string; readonly message: string };
}

/** How one of several vSwitches is chosen. Source: PodNetworking `.spec.vSwitchSelectOptions.vSwitchSelectionPolicy`. */
export type VSwitchSelectionPolicy = "ordered" | "random" | "most";
