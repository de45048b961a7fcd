import {
  isObject,
  memberObject,
  stringAt,
  valueAt,
  type JsonObject,
  type KubeJson,
  type StoredObject,
} from "./kube-json.ts";
import type { KindRegistry, ResourceKind } from "./kinds.ts";
import { toTimestamp } from "./metadata.ts";
import type { Store } from "./store.ts";
import type { CrdPrinterColumn } from "./table.ts";
import type { LoggedEvent } from "./watch-log.ts";

export const crdStorage = "apiextensions.k8s.io/customresourcedefinitions";
/** Holds a CRD until its objects are gone. Source: apiextensions API. */
export const crdCleanupFinalizer = "customresourcecleanup.apiextensions.k8s.io";

function textsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The resources that a CRD defines: one per served version. */
export function toKinds(crd: KubeJson): ResourceKind[] {
  const spec = memberObject(crd, "spec");
  const versions = objectsIn(spec["versions"]);
  const storageVersion = stringAt(
    versions.find((version) => version["storage"] === true),
    ["name"],
  );
  return versions
    .filter((version) => version["served"] === true)
    .map((version) => toKind(spec, version, `${stringAt(spec, ["group"])}/${storageVersion}`));
}

function toKind(spec: JsonObject, version: JsonObject, storageApiVersion: string): ResourceKind {
  const names = memberObject(spec, "names");
  const group = stringAt(spec, ["group"]);
  const plural = stringAt(names, ["plural"]);
  const subresources = memberObject(version, "subresources");
  return {
    group,
    version: stringAt(version, ["name"]),
    kind: stringAt(names, ["kind"]),
    plural,
    singular: stringAt(names, ["singular"]) || stringAt(names, ["kind"]).toLowerCase(),
    shortNames: textsIn(names["shortNames"]),
    categories: textsIn(names["categories"]),
    namespaced: spec["scope"] === "Namespaced",
    storage: `${group}/${plural}`,
    storageApiVersion,
    hasStatus: isObject(subresources["status"]),
    hasScale: false,
    hasGeneration: true,
    unconditionalUpdate: false,
    returnsDeleted: false,
    statusOnCreate: false,
    nameRule: "subdomain",
    selectableFields: toSelectableFields(version["selectableFields"]),
    schema: memberObject(version["schema"], "openAPIV3Schema"),
    columns: objectsIn(version["additionalPrinterColumns"]).map(toColumn),
    isCustom: true,
  };
}

function toColumn(column: JsonObject): CrdPrinterColumn {
  const priority = column["priority"];
  return {
    name: stringAt(column, ["name"]),
    type: stringAt(column, ["type"]),
    jsonPath: stringAt(column, ["jsonPath"]),
    format: stringAt(column, ["format"]),
    description: stringAt(column, ["description"]),
    priority: typeof priority === "number" ? priority : 0,
  };
}

function toSelectableFields(fields: unknown): ResourceKind["selectableFields"] {
  const entries = objectsIn(fields).map((field) => {
    // A simple path such as `.spec.nodeName`.
    const path = stringAt(field, ["jsonPath"])
      .split(".")
      .filter((step) => step !== "");
    const read = (object: KubeJson) => {
      const value = valueAt(object, path);
      return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
    };
    return [path.join("."), read] as const;
  });
  return Object.fromEntries(entries);
}

/** Serves what the CRDs in the store define, from the moment of each commit, and tells so in their status. */
export class CrdServer {
  readonly #store: Store;
  readonly #registry: KindRegistry;
  readonly #nowMs: () => number;

  constructor(deps: { store: Store; registry: KindRegistry; nowMs: () => number }) {
    this.#store = deps.store;
    this.#registry = deps.registry;
    this.#nowMs = deps.nowMs;
    this.#store.onCommit((storage, event) => {
      if (storage === crdStorage) this.#onChange(event);
    });
  }

  #onChange(event: LoggedEvent): void {
    for (const kind of event.previous === undefined ? [] : toKinds(event.previous)) {
      this.#registry.remove(kind.group, kind.version, kind.plural);
    }
    if (event.type === "DELETED") {
      this.#store.dropTable(
        `${stringAt(event.object, ["spec", "group"])}/${stringAt(event.object, ["spec", "names", "plural"])}`,
      );
      return;
    }
    for (const kind of toKinds(event.object)) this.#registry.add(kind);
    // The status comes with a second write, as from the real controllers, but not inside this commit.
    queueMicrotask(() => {
      this.#reportEstablished(event.object.metadata.name);
    });
  }

  #reportEstablished(name: string): void {
    const crd = this.#store.table(crdStorage).get("", name);
    if (crd === undefined || crd.metadata.deletionTimestamp !== undefined) return;
    const isEstablished = objectsIn(valueAt(crd, ["status", "conditions"])).length > 0;
    const acceptedNames = valueAt(crd, ["spec", "names"]);
    if (isEstablished && JSON.stringify(valueAt(crd, ["status", "acceptedNames"])) === JSON.stringify(acceptedNames))
      return;
    this.#store.put(crdStorage, established(crd, toTimestamp(this.#nowMs())));
  }
}

function established(crd: StoredObject, nowIso: string): KubeJson {
  const stored = objectsIn(valueAt(crd, ["spec", "versions"])).filter((version) => version["storage"] === true);
  const condition = (type: string, reason: string, message: string) => ({
    lastTransitionTime: nowIso,
    message,
    reason,
    status: "True",
    type,
  });
  const finalizers = crd.metadata.finalizers ?? [];
  return {
    ...crd,
    metadata: {
      ...crd.metadata,
      finalizers: finalizers.includes(crdCleanupFinalizer) ? finalizers : [...finalizers, crdCleanupFinalizer],
    },
    status: {
      acceptedNames: valueAt(crd, ["spec", "names"]),
      conditions: [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
      ],
      storedVersions: stored.map((version) => stringAt(version, ["name"])),
    },
  };
}
