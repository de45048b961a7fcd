/**
 * Who owns which field: server-side apply (`application/apply-patch+yaml`) and the bookkeeping of every other write in
 * `metadata.managedFields`. Source: Kubernetes documentation, "Server-Side Apply". Pure; inputs are never changed.
 */
import { isObject, type KubeJson, type ManagedFieldsEntry } from "./kube-json.ts";
import {
  compare,
  appliedFields,
  difference,
  equalSets,
  exclusive,
  intersection,
  pathsOf,
  union,
} from "./server-side-apply-fields.ts";
import type { Comparison, FieldSet } from "./server-side-apply-fields.ts";
import { mergeApplied, removeFields } from "./server-side-apply-merge.ts";
import { objectType, type FieldType } from "./server-side-apply-types.ts";
import type { JsonSchema } from "./structural-schema-types.ts";

export interface ApplyConflict {
  /** Name of the manager that owns the field. */
  manager: string;
  /** Path like `.spec.replicas` or `.spec.containers[name="a"].image`. */
  field: string;
  /** The manager as messages name it: `"kubectl-edit" using v1`, `"a" with subresource "status"`. */
  description: string;
}

export interface ApplyResult {
  /** The object after the apply, with its new managedFields. The live object (or the applied one) when there are conflicts. */
  object: KubeJson;
  /** Empty when the apply succeeded. */
  conflicts: ApplyConflict[];
}

export interface ApplyInput {
  live: KubeJson | undefined;
  /** The applied configuration, already without what its endpoint ignores (status on the main resource, spec on /status). */
  applied: KubeJson;
  /** Query parameter `fieldManager`. */
  manager: string;
  force: boolean;
  subresource?: string | undefined;
  /** RFC 3339 with seconds. */
  nowIso: string;
  /** Schema of a custom resource; undefined for built-in kinds. */
  schema?: JsonSchema | undefined;
}

export interface UpdateInput {
  /** Undefined for a create. */
  before: KubeJson | undefined;
  /** The object as it will be stored. Its own managedFields, when it has any, replace the previous ones; `[]` clears them. */
  after: KubeJson;
  manager: string;
  subresource?: string | undefined;
  nowIso: string;
  schema?: JsonSchema | undefined;
}

interface Owner {
  readonly entry: ManagedFieldsEntry;
  readonly set: FieldSet | undefined;
}

/** Managers of plain updates beyond this number are merged into one, oldest first. */
const maxUpdateManagers = 10;
const mergedManagers = "ancient-changes";
/** Owner of everything an object without managedFields held when it was first applied to. */
const beforeFirstApply = "before-first-apply";

/**
 * Merges an applied configuration into the live object. Fields that this manager applied before and no longer does are
 * removed, unless someone else owns them too. A field that another manager owns with another value is a conflict.
 */
export function applyPatch(input: ApplyInput): ApplyResult {
  const { live, applied, schema } = input;
  const type = objectType(applied.kind, schema);
  const before = live ?? bare(applied);
  const identity = identityOf(input, "Apply", applied);
  const owners = live === undefined ? [] : ownersOf(live, type, input);
  const { mine, others } = split(owners, identity);
  const set = appliedFields(type, applied);
  const abandoned = abandonedFields(mine?.set, set, others);
  const merged = removeFields(type, mergeApplied(type, before, applied, schema !== undefined), abandoned);
  const comparison = compare(type, before, merged);
  const conflicts = input.force ? [] : others.flatMap((owner) => conflictsWith(owner, comparison.changed));
  if (conflicts.length > 0) return { object: live ?? applied, conflicts };
  const kept = others.map((owner) => without(owner, comparison));
  const unchanged = comparison.changed === undefined && comparison.removed === undefined;
  const entry = { ...identity, time: unchanged ? timeOf(mine, set, input.nowIso) : input.nowIso };
  return { object: withOwners(merged, [...kept, { entry, set }]), conflicts };
}

