import type { Clock } from "../../runtime/ports.ts";
import type { KubeJson, StoredObject } from "./kube-json.ts";
import { apiVersionOf, presentAs } from "./kinds.ts";
import { parseScope, parseVersion, selectNow, type Scope } from "./reader.ts";
import type { ApiRequest, ResourceRoute, WatchAnswer } from "./request.ts";
import { badRequest, expired, tooLargeResourceVersion, type ApiError } from "./status.ts";
import type { Store } from "./store.ts";
import type { LoggedEvent, WatchLog } from "./watch-log.ts";

/** One line of a watch. */
export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: KubeJson;
}

/** How often a quiet watch with bookmarks gets one. Source: kube-apiserver's bookmarkFrequency. */
const bookmarkEveryMs = 60_000;
/** A last bookmark comes this long before the end. Source: the watch cache of kube-apiserver (2 s). */
const lastBookmarkBeforeEndMs = 2_000;
/** Without timeoutSeconds a watch ends after this and up to twice as long. Source: --min-request-timeout. */
const minTimeoutMs = 1_800_000;
const batchSize = 500;

interface WatchOptions {
  readonly scope: Scope;
  /** Position in the log to start from; undefined when that version is gone. */
  readonly start: number | undefined;
  readonly version: number;
  readonly initial: readonly StoredObject[];
  readonly bookmarks: boolean;
  /** Ends the initial events with a bookmark that says so. */
  readonly marksInitialEnd: boolean;
  readonly timeoutMs: number;
}

type Emit = (event: WatchEvent) => void | Promise<void>;

/** Grants watches. */
export class Watcher {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: () => number;

  constructor(deps: { store: Store; clock: Clock; random: () => number }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#random = deps.random;
  }

  /**
   * Fixes the state that the watch begins with now, so nothing is lost until it runs. A version that is too old is told
   * as an ERROR event in a stream of status 200, as kube-apiserver does.
   *
   * @throws ApiError 400 or 422 for options that cannot be
   */
  open(request: ApiRequest, route: ResourceRoute): WatchAnswer {
    const options = this.#parse(request, route);
    return {
      run: (emit, signal) => new WatchRun(this.#store, this.#clock, options).run(emit, signal),
    };
  }

  #parse(request: ApiRequest, route: ResourceRoute): WatchOptions {
    const { query } = request;
    const scope = parseScope(request, route);
    const table = this.#store.table(scope.kind.storage);
    const given = query.get("resourceVersion") ?? "";
    const version = parseVersion(given);
    const bookmarks = query.get("allowWatchBookmarks") === "true" || query.get("allowWatchBookmarks") === "1";
    const sendInitial = parseSendInitialEvents(request);
    const wantsInitial = sendInitial ?? version === 0;
    const fromNow = version === 0 || sendInitial === true;
    return {
      scope,
      start: fromNow ? table.log.end : table.log.positionAfter(version),
      version,
      initial: wantsInitial ? selectNow(table, scope) : [],
      bookmarks,
      marksInitialEnd: sendInitial === true && bookmarks,
      timeoutMs: this.#timeoutOf(query.get("timeoutSeconds")),
    };
  }

  #timeoutOf(seconds: string | null): number {
    if (seconds === null || seconds === "" || seconds === "0") return minTimeoutMs * (1 + this.#random());
    const given = Number(seconds);
    if (!Number.isFinite(given) || given < 0) throw badRequest(`invalid timeoutSeconds: ${seconds}`);
    return given * 1_000;
  }
}

function parseSendInitialEvents(request: ApiRequest): boolean | undefined {
  const given = request.query.get("sendInitialEvents");
  return given === null ? undefined : given === "true" || given === "1";
}

/** One watch from its first to its last event. */
class WatchRun {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #options: WatchOptions;
  readonly #log: WatchLog;
  #wake: () => void = () => undefined;
  #isBookmarkDue = false;
  #isOver = false;

  constructor(store: Store, clock: Clock, options: WatchOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#options = options;
    this.#log = store.table(options.scope.kind.storage).log;
  }

