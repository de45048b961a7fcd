import { isObject, jsonEquals, type KubeJson, type StoredObject } from "./kube-json.ts";
import type { FieldCause } from "./status.ts";
import { applyDefaults, type JsonSchema } from "./structural-schema.ts";
import type { CrdPrinterColumn } from "./table.ts";

/** How an object's name must look. `path`: anything that is one path segment (RBAC, …). Source: each kind's validation. */
export type NameRule = "label" | "subdomain" | "path";

/** Everything that the generic handlers need to know of one served resource, built in or from a CRD. */
export interface ResourceKind {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Which store table holds it. Two versions of one thing share a table. */
  readonly storage: string;
  /** `apiVersion` of the stored form. */
  readonly storageApiVersion: string;
  readonly hasStatus: boolean;
  readonly hasScale: boolean;
  /** Sets and raises `metadata.generation`. */
  readonly hasGeneration: boolean;
  /** An update without resourceVersion replaces whatever is there. Not so for custom resources, Leases, webhooks. */
  readonly unconditionalUpdate: boolean;
  /** A finished deletion answers with the object instead of a `Status`. */
  readonly returnsDeleted: boolean;
  /** `status` given at creation is kept (Node). */
  readonly statusOnCreate: boolean;
  readonly nameRule: NameRule;
  /** Fields beside metadata.name and metadata.namespace that a field selector may name. */
  readonly selectableFields: Readonly<Record<string, (object: KubeJson) => string>>;
  /** Defaults, and the status of a new object. Gets its own copy, which it may change. */
  readonly setDefaults?: (object: KubeJson) => void;
  /** For custom resources, too: schema validation comes after this. */
  readonly validate?: (object: KubeJson, old: KubeJson | undefined) => readonly FieldCause[];
  /** To and from the stored form, for kinds that share a table with another shape (events.k8s.io). */
  readonly toStored?: (object: KubeJson) => KubeJson;
  readonly fromStored?: (object: StoredObject) => StoredObject;
  /** Present for custom resources. */
  readonly schema?: JsonSchema;
  readonly columns?: readonly CrdPrinterColumn[];
  readonly isCustom: boolean;
}

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf(kind: Pick<ResourceKind, "group" | "version">): string {
  return kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
}

/** The object in the shape of the version that the client asked for. */
export function presentAs(kind: ResourceKind, object: StoredObject): StoredObject {
  if (kind.fromStored !== undefined) return kind.fromStored(object);
  const apiVersion = apiVersionOf(kind);
  const whole = kind.schema === undefined ? object : withLaterDefaults(kind.schema, object);
  return whole.apiVersion === apiVersion ? whole : { ...whole, apiVersion };
}

/** Of each stored object, by the schema that it was read with. */
const defaulted = new WeakMap<StoredObject, { readonly schema: JsonSchema; readonly object: StoredObject }>();

/** What was stored before the schema had a default is given it when it is read; nothing is written. */
function withLaterDefaults(schema: JsonSchema, stored: StoredObject): StoredObject {
  const known = defaulted.get(stored);
  if (known?.schema === schema) return known.object;
  const filled = applyDefaults(schema, stored);
  const isSame = jsonEquals(filled, stored) || !isObject(filled);
  const object = isSame ? stored : { ...filled, metadata: stored.metadata };
  defaulted.set(stored, { schema, object });
  return object;
}

/** The served resources: built in ones for ever, custom ones as their CRDs come and go. */
export class KindRegistry {
  readonly #kinds = new Map<string, ResourceKind>();
  /** Rises with every change; discovery documents are rebuilt then. */
  revision = 0;

  constructor(kinds: readonly ResourceKind[]) {
    for (const kind of kinds) this.add(kind);
  }

  add(kind: ResourceKind): void {
    this.#kinds.set(`${kind.group}/${kind.version}/${kind.plural}`, kind);
    this.revision += 1;
  }

  remove(group: string, version: string, plural: string): void {
    this.#kinds.delete(`${group}/${version}/${plural}`);
    this.revision += 1;
  }

  find(group: string, version: string, plural: string): ResourceKind | undefined {
    return this.#kinds.get(`${group}/${version}/${plural}`);
  }

  all(): readonly ResourceKind[] {
    return [...this.#kinds.values()];
  }

  /** One kind per store table: the one that shows the stored form. */
  stored(): readonly ResourceKind[] {
    return this.all().filter((kind) => apiVersionOf(kind) === kind.storageApiVersion);
  }

  ofStorage(storage: string): ResourceKind | undefined {
    return this.stored().find((kind) => kind.storage === storage);
  }
}
