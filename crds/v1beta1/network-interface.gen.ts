// Generated from crds/network.alibabacloud.com_networkinterfaces.yaml by hack/generate-crd-types.ts. Do not edit.
import type { Condition } from "./condition.ts";
import type { ObjectMeta } from "./meta.ts";

/** One cloud interface that a pod has for itself. Its name is the cloud id. */
export interface NetworkInterface {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  /** What the interface is, and whose. Written by controllers pod and pod-eni. */
  readonly spec?: NetworkInterfaceSpec;
  /** Where the interface is. Written by controller eni. */
  readonly status?: NetworkInterfaceStatus;
}

/** How the interface is to be attached. */
export interface NetworkInterfaceAttachmentOptions {
  /** True: as a member of the node's trunk interface. False: on its own. Absent: as the node allows. */
  readonly trunk?: boolean;
}

/** The cloud interface. */
export interface NetworkInterfaceEni {
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
  readonly attachmentOptions?: NetworkInterfaceAttachmentOptions;
}

/** What the controllers may do with it. */
export interface NetworkInterfaceManagePolicy {
  /** Keep the interface when its pod goes. */
  readonly cache?: boolean;
  /** Never detach or delete it. */
  readonly unManaged?: boolean;
}

/** The pod that it serves; its PodENI has the same name and namespace. */
export interface NetworkInterfacePodEniRef {
  /** API version of the referent. */
  readonly apiVersion?: string;
  /** Pod, or pod on objects made by a migration. */
  readonly kind?: string;
  /** Namespace of the pod. */
  readonly namespace?: string;
  /** Name of the pod. */
  readonly name?: string;
  /** UID of the referent. */
  readonly uid?: string;
  /** Version of the referent. */
  readonly resourceVersion?: string;
  /** Part of the referent. */
  readonly fieldPath?: string;
}

/** What the interface is, and whose. Written by controllers pod and pod-eni. */
export interface NetworkInterfaceSpec {
  /** The cloud interface. */
  readonly eni?: NetworkInterfaceEni;
  /** Primary IPv4 address. */
  readonly ipv4?: string;
  /** IPv6 address. */
  readonly ipv6?: string;
  /** IPv4 block of the vSwitch. The node daemon derives the gateway from it. */
  readonly ipv4CIDR?: string;
  /** IPv6 block of the vSwitch. */
  readonly ipv6CIDR?: string;
  /** Further settings for the node daemon. */
  readonly extraConfig?: Readonly<Record<string, string>>;
  /** What the controllers may do with it. */
  readonly managePolicy?: NetworkInterfaceManagePolicy;
  /** The pod that it serves; its PodENI has the same name and namespace. */
  readonly podENIRef?: NetworkInterfacePodEniRef;
}

/** State of the interface. */
export interface NetworkInterfaceEniInfo {
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

/** Where the interface is. Written by controller eni. */
export interface NetworkInterfaceStatus {
  /** Empty, Bind, Binding, Unbind, Detaching or Deleting. */
  readonly phase: string;
  /** State of the interface. */
  readonly eniInfo: NetworkInterfaceEniInfo;
  /** Instance that carries it. */
  readonly instanceID?: string;
  /** Trunk interface that carries it, for members. */
  readonly trunkENIID?: string;
  /** Physical network card to attach it to. Absent: no wish. */
  readonly networkCardIndex?: number;
  /** Node that carries it. */
  readonly nodeName?: string;
  /** What holds for this object, for people and tools. Reasons are listed in docs/conditions.md. */
  readonly conditions?: readonly Condition[];
}
