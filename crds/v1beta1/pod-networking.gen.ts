// Generated from crds/network.alibabacloud.com_podnetworkings.yaml by hack/generate-crd-types.ts. Do not edit.
import type { Condition } from "./condition.ts";
import type { LabelSelector, ObjectMeta } from "./meta.ts";

/** A network plane: which pods get interfaces of their own, and from which vSwitches and security groups. */
export interface PodNetworking {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  /** What the plane offers, and to whom. Written by users; admission fills empty vSwitches and security groups. */
  readonly spec?: PodNetworkingSpec;
  /** What was found about the plane. Written by controller pod-networking. */
  readonly status?: PodNetworkingStatus;
}

/** How interfaces of the plane are attached. */
export interface PodNetworkingEniOptions {
  /** Trunk: a member of the node's trunk. ENI: an interface of its own. Default: as the cluster is configured. */
  readonly eniType: "Trunk" | "ENI" | "Default";
}

/** What becomes of the addresses when a pod goes. */
export interface AllocationType {
  /** Elastic: the addresses go back with the pod. Fixed: they are kept for the next pod of the same name. */
  readonly type?: "Elastic" | "Fixed";
  /** For Fixed. TTL: released releaseAfter after the pod is gone. Never: kept until the PodENI is deleted. */
  readonly releaseStrategy?: "TTL" | "Never";
  /** For TTL. Go duration (10m, 1h30m) counted from the deletion of the pod. */
  readonly releaseAfter?: string;
}

/** Which pods belong to the plane. Both parts must match; an absent part matches everything. */
export interface PodNetworkingSelector {
  /** Matches labels of the pod. */
  readonly podSelector?: LabelSelector;
  /** Matches labels of the pod's namespace. */
  readonly namespaceSelector?: LabelSelector;
}

/** How one of several vSwitches of a zone is chosen. */
export interface PodNetworkingVSwitchSelectOptions {
  /** ordered: the first with free addresses. random: any. most: the one with most free addresses. */
  readonly vSwitchSelectionPolicy?: "ordered" | "random" | "most";
}

/** What the plane offers, and to whom. Written by users; admission fills empty vSwitches and security groups. */
export interface PodNetworkingSpec {
  /** How interfaces of the plane are attached. */
  readonly eniOptions: PodNetworkingEniOptions;
  /** What becomes of the addresses when a pod goes. */
  readonly allocationType?: AllocationType;
  /** Which pods belong to the plane. Both parts must match; an absent part matches everything. */
  readonly selector?: PodNetworkingSelector;
  /** Security groups of the interfaces, 1 to 10. Filled from eni-config when empty. */
  readonly securityGroupIDs?: readonly string[];
  /** vSwitches that interfaces may be made in, at least 1. Filled from eni-config when empty. */
  readonly vSwitchOptions?: readonly string[];
  /** How one of several vSwitches of a zone is chosen. */
  readonly vSwitchSelectOptions?: PodNetworkingVSwitchSelectOptions;
}

/** A vSwitch that exists. */
export interface PodNetworkingVSwitch {
  /** Cloud id of the vSwitch. */
  readonly id?: string;
  /** Its zone. */
  readonly zone?: string;
}

/** What was found about the plane. Written by controller pod-networking. */
export interface PodNetworkingStatus {
  /** Ready, Fail or empty. Only Ready planes are used. */
  readonly status?: string;
  /** One entry per entry of spec.vSwitchOptions, in that order. */
  readonly vSwitches?: readonly PodNetworkingVSwitch[];
  /** When the vSwitches were last looked up. */
  readonly updateAt?: string;
  /** Why Fail, otherwise empty. */
  readonly message?: string;
  /** What holds for this object, for people and tools. Reasons are listed in docs/conditions.md. */
  readonly conditions?: readonly Condition[];
}
