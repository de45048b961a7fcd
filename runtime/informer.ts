import { Backoff } from "./backoff.ts";
import { abortError, withTimeout } from "./clock.ts";
import { TransientError } from "./errors.ts";
import { redact } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { ObjectCache } from "./object-cache.ts";
import type { InformerHandler } from "./object-cache.ts";
import type { Indexes } from "./object-store.ts";
import type { Clock, KubeObject, Lister, Logger, Random } from "./ports.ts";
import type { Transport, TransportRequest, TransportResponse } from "./transport.ts";
import { parseEvent, parsePage, refusalOf, withQuery } from "./list-watch.ts";
import type { WatchEvent } from "./list-watch.ts";

/** A server that is asked for bookmarks sends one a minute, so this silence means a dead connection. */
const idleLimitMs = 90_000;
/** A page that takes longer is lost: nothing else ends a request whose connection died silently. */
const pageLimitMs = 60_000;
/** A watch that lived this long was healthy: the next failure starts the back-off anew. */
const healthyMs = 10_000;
/**
 * A version that no watch accepts any more (the server's data were restored from a backup, say) need not be answered by
 * 410: after so many refusals in a row the collection is listed.
 */
const refusalsBeforeList = 5;
/** An attempt costs the server next to nothing, and whoever waits for this cache waits for it too once the server is back. */
const attemptPause = { minMs: 800, maxMs: 5_000 };
/** A large collection that is listed again and again is work that can keep a server from recovering. */
const listPause = { minMs: 800, maxMs: 30_000 };

export interface InformerOptions<T extends KubeObject> {
  /** Resource in words, for log and metrics. @default the last segment of `path` */
  readonly name?: string;
  readonly transport: Transport;
  /** Collection, with an optional selector: `/apis/network.alibabacloud.com/v1beta1/podenis`. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics?: Metrics;
  /**
   * Slims an object before it is stored. Gets it without `managedFields`; may return it as it is, must keep the metadata's
   * name, namespace, uid and resourceVersion.
   */
  readonly transform?: (raw: T) => T;
  readonly indexes?: Indexes<T>;
  /** Objects per page of a list. @default 500 */
  readonly pageSize?: number;
}

/** How a list or a watch ended. */
type Outcome =
  /** Clean: watch on from where it ended. */
  | { readonly next: "watch"; readonly failure?: undefined }
  /** Failed: wait, then watch on, or list first. */
  | {
      readonly next: "watch" | "list";
      readonly failure: string;
      readonly retryAfterMs?: number;
      readonly soon?: boolean;
      /** There was no answer at all. */
      readonly isUnreachable?: boolean;
    };

/**
 * A local copy of one collection of the API server, kept current by list and watch until its signal aborts. No answer of
 * the server ends it: every failure is followed by another attempt after a growing delay, of at most 5 s unless the server
 * asks for more or a list would follow a list. Handlers are called in the order of the changes; the cache holds a change
 * when its handler is called.
 */
export class Informer<T extends KubeObject> {
  readonly name: string;
  readonly lister: Lister<T>;
  readonly #options: InformerOptions<T>;
  readonly #log: Logger;
  readonly #cache: ObjectCache<T>;
  readonly #attempts: Backoff;
  readonly #lists: Backoff;
  readonly #synced: (() => void)[] = [];
  #hasSynced = false;
  #started = false;
  #lastError: string | undefined;
  /** A page was answered since the last healthy watch: the next list waits, or it would be a loop. */
  #hasListed = false;
  #isUnreachable = false;
  /** Watches that the server ended by an answer that is a failure, since the last list or healthy watch. */
  #refusals = 0;
  /** Set after the server lost a continue token: such a collection is listed in one piece. */
  #unpaged = false;

