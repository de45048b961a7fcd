import { keyOfObject, ObjectStore } from "./object-store.ts";
import type { Indexes } from "./object-store.ts";
import type { KubeObject, ObjectMeta } from "./ports.ts";

/** Callbacks of an informer. They must be quick and synchronous: usually they add a key to a queue. */
export interface InformerHandler<T> {
  onAdd?(object: T): void;
  onUpdate?(old: T, object: T): void;
  /** `missed`: the deletion was not seen; `last` is the last state known, not the final one. */
  onDelete?(last: T, details: { readonly missed: boolean }): void;
}

/** One list in progress. */
export interface Listing<T> {
  /** `resourceVersion` is that of the snapshot, the same for all pages. */
  add(items: readonly T[], resourceVersion: string): void;
  /** All pages are in: what is cached, older than the snapshot and not in it, was deleted. */
  end(): void;
}

interface CacheOptions<T extends KubeObject> {
  readonly transform?: (raw: T) => T;
  readonly indexes?: Indexes<T>;
  readonly onHandlerError: (error: unknown, key: string) => void;
  readonly onSize: (size: number) => void;
}

/**
 * Order of two resourceVersions of one collection: negative, 0 or positive. They are decimal numbers of any length that
 * grow with every change of the collection (Kubernetes KEP-5504). What is no such number counts as newer, so that nothing
 * is ever lost.
 */
export function compareVersions(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (!isDecimal(a) || !isDecimal(b)) return 1;
  // Without leading zeros the longer number is the greater, and equal lengths order as text: exact, and no BigInt is made
  // for each of the millions of comparisons.
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}

function isDecimal(version: string | undefined): version is string {
  return version !== undefined && /^(?:0|[1-9]\d*)$/.test(version);
}

/** Field by field, not with `delete`: that would turn each object into a slow, larger dictionary. */
function withoutManagedFields(metadata: ObjectMeta): ObjectMeta {
  const kept: Record<string, unknown> & { name: string } = { name: metadata.name };
  for (const [key, value] of Object.entries(metadata)) {
    if (key !== "managedFields") kept[key] = value;
  }
  return kept;
}

/**
 * The state behind an informer: merges lists, watch events and our own writes, which may arrive in any order, by
 * resourceVersion, and tells the handlers what changed. `progress` is the version up to which the watch has delivered
 * everything: a write's answer that is not newer than it, and not in the cache, belongs to an object that is gone.
 */
export class ObjectCache<T extends KubeObject> {
  readonly store: ObjectStore<T>;
  readonly #options: CacheOptions<T>;
  readonly #handlers: InformerHandler<T>[] = [];
  #progress = "";

  constructor(options: CacheOptions<T>) {
    this.#options = options;
    this.store = new ObjectStore<T>(options.indexes);
  }

  /** The version to watch from; empty before the first list. */
  get progress(): string {
    return this.#progress;
  }

  addHandler(handler: InformerHandler<T>): void {
    this.#handlers.push(handler);
    for (const object of this.store.list()) {
      this.#contain(keyOfObject(object), () => handler.onAdd?.(object));
    }
  }

  bookmark(resourceVersion: string): void {
    if (compareVersions(resourceVersion, this.#progress) > 0) this.#progress = resourceVersion;
  }

  /** An ADDED or MODIFIED event. */
  changed(object: T): void {
    this.#store(object);
    this.bookmark(object.metadata.resourceVersion ?? "");
  }

  /** A DELETED event. Its object carries the version of the deletion. */
  deleted(object: T): void {
    const key = keyOfObject(object);
    const cached = this.store.get(key);
    this.bookmark(object.metadata.resourceVersion ?? "");
    if (!cached) return;
    if (cached.metadata.uid === object.metadata.uid) {
      this.#remove(key, this.#prepare(object), false);
    } else if (compareVersions(object.metadata.resourceVersion, cached.metadata.resourceVersion) > 0) {
      this.#remove(key, cached, true);
    }
  }

  /** The answer of one of our own writes. */
  put(object: T): void {
    const isNew = !this.store.get(keyOfObject(object));
    const version = object.metadata.resourceVersion;
    if (isNew && this.#progress !== "" && compareVersions(version, this.#progress) <= 0) return;
    this.#store(object);
  }

  beginList(): Listing<T> {
    const seen = new Set<string>();
    let snapshot = "";
    // A list is never older than an earlier event, unless the server's data were restored: then only the list counts.
    let isRestored = false;
    return {
      add: (items, resourceVersion) => {
        snapshot = resourceVersion;
        isRestored = this.#progress !== "" && compareVersions(resourceVersion, this.#progress) < 0;
        for (const item of items) {
          seen.add(keyOfObject(item));
          this.#store(item, isRestored);
        }
      },
      end: () => {
        for (const key of [...this.store.keys()]) {
          const cached = seen.has(key) ? undefined : this.store.get(key);
          if (!cached) continue;
          const isNewer = compareVersions(cached.metadata.resourceVersion, snapshot) > 0;
          if (isRestored || !isNewer) this.#remove(key, cached, true);
        }
        this.#progress = snapshot;
      },
    };
  }

  #store(raw: T, replaceNewer = false): void {
    const key = keyOfObject(raw);
    const old = this.store.get(key);
    const order = old ? compareVersions(raw.metadata.resourceVersion, old.metadata.resourceVersion) : 1;
    if (order === 0 || (order < 0 && !replaceNewer)) return;
    const object = this.#prepare(raw);
    if (old && old.metadata.uid !== object.metadata.uid) {
      this.#remove(key, old, true);
      this.#add(key, object);
    } else if (old) {
      this.store.set(key, object);
      this.#each(key, (handler) => handler.onUpdate?.(old, object));
    } else {
      this.#add(key, object);
    }
  }

  #add(key: string, object: T): void {
    this.store.set(key, object);
    this.#options.onSize(this.store.size);
    this.#each(key, (handler) => handler.onAdd?.(object));
  }

  #remove(key: string, last: T, missed: boolean): void {
    this.store.delete(key);
    this.#options.onSize(this.store.size);
    this.#each(key, (handler) => handler.onDelete?.(last, { missed }));
  }

  /** A slim, frozen copy: the raw object may belong to the transport. Deep freezing would cost more than decoding. */
  #prepare(raw: T): T {
    const metadata = "managedFields" in raw.metadata ? withoutManagedFields(raw.metadata) : { ...raw.metadata };
    const copy: T = { ...raw, metadata };
    const object = this.#options.transform?.(copy) ?? copy;
    Object.freeze(object.metadata);
    return Object.freeze(object);
  }

  #each(key: string, call: (handler: InformerHandler<T>) => void): void {
    for (const handler of this.#handlers) this.#contain(key, () => call(handler));
  }

  #contain(key: string, call: () => void): void {
    try {
      call();
    } catch (error: unknown) {
      this.#options.onHandlerError(error, key);
    }
  }
}
