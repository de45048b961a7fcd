/** An elastic network interface as the cloud describes it, in this program's words. Source: ECS DescribeNetworkInterfaces. */
export interface Eni {
  readonly eniId: string;
  /** `Unknown` stands for a word that is not in the published list: look again. */
  readonly status: EniStatus;
  readonly type: EniType;
  readonly macAddress: string;
  readonly vpcId?: string;
  readonly vSwitchId: string;
  readonly zoneId: string;
  /** Set while attached, attaching or detaching. */
  readonly instanceId?: string;
  /** Set on members: the trunk that carries it. */
  readonly trunkEniId?: string;
  /** VLAN id of a member; slot number of others. Absent while detached. */
  readonly deviceIndex?: number;
  readonly networkCardIndex?: number;
  readonly primaryIpv4: string;
  readonly ipv6s: readonly string[];
  readonly securityGroupIds: readonly string[];
  readonly resourceGroupId?: string;
  /** RFC 3339, UTC. Absent in the answer of CreateNetworkInterface. */
  readonly creationTime?: string;
  readonly tags: Readonly<Record<string, string>>;
}

export type EniStatus = "Available" | "Attaching" | "InUse" | "Detaching" | "Deleting" | "Unknown";

export type EniType = "Primary" | "Secondary" | "Trunk" | "Member";

/** Which work goes first when calls are scarce: fixed addresses, then other binds, then releases, then collection. */
export type CallPriority = "bind-fixed" | "bind" | "release" | "gc";
