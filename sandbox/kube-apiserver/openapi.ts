import type { JsonObject } from "./kube-json.ts";
import { apiVersionOf, type KindRegistry, type ResourceKind } from "./kinds.ts";

/**
 * Just enough OpenAPI for `kubectl apply` to see that the server validates fields itself: each resource has a PATCH with
 * the parameter `fieldValidation`. There are no schemas of built-in kinds, so `kubectl explain` knows custom ones only.
 */

function groupVersionPath(kind: Pick<ResourceKind, "group" | "version">): string {
  return kind.group === "" ? `api/${kind.version}` : `apis/${apiVersionOf(kind)}`;
}

/** `GET /openapi/v3`. */
export function openApiIndex(registry: KindRegistry): JsonObject {
  const paths = [...new Set(registry.all().map(groupVersionPath))];
  const url = (path: string) => ({ serverRelativeURL: `/openapi/v3/${path}?hash=${registry.revision}` });
  return { paths: Object.fromEntries(paths.map((path) => [path, url(path)])) };
}

/** `GET /openapi/v3/<path>`; undefined when nothing is served there. */
export function openApiDocument(registry: KindRegistry, path: string): JsonObject | undefined {
  const kinds = registry.all().filter((kind) => groupVersionPath(kind) === path);
  if (kinds.length === 0) return undefined;
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes sandbox", version: "v1" },
    paths: Object.fromEntries(kinds.map((kind) => [objectPath(kind), operations(kind)])),
    components: { schemas: Object.fromEntries(kinds.map((kind) => [schemaName(kind), schemaOf(kind)])) },
  };
}

function objectPath(kind: ResourceKind): string {
  const namespace = kind.namespaced ? "namespaces/{namespace}/" : "";
  return `/${groupVersionPath(kind)}/${namespace}${kind.plural}/{name}`;
}

function groupVersionKind(kind: ResourceKind): JsonObject {
  return { group: kind.group, version: kind.version, kind: kind.kind };
}

function operations(kind: ResourceKind): JsonObject {
  const parameter = (name: string) => ({ name, in: "query", schema: { type: "string", uniqueItems: true } });
  return {
    patch: {
      "x-kubernetes-group-version-kind": groupVersionKind(kind),
      parameters: ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter),
      responses: { "200": { description: "OK" } },
    },
  };
}

function schemaName(kind: ResourceKind): string {
  const group = kind.group === "" ? "core" : kind.group;
  return `${group}.${kind.version}.${kind.kind}`;
}

function schemaOf(kind: ResourceKind): JsonObject {
  const schema: JsonObject = kind.schema === undefined ? { type: "object" } : { ...kind.schema };
  return { ...schema, "x-kubernetes-group-version-kind": [groupVersionKind(kind)] };
}