/** The time of an entry changes only with its fields. */
function timeOf(owner: Owner | undefined, set: FieldSet | undefined, nowIso: string): string {
  return owner !== undefined && equalSets(owner.set, set) ? (owner.entry.time ?? nowIso) : nowIso;
}

function split(owners: readonly Owner[], identity: ManagedFieldsEntry): { mine: Owner | undefined; others: Owner[] } {
  const mine = owners.find((owner) => sameOwner(owner.entry, identity));
  return { mine, others: owners.filter((owner) => owner !== mine) };
}

/** What the manager owned and gives up; the places that somebody still needs are left out. */
function abandonedFields(before: FieldSet | undefined, now: FieldSet | undefined, others: readonly Owner[]) {
  let needed = now;
  for (const owner of others) needed = union(needed, owner.set);
  return exclusive(before, needed);
}

/**
 * Records that `manager` wrote what differs between `before` and `after`, and takes it from those who owned it.
 *
 * @returns `after` with its new managedFields; the time of an entry changes only with the entry
 */
export function trackUpdate(input: UpdateInput): KubeJson {
  const { before, after, schema } = input;
  const comparison = compare(objectType(after.kind, schema), before ?? bare(after), after);
  const entries = after.metadata?.managedFields ?? managedFieldsOf(before);
  const { changed, removed } = comparison;
  if (changed === undefined && removed === undefined) return withEntries(after, entries);
  const identity = identityOf(input, "Update", after);
  const { mine, others } = split(entries.map(decode), identity);
  const kept = others.map((owner) => without(owner, comparison));
  const set = union(difference(mine?.set, removed), changed);
  const entry = { ...identity, time: timeOf(mine, set, input.nowIso) };
  return withOwners(after, capped([...kept, { entry, set }]));
}

/** The message of the 409 answer that lists the conflicts of an apply. */
export function conflictMessage(conflicts: readonly ApplyConflict[]): string {
  const [first] = conflicts;
  if (first === undefined) return "";
  if (conflicts.length === 1) {
    return `Apply failed with 1 conflict: conflict with ${first.description}: ${first.field}`;
  }
  const managers = [...new Set(conflicts.map((conflict) => conflict.description))].sort();
  const blocks = managers.map((manager) => {
    const fields = conflicts.filter((conflict) => conflict.description === manager);
    return [`conflicts with ${manager}:`, ...fields.map(({ field }) => `- ${field}`)].join("\n");
  });
  return `Apply failed with ${conflicts.length} conflicts: ${blocks.join("\n")}`;
}

/** The object as it is before it exists: its type and its name. */
function bare({ apiVersion, kind, metadata }: KubeJson): KubeJson {
  const { name, namespace } = metadata ?? {};
  const known = { ...(name === undefined ? {} : { name }), ...(namespace === undefined ? {} : { namespace }) };
  return {
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(kind === undefined ? {} : { kind }),
    metadata: known,
  };
}

function managedFieldsOf(object: KubeJson | undefined): readonly ManagedFieldsEntry[] {
  return object?.metadata?.managedFields ?? [];
}

function isFieldSet(value: unknown): value is FieldSet {
  return isObject(value);
}

function decode(entry: ManagedFieldsEntry): Owner {
  return { entry, set: isFieldSet(entry.fieldsV1) ? entry.fieldsV1 : undefined };
}

function ownersOf(live: KubeJson, type: FieldType, input: ApplyInput): Owner[] {
  const entries = managedFieldsOf(live);
  if (entries.length > 0) return entries.map(decode);
  const set = compare(type, bare(live), live).changed;
  if (set === undefined) return [];
  const identity = identityOf({ ...input, manager: beforeFirstApply, subresource: "" }, "Update", live);
  return [{ entry: { ...identity, time: input.nowIso }, set }];
}

