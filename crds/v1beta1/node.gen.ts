// Generated from crds/network.alibabacloud.com_nodes.yaml by hack/generate-crd-types.ts. Do not edit.
import type { Condition } from "./condition.ts";
import type { ObjectMeta } from "./meta.ts";

/** The interfaces and addresses of one machine. Its name is the core Node's. */
export interface Node {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  /** What the machine is and wants. */
  readonly spec?: NodeSpec;
  /** What the machine has. Written by controller multi-ip-node. */
  readonly status?: NodeStatus;
}

/** Where the machine is. Written by controller node. */
export interface NodeMetadata {
  /** Region. */
  readonly regionID: string;
  /** Instance type. */
  readonly instanceType: string;
  /** Instance id. */
  readonly instanceID: string;
  /** Zone. */
  readonly zoneID: string;
}

/** One physical network card. */
export interface NodeNetworkCard {
  /** Its number. */
  readonly index?: number;
}

/** What the machine can carry. Written by controller node from the instance type. */
export interface NodeCap {
  /** Interfaces, the primary included. */
  readonly adapters?: number;
  /** Interfaces, members included. */
  readonly totalAdapters?: number;
  /** Usable ERDMA interfaces. */
  readonly eriQuantity?: number;
  /** IPv4 addresses per interface, the primary included. */
  readonly ipv4PerAdapter?: number;
  /** IPv6 addresses per interface. */
  readonly ipv6PerAdapter?: number;
  /** Members that can be used. */
  readonly memberAdapterLimit?: number;
  /** Upper bound of members. */
  readonly maxMemberAdapterLimit?: number;
  /** Inbound bandwidth of the instance type. */
  readonly instanceBandwidthRx?: number;
  /** Outbound bandwidth of the instance type. */
  readonly instanceBandwidthTx?: number;
  /** Physical network cards. */
  readonly networkCards?: readonly NodeNetworkCard[];
  /** Number of physical network cards. Absent: not known yet. */
  readonly networkCardsCount?: number;
}

/** How pods are connected. Written by the node daemon. */
export interface NodeDatapath {
  /** Kind of data path. */
  readonly type?: "veth" | "ipvlan" | "datapathv2";
}

/** One tag. */
export interface NodeTag {
  /** Tag key. */
  readonly key: string;
  /** Tag value. */
  readonly value: string;
}

/** How interfaces of the pool are made. Written by the node daemon. */
export interface NodeEni {
  /** vSwitches to choose from. */
  readonly vSwitchOptions: readonly string[];
  /** Security groups of the interfaces. */
  readonly securityGroupIDs: readonly string[];
  /** How one of several vSwitches is chosen. */
  readonly vSwitchSelectPolicy: "ordered" | "random" | "most";
  /** Tags on interfaces that the pool makes. */
  readonly tag?: Readonly<Record<string, string>>;
  /** Only interfaces with all these tags belong to the pool. */
  readonly tagFilter?: Readonly<Record<string, string>>;
  /** Interfaces with one of these tags are left alone. */
  readonly tagBlockList?: readonly NodeTag[];
  /** Resource group of interfaces that the pool makes. */
  readonly resourceGroupID?: string;
  /** Pods get IPv4 addresses. */
  readonly enableIPv4?: boolean;
  /** Pods get IPv6 addresses. */
  readonly enableIPv6?: boolean;
  /** ERDMA interfaces are made. */
  readonly enableERDMA?: boolean;
  /** A trunk interface is made. */
  readonly enableTrunk?: boolean;
  /** Blocks are delegated instead of single addresses. */
  readonly enableIPPrefix?: boolean;
  /** IPv4 blocks wanted on the node. */
  readonly ipv4PrefixCount?: number;
  /** IPv6 blocks wanted on the node, 0 or 1. */
  readonly ipv6PrefixCount?: number;
}

/** When idle addresses are given back. */
export interface NodePoolReclaim {
  /** Go duration of idleness before it. */
  readonly after?: string;
  /** Go duration between two batches. */
  readonly interval?: string;
  /** Addresses per batch. */
  readonly batchSize?: number;
  /** Random share added to the interval, a decimal fraction. */
  readonly jitterFactor?: string;
}

/** How many idle addresses are kept. Written by the node daemon. */
export interface NodePool {
  /** Most idle addresses. */
  readonly maxPoolSize?: number;
  /** Fewest idle addresses. */
  readonly minPoolSize?: number;
  /** Go duration between looks at the cloud. */
  readonly poolSyncPeriod?: string;
  /** Addresses made ready at the start. */
  readonly warmUpSize?: number;
  /** When idle addresses are given back. */
  readonly reclaim?: NodePoolReclaim;
}

