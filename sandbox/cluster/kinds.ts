/** The Kubernetes kinds that the sandbox's cluster components read and write, and their places in the API. */
import type {
  ControllerRevision as AppsControllerRevision,
  DeploymentSpec,
  DeploymentStatus,
} from "kubernetes-types/apps/v1.d.ts";
import type {
  ReplicaSetSpec,
  ReplicaSetStatus,
  StatefulSetSpec,
  StatefulSetStatus,
} from "kubernetes-types/apps/v1.d.ts";
import type { NodeSpec, NodeStatus, PodSpec, PodStatus } from "kubernetes-types/core/v1.d.ts";
import { group, version } from "../../crds/v1beta1/names.ts";
import type { KubeObject } from "../../runtime/ports.ts";

export interface Pod extends KubeObject {
  readonly spec: Readonly<PodSpec>;
  readonly status?: Readonly<PodStatus>;
}

export interface Node extends KubeObject {
  readonly spec?: Readonly<NodeSpec>;
  readonly status?: Readonly<NodeStatus>;
}

export interface StatefulSet extends KubeObject {
  readonly spec: Readonly<StatefulSetSpec>;
  readonly status?: Readonly<StatefulSetStatus>;
}

export interface ReplicaSet extends KubeObject {
  readonly spec: Readonly<ReplicaSetSpec>;
  readonly status?: Readonly<ReplicaSetStatus>;
}

export interface Deployment extends KubeObject {
  readonly spec: Readonly<DeploymentSpec>;
  readonly status?: Readonly<DeploymentStatus>;
}

export interface ControllerRevision extends KubeObject {
  readonly data?: AppsControllerRevision["data"];
  readonly revision: number;
}

/** What a node's network plugin reads of a PodENI; every field may be missing, because others write it step by step. */
export interface PodEni extends KubeObject {
  readonly spec?: { readonly allocations?: readonly PodEniAllocation[] };
  readonly status?: {
    readonly phase?: string;
    /** Trunk interface that carries the members; empty for exclusive interfaces. */
    readonly trunkENIID?: string;
    /** Keyed by ENI id. */
    readonly eniInfos?: Readonly<Record<string, PodEniInfo>>;
  };
}

export interface PodEniInfo {
  readonly type?: string;
  /** VLAN id of a member on its trunk. */
  readonly vid?: number;
}

export interface PodEniAllocation {
  readonly eni?: {
    readonly id?: string;
    readonly mac?: string;
    readonly attachmentOptions?: { readonly trunk?: boolean };
  };
  readonly ipv4?: string;
  readonly ipv6?: string;
  /** `eth0`, `eth1`…; empty means eth0. */
  readonly interface?: string;
}

/** Where a kind lives in the API. */
export interface Resource {
  /** `v1` or `group/version`. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

export const resources = {
  pods: { apiVersion: "v1", kind: "Pod", plural: "pods", namespaced: true },
  nodes: { apiVersion: "v1", kind: "Node", plural: "nodes", namespaced: false },
  statefulSets: { apiVersion: "apps/v1", kind: "StatefulSet", plural: "statefulsets", namespaced: true },
  deployments: { apiVersion: "apps/v1", kind: "Deployment", plural: "deployments", namespaced: true },
  replicaSets: { apiVersion: "apps/v1", kind: "ReplicaSet", plural: "replicasets", namespaced: true },
  controllerRevisions: {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    plural: "controllerrevisions",
    namespaced: true,
  },
  podEnis: { apiVersion: `${group}/${version}`, kind: "PodENI", plural: "podenis", namespaced: true },
  events: { apiVersion: "events.k8s.io/v1", kind: "Event", plural: "events", namespaced: true },
} as const satisfies Record<string, Resource>;

/** Path of a kind's whole collection (`namespace` left out: all namespaces), of a namespace's, or of one object. */
export function pathOf(resource: Resource, namespace?: string, name?: string): string {
  const root = resource.apiVersion.includes("/") ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const scope = resource.namespaced && namespace ? `/namespaces/${namespace}` : "";
  return `${root}${scope}/${resource.plural}${name === undefined ? "" : `/${name}`}`;
}

/** True once no container of the pod will run again. */
export function podIsFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

export function podIsReady(pod: Pod): boolean {
  return (
    pod.status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") ?? false
  );
}

/** `namespace/name`, or the name of a cluster-scoped object. */
export function keyOfObject(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** Uid of the controller that owns the object, undefined for none. */
export function controllerUidOf(object: KubeObject): string | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true)?.uid;
}
