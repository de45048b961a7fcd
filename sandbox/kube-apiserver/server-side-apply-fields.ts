/**
 * Sets of fields in the encoding of `metadata.managedFields[].fieldsV1`: `f:<field>`, `k:{…}` and `v:…` for list items, and
 * `.` for the place itself where it has members below. `{}` is a member without members below it. Values are never changed.
 */
import { isObject, jsonEquals, type JsonObject } from "./kube-json.ts";
import { itemElement, type FieldType } from "./server-side-apply-types.ts";

export interface FieldSet {
  readonly [element: string]: FieldSet;
}

interface Building {
  [element: string]: Building;
}

/** A place that is a member and has nothing below. */
const leaf: FieldSet = Object.freeze({});

function isEmpty(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

function isMember(set: FieldSet): boolean {
  return "." in set || isEmpty(set);
}

/** Members of either set. */
export function union(left: FieldSet | undefined, right: FieldSet | undefined): FieldSet | undefined {
  if (left === undefined || left === right) return right;
  if (right === undefined) return left;
  const result: Building = { ...left };
  for (const element in right) {
    const merged = union(left[element], right[element]);
    if (merged !== undefined) result[element] = merged;
  }
  if ((isEmpty(left) || isEmpty(right)) && !isEmpty(result)) result["."] = leaf;
  return result;
}

/** Members of `left` that are not members of `right`; undefined when none is left. */
export function difference(left: FieldSet | undefined, right: FieldSet | undefined): FieldSet | undefined {
  if (left === undefined || right === undefined) return left;
  const member = isMember(left) && !isMember(right);
  const result: Building = {};
  let below = false;
  for (const element in left) {
    if (element === ".") continue;
    const rest = difference(left[element], right[element]);
    if (rest === undefined) continue;
    result[element] = rest;
    below = true;
  }
  if (!below) return member ? leaf : undefined;
  if (member) result["."] = leaf;
  return result;
}

/** Members of `left` at and below whose place `right` has nothing; undefined when none is left. */
export function exclusive(left: FieldSet | undefined, right: FieldSet | undefined): FieldSet | undefined {
  if (left === undefined || right === undefined) return left;
  const result: Building = {};
  for (const element in left) {
    if (element !== ".") put(result, element, exclusive(left[element], right[element]));
  }
  return isEmpty(result) ? undefined : result;
}

/** Members of both sets; undefined when there is none. */
export function intersection(left: FieldSet | undefined, right: FieldSet | undefined): FieldSet | undefined {
  if (left === undefined || right === undefined) return undefined;
  return difference(left, difference(left, right));
}

/** True for equal sets. */
export function equalSets(left: FieldSet | undefined, right: FieldSet | undefined): boolean {
  return jsonEquals(left, right);
}

/** The members of a set as paths like `.spec.containers[name="a"].image`, in their order. */
export function pathsOf(set: FieldSet | undefined, prefix = ""): string[] {
  if (set === undefined) return [];
  const below = Object.entries(set).filter(([element]) => element !== ".");
  const own = isMember(set) && prefix !== "" ? [prefix] : [];
  return [...own, ...below.flatMap(([element, child]) => pathsOf(child, prefix + elementText(element)))];
}

function elementText(element: string): string {
  const body = element.slice(2);
  if (element.startsWith("f:")) return `.${body}`;
  if (element.startsWith("v:")) return `[=${body}]`;
  const keys: unknown = JSON.parse(body);
  const entries = isObject(keys) ? Object.entries(keys) : [];
  return `[${entries.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
}

/** The fields of metadata that nobody owns, because the server sets them or they name the object. */
const unownedMetadata = new Set([
  "name",
  "namespace",
  "creationTimestamp",
  "selfLink",
  "uid",
  "clusterName",
  "generation",
  "managedFields",
  "resourceVersion",
]);

/** True for a field that is never owned. `depth` 0 is the object, 1 the fields of its metadata. */
function unowned(depth: number, key: string, inMetadata: boolean): boolean {
  if (depth === 0) return key === "apiVersion" || key === "kind";
  return depth === 1 && inMetadata && unownedMetadata.has(key);
}

/** The fields that an applied configuration sets. */
export function appliedFields(type: FieldType, object: JsonObject): FieldSet | undefined {
  const result: Building = {};
  for (const key in object) {
    if (unowned(0, key, false)) continue;
    const set = appliedValue(type.child(key), key === "metadata" ? ownable(object[key]) : object[key]);
    if (set !== undefined && (key !== "metadata" || !isEmpty(set))) result[`f:${key}`] = set;
  }
  return isEmpty(result) ? undefined : result;
}

/** Metadata without the fields that nobody owns. */
function ownable(metadata: unknown): unknown {
  if (!isObject(metadata)) return metadata;
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !unownedMetadata.has(key)));
}

function appliedValue(type: FieldType, value: unknown): FieldSet | undefined {
  if (Array.isArray(value)) return type.list === "atomic" ? leaf : appliedItems(type, value);
  if (!isObject(value) || type.atomicMap) return leaf;
  const result: Building = {};
  for (const key in value) {
    const set = appliedValue(type.child(key), value[key]);
    if (set !== undefined) result[`f:${key}`] = set;
  }
  return result;
}

/** An empty list that is not atomic sets nothing. */
function appliedItems(type: FieldType, items: readonly unknown[]): FieldSet | undefined {
  const result: Building = {};
  for (const item of items) {
    const set = type.list === "set" ? leaf : appliedValue(type.item(), item);
    result[itemElement(type, item)] = set === undefined || isEmpty(set) ? leaf : { ".": leaf, ...set };
  }
  return isEmpty(result) ? undefined : result;
}

/** What a write did to an object. */
export interface Comparison {
  /** Fields that are new or have another value. */
  readonly changed: FieldSet | undefined;
  readonly removed: FieldSet | undefined;
}

const same: Comparison = { changed: undefined, removed: undefined };

/** Compares two versions of an object. Parts that are the same in memory cost nothing. */
export function compare(type: FieldType, before: JsonObject, after: JsonObject): Comparison {
  return compareObjects(type, before, after, 0, false);
}

/** `depth` 0 is the object, 1 its metadata (when `inMetadata`), 2 anything below. */
function compareObjects(
  type: FieldType,
  before: JsonObject,
  after: JsonObject,
  depth: number,
  inMetadata: boolean,
): Comparison {
  const changed: Building = {};
  const removed: Building = {};
  for (const key in after) {
    if (before[key] === after[key] || unowned(depth, key, inMetadata)) continue;
    const place = depth === 0 && key === "metadata" ? compareMetadata : compareValues;
    const result = place(type.child(key), before[key], after[key]);
    put(changed, `f:${key}`, result.changed);
    put(removed, `f:${key}`, result.removed);
  }
  for (const key in before) {
    if (before[key] === undefined || after[key] !== undefined || unowned(depth, key, inMetadata)) continue;
    put(removed, `f:${key}`, allFields(type.child(key), before[key]));
  }
  return comparisonOf(changed, removed);
}

function compareMetadata(type: FieldType, before: unknown, after: unknown): Comparison {
  return compareObjects(type, fieldsOf(before), fieldsOf(after), 1, true);
}

function comparisonOf(changed: Building, removed: Building): Comparison {
  return { changed: isEmpty(changed) ? undefined : changed, removed: isEmpty(removed) ? undefined : removed };
}

function fieldsOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function put(target: Building, element: string, set: FieldSet | undefined): void {
  if (set !== undefined) target[element] = set;
}

function compareValues(type: FieldType, before: unknown, after: unknown): Comparison {
  if (before === after) return same;
  if (before === undefined) return { changed: allFields(type, after), removed: undefined };
  if (after === undefined) return { changed: undefined, removed: allFields(type, before) };
  if (Array.isArray(before) && Array.isArray(after) && type.list !== "atomic") return compareLists(type, before, after);
  if (isObject(before) && isObject(after) && !type.atomicMap) return compareObjects(type, before, after, 2, false);
  return compareWholes(type, before, after);
}

function compareWholes(type: FieldType, before: unknown, after: unknown): Comparison {
  if (jsonEquals(before, after)) return same;
  return { changed: allFields(type, after), removed: withoutRoot(allFields(type, before)) };
}

/** What lay below a place whose value is now of another type. */
function withoutRoot(set: FieldSet): FieldSet | undefined {
  return difference(set, leaf);
}

function compareLists(type: FieldType, before: readonly unknown[], after: readonly unknown[]): Comparison {
  // Most writes leave most lists alone, and making the keys of items costs more than this.
  if (jsonEquals(before, after)) return same;
  const old = new Map(before.map((item) => [itemElement(type, item), item]));
  const changed: Building = {};
  const removed: Building = {};
  for (const item of after) {
    const element = itemElement(type, item);
    const result = type.list === "set" && old.has(element) ? same : compareValues(type.item(), old.get(element), item);
    put(changed, element, result.changed);
    put(removed, element, result.removed);
    old.delete(element);
  }
  for (const [element, item] of old) removed[element] = allFields(type.item(), item);
  return comparisonOf(changed, removed);
}

/** A value with all places in it. */
function allFields(type: FieldType, value: unknown): FieldSet {
  const result: Building = { ".": leaf };
  let below = false;
  if (Array.isArray(value)) {
    if (type.list === "atomic") return leaf;
    for (const item of value) {
      result[itemElement(type, item)] = type.list === "set" ? leaf : allFields(type.item(), item);
      below = true;
    }
  } else if (isObject(value) && !type.atomicMap) {
    for (const key in value) {
      result[`f:${key}`] = allFields(type.child(key), value[key]);
      below = true;
    }
  }
  return below ? result : leaf;
}
