/**
 * Strategic merge patch (`application/strategic-merge-patch+json`) of built-in kinds: a JSON merge patch in which some
 * lists are merged by a key. Pure; neither input is changed. Custom resources do not have it (the server answers 415).
 */
import { isObject, type KubeJson } from "./kube-json.ts";
import { mergeKeyOf, type GroupKind } from "./strategic-merge-keys.ts";

const deleteFromList = "$deleteFromPrimitiveList/";
const setElementOrder = "$setElementOrder/";

/** Thrown for a patch that cannot be applied; the server answers 400 (BadRequest) with its message. */
export class StrategicMergeError extends Error {
  override readonly name = "StrategicMergeError";
}

/**
 * Applies `patch` with its directives `$patch: delete|replace|merge`, `$retainKeys`, `$deleteFromPrimitiveList/<field>` and
 * `$setElementOrder/<field>`; null deletes a field.
 *
 * @throws StrategicMergeError an unknown directive, or an item of a keyed list without its key
 */
export function strategicMerge(
  kind: { group: string; version: string; kind: string },
  current: KubeJson,
  patch: KubeJson,
): KubeJson {
  return mergeObject(kind, current, patch);
}

function mergeObject(kind: GroupKind, current: KubeJson, patch: KubeJson): KubeJson {
  const directive = patch["$patch"];
  if (directive === "delete") return {};
  if (directive === "replace") return cleanFields(patch);
  if (directive !== undefined && directive !== "merge") throw new StrategicMergeError(unknownDirective(directive));
  const next = retained(current, patch["$retainKeys"]);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(deleteFromList)) removePrimitives(next, key.slice(deleteFromList.length), value);
    else if (key.startsWith(setElementOrder)) orderUnpatched(kind, next, patch, key.slice(setElementOrder.length));
    else if (!key.startsWith("$")) mergeField(kind, next, patch, key);
  }
  return next;
}

function unknownDirective(directive: unknown): string {
  return `Unknown directive in patch: ${typeof directive === "string" ? directive : JSON.stringify(directive)}`;
}

function retained(current: KubeJson, keys: unknown): KubeJson {
  if (!Array.isArray(keys)) return { ...current };
  return Object.fromEntries(Object.entries(current).filter(([key]) => keys.includes(key)));
}

function removePrimitives(target: KubeJson, key: string, values: unknown): void {
  const list = target[key];
  if (Array.isArray(list) && Array.isArray(values)) target[key] = list.filter((item) => !values.includes(item));
}

function mergeField(kind: GroupKind, target: KubeJson, patch: KubeJson, key: string): void {
  const value = patch[key];
  if (value === null) {
    Reflect.deleteProperty(target, key);
    return;
  }
  const before = target[key];
  if (isObject(value)) {
    if (value["$patch"] === "delete") Reflect.deleteProperty(target, key);
    else if (isObject(before)) target[key] = mergeObject(kind, before, value);
    else target[key] = mergeObject(kind, {}, value);
  } else if (Array.isArray(value)) {
    target[key] = mergeList(kind, key, Array.isArray(before) ? before : [], value, patch[setElementOrder + key]);
  } else target[key] = value;
}

/** Order of a list that the patch does not otherwise touch. */
function orderUnpatched(kind: GroupKind, target: KubeJson, patch: KubeJson, key: string): void {
  const list = target[key];
  if (patch[key] !== undefined || !Array.isArray(list)) return;
  const identify = identityOf(mergeKeyOf(kind, key));
  if (identify !== undefined) target[key] = ordered(list, patch[setElementOrder + key], identify);
}

type Identify = (item: unknown) => string;

function identityOf(mergeKey: string | undefined): Identify | undefined {
  if (mergeKey === undefined) return undefined;
  return (item) => JSON.stringify(mergeKey !== "" && isObject(item) ? (item[mergeKey] ?? null) : item);
}

function mergeList(
  kind: GroupKind,
  key: string,
  before: readonly unknown[],
  patch: readonly unknown[],
  order: unknown,
): unknown[] {
  const mergeKey = mergeKeyOf(kind, key);
  const identify = identityOf(mergeKey);
  const replaces = patch.some((item) => isObject(item) && item["$patch"] === "replace");
  if (mergeKey === undefined || identify === undefined || replaces) {
    return patch.filter((item) => !isObject(item) || item["$patch"] === undefined).map(clean);
  }
  const merged = new Map(before.map((item) => [identify(item), item]));
  for (const item of patch) {
    if (mergeKey === "" || !isObject(item)) merged.set(identify(item), item);
    else mergeItem(kind, merged, item, mergeKey);
  }
  return ordered([...merged.values()], order, identify);
}

function mergeItem(kind: GroupKind, merged: Map<string, unknown>, item: KubeJson, mergeKey: string): void {
  if (item[mergeKey] === undefined) {
    throw new StrategicMergeError(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
  }
  const identity = JSON.stringify(item[mergeKey]);
  const before = merged.get(identity);
  if (item["$patch"] === "delete") merged.delete(identity);
  else merged.set(identity, mergeObject(kind, isObject(before) ? before : {}, item));
}

/**
 * Puts the items that `order` names into its order. The others keep their place relative to the items around them: each
 * stays behind the nearest earlier item that was there before.
 */
function ordered(items: readonly unknown[], order: unknown, identify: Identify): unknown[] {
  if (!Array.isArray(order)) return [...items];
  const rank = new Map(order.map((item: unknown, index) => [identify(item), index]));
  const named = items.filter((item) => rank.has(identify(item)));
  named.sort((left, right) => (rank.get(identify(left)) ?? 0) - (rank.get(identify(right)) ?? 0));
  const result: unknown[] = [];
  let next = 0;
  for (const item of items) result.push(rank.has(identify(item)) ? named[next++] : item);
  return result;
}

/** A value of a patch that meets nothing to merge with: without directives and without nulls. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !isObject(item) || item["$patch"] !== "delete").map(clean);
  }
  return isObject(value) ? cleanFields(value) : value;
}

function cleanFields(value: KubeJson): KubeJson {
  const fields = Object.entries(value).filter(([key, field]) => !key.startsWith("$") && field !== null);
  return Object.fromEntries(fields.map(([key, field]) => [key, clean(field)]));
}
