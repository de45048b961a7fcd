import {
  isObject,
  memberObject,
  stringAt,
  valueAt,
  type JsonObject,
  type KubeJson,
  type StoredObject,
} from "./kube-json.ts";
import { presentAs, type ResourceKind } from "./kinds.ts";
import { toTimestamp } from "./metadata.ts";
import { requireDryRun, requirePropagation } from "./options.ts";
import { ApiError } from "./status.ts";
import { isFinished, toAttributes, type WriteContext, type WriteDeps, type Writer } from "./writer.ts";

/** `DeleteOptions` (meta/v1), as far as it is used. */
export interface DeleteOptions {
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly propagation: "Background" | "Foreground" | "Orphan";
  /** Undefined: the default of the kind. */
  readonly gracePeriodSeconds: number | undefined;
  readonly isDryRun: boolean;
}

/** Reads DeleteOptions from the body and the query (the query is what older clients use). @throws ApiError 400 */
export function parseDeleteOptions(body: unknown, query: URLSearchParams): DeleteOptions {
  const options: JsonObject = isObject(body) ? body : {};
  const grace = options["gracePeriodSeconds"] ?? query.get("gracePeriodSeconds") ?? undefined;
  const dryRuns: unknown[] = Array.isArray(options["dryRun"]) ? options["dryRun"] : [];
  requireDryRun("DeleteOptions", dryRuns);
  return {
    uid: stringAt(options, ["preconditions", "uid"]) || undefined,
    resourceVersion: stringAt(options, ["preconditions", "resourceVersion"]) || undefined,
    propagation: parsePropagation(options, query),
    gracePeriodSeconds: grace === undefined ? undefined : Number(grace),
    isDryRun: dryRuns.length > 0,
  };
}

function parsePropagation(options: JsonObject, query: URLSearchParams): DeleteOptions["propagation"] {
  const asked = options["propagationPolicy"] ?? query.get("propagationPolicy") ?? undefined;
  requirePropagation(asked, options["orphanDependents"]);
  if (options["orphanDependents"] === true) return "Orphan";
  return asked === "Foreground" || asked === "Orphan" ? asked : "Background";
}

/** The finalizers by which a deletion waits for what the policy wants. Source: Kubernetes, "Garbage Collection". */
export const finalizerOf = { Foreground: "foregroundDeletion", Orphan: "orphan" } as const;

/** What a deletion left: the object's last state, and whether it is gone. */
export interface DeleteResult {
  readonly object: StoredObject;
  readonly isGone: boolean;
}

/** Deletes objects: admission, preconditions, graceful termination, finalizers. */
export class Deleter {
  readonly #deps: WriteDeps;
  readonly #writer: Writer;

  constructor(deps: WriteDeps, writer: Writer) {
    this.#deps = deps;
    this.#writer = writer;
  }

  /** @throws ApiError 404, 409 for a precondition, or what a webhook says */
  async delete(context: WriteContext, options: DeleteOptions): Promise<DeleteResult> {
    const old = this.#writer.current(context);
    requirePreconditions(context.kind, old, options);
    const attributes = toAttributes(context, { operation: "DELETE", object: undefined, oldObject: old });
    if (this.#deps.admission.concerns(attributes)) {
      await this.#deps.admission.mutate(attributes);
      await this.#deps.admission.validate(attributes);
    }
    const current = this.#writer.current(context);
    requirePreconditions(context.kind, current, options);
    return this.#commit(context, current, options);
  }

