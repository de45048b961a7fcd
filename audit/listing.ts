/** Everything that the audit compares: the records, the cluster and the cloud, each listed once. */
import type { NetworkInterface } from "../crds/v1beta1/network-interface.gen.ts";
import type { Node } from "../crds/v1beta1/node.gen.ts";
import type { PodENI } from "../crds/v1beta1/pod-eni.gen.ts";
import type { PodNetworking } from "../crds/v1beta1/pod-networking.gen.ts";
import type { Eni } from "../domain/eni/eni.ts";
import type { CoreNode, Namespace, Pod } from "../domain/kubernetes/objects.ts";

export interface Listing {
  /** The API server's time, milliseconds since the epoch. */
  readonly nowMs: number;
  /** Which interfaces are this program's. Source: configuration `clusterID`. */
  readonly clusterId: string;
  /** Every pod has interfaces of its own. Source: configuration `ipamType: crd`. */
  readonly isCrdMode: boolean;
  /** Owner kinds whose pods keep their name. Source: configuration `customStatefulWorkloadKinds`. */
  readonly customStatefulWorkloadKinds: readonly string[];
  /** Every interface of the VPC and every one with this cluster's tag, others' included; listed before the objects. */
  readonly enis: readonly Eni[];
  readonly pods: readonly AuditedPod[];
  readonly coreNodes: readonly CoreNode[];
  readonly namespaces: readonly Namespace[];
  readonly podNetworkings: readonly PodNetworking[];
  readonly podEnis: readonly PodENI[];
  readonly networkInterfaces: readonly NetworkInterface[];
  /** Our own kind Node. */
  readonly nodeRecords: readonly Node[];
}

/** A pod with the address that it runs with. */
export interface AuditedPod extends Pod {
  readonly status?: NonNullable<Pod["status"]> & { readonly podIP?: string };
}

/** A listing, to be looked up in. */
export interface Index {
  readonly eniById: ReadonlyMap<string, Eni>;
  /** By `namespace/name`. */
  readonly podByKey: ReadonlyMap<string, AuditedPod>;
  /** By `namespace/name`. */
  readonly podEniByKey: ReadonlyMap<string, PodENI>;
  readonly coreNodeByName: ReadonlyMap<string, CoreNode>;
  readonly namespaceLabels: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Instances that have a primary interface: every machine of the VPC has one as long as it exists. */
  readonly instanceIds: ReadonlySet<string>;
}

export function toIndex({ enis, pods, podEnis, coreNodes, namespaces }: Listing): Index {
  return {
    eniById: new Map(enis.map((eni) => [eni.eniId, eni])),
    podByKey: new Map(pods.map((pod) => [keyOf(pod), pod])),
    podEniByKey: new Map(podEnis.map((podEni) => [keyOf(podEni), podEni])),
    coreNodeByName: new Map(coreNodes.map((node) => [node.metadata.name, node])),
    namespaceLabels: new Map(namespaces.map(({ metadata }) => [metadata.name, metadata.labels ?? {}])),
    instanceIds: new Set(enis.filter(({ type }) => type === "Primary").map(({ instanceId = "" }) => instanceId)),
  };
}

/** `namespace/name` */
export function keyOf({
  metadata,
}: {
  readonly metadata: { readonly namespace?: string; readonly name: string };
}): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

/** Will not run again, or is on its way out. */
export function isOver({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined || isFinished(status?.phase);
}

/** The pod that a PodENI is for has ended, successfully or not. */
export function isFinished(phase: string | undefined): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

export function groupBy<T>(items: readonly T[], keyOfItem: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOfItem(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
