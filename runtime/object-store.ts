import { InvariantError } from "./errors.ts";
import type { KubeObject, Lister } from "./ports.ts";
import { keyOf } from "./reconcile.ts";

/** Makes the values under which an index files an object. */
export type Indexes<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

/** Key of an object in caches and queues. */
export function keyOfObject(object: KubeObject): string {
  return keyOf({ namespace: object.metadata.namespace ?? "", name: object.metadata.name });
}

/** The cache of an informer: objects by key, and the declared indexes. Not safe against objects that change in place. */
export class ObjectStore<T extends KubeObject> implements Lister<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexers: readonly (readonly [string, (object: T) => readonly string[]])[];
  /** Index → value → keys. One key is stored bare: most values have one, and 100 000 sets cost 20 MB. */
  readonly #filed = new Map<string, Map<string, string | Set<string>>>();

  constructor(indexes: Indexes<T> = {}) {
    this.#indexers = Object.entries(indexes);
    for (const [index] of this.#indexers) this.#filed.set(index, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  byIndex(index: string, value: string): readonly T[] {
    const filed = this.#filed.get(index);
    if (!filed) throw new InvariantError("UnknownIndex", `index ${index} was never declared`);
    const keys = filed.get(value);
    if (keys === undefined) return [];
    return (typeof keys === "string" ? [keys] : [...keys]).flatMap((key) => this.#objects.get(key) ?? []);
  }

  set(key: string, object: T): void {
    this.#unfile(key);
    this.#objects.set(key, object);
    for (const [index, values] of this.#indexers) {
      const filed = this.#filed.get(index);
      if (filed) for (const value of values(object)) file(filed, value, key);
    }
  }

  delete(key: string): void {
    this.#unfile(key);
    this.#objects.delete(key);
  }

  #unfile(key: string): void {
    const object = this.#objects.get(key);
    if (!object) return;
    for (const [index, values] of this.#indexers) {
      const filed = this.#filed.get(index);
      if (filed) for (const value of values(object)) unfile(filed, value, key);
    }
  }
}

function file(filed: Map<string, string | Set<string>>, value: string, key: string): void {
  const keys = filed.get(value);
  if (keys === undefined || keys === key) filed.set(value, key);
  else if (typeof keys === "string") filed.set(value, new Set([keys, key]));
  else keys.add(key);
}

function unfile(filed: Map<string, string | Set<string>>, value: string, key: string): void {
  const keys = filed.get(value);
  if (keys === key) {
    filed.delete(value);
  } else if (typeof keys === "object") {
    keys.delete(key);
    if (keys.size === 0) filed.delete(value);
  }
}
