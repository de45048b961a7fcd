/** The networks of one pod: the annotation that admission writes and controller `pod` reads, and who gets one. */
import { annotations, labels } from "../../crds/v1beta1/names.ts";
import type { VSwitchSelectionPolicy } from "../vswitch/vswitch.ts";
import { encodeGoJson, flagOf, listOf, memberOf, textOf, textsOf, toJsonObject, wordOf } from "./go-json.ts";
import type { JsonObject } from "./go-json.ts";

/** How an interface reaches the pod: moved into it, as a member of the trunk, or as the cluster is configured. */
export type PodEniType = "" | "Default" | "ENI" | "Trunk";

/** How long an address outlives its pod. Source: PodNetworking `.spec.allocationType`. */
export interface AllocationType {
  readonly type: "Elastic" | "Fixed";
  /** Of `Fixed` only; absent keeps the address for ever, as `Never` does. */
  readonly releaseStrategy?: "TTL" | "Never";
  /** Go duration, counted from the pod's deletion. Of `TTL` only. */
  readonly releaseAfter?: string;
}

/** One interface that the pod gets. Source: element of annotation `k8s.aliyun.com/pod-networks`, `.podNetworks[]`. */
export interface PodNetwork {
  /** Candidate vSwitches, in the user's order. */
  readonly vSwitchOptions: readonly string[];
  readonly securityGroupIds: readonly string[];
  /** Name inside the pod, 1 to 5 characters. Empty means `eth0`; admission refuses an empty name. */
  readonly interface: string;
  readonly extraRoutes: readonly { /** CIDR. */ readonly dst: string }[];
  readonly eniType: PodEniType;
  /** Undefined when the annotation does not say; it then acts as `ordered`. */
  readonly vSwitchSelectionPolicy: VSwitchSelectionPolicy | undefined;
  /** Empty for the account's default group. */
  readonly resourceGroupId: string;
  /** `Standard`, `HighPerformance`, or empty for the cloud's default. */
  readonly networkInterfaceTrafficMode: string;
  /** True on the interface that carries the pod's default route. */
  readonly defaultRoute: boolean;
  readonly allocationType: AllocationType;
}

const eniTypes = ["Default", "ENI", "Trunk"] as const;
const policies = ["ordered", "random", "most"] as const;
const allocationTypes = ["Elastic", "Fixed"] as const;
const releaseStrategies = ["TTL", "Never"] as const;

/**
 * The networks in the text of annotation `k8s.aliyun.com/pod-networks`, in order; an interface name is kept as written.
 *
 * An unset `allocationType` is `Elastic`. Unknown members are ignored; values outside the published words are refused.
 * @throws Error saying what is wrong and where; the text is for the user.
 */
export function parsePodNetworks(annotation: string): PodNetwork[] {
  const parsed: unknown = JSON.parse(annotation);
  if (parsed === null) return [];
  return listOf(toJsonObject(parsed, "the annotation"), "podNetworks", "").map((element, index) => {
    const where = `podNetworks[${index}]`;
    return toPodNetwork(toJsonObject(element ?? {}, where), where);
  });
}

function toPodNetwork(object: JsonObject, where: string): PodNetwork {
  const eniOptions = toJsonObject(memberOf(object, "eniOptions") ?? {}, `${where}.eniOptions`);
  const select = toJsonObject(memberOf(object, "vSwitchSelectOptions") ?? {}, `${where}.vSwitchSelectOptions`);
  const policy = wordOf(select, "vSwitchSelectionPolicy", policies, `${where}.vSwitchSelectOptions`);
  return {
    vSwitchOptions: textsOf(object, "vSwitchOptions", where),
    securityGroupIds: textsOf(object, "securityGroupIDs", where),
    interface: textOf(object, "interface", where),
    extraRoutes: parseRoutes(object, "extraRoutes", where),
    eniType: wordOf(eniOptions, "eniType", eniTypes, `${where}.eniOptions`),
    vSwitchSelectionPolicy: policy === "" ? undefined : policy,
    resourceGroupId: textOf(object, "resourceGroupID", where),
    networkInterfaceTrafficMode: textOf(object, "networkInterfaceTrafficMode", where),
    defaultRoute: flagOf(object, "defaultRoute", where),
    allocationType: parseAllocationType(memberOf(object, "allocationType"), `${where}.allocationType`),
  };
}

/** A list `[{dst}]`; empty when unset. @throws Error */
export function parseRoutes(object: JsonObject, name: string, where: string): PodNetwork["extraRoutes"] {
  return listOf(object, name, where).map((route, index) => {
    const whereRoute = `${where}.${name}[${index}]`;
    return { dst: textOf(toJsonObject(route ?? {}, whereRoute), "dst", whereRoute) };
  });
}