/** So many interfaces of one kind. */
export interface NodeFlavor {
  /** Kind of the interface. */
  readonly networkInterfaceType: "Secondary" | "Trunk" | "Primary" | "Member";
  /** Traffic mode. HighPerformance is ERDMA. */
  readonly networkInterfaceTrafficMode: "Standard" | "HighPerformance";
  /** How many. */
  readonly count: number;
}

/** What the machine is and wants. */
export interface NodeSpec {
  /** Where the machine is. Written by controller node. */
  readonly nodeMetadata?: NodeMetadata;
  /** What the machine can carry. Written by controller node from the instance type. */
  readonly nodeCap?: NodeCap;
  /** How pods are connected. Written by the node daemon. */
  readonly datapath?: NodeDatapath;
  /** How interfaces of the pool are made. Written by the node daemon. */
  readonly eni?: NodeEni;
  /** How many idle addresses are kept. Written by the node daemon. */
  readonly pool?: NodePool;
  /** Interfaces that the machine should have. Written by the node daemon. */
  readonly flavor?: readonly NodeFlavor[];
}

/** One address of an interface. */
export interface NodeAddress {
  /** The address. */
  readonly ip?: string;
  /** It is the interface's primary address. */
  readonly primary?: boolean;
  /** Valid: usable. Invalid: gone from the cloud. Deleting: being given back. */
  readonly status: "Valid" | "Invalid" | "Deleting";
  /** namespace/name of the pod that has it. */
  readonly podID?: string;
  /** UID of that pod. */
  readonly podUID?: string;
  /** Name of the address on Lingjun machines. */
  readonly ipName?: string;
}

/** One delegated block of an interface. */
export interface NodePrefix {
  /** CIDR. */
  readonly prefix?: string;
  /** Valid: usable. Frozen: kept, nothing new from it. Invalid: gone from the cloud. Deleting: being given back. */
  readonly status: "Valid" | "Frozen" | "Invalid" | "Deleting";
  /** When a frozen block may be given back. */
  readonly frozenExpireAt?: string;
}

/** One trouble. */
export interface NodeNetworkInterfaceCondition {
  /** When it was last seen. */
  readonly observedTime?: string;
  /** What went wrong. */
  readonly message?: string;
}

/** One interface of the machine. */
export interface NodeNetworkInterface {
  /** Cloud id. */
  readonly id: string;
  /** InUse, Available, Attaching, Detaching or Deleting. */
  readonly status: string;
  /** MAC address. */
  readonly macAddress?: string;
  /** vSwitch. */
  readonly vSwitchID?: string;
  /** Primary IPv4 address. */
  readonly primaryIPAddress?: string;
  /** IPv4 block of the vSwitch. */
  readonly ipv4CIDR?: string;
  /** IPv6 block of the vSwitch. */
  readonly ipv6CIDR?: string;
  /** Security groups. */
  readonly securityGroupIDs?: readonly string[];
  /** Traffic mode. HighPerformance is ERDMA. */
  readonly networkInterfaceTrafficMode?: "Standard" | "HighPerformance";
  /** Kind of the interface. */
  readonly networkInterfaceType?: "Secondary" | "Trunk" | "Primary" | "Member";
  /** Visible, and not to be touched. */
  readonly unschedulable?: boolean;
  /** IPv4 addresses, by address. */
  readonly ipv4?: Readonly<Record<string, NodeAddress>>;
  /** IPv6 addresses, by address. */
  readonly ipv6?: Readonly<Record<string, NodeAddress>>;
  /** IPv4 blocks. */
  readonly ipv4Prefix?: readonly NodePrefix[];
  /** IPv6 blocks. */
  readonly ipv6Prefix?: readonly NodePrefix[];
  /** What went wrong with it, by InsufficientIP or OperationErr. */
  readonly conditions?: Readonly<Record<string, NodeNetworkInterfaceCondition>>;
}

/** What the machine has. Written by controller multi-ip-node. */
export interface NodeStatus {
  /** When the cloud is next read in full. */
  readonly nextSyncOpenAPITime?: string;
  /** When the cloud was last read in full. */
  readonly lastSyncOpenAPITime?: string;
  /** When an address was last handed out, or a cloud operation started. */
  readonly lastModifiedTime?: string;
  /** When idle addresses are next given back. */
  readonly nextIdleIPReclaimTime?: string;
  /** Addresses to make ready at the start. */
  readonly warmUpTarget?: number;
  /** Addresses made ready so far. */
  readonly warmUpAllocatedCount?: number;
  /** All were made ready. */
  readonly warmUpCompleted?: boolean;
  /** The machine's interfaces, by cloud id. */
  readonly networkInterfaces?: Readonly<Record<string, NodeNetworkInterface>>;
  /** What holds for this object, for people and tools. Reasons are listed in docs/conditions.md. */
  readonly conditions?: readonly Condition[];
}
