// Generated from crds/network.alibabacloud.com_podenis.yaml by hack/generate-crd-types.ts. Do not edit.
import type { Condition } from "./condition.ts";
import type { ObjectMeta } from "./meta.ts";

/** The interfaces of one pod. Name and namespace are the pod's; the record outlives the pod when an address is fixed. */
export interface PodENI {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  /** Which interfaces the pod has. Written by controllers pod and pod-eni. */
  readonly spec?: PodENISpec;
  /** Where the interfaces are. Written by controller pod-eni, read by the node daemon. */
  readonly status?: PodENIStatus;
}

/** What becomes of the address when the pod goes. */
export interface AllocationType {
  /** Elastic: the addresses go back with the pod. Fixed: they are kept for the next pod of the same name. */
  readonly type?: "Elastic" | "Fixed";
  /** For Fixed. TTL: released releaseAfter after the pod is gone. Never: kept until the PodENI is deleted. */
  readonly releaseStrategy?: "TTL" | "Never";
  /** For TTL. Go duration (10m, 1h30m) counted from the deletion of the pod. */
  readonly releaseAfter?: string;
}

/** How the interface is to be attached. */
export interface PodEniAllocationAttachmentOptions {
  /** True: as a member of the node's trunk interface. False: on its own. Absent: as the node allows. */
  readonly trunk?: boolean;
}

/** The cloud interface. */
export interface PodEniAllocationEni {
  /** Cloud id of the interface (eni-…, leni-…, hdeni-…). Empty until the cloud has made it. */
  readonly id?: string;
  /** VPC of the interface. */
  readonly vpcID?: string;
  /** MAC address, lower-case hexadecimal with colons. */
  readonly mac?: string;
  /** Zone of the interface. */
  readonly zone?: string;
  /** vSwitch that its addresses come from. */
  readonly vSwitchID?: string;
  /** Resource group of the interface. */
  readonly resourceGroupID?: string;
  /** Security groups of the interface. */
  readonly securityGroupIDs?: readonly string[];
  /** How the interface is to be attached. */
  readonly attachmentOptions?: PodEniAllocationAttachmentOptions;
}

/** One destination. */
export interface PodEniRoute {
  /** CIDR. */
  readonly dst?: string;
}

/** One interface of the pod. */
export interface PodEniAllocation {
  /** What becomes of the address when the pod goes. */
  readonly allocationType?: AllocationType;
  /** The cloud interface. */
  readonly eni?: PodEniAllocationEni;
  /** Primary IPv4 address. */
  readonly ipv4?: string;
  /** IPv6 address. */
  readonly ipv6?: string;
  /** IPv4 block of the vSwitch. The node daemon derives the gateway from it. */
  readonly ipv4CIDR?: string;
  /** IPv6 block of the vSwitch. */
  readonly ipv6CIDR?: string;
  /** Name inside the pod (eth0, eth1). Empty means eth0. */
  readonly interface?: string;
  /** The pod's default route goes through this interface. */
  readonly defaultRoute?: boolean;
  /** Further destinations that go through this interface. */
  readonly extraRoutes?: readonly PodEniRoute[];
  /** Further settings for the node daemon. */
  readonly extraConfig?: Readonly<Record<string, string>>;
}

/** Which interfaces the pod has. Written by controllers pod and pod-eni. */
export interface PodENISpec {
  /** Zone of the interfaces. The next pod of a fixed address must run there. */
  readonly zone?: string;
  /** One per interface. */
  readonly allocations?: readonly PodEniAllocation[];
}

/** State of one interface. */
export interface PodEniEniInfo {
  /** Cloud id of the interface. */
  readonly id?: string;
  /** Kind of the interface. */
  readonly type?: "Secondary" | "Trunk" | "Primary" | "Member";
  /** VLAN id on the trunk, for members. Source: ECS DeviceIndex. */
  readonly vid?: number;
  /** Bind, Unbind or Deleted. */
  readonly status?: string;
  /** Physical network card that carries it. Absent: unknown. */
  readonly networkCardIndex?: number;
  /** Virtual function on Lingjun machines, unsigned. */
  readonly vfID?: number;
}

/** Where the interfaces are. Written by controller pod-eni, read by the node daemon. */
export interface PodENIStatus {
  /** Empty, Bind, Binding, Unbind, Detaching or Deleting. */
  readonly phase?: string;
  /** Instance that carries the interfaces. Empty when unbound. */
  readonly instanceID?: string;
  /** Trunk interface of the node, empty for exclusive interfaces. */
  readonly trunkENIID?: string;
  /** Shown by the node daemon when a pod waits in vain. */
  readonly msg?: string;
  /** When the pod was last known to exist. Only for fixed addresses. */
  readonly podLastSeen?: string;
  /** State of each interface, by its cloud id. */
  readonly eniInfos?: Readonly<Record<string, PodEniEniInfo>>;
  /** What holds for this object, for people and tools. Reasons are listed in docs/conditions.md. */
  readonly conditions?: readonly Condition[];
}
