import { validateName } from "./built-in-validation.ts";
import { isObject, without, type KubeJson, type StoredObject } from "./kube-json.ts";
import type { ResourceKind } from "./kinds.ts";
import { keepSystemMetadata, specEquals } from "./metadata.ts";
import { validateMetadata } from "./metadata-validation.ts";
import { ApiError, badRequest, invalid, qualifiedResource, type FieldCause } from "./status.ts";
import { applyDefaults, prune, validate } from "./structural-schema.ts";

/** How unknown fields are answered. Source: query parameter `fieldValidation`, default Warn. */
export type FieldValidation = "Ignore" | "Warn" | "Strict";

/**
 * Prunes a custom resource to its schema and fills in defaults; built-in kinds keep what they are given. Unknown fields
 * are refused (Strict) or come back as warnings (Warn).
 *
 * @throws ApiError 400 in Strict
 */
export function decode(kind: ResourceKind, object: KubeJson, mode: FieldValidation, warnings: string[]): KubeJson {
  const pruned = pruneUnknown(kind, object, mode, warnings);
  return withDefaults(kind, pruned);
}

/** Only the pruning part of {@link decode}. */
export function pruneUnknown(
  kind: ResourceKind,
  object: KubeJson,
  mode: FieldValidation,
  warnings: string[],
): KubeJson {
  if (kind.schema === undefined) return object;
  const { value, prunedPaths } = prune(kind.schema, object);
  const unknown = [...prunedPaths].sort().map((path) => `unknown field "${path}"`);
  if (mode === "Strict" && unknown.length > 0) {
    throw badRequest(
      `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: strict decoding error: ${unknown.join(", ")}`,
    );
  }
  if (mode === "Warn") warnings.push(...unknown);
  return isObject(value) ? value : object;
}

function withDefaults(kind: ResourceKind, object: KubeJson): KubeJson {
  if (kind.schema === undefined) {
    kind.setDefaults?.(object);
    return object;
  }
  const value = applyDefaults(kind.schema, object);
  return isObject(value) ? { ...value, metadata: object.metadata ?? {} } : object;
}

/** @throws ApiError 422 with a cause per wrong field */
export function validateObject(kind: ResourceKind, object: KubeJson, old: StoredObject | undefined): void {
  const name = object.metadata?.name ?? "";
  const causes: FieldCause[] = [
    ...(old === undefined ? validateName(name, kind.nameRule) : []),
    // Custom resources and their definitions were never asked for the domain of a finalizer.
    ...validateMetadata(object, old, !kind.isCustom && kind.group !== "apiextensions.k8s.io"),
    ...(kind.validate?.(object, old) ?? []),
    ...(kind.schema === undefined ? [] : validate(kind.schema, object, old)),
  ];
  if (causes.length > 0) throw invalid(kind, name, causes);
}

/** @throws ApiError 422: an update of this kind needs metadata.resourceVersion */
export function requireVersion(kind: ResourceKind, object: KubeJson): void {
  if (kind.unconditionalUpdate || (object.metadata?.resourceVersion ?? "") !== "") return;
  const field = "metadata.resourceVersion";
  const message = "Invalid value: 0: must be specified for an update";
  const name = object.metadata?.name ?? "";
  // By its resource, unlike every other refusal of this code.
  throw new ApiError(422, "Invalid", `${qualifiedResource(kind)} "${name}" is invalid: ${field}: ${message}`, {
    name,
    ...(kind.group === "" ? {} : { group: kind.group }),
    kind: kind.plural,
    causes: [{ reason: "FieldValueInvalid", message, field }],
  });
}

/** The object that an update of the main resource makes: status and system metadata stay, generation counts. */
export function mergeMain(kind: ResourceKind, wanted: KubeJson, old: StoredObject): KubeJson {
  keepSystemMetadata(kind, wanted, old);
  if (kind.hasStatus) {
    if (old["status"] === undefined) Reflect.deleteProperty(wanted, "status");
    else wanted["status"] = old["status"];
  }
  if (
    kind.hasGeneration &&
    wanted.metadata !== undefined &&
    !specEquals(wanted, old, kind.hasStatus || !kind.isCustom)
  ) {
    wanted.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
  return wanted;
}

/**
 * The object that an update of the status makes. Of metadata, custom resources keep everything; built-in kinds take
 * labels and annotations along (the kubelet relies on it for nodes).
 */
export function mergeStatus(kind: ResourceKind, wanted: KubeJson, old: StoredObject): KubeJson {
  keepSystemMetadata(kind, wanted, old);
  const { labels, annotations, finalizers } = wanted.metadata ?? {};
  const taken = {
    ...without(old.metadata, "labels", "annotations", "finalizers"),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(finalizers === undefined ? {} : { finalizers }),
  };
  const unchanged = without(old, "status");
  const status = wanted["status"] === undefined ? {} : { status: wanted["status"] };
  return { ...unchanged, ...status, metadata: kind.isCustom ? { ...old.metadata } : taken };
}