function identityOf(
  input: { readonly manager: string; readonly subresource?: string | undefined },
  operation: "Apply" | "Update",
  object: KubeJson,
): ManagedFieldsEntry {
  return {
    manager: input.manager,
    operation,
    ...(object.apiVersion === undefined ? {} : { apiVersion: object.apiVersion }),
    fieldsType: "FieldsV1",
    ...(input.subresource === undefined || input.subresource === "" ? {} : { subresource: input.subresource }),
  };
}

function sameOwner(left: ManagedFieldsEntry, right: ManagedFieldsEntry): boolean {
  return (
    left.manager === right.manager &&
    left.operation === right.operation &&
    left.apiVersion === right.apiVersion &&
    (left.subresource ?? "") === (right.subresource ?? "")
  );
}

function conflictsWith({ entry, set }: Owner, changed: FieldSet | undefined): ApplyConflict[] {
  const description = describe(entry);
  return pathsOf(intersection(set, changed)).map((field) => ({ manager: entry.manager ?? "", field, description }));
}

function describe({ manager, subresource, operation, apiVersion }: ManagedFieldsEntry): string {
  const name = JSON.stringify(manager ?? "") + (subresource ? ` with subresource ${JSON.stringify(subresource)}` : "");
  return operation === "Update" ? `${name} using ${apiVersion ?? ""}` : name;
}

function without(owner: Owner, { changed, removed }: Comparison): Owner {
  return { entry: owner.entry, set: difference(difference(owner.set, changed), removed) };
}

function isOlder(left: Owner, right: Owner): number {
  return (left.entry.time ?? "").localeCompare(right.entry.time ?? "");
}

/** Merges the oldest update managers of the main resource into one per apiVersion, so that managedFields stays bounded. */
function capped(owners: readonly Owner[]): readonly Owner[] {
  const updates = owners.filter(({ entry, set }) => set && entry.operation === "Update" && !entry.subresource);
  if (updates.length <= maxUpdateManagers) return owners;
  const oldest = [...updates].sort(isOlder).slice(0, updates.length - maxUpdateManagers + 1);
  const merged = new Map<string, Owner>();
  for (const { entry, set } of oldest) {
    const version = entry.apiVersion ?? "";
    const together = { entry: { ...entry, manager: mergedManagers }, set: union(merged.get(version)?.set, set) };
    merged.set(version, together);
  }
  return [...owners.filter((owner) => !oldest.includes(owner)), ...merged.values()];
}

function withOwners(object: KubeJson, owners: readonly Owner[]): KubeJson {
  const entries = owners.flatMap(({ entry, set }) => (set === undefined ? [] : [encode(entry, set)]));
  return withEntries(object, entries.sort(byWireOrder));
}

function encode(entry: ManagedFieldsEntry, set: FieldSet): ManagedFieldsEntry {
  const { manager, operation, apiVersion, time, subresource } = entry;
  return {
    ...(manager === undefined ? {} : { manager }),
    ...(operation === undefined ? {} : { operation }),
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(time === undefined ? {} : { time }),
    fieldsType: "FieldsV1",
    fieldsV1: { ...set },
    ...(subresource === undefined ? {} : { subresource }),
  };
}

function order(...pairs: (readonly [string | undefined, string | undefined])[]): number {
  for (const [left = "", right = ""] of pairs) {
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** Apply before Update, then by time, manager, apiVersion and subresource. */
function byWireOrder(left: ManagedFieldsEntry, right: ManagedFieldsEntry): number {
  return order(
    [left.operation, right.operation],
    [left.time, right.time],
    [left.manager, right.manager],
    [left.apiVersion, right.apiVersion],
    [left.subresource, right.subresource],
  );
}

function withEntries(object: KubeJson, entries: readonly ManagedFieldsEntry[]): KubeJson {
  const { managedFields, ...metadata } = object.metadata ?? {};
  if (managedFields === entries && entries.length > 0) return object;
  return { ...object, metadata: entries.length === 0 ? metadata : { ...metadata, managedFields: [...entries] } };
}
