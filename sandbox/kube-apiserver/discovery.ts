import type { JsonObject } from "./kube-json.ts";
import { apiVersionOf, type KindRegistry, type ResourceKind } from "./kinds.ts";

/** The release whose behaviour this server follows. */
export const gitVersion = "v1.35.4";

const allVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/** `GET /version`. */
export function versionDocument(): JsonObject {
  return {
    major: "1",
    minor: "35",
    gitVersion,
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: "",
    compiler: "",
    platform: "sandbox",
  };
}

interface GroupVersions {
  readonly group: string;
  /** Preferred first. */
  readonly versions: readonly string[];
}

function groupsOf(registry: KindRegistry): GroupVersions[] {
  const versions = new Map<string, Set<string>>();
  for (const kind of registry.all()) {
    const known = versions.get(kind.group) ?? new Set();
    versions.set(kind.group, known.add(kind.version));
  }
  for (const group of ["authorization.k8s.io", "authentication.k8s.io"]) versions.set(group, new Set(["v1"]));
  return [...versions].map(([group, set]) => ({ group, versions: [...set] }));
}

/** `GET /api`. */
export function coreVersions(): JsonObject {
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
}

/** `GET /apis`. */
export function groupList(registry: KindRegistry): JsonObject {
  const groups = groupsOf(registry)
    .filter(({ group }) => group !== "")
    .map(groupDocument);
  return { kind: "APIGroupList", apiVersion: "v1", groups };
}

/** `GET /apis/<group>`; undefined when there is none. */
export function groupOf(registry: KindRegistry, group: string): JsonObject | undefined {
  const found = groupsOf(registry).find((candidate) => candidate.group === group && group !== "");
  return found === undefined ? undefined : { kind: "APIGroup", apiVersion: "v1", ...groupDocument(found) };
}

function groupDocument({ group, versions }: GroupVersions): JsonObject {
  const documents = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: documents, preferredVersion: documents[0] };
}

/** `GET /api/v1` and `GET /apis/<group>/<version>`; undefined when there is none. */
export function resourceList(registry: KindRegistry, group: string, version: string): JsonObject | undefined {
  const kinds = registry.all().filter((kind) => kind.group === group && kind.version === version);
  const resources = [...kinds.flatMap(resourcesOf), ...reviewResources(group)];
  if (resources.length === 0) return undefined;
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: apiVersionOf({ group, version }), resources };
}

function reviewResources(group: string): JsonObject[] {
  const review = (name: string, kind: string) => ({
    name,
    singularName: "",
    namespaced: false,
    kind,
    verbs: ["create"],
  });
  if (group === "authorization.k8s.io") {
    return [
      review("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
      review("subjectaccessreviews", "SubjectAccessReview"),
      review("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    ];
  }
  return group === "authentication.k8s.io" ? [review("selfsubjectreviews", "SelfSubjectReview")] : [];
}

function resourcesOf(kind: ResourceKind): JsonObject[] {
  const main = {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs: allVerbs,
    ...(kind.shortNames.length === 0 ? {} : { shortNames: [...kind.shortNames] }),
    ...(kind.categories.length === 0 ? {} : { categories: [...kind.categories] }),
  };
  const below = subresourcesOf(kind).map(({ name, kind: subKind, verbs, group, version }) => ({
    name: `${kind.plural}/${name}`,
    singularName: "",
    namespaced: kind.namespaced,
    kind: subKind,
    verbs,
    ...(group === undefined ? {} : { group, version }),
  }));
  return [main, ...below];
}

interface Subresource {
  readonly name: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  /** Group and version of its kind, when they are not those of the resource. */
  readonly group?: string;
  readonly version?: string;
}

function subresourcesOf(kind: ResourceKind): Subresource[] {
  const change = ["get", "patch", "update"];
  const found: Subresource[] = [];
  if (kind.hasStatus) found.push({ name: "status", kind: kind.kind, verbs: change });
  if (kind.hasScale) found.push({ name: "scale", kind: "Scale", verbs: change, group: "autoscaling", version: "v1" });
  if (kind.group !== "") return found;
  if (kind.kind === "Pod") {
    found.push({ name: "binding", kind: "Binding", verbs: ["create"] });
    found.push({ name: "eviction", kind: "Eviction", verbs: ["create"], group: "policy", version: "v1" });
  }
  if (kind.kind === "Namespace") found.push({ name: "finalize", kind: "Namespace", verbs: ["update"] });
  return found;
}

/** The aggregated discovery of `/api` (core) or `/apis` (all others). Source: apidiscovery.k8s.io/v2. */
export function aggregatedDiscovery(registry: KindRegistry, isCore: boolean): JsonObject {
  const groups = groupsOf(registry).filter(({ group }) => (group === "") === isCore);
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: "apidiscovery.k8s.io/v2",
    metadata: {},
    items: groups.map(({ group, versions }) => ({
      metadata: group === "" ? { creationTimestamp: null } : { name: group, creationTimestamp: null },
      versions: versions.map((version) => ({
        version,
        resources: aggregatedResources(registry, group, version),
        freshness: "Current",
      })),
    })),
  };
}

function aggregatedResources(registry: KindRegistry, group: string, version: string): JsonObject[] {
  const scopeOf = (isNamespaced: boolean) => (isNamespaced ? "Namespaced" : "Cluster");
  const kinds = registry.all().filter((kind) => kind.group === group && kind.version === version);
  const reviews = reviewResources(group).map((review) => ({
    resource: review["name"],
    responseKind: { group, version, kind: review["kind"] },
    scope: scopeOf(false),
    singularResource: "",
    verbs: ["create"],
  }));
  const resources = kinds.map((kind) => ({
    resource: kind.plural,
    responseKind: { group, version, kind: kind.kind },
    scope: scopeOf(kind.namespaced),
    singularResource: kind.singular,
    verbs: allVerbs,
    shortNames: [...kind.shortNames],
    categories: [...kind.categories],
    subresources: subresourcesOf(kind).map((below) => ({
      subresource: below.name,
      responseKind: { group: below.group ?? group, version: below.version ?? version, kind: below.kind },
      verbs: below.verbs,
    })),
  }));
  return [...resources, ...reviews];
}
