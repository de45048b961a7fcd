import { isObject, without, type JsonObject, type KubeJson, type KubeMeta } from "./kube-json.ts";
import { apiVersionOf, type ResourceKind } from "./kinds.ts";
import type { ListPage } from "./reader.ts";
import type { ApiRequest } from "./request.ts";
import { ApiError } from "./status.ts";
import { toTable } from "./table.ts";

/** In what form the client wants objects. Source: the `as` parameter of its Accept header. */
export type Form = "Object" | "Table" | "PartialObjectMetadata";

/** The first form of the Accept header that this server knows. */
export function formOf(request: ApiRequest): Form {
  for (const range of (request.headers["accept"] ?? "").split(",")) {
    const as = /;\s*as=(\w+)/.exec(range)?.[1];
    if (as === "Table") return "Table";
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") return "PartialObjectMetadata";
    if (as === undefined) return "Object";
  }
  return "Object";
}

const servedTypes = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/** Answers are JSON whatever a client prefers, but one that wants none of the forms that exist is told so. @throws ApiError 406 */
export function requireAcceptable(request: ApiRequest): void {
  const accept = request.headers["accept"] ?? "";
  const types = accept.split(",").map((range) => range.split(";", 1)[0]?.trim() ?? "");
  if (accept === "" || types.some((type) => type.includes("*") || servedTypes.includes(type))) return;
  const streams = [servedTypes[0], servedTypes[2]].map((type) => `${type ?? ""};stream=watch`);
  const available = [...servedTypes, ...streams].join(", ");
  throw new ApiError(406, "NotAcceptable", `406: Not Acceptable\n\nAvailable representations: ${available}`, {});
}

/** Shows objects in the form that one request asked for. */
export class Renderer {
  readonly #kind: ResourceKind;
  readonly #form: Form;
  readonly #includeObject: "None" | "Metadata" | "Object";
  readonly #nowMs: () => number;
  #hasShownColumns = false;

  constructor(kind: ResourceKind, request: ApiRequest, nowMs: () => number) {
    this.#kind = kind;
    this.#form = formOf(request);
    const include = request.query.get("includeObject");
    this.#includeObject = include === "None" || include === "Object" ? include : "Metadata";
    this.#nowMs = nowMs;
  }

  /** One object. */
  object(object: KubeJson): KubeJson {
    if (this.#form === "Object" || !isOfKind(object, this.#kind)) return object;
    return this.#form === "Table" ? this.#table([object], false, {}) : toPartial(object);
  }

  /** A list, with kind and apiVersion of its own. */
  list(page: ListPage): JsonObject {
    if (this.#form === "Table") return this.#table(page.items, true, page.metadata);
    if (this.#form === "PartialObjectMetadata") {
      const items = page.items.map(toPartial);
      return { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata: page.metadata, items };
    }
    const { kind } = this.#kind;
    // As in kube-apiserver, only items of custom resources say what they are.
    const items = this.#kind.isCustom ? page.items : page.items.map((item) => without(item, "kind", "apiVersion"));
    return { kind: `${kind}List`, apiVersion: apiVersionOf(this.#kind), metadata: page.metadata, items };
  }

  /** An event of a watch. Errors have one form only. */
  event(event: { type: string; object: KubeJson }): { type: string; object: KubeJson } {
    if (this.#form === "Object" || event.type === "ERROR") return event;
    if (this.#form === "PartialObjectMetadata") return { type: event.type, object: toPartial(event.object) };
    const isBookmark = event.type === "BOOKMARK";
    const metadata = versionOf(event.object.metadata);
    const table = this.#table(isBookmark ? [] : [event.object], false, metadata);
    // A watch says once what its columns are.
    const object = this.#hasShownColumns ? { ...table, columnDefinitions: null } : table;
    this.#hasShownColumns = true;
    return { type: event.type, object };
  }

  #table(
    objects: readonly KubeJson[],
    list: boolean,
    metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number },
  ): KubeJson {
    const { group, version, kind, plural, columns } = this.#kind;
    return toTable({
      resource: { group, version, kind, plural },
      ...(columns === undefined ? {} : { columns }),
      objects,
      list,
      metadata,
      includeObject: this.#includeObject,
      nowMs: this.#nowMs(),
    });
  }
}

function versionOf(metadata: KubeMeta | undefined): { resourceVersion?: string } {
  return metadata?.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion };
}

function isOfKind(object: KubeJson, kind: ResourceKind): boolean {
  return object.kind === kind.kind && isObject(object.metadata);
}

function toPartial(object: KubeJson): KubeJson {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata ?? {} };
}
