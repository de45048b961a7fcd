/**
 * The structural schema of a custom resource (apiextensions.k8s.io/v1 `spec.versions[].schema.openAPIV3Schema`): defaults
 * and pruning. Validation is in structural-schema-validate.ts. Pure; inputs are never changed, and parts that need no
 * change are returned as they are, so callers may compare by identity.
 */

import { isObject, type JsonObject } from "./kube-json.ts";
import { fieldSchema, type JsonSchema } from "./structural-schema-types.ts";

export { validate, formatFieldErrors } from "./structural-schema-validate.ts";
export type { JsonSchema } from "./structural-schema-types.ts";

/** Fields that pruning keeps at the root and in embedded resources whether the schema names them or not. */
const typeAndObjectMeta = new Set(["apiVersion", "kind", "metadata"]);

/**
 * Fills in `default` values, also inside filled-in objects, and removes a null where the schema is not nullable (which
 * then takes the default, if there is one). Array elements that are null stay unless they have a default.
 *
 * @returns the same value when nothing changed
 */
export function applyDefaults(schema: JsonSchema, value: unknown): unknown {
  if (Array.isArray(value)) return defaultItems(schema, value);
  return isObject(value) ? defaultFields(schema, value) : value;
}

function defaultItems(schema: JsonSchema, value: readonly unknown[]): readonly unknown[] {
  const items = schema.items;
  if (items === undefined) return value;
  const next = value.map((item) => {
    const filled = item === null && items.nullable !== true ? (structuredClone(items.default) ?? null) : item;
    return applyDefaults(items, filled);
  });
  return next.some((item, index) => item !== value[index]) ? next : value;
}

function defaultFields(schema: JsonSchema, value: JsonObject): JsonObject {
  const filled = fillAbsent(schema, value);
  let next: JsonObject | undefined;
  for (const [key, field] of Object.entries(filled)) {
    const property = fieldSchema(schema, key);
    if (property === undefined) continue;
    const result = field === null ? nullField(property) : applyDefaults(property, field);
    if (result === field) continue;
    next ??= { ...filled };
    if (result === undefined) Reflect.deleteProperty(next, key);
    else next[key] = result;
  }
  return next ?? filled;
}

function fillAbsent(schema: JsonSchema, value: JsonObject): JsonObject {
  let next: JsonObject | undefined;
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (Object.hasOwn(value, key) || property.default === undefined || property.default === null) continue;
    (next ??= { ...value })[key] = structuredClone(property.default);
  }
  return next ?? value;
}

/** What a null field becomes: itself, its default, or undefined for "remove it". */
function nullField(property: JsonSchema): unknown {
  if (property.nullable === true) return null;
  if (property.default === undefined || property.default === null) return undefined;
  return applyDefaults(property, structuredClone(property.default));
}

/**
 * Removes the fields that the schema does not describe. apiVersion, kind and metadata of the root are kept as they are.
 *
 * @returns the same value when nothing was removed; `prunedPaths` like `spec.list[0].unknown`
 */
export function prune(schema: JsonSchema, value: unknown): { value: unknown; prunedPaths: string[] } {
  const prunedPaths: string[] = [];
  return { value: pruneNode({ schema, root: true }, value, "", prunedPaths), prunedPaths };
}

/** `schema` is undefined below `additionalProperties: true`, where every nested object is emptied, as the real server does. */
interface PruneContext {
  readonly schema: JsonSchema | undefined;
  readonly root?: boolean;
}

function pruneNode(context: PruneContext, value: unknown, path: string, prunedPaths: string[]): unknown {
  if (Array.isArray(value)) return pruneItems(context.schema, value, path, prunedPaths);
  return isObject(value) ? pruneFields(context, value, path, prunedPaths) : value;
}

function pruneItems(
  schema: JsonSchema | undefined,
  value: readonly unknown[],
  path: string,
  prunedPaths: string[],
): readonly unknown[] {
  const items = schema?.items;
  if (items === undefined && schema?.["x-kubernetes-preserve-unknown-fields"] === true) return value;
  const next = value.map((item, index) => pruneNode({ schema: items }, item, `${path}[${index}]`, prunedPaths));
  return next.some((item, index) => item !== value[index]) ? next : value;
}

function pruneFields(context: PruneContext, value: JsonObject, path: string, prunedPaths: string[]): JsonObject {
  let next: JsonObject | undefined;
  for (const [key, field] of Object.entries(value)) {
    const fieldPath = path === "" ? key : `${path}.${key}`;
    const fate = fateOf(context, key);
    if (fate === "keep") continue;
    if (fate === "remove") {
      prunedPaths.push(fieldPath);
      Reflect.deleteProperty((next ??= { ...value }), key);
      continue;
    }
    const result = pruneNode(fate, field, fieldPath, prunedPaths);
    if (result !== field) (next ??= { ...value })[key] = result;
  }
  return next ?? value;
}

function fateOf({ schema, root }: PruneContext, key: string): "keep" | "remove" | PruneContext {
  if (schema === undefined) return "remove";
  if (root === true && typeAndObjectMeta.has(key)) return "keep";
  if (schema["x-kubernetes-embedded-resource"] === true && typeAndObjectMeta.has(key)) return "keep";
  const field = fieldSchema(schema, key);
  if (field !== undefined) return { schema: field };
  if (schema["x-kubernetes-preserve-unknown-fields"] === true) return "keep";
  return schema.additionalProperties === true ? { schema: undefined } : "remove";
}