  async run(emit: Emit, signal: AbortSignal): Promise<void> {
    const { start, version, initial } = this.#options;
    const refusal = this.#refusal(start, version);
    if (refusal !== undefined || start === undefined) {
      if (refusal !== undefined) await emit({ type: "ERROR", object: refusal.status });
      return;
    }
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    const unsubscribe = this.#log.subscribe(() => {
      this.#wake();
    });
    stop.addEventListener("abort", () => {
      this.#finish();
    });
    if (signal.aborted) this.#finish();
    this.#keepTime(stop);
    try {
      for (const object of initial) await emit({ type: "ADDED", object });
      if (this.#options.marksInitialEnd) await emit(this.#bookmark({ "k8s.io/initial-events-end": "true" }));
      await this.#follow(start, emit);
    } finally {
      unsubscribe();
      over.abort();
    }
  }

  #refusal(start: number | undefined, version: number): ApiError | undefined {
    if (start === undefined) return expired(`too old resource version: ${version} (${this.#store.revision})`);
    return version > this.#store.revision ? tooLargeResourceVersion(version, this.#store.revision) : undefined;
  }

  #finish(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Marks bookmarks as due, and the end. */
  #keepTime(stop: AbortSignal): void {
    const { bookmarks, timeoutMs } = this.#options;
    const wait = async () => {
      await this.#clock.sleep(timeoutMs, stop);
      this.#finish();
    };
    const mark = async () => {
      let elapsedMs = 0;
      while (elapsedMs < timeoutMs) {
        const lastMs = timeoutMs - lastBookmarkBeforeEndMs;
        const nextMs = elapsedMs < lastMs ? Math.min(elapsedMs + bookmarkEveryMs, lastMs) : timeoutMs;
        await this.#clock.sleep(nextMs - elapsedMs, stop);
        elapsedMs = nextMs;
        this.#isBookmarkDue = true;
        this.#wake();
      }
    };
    // Both end by rejection when the watch is over first.
    wait().catch(() => undefined);
    if (bookmarks) mark().catch(() => undefined);
  }

  async #follow(start: number, emit: Emit): Promise<void> {
    let position = start;
    while (!this.#isOver) {
      const events = this.#log.read(position, batchSize);
      if (events === undefined) return; // Too slow: the log has moved on. The client starts again and learns of 410.
      position += events.length;
      for (const logged of events) {
        const event = inScope(this.#options.scope, logged);
        const slow = event === undefined ? undefined : emit(event);
        if (slow !== undefined) await slow;
      }
      if (events.length > 0) continue;
      if (this.#isBookmarkDue) {
        this.#isBookmarkDue = false;
        await emit(this.#bookmark());
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Safe at the newest version: everything up to it was emitted. */
  #bookmark(annotations?: Record<string, string>): WatchEvent {
    const { kind } = this.#options.scope;
    const metadata = {
      resourceVersion: this.#store.revision.toString(),
      ...(annotations === undefined ? {} : { annotations }),
    };
    return {
      type: "BOOKMARK",
      object: { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata },
    };
  }
}

/** What a change means to a watch with a selection: an object may enter or leave it. */
export function inScope(scope: Scope, logged: LoggedEvent): WatchEvent | undefined {
  const { kind, namespace, selection } = scope;
  if (namespace !== "" && logged.object.metadata.namespace !== namespace) return undefined;
  const { type, previous } = logged;
  const object = presentAs(kind, logged.object);
  if (selection === undefined) return { type, object };
  const was = previous !== undefined && selection(previous);
  const is = type !== "DELETED" && selection(logged.object);
  if (is) return { type: was ? "MODIFIED" : "ADDED", object };
  if (!was) return undefined;
  // An object that leaves the selection is shown as it last was in it, at the version at which it left.
  const last = { ...previous, metadata: { ...previous.metadata, resourceVersion: logged.revision.toString() } };
  return { type: "DELETED", object: presentAs(kind, last) };
}
