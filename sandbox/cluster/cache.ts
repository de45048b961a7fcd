/** A list-watch cache that never dies: a paged list, then a watch, and after any failure the list again. */
import { isAbort } from "../../runtime/errors.ts";
import type { Clock, KubeObject, Logger, Random } from "../../runtime/ports.ts";
import type { Transport } from "../../runtime/transport.ts";
import { isObject, isRecord, toRefusal } from "./api.ts";
import { keyOfObject, pathOf, type Resource } from "./kinds.ts";

export interface CacheOptions {
  readonly transport: Transport;
  readonly resource: Resource;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** One change of the cached set: `before` absent for a new object, `after` absent for a deleted one. */
export interface Change<T> {
  readonly before?: T;
  readonly after?: T;
}

const pageSize = 500;
/** Seconds after which the server is asked to end a watch; client-go uses 5 to 10 min. */
const watchSeconds = 300;
/** Milliseconds before a failed list or watch is tried again: from this, up to twice this, by jitter. */
const retryMs = 400;

/** All objects of one kind, kept current. Objects are shared: copy before changing. */
export class Cache<T extends KubeObject> {
  readonly #options: CacheOptions;
  readonly #objects = new Map<string, T>();
  readonly #listeners: ((change: Change<T>) => void)[] = [];
  readonly #synced: Promise<void>;
  #markSynced: () => void = () => undefined;
  #hasSynced = false;
  /** Version up to which list and watch have been applied. */
  #position = 0;

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#synced = new Promise((resolve) => (this.#markSynced = resolve));
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  get size(): number {
    return this.#objects.size;
  }

  /** True after the first complete list. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves after the first complete list; never when `run` ends before that. */
  synced(): Promise<void> {
    return this.#synced;
  }

  /** Calls `listener` for every change, in order. A listener that throws is logged and does not stop the others. */
  onChange(listener: (change: Change<T>) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Takes the answer of our own write, so that the next decision sees it before the watch tells it. An answer that
   * the watch has overtaken is dropped: it could bring back an object that was deleted since.
   */
  observe(object: KubeObject): void {
    const version = versionOf(object);
    if (version <= this.#position) return;
    const known = this.#objects.get(keyOfObject(object));
    if (known === undefined || versionOf(known) < version) this.#put(object as T);
  }

  /** Lists and watches until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log, resource } = this.#options;
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      try {
        await this.#listAndWatch(signal);
      } catch (error) {
        if (isOver()) return;
        log.debug("list-watch failed, listing again", { kind: resource.kind, error: String(error) });
        await clock.sleep(retryMs * (1 + random()), signal).catch(() => undefined);
      }
    }
  }

  /** @throws whatever ends a list or a watch before its regular end */
  async #listAndWatch(signal: AbortSignal): Promise<void> {
    await this.#list(signal);
    this.#hasSynced = true;
    this.#markSynced();
    while (!signal.aborted) await this.#watch(signal);
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { transport, resource } = this.#options;
    const found: KubeObject[] = [];
    let token = "";
    let version: string;
    do {
      const query = new URLSearchParams({ limit: String(pageSize), ...(token === "" ? {} : { continue: token }) });
      const path = `${pathOf(resource)}?${query.toString()}`;
      const { status, body } = await transport.request({ method: "GET", path }, signal);
      if (status !== 200) throw toRefusal(status, body);
      const page = toPage(body);
      found.push(...page.items);
      ({ token, version } = page);
    } while (token !== "");
    this.#replace(found, Number(version));
  }

  /** One watch from the current position to its regular end. @throws whatever ends it otherwise */
  async #watch(signal: AbortSignal): Promise<void> {
    const { transport, resource, clock } = this.#options;
    const query = new URLSearchParams({
      watch: "true",
      allowWatchBookmarks: "true",
      timeoutSeconds: String(watchSeconds),
      resourceVersion: String(this.#position),
    });
    const own = new AbortController();
    // A server that forgets to end the watch, or a connection that died silently, is given up after a margin.
    const deadline = clock.sleep((watchSeconds + 15) * 1000, own.signal).then(
      () => own.abort(),
      () => undefined,
    );
    const stop = (): void => own.abort();
    signal.addEventListener("abort", stop);
    let failure: unknown;
    try {
      const apply = (event: unknown): void => {
        try {
          this.#apply(event);
        } catch (error) {
          failure ??= error;
          own.abort();
        }
      };
      const path = `${pathOf(resource)}?${query.toString()}`;
      const { status, body } = await transport.stream({ method: "GET", path }, apply, own.signal);
      if (status !== 200) throw toRefusal(status, body);
      // An empty stream that ends at once would otherwise be reopened in a tight loop.
      if (failure === undefined) await clock.sleep(1, signal);
    } catch (error) {
      if (failure === undefined || !isAbort(error)) throw error;
    } finally {
      own.abort();
      signal.removeEventListener("abort", stop);
      await deadline;
    }
    if (failure !== undefined) throw failure instanceof Error ? failure : new Error("the watch event cannot be read");
  }

  #apply(event: unknown): void {
    if (!isRecord(event)) throw new Error("a watch line is not an object");
    const { type, object } = event;
    if (type === "ERROR") throw toRefusal(isRecord(object) ? Number(object["code"]) : 500, object);
    if (!isObject(object)) throw new Error(`a watch event ${String(type)} carries no object`);
    const version = versionOf(object);
    if (type === "DELETED") this.#remove(keyOfObject(object), object as T);
    else if (type !== "BOOKMARK") this.#put(object as T);
    this.#position = Math.max(this.#position, version);
  }

  #replace(found: readonly KubeObject[], version: number): void {
    const keys = new Set(found.map(keyOfObject));
    for (const [key, object] of this.#objects) {
      // What our own write brought after the list was taken is not missing from it.
      if (!keys.has(key) && versionOf(object) <= version) this.#remove(key, object);
    }
    for (const object of found) this.#put(object as T);
    this.#position = version;
  }

  #put(object: T): void {
    const key = keyOfObject(object);
    const before = this.#objects.get(key);
    if (before !== undefined && before.metadata.uid === object.metadata.uid) {
      if (versionOf(before) >= versionOf(object)) return;
      this.#objects.set(key, object);
      this.#notify({ before, after: object });
      return;
    }
    // A successor under the same name is a deletion and a creation, even when the watch skipped the first.
    if (before !== undefined) this.#remove(key, before);
    this.#objects.set(key, object);
    this.#notify({ after: object });
  }

  #remove(key: string, last: T): void {
    const known = this.#objects.get(key);
    if (known === undefined || known.metadata.uid !== last.metadata.uid) return;
    this.#objects.delete(key);
    this.#notify({ before: last });
  }

  #notify(change: Change<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#options.log.error("cache listener failed", { kind: this.#options.resource.kind, error: String(error) });
      }
    }
  }
}

function versionOf(object: KubeObject): number {
  return Number(object.metadata.resourceVersion ?? 0);
}

function toPage(body: unknown): { items: KubeObject[]; token: string; version: string } {
  if (!isRecord(body)) throw new Error("a list answer is not an object");
  const { items, metadata } = body;
  if (!Array.isArray(items) || !isRecord(metadata)) throw new Error("a list answer has no items or no metadata");
  const { resourceVersion, continue: token } = metadata;
  if (typeof resourceVersion !== "string") throw new Error("a list answer has no resourceVersion");
  return { items: items.filter(isObject), token: typeof token === "string" ? token : "", version: resourceVersion };
}