  #commit(context: WriteContext, current: StoredObject, options: DeleteOptions): DeleteResult {
    const { kind } = context;
    const wanted = this.#markDeleted(kind, current, options);
    const isGone = isFinished(wanted);
    if (context.dryRun || options.isDryRun) return { object: current, isGone };
    const stored = this.#deps.store.table(kind.storage).get(context.namespace, context.name) ?? current;
    if (isGone && !isPod(kind)) {
      // As in kube-apiserver, an object that goes at once shows no deletionTimestamp in its DELETED event.
      return { object: presentAs(kind, this.#deps.store.remove(kind.storage, stored)), isGone };
    }
    const changed = { ...stored, ...changedParts(kind, wanted), metadata: wanted.metadata ?? {} };
    const marked = wanted === current ? stored : this.#deps.store.put(kind.storage, changed);
    // A pod is marked even if it goes at once, so its watchers see two changes.
    return { object: presentAs(kind, isGone ? this.#deps.store.remove(kind.storage, marked) : marked), isGone };
  }

  /** The object as it waits for its end; the same one when it waits already. */
  #markDeleted(kind: ResourceKind, current: StoredObject, options: DeleteOptions): KubeJson {
    const { metadata } = current;
    const finalizers = withPropagation(metadata.finalizers ?? [], options.propagation);
    const grace = gracePeriodOf(kind, current, options.gracePeriodSeconds);
    const keepsTime = metadata.deletionTimestamp !== undefined && grace >= (metadata.deletionGracePeriodSeconds ?? 0);
    if (keepsTime && finalizers.length === (metadata.finalizers ?? []).length) return current;
    const waiting = { ...metadata, ...(finalizers.length === 0 ? {} : { finalizers }) };
    const marked: KubeJson = { ...current, metadata: keepsTime ? waiting : this.#withDeadline(waiting, grace) };
    if (isNamespace(kind)) marked["status"] = { ...memberObject(current, "status"), phase: "Terminating" };
    return marked;
  }

  /** A first deletion counts as a generation; a later one may only shorten the time. */
  #withDeadline(metadata: StoredObject["metadata"], graceSeconds: number): StoredObject["metadata"] {
    const isFirst = metadata.deletionTimestamp === undefined;
    return {
      ...metadata,
      deletionTimestamp: toTimestamp(this.#deps.nowMs() + graceSeconds * 1_000),
      deletionGracePeriodSeconds: graceSeconds,
      ...(isFirst && metadata.generation !== undefined ? { generation: metadata.generation + 1 } : {}),
    };
  }
}

function isPod(kind: ResourceKind): boolean {
  return kind.kind === "Pod" && kind.group === "";
}

function isNamespace(kind: ResourceKind): boolean {
  return kind.kind === "Namespace" && kind.group === "";
}

function changedParts(kind: ResourceKind, wanted: KubeJson): JsonObject {
  return isNamespace(kind) ? { status: wanted["status"] } : {};
}

function withPropagation(finalizers: readonly string[], propagation: DeleteOptions["propagation"]): string[] {
  const others = finalizers.filter((name) => name !== finalizerOf.Foreground && name !== finalizerOf.Orphan);
  if (propagation !== "Background") return [...others, finalizerOf[propagation]];
  return [...finalizers];
}

/** Seconds until the object may go by itself. Only pods have one, and only once they are on a node and not finished. */
function gracePeriodOf(kind: ResourceKind, object: StoredObject, asked: number | undefined): number {
  if (!isPod(kind)) return 0;
  const phase = stringAt(object, ["status", "phase"]);
  if (stringAt(object, ["spec", "nodeName"]) === "" || phase === "Succeeded" || phase === "Failed") return 0;
  if (asked !== undefined) return Math.max(0, asked);
  const configured = valueAt(object, ["spec", "terminationGracePeriodSeconds"]);
  return typeof configured === "number" ? configured : 30;
}

function requirePreconditions(kind: ResourceKind, object: StoredObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = object.metadata;
  if (options.uid !== undefined && options.uid !== uid) {
    const why = `the UID in the precondition (${options.uid}) does not match the UID in record (${uid})`;
    throw preconditionFailed(kind, object, `${why}. The object might have been deleted and then recreated`);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    const asked = options.resourceVersion;
    const why = `the ResourceVersion in the precondition (${asked}) does not match the ResourceVersion in record (${resourceVersion})`;
    throw preconditionFailed(kind, object, `${why}. The object might have been modified`);
  }
}

/** Names the kind where other conflicts name the resource. */
function preconditionFailed(
  { group, kind }: ResourceKind,
  { metadata: { name } }: StoredObject,
  why: string,
): ApiError {
  const qualified = group === "" ? kind : `${kind}.${group}`;
  const message = `Operation cannot be fulfilled on ${qualified} "${name}": ${why}`;
  return new ApiError(409, "Conflict", message, { name, ...(group === "" ? {} : { group }), kind });
}