/** An allocation type as annotations and PodNetworkings spell it; `Elastic` when unset. @throws Error */
export function parseAllocationType(value: unknown, where: string): AllocationType {
  const object = toJsonObject(value ?? {}, where);
  const type = wordOf(object, "type", allocationTypes, where);
  const releaseStrategy = wordOf(object, "releaseStrategy", releaseStrategies, where);
  const releaseAfter = textOf(object, "releaseAfter", where);
  return {
    type: type === "" ? "Elastic" : type,
    ...(releaseStrategy === "" ? {} : { releaseStrategy }),
    ...(releaseAfter === "" ? {} : { releaseAfter }),
  };
}

/**
 * The text of annotation `k8s.aliyun.com/pod-networks`, byte for byte as the published program writes it: fixed member
 * order, `null` for empty lists, `extraRoutes` left out when empty, Go's escapes.
 */
export function encodePodNetworks(networks: readonly PodNetwork[]): string {
  return encodeGoJson({
    podNetworks: networks.map((network) => ({
      vSwitchOptions: nullWhenEmpty(network.vSwitchOptions),
      securityGroupIDs: nullWhenEmpty(network.securityGroupIds),
      interface: network.interface,
      extraRoutes: network.extraRoutes.length === 0 ? undefined : network.extraRoutes.map(({ dst }) => ({ dst })),
      eniOptions: { eniType: network.eniType },
      vSwitchSelectOptions: { vSwitchSelectionPolicy: network.vSwitchSelectionPolicy },
      resourceGroupID: network.resourceGroupId,
      networkInterfaceTrafficMode: network.networkInterfaceTrafficMode,
      defaultRoute: network.defaultRoute,
      allocationType: {
        type: network.allocationType.type,
        releaseStrategy: network.allocationType.releaseStrategy,
        releaseAfter: network.allocationType.releaseAfter,
      },
    })),
  });
}

function nullWhenEmpty(list: readonly string[]): readonly string[] | null {
  return list.length === 0 ? null : list;
}

/**
 * True when a recreated pod keeps its name, so that an address can be kept for it: a bare pod, or one owned by a
 * StatefulSet or a kind of configuration `customStatefulWorkloadKinds`. Kinds compare exactly.
 */
export function isFixedNamePod(
  ownerReferences: readonly { readonly kind: string }[] | undefined,
  customKinds: readonly string[],
): boolean {
  if (ownerReferences === undefined || ownerReferences.length === 0) return true;
  return ownerReferences.some(({ kind }) => kind === "StatefulSet" || customKinds.includes(kind));
}

type StringMap = Readonly<Record<string, string>>;

/** The part of a Pod that says whether controller `pod` looks after it. */
export interface PodToServe {
  readonly metadata: { readonly labels?: StringMap; readonly annotations?: StringMap };
  readonly spec?: { readonly nodeName?: string; readonly hostNetwork?: boolean };
}

/** The part of a core Node that says whether its pods are served, and how. */
export interface NodeToServe {
  readonly metadata: { readonly labels?: StringMap };
}

/** True when the pod is scheduled, has a network of its own, and does not carry `k8s.aliyun.com/ignore-by-terway=true`. */
export function podIsConsidered(pod: PodToServe): boolean {
  if ((pod.spec?.nodeName ?? "") === "" || pod.spec?.hostNetwork === true) return false;
  return pod.metadata.labels?.[labels.ignore] !== "true";
}

/** True for nodes that are left alone: `k8s.aliyun.com/ignore-by-terway=true` and virtual-kubelet nodes. */
export function nodeIsIgnored(node: NodeToServe): boolean {
  return (
    node.metadata.labels?.[labels.ignore] === "true" || node.metadata.labels?.[labels.nodeType] === "virtual-kubelet"
  );
}

/** True for nodes on which every pod uses an exclusive interface. The label's value compares in any case. */
export function nodeIsExclusive(node: NodeToServe): boolean {
  return node.metadata.labels?.[labels.exclusiveMode]?.toLowerCase() === "enionly";
}

/** True when the annotation `k8s.aliyun.com/pod-eni` is a true value of Go's `strconv.ParseBool`. */
export function podRequestsEni(podAnnotations: StringMap | undefined): boolean {
  return ["1", "t", "T", "TRUE", "true", "True"].includes(podAnnotations?.[annotations.podEni] ?? "");
}

/**
 * True when the pod gets a PodENI on that node: it asks for one, the node is exclusive, or every pod does
 * (`isCrdMode`, configuration `ipamType: crd`).
 */
export function podUsesEni(pod: PodToServe, node: NodeToServe, isCrdMode: boolean): boolean {
  if (!podIsConsidered(pod) || nodeIsIgnored(node)) return false;
  return podRequestsEni(pod.metadata.annotations) || nodeIsExclusive(node) || isCrdMode;
}
