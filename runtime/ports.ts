/** The few interfaces that every module shares. Everything else is declared by its user. */

/** Time as a dependency. Production passes {@link systemClock}; tests pass a virtual one. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. May jump. */
  now(): number;
  /** Milliseconds on a clock that never jumps and has no meaning but differences. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds. Rejects with AbortError when `signal` aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A clock that all replicas read alike whatever their machines' clocks say, known within bounds. */
export interface SharedClock {
  /** Milliseconds since the epoch. Its time now is neither before `earliestMs` nor after `latestMs`. */
  bounds(): { readonly earliestMs: number; readonly latestMs: number };
}

/** Uniform in [0, 1). Jitter and random selection draw from it. */
export type Random = () => number;

/** Fields of a log line. Keys are fixed in runtime/log.ts. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

/** What every Kubernetes object has. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** Read view of an informer's cache. Objects are frozen; copy before changing. */
export interface Lister<T> {
  /** `key` as made by `keyOf`. */
  get(key: string): T | undefined;
  list(): readonly T[];
  /** Objects that index `index` files under `value`. Throws InvariantError for an index that was never declared. */
  byIndex(index: string, value: string): readonly T[];
}

/**
 * Writes of one kind. Every method @throws ConflictError (409), NotFoundError (404), ThrottledError (429),
 * TerminalError (401, 403, 422), TransientError (network, 5xx). The answer of a write is put into the informer's cache
 * at once, so the next reconcile reads its own writes.
 */
export interface ObjectClient<T> {
  /** Reads past the cache; undefined when it does not exist. */
  getLive(namespace: string, name: string, signal: AbortSignal): Promise<T | undefined>;
  /** @throws AlreadyExistsError */
  create(object: T, signal: AbortSignal): Promise<T>;
  /** Replaces all but the status, guarded by `metadata.resourceVersion`. */
  update(object: T, signal: AbortSignal): Promise<T>;
  /** Replaces the status, guarded by `metadata.resourceVersion`. */
  updateStatus(object: T, signal: AbortSignal): Promise<T>;
  /** JSON merge patch (RFC 7386) of the main resource. */
  patch(namespace: string, name: string, patch: object, signal: AbortSignal): Promise<T>;
  /** JSON merge patch of the status subresource; the body is `{ status: … }`. @param kind @default "merge" */
  patchStatus(namespace: string, name: string, patch: object, signal: AbortSignal, kind?: PatchKind): Promise<T>;
  /** Absence is success. `uid` guards against deleting a successor of the same name. */
  delete(namespace: string, name: string, options: { readonly uid?: string }, signal: AbortSignal): Promise<void>;
}

/**
 * How a patch changes lists: `merge` (RFC 7386) replaces them; `strategic` merges the keyed lists of built-in kinds, such as a
 * Node's conditions by their type, and is not served for custom resources.
 */
export type PatchKind = "merge" | "strategic";

/** Reference to the object an event is about. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly uid?: string;
}

/** Records Kubernetes events (events.k8s.io/v1). Never throws, never blocks: losing an event is better than losing work. */
export interface Recorder {
  event(event: {
    readonly regarding: ObjectReference;
    readonly related?: ObjectReference;
    readonly type: "Normal" | "Warning";
    /** CamelCase, from the published list (reference: events table). */
    readonly reason: string;
    readonly action: string;
    /** For people. Cut to 1024 characters. */
    readonly note: string;
  }): void;
}
