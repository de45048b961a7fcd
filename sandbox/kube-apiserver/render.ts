import { isObject, type JsonObject, type KubeJson, type KubeMeta } from "./kube-json.ts";
import { apiVersionOf, type ResourceKind } from "./kinds.ts";
import type { ListPage } from "./reader.ts";
import type { ApiRequest } from "./request.ts";
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

/** Shows objects in the form that one request asked for. */
export class Renderer {
  readonly #kind: ResourceKind;
  readonly #form: Form;
  readonly #includeObject: "None" | "Metadata" | "Object";
  readonly #nowMs: () => number;

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
    return { kind: `${kind}List`, apiVersion: apiVersionOf(this.#kind), metadata: page.metadata, items: page.items };
  }

  /** An event of a watch. Errors have one form only. */
  event(event: { type: string; object: KubeJson }): { type: string; object: KubeJson } {
    if (this.#form === "Object" || event.type === "ERROR") return event;
    if (this.#form === "PartialObjectMetadata") return { type: event.type, object: toPartial(event.object) };
    const isBookmark = event.type === "BOOKMARK";
    const metadata = versionOf(event.object.metadata);
    return { type: event.type, object: this.#table(isBookmark ? [] : [event.object], false, metadata) };
  }

  #table(
    objects: readonly KubeJson[],
    list: boolean,
    metadata: { resourceVersion?: string; continue?: string },
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
