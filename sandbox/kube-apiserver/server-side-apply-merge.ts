/** The values of server-side apply: merging an applied configuration into an object, and removing given-up fields. */
import { isObject, type KubeJson } from "./kube-json.ts";
import type { FieldSet } from "./server-side-apply-fields.ts";
import { itemElement, type FieldType } from "./server-side-apply-types.ts";

/**
 * The live object with the applied configuration merged into it. `keepNull`: an applied null stays (custom resources, whose
 * schema decides later); otherwise it removes the field, as built-in kinds leave empty fields out.
 */
export function mergeApplied(type: FieldType, live: KubeJson, applied: KubeJson, keepNull: boolean): KubeJson {
  return mergeFields({ keepNull }, type, live, applied);
}

interface Options {
  readonly keepNull: boolean;
}

function mergeFields<T extends Record<string, unknown>>(
  options: Options,
  type: FieldType,
  live: T,
  applied: Record<string, unknown>,
): T {
  const next: Record<string, unknown> = { ...live };
  for (const [key, value] of Object.entries(applied)) {
    if (value === null && !options.keepNull) Reflect.deleteProperty(next, key);
    else if (key !== "managedFields") next[key] = mergeValue(options, type.child(key), next[key], value);
  }
  return next as T;
}

function mergeValue(options: Options, type: FieldType, live: unknown, applied: unknown): unknown {
  if (Array.isArray(applied) && type.list !== "atomic") {
    return mergeItems(options, type, Array.isArray(live) ? live : [], applied);
  }
  if (!isObject(applied) || type.atomicMap) return applied;
  return mergeFields(options, type, isObject(live) ? live : {}, applied);
}

/** The applied order holds for the applied items; live-only items keep their places before the applied ones they preceded. */
function mergeItems(
  options: Options,
  type: FieldType,
  live: readonly unknown[],
  applied: readonly unknown[],
): unknown[] {
  const liveByElement = new Map(live.map((item) => [itemElement(type, item), item]));
  const pending = applied.map((item) => itemElement(type, item));
  const wanted = new Set(pending);
  const result: unknown[] = [];
  let next = 0;
  const takeApplied = () => {
    const element = pending[next];
    const item = applied[next++];
    const before = element === undefined ? undefined : liveByElement.get(element);
    result.push(type.list === "set" ? item : mergeValue(options, type.item(), before, item));
    return element;
  };
  const taken = new Set<string | undefined>();
  for (const item of live) {
    const element = itemElement(type, item);
    if (!wanted.has(element)) result.push(item);
    else if (!taken.has(element)) {
      // Everything that the applied order puts before this item comes first.
      let last;
      do taken.add((last = takeApplied()));
      while (last !== element);
    }
  }
  while (next < pending.length) takeApplied();
  return result;
}

/** `object` without the members of `fields`; objects and lists that this empties go too. */
export function removeFields(type: FieldType, object: KubeJson, fields: FieldSet | undefined): KubeJson {
  return fields === undefined ? object : withoutFields(type, object, fields);
}

function isGone(fields: FieldSet): boolean {
  return "." in fields || Object.keys(fields).length === 0;
}

function withoutFields<T extends Record<string, unknown>>(type: FieldType, value: T, fields: FieldSet): T {
  const next: Record<string, unknown> = { ...value };
  for (const [element, below] of Object.entries(fields)) {
    const key = element.slice(2);
    if (!element.startsWith("f:") || !Object.hasOwn(next, key)) continue;
    const rest = withoutValue(type.child(key), next[key], below);
    if (rest === undefined) Reflect.deleteProperty(next, key);
    else next[key] = rest;
  }
  return next as T;
}

function withoutValue(type: FieldType, value: unknown, fields: FieldSet): unknown {
  if (Object.keys(fields).length === 0) return undefined;
  if (isObject(value)) {
    const rest = withoutFields(type, value, fields);
    return Object.keys(rest).length === 0 && Object.keys(value).length > 0 ? undefined : rest;
  }
  if (!Array.isArray(value)) return value;
  const rest = value.flatMap((item: unknown) => {
    const below = fields[itemElement(type, item)];
    if (below === undefined) return [item];
    const left = isGone(below) ? undefined : withoutValue(type.item(), item, below);
    return left === undefined ? [] : [left];
  });
  return rest.length === 0 ? undefined : rest;
}
