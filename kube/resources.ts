/** The kinds that this program reads or writes, and their paths at the API server. */
import { group, version } from "../crds/v1beta1/names.ts";

/** How the API server names one kind. */
export interface ResourceType {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Lower-case plural, as in paths and RBAC rules. */
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

function cluster(group: string, version: string, plural: string, kind: string): ResourceType {
  return { group, version, plural, kind, namespaced: false };
}

function namespaced(group: string, version: string, plural: string, kind: string): ResourceType {
  return { group, version, plural, kind, namespaced: true };
}

/** Every kind used. `nodeRecords` is our own Node; the core one is `coreNodes`. */
export const resourceTypes = {
  podNetworkings: cluster(group, version, "podnetworkings", "PodNetworking"),
  podEnis: namespaced(group, version, "podenis", "PodENI"),
  networkInterfaces: cluster(group, version, "networkinterfaces", "NetworkInterface"),
  nodeRecords: cluster(group, version, "nodes", "Node"),
  nodeRuntimes: cluster(group, version, "noderuntimes", "NodeRuntime"),
  pods: namespaced("", "v1", "pods", "Pod"),
  coreNodes: cluster("", "v1", "nodes", "Node"),
  namespaces: cluster("", "v1", "namespaces", "Namespace"),
  configMaps: namespaced("", "v1", "configmaps", "ConfigMap"),
  secrets: namespaced("", "v1", "secrets", "Secret"),
  services: namespaced("", "v1", "services", "Service"),
  statefulSets: namespaced("apps", "v1", "statefulsets", "StatefulSet"),
  deployments: namespaced("apps", "v1", "deployments", "Deployment"),
  leases: namespaced("coordination.k8s.io", "v1", "leases", "Lease"),
  events: namespaced("events.k8s.io", "v1", "events", "Event"),
  customResourceDefinitions: cluster(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
  ),
  mutatingWebhookConfigurations: cluster(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
  ),
  validatingWebhookConfigurations: cluster(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
  ),
} as const satisfies Readonly<Record<string, ResourceType>>;

/** Which object or collection a path means. */
export interface PathParts {
  /** Empty or absent: all namespaces (a collection), or a cluster-scoped kind, for which it is ignored. */
  readonly namespace?: string;
  /** Absent: the collection. */
  readonly name?: string;
  readonly subresource?: string;
}

/** Path of a kind's collection or object, for instance `/apis/network.alibabacloud.com/v1beta1/namespaces/a/podenis/b/status`. */
export function pathOf(resource: ResourceType, parts: PathParts = {}): string {
  const root = resource.group === "" ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const { namespace = "", name, subresource } = parts;
  const scope = resource.namespaced && namespace !== "" ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  const object = name === undefined ? "" : `/${encodeURIComponent(name)}`;
  return `${root}${scope}/${resource.plural}${object}${subresource === undefined ? "" : `/${subresource}`}`;
}

/** `apiVersion` of a kind: `v1`, or `group/version`. */
export function apiVersionOf(resource: ResourceType): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

/** `plural.group` of the kind that a path addresses; the whole path for anything else (`/version`). */
export function resourceOfPath(path: string): string {
  const [, root, ...rest] = (path.split("?", 1)[0] ?? "").split("/");
  const isCore = root === "api";
  if (!isCore && root !== "apis") return path;
  const tail = rest.slice(isCore ? 1 : 2);
  const plural = tail[0] === "namespaces" && tail.length > 2 ? tail[2] : tail[0];
  if (plural === undefined) return path;
  return isCore ? plural : `${plural}.${rest[0] ?? ""}`;
}