  constructor(options: InformerOptions<T>) {
    this.name = options.name ?? options.path.split("?", 1)[0]?.split("/").at(-1) ?? options.path;
    this.#options = options;
    this.#log = options.log.child({ informer: this.name });
    const { metrics } = options;
    this.#cache = new ObjectCache<T>({
      ...(options.transform && { transform: options.transform }),
      ...(options.indexes && { indexes: options.indexes }),
      onHandlerError: (error, key) => {
        this.#log.error("event handler failed", { key, error });
        metrics?.informerHandlerErrors.inc({ informer: this.name });
      },
      onSize: (size) => metrics?.informerObjects.set({ informer: this.name }, size),
    });
    this.lister = this.#cache.store;
    this.#attempts = new Backoff({ ...attemptPause, random: options.random });
    this.#lists = new Backoff({ ...listPause, random: options.random });
  }

  /** Why list or watch fails at present, in words; undefined while they work. For readiness messages. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** True once the first list is complete and delivered; it stays true while a broken watch is being repaired. */
  hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves once `hasSynced`. @throws AbortError when `signal` aborts first */
  waitForSync(signal: AbortSignal): Promise<void> {
    if (this.#hasSynced) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(abortError());
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener("abort", onAbort, { once: true });
      this.#synced.push(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
    });
  }

  /** Adds a handler; it gets `onAdd` at once for every object that is cached already. */
  addHandler(handler: InformerHandler<T>): void {
    this.#cache.addHandler(handler);
  }

  /**
   * Stores the server's answer to one of our own writes, so that the next reconcile reads it. Ignored when the cache is
   * already past it; events that were sent before the write are dropped when they arrive.
   */
  put(object: T): void {
    this.#cache.put(object);
  }

  /** Runs until `signal` aborts, then resolves. Opens nothing after the abort. @throws Error when called twice */
  async start(signal: AbortSignal): Promise<void> {
    if (this.#started) throw new Error(`informer ${this.name} was started twice`);
    this.#started = true;
    let next: "list" | "watch" = "list";
    while (!signal.aborted) {
      const outcome: Outcome = await (next === "list" ? this.#list(signal) : this.#watch(signal));
      next = outcome.next;
      if (outcome.failure === undefined) {
        this.#lastError = undefined;
      } else if (!isStopped(signal)) {
        if (this.#refusals >= refusalsBeforeList) next = "list";
        await this.#recover({ ...outcome, next }, signal);
      }
    }
  }

  async #recover(outcome: Outcome & { failure: string }, signal: AbortSignal): Promise<void> {
    this.#lastError = outcome.failure;
    this.#options.metrics?.informerErrors.inc({ informer: this.name });
    const delayMs = Math.max(this.#pauseMs(outcome), outcome.retryAfterMs ?? 0);
    const level = this.#attempts.attempts > 1 ? "warn" : "info";
    this.#log[level]("list or watch failed", {
      failure: outcome.failure,
      next: outcome.next,
      delayMs: Math.round(delayMs),
    });
    await this.#options.clock.sleep(delayMs, signal).catch(() => undefined); // Aborted: the caller looks.
  }

  #pauseMs({ next, soon = false, isUnreachable = false }: Outcome & { failure: string }): number {
    // A server that starts says no in several ways before it says yes, each for a moment.
    if (this.#isUnreachable && !isUnreachable) this.#attempts.reset();
    this.#isUnreachable = isUnreachable;
    const grownMs = this.#attempts.next();
    if (next === "list" && this.#hasListed) return this.#lists.next();
    return soon ? 0 : grownMs;
  }

  async #list(signal: AbortSignal): Promise<Outcome> {
    const listing = this.#cache.beginList();
    let token = "";
    try {
      do {
        const response = await this.#fetchPage(token, signal);
        if (response.status === 410 && token !== "") this.#unpaged = true;
        if (response.status !== 200) return { next: "list", ...refusalOf(response, "list") };
        const page = parsePage<T>(response.body);
        if (!page) return { next: "list", failure: "list: the answer is not a list" };
        this.#hasListed = true;
        listing.add(page.items, page.resourceVersion);
        token = page.continue;
      } while (token !== "");
    } catch (error: unknown) {
      return { next: "list", failure: `list: ${messageOf(error)}`, isUnreachable: true };
    }
    listing.end();
    this.#unpaged = false;
    this.#attempts.reset();
    this.#refusals = 0;
    this.#options.metrics?.informerLists.inc({ informer: this.name });
    this.#reportSynced();
    return { next: "watch" };
  }

  #fetchPage(token: string, signal: AbortSignal): Promise<TransportResponse> {
    const { clock, transport, path, pageSize = 500 } = this.#options;
    const query = this.#unpaged ? {} : { limit: String(pageSize), ...(token !== "" && { continue: token }) };
    return withTimeout(
      clock,
      pageLimitMs,
      signal,
      (limited) => transport.request({ method: "GET", path: withQuery(path, query) }, limited),
      () => new TransientError("Timeout", `no answer within ${pageLimitMs / 1_000} s`),
    );
  }

  #reportSynced(): void {
    if (this.#hasSynced) return;
    this.#hasSynced = true;
    this.#log.info("cache is filled", { objects: this.#cache.store.size });
    for (const resolve of this.#synced.splice(0)) resolve();
  }

  async #watch(signal: AbortSignal): Promise<Outcome> {
    const { clock, transport } = this.#options;
    const startedAt = clock.monotonic();
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    const watching = new Watching<T>(clock, (event) => this.#apply(event));
    let outcome: Outcome;
    try {
      const streaming = transport.stream(this.#watchRequest(), (raw) => watching.receive(raw), ended);
      outcome = toOutcome(await Promise.race([streaming, watching.verdict, watching.untilIdle(idleLimitMs, ended)]));
      this.#refusals += 1; // An answer; a connection that failed says nothing about the version.
    } catch (error: unknown) {
      const failure = `watch: ${messageOf(error)}`;
      outcome = isMalformed(error) ? { next: "list", failure } : { next: "watch", failure, isUnreachable: true };
    } finally {
      watching.close();
      stop.abort();
    }
    return this.#judge(outcome, clock.monotonic() - startedAt);
  }

  #watchRequest(): TransportRequest {
    const query = {
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: this.#cache.progress,
      // Spread over five minutes, so that the watches of all replicas do not end together.
      timeoutSeconds: String(290 + Math.floor(this.#options.random() * 301)),
    };
    return { method: "GET", path: withQuery(this.#options.path, query) };
  }

  /** A watch that ends at once, again and again, is a failure even when the server says that all is well. */
  #judge(outcome: Outcome, livedMs: number): Outcome {
    const healthy = livedMs >= healthyMs;
    if (healthy) {
      this.#attempts.reset();
      this.#lists.reset();
      this.#hasListed = false;
      this.#refusals = 0;
    }
    if (outcome.failure === undefined) {
      return healthy ? outcome : { next: "watch", failure: "watch: the server ended the stream at once" };
    }
    return outcome;
  }

  /** Returns how the watch must end because of this event, or undefined to go on. */
  #apply(event: WatchEvent<T>): Outcome | undefined {
    if (event.type === "malformed") return { next: "list", failure: `watch: ${event.problem}` };
    if (event.type === "error") {
      const gone = event.code === 410;
      return { next: gone ? "list" : "watch", failure: `watch: ${event.message}`, soon: gone };
    }
    this.#lastError = undefined;
    if (event.type === "bookmark") this.#cache.bookmark(event.resourceVersion);
    else if (event.type === "deleted") this.#cache.deleted(event.object);
    else this.#cache.changed(event.object);
    return undefined;
  }
}

/** Read afresh at every call: the compiler takes a flag that it has seen once for constant. */
function isStopped(signal: AbortSignal): boolean {
  return signal.aborted;
}

function messageOf(error: unknown): string {
  return redact(error instanceof Error ? error.message : String(error));
}

/** A line that is no JSON may have been an event: the cache can no longer be trusted to be complete. */
function isMalformed(error: unknown): boolean {
  return error instanceof SyntaxError || (error instanceof TransientError && error.reason.startsWith("Malformed"));
}

function toOutcome(ended: TransportResponse | Outcome): Outcome {
  if ("next" in ended) return ended;
  if (ended.status === 200) return { next: "watch" };
  const gone = ended.status === 410;
  return { next: gone ? "list" : "watch", soon: gone, ...refusalOf(ended, "watch") };
}

/** One open watch: passes events on until it is closed, and notices silence. */
class Watching<T extends KubeObject> {
  readonly #clock: Clock;
  readonly #apply: (event: WatchEvent<T>) => Outcome | undefined;
  readonly verdict: Promise<Outcome>;
  #decide!: (outcome: Outcome) => void;
  #closed = false;
  #lastActivity: number;

  constructor(clock: Clock, apply: (event: WatchEvent<T>) => Outcome | undefined) {
    this.#clock = clock;
    this.#apply = apply;
    this.#lastActivity = clock.monotonic();
    this.verdict = new Promise((resolve) => (this.#decide = resolve));
  }

  receive(raw: unknown): void {
    if (this.#closed) return; // A stream that was given up may still deliver; its successor delivers the same again.
    this.#lastActivity = this.#clock.monotonic();
    let outcome: Outcome | undefined;
    try {
      outcome = this.#apply(parseEvent<T>(raw));
    } catch (error: unknown) {
      outcome = { next: "list", failure: `watch: an event could not be stored: ${messageOf(error)}` };
    }
    if (!outcome) return;
    this.#closed = true;
    this.#decide(outcome);
  }

  close(): void {
    this.#closed = true;
  }

  /** Resolves when nothing came for `limitMs`. */
  async untilIdle(limitMs: number, signal: AbortSignal): Promise<Outcome> {
    let idleMs = 0;
    while (idleMs < limitMs) {
      await this.#clock.sleep(limitMs - idleMs, signal);
      idleMs = this.#clock.monotonic() - this.#lastActivity;
    }
    return { next: "watch", failure: `watch: nothing came for ${Math.round(idleMs / 1_000)} s`, soon: true };
  }
}
