import { DelayHeap } from "./delay-heap.ts";
import { PriorityFifo } from "./priority-fifo.ts";
import type { Clock, Random } from "./ports.ts";

/** Hooks by which a queue reports itself; durations in seconds. */
export interface WorkQueueMetrics {
  depth(keys: number): void;
  added(): void;
  retried(): void;
  /** A worker took a key that had waited so long. */
  started(seconds: number): void;
  /** The work on a key took so long. */
  finished(seconds: number): void;
}

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** @default Math.random */
  readonly random?: Random;
  /** First delay of `addRateLimited`, milliseconds. @default 1_000 */
  readonly baseDelayMs?: number;
  /** Longest delay of `addRateLimited`, milliseconds. @default 300_000 (5 min) */
  readonly maxDelayMs?: number;
  readonly metrics?: WorkQueueMetrics;
}

export interface AddOptions {
  /** Higher is served first; equal ones in order of arrival. @default 0 */
  readonly priority?: number;
}

/**
 * Keys to work on, with the semantics of client-go's work queue:
 *
 * - a key that waits already is not added a second time (a higher priority moves it forward);
 * - a key that is being worked on is never given to a second worker: added meanwhile, it waits for `done`;
 * - delayed keys become ready at their time, at the earliest of several;
 * - `addRateLimited` delays by a time that doubles with every call for the key until `forget`.
 *
 * A worker loops: `key = await get()`, ends on undefined, works, and calls `done(key)` whatever happened.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #metrics: WorkQueueMetrics | undefined;

  /** Ready keys, in order of service. None of them is in `#processing`. */
  readonly #ready = new PriorityFifo();
  /** Keys that need work → priority. Those not in `#ready` are being worked on now and come back at `done`. */
  readonly #dirty = new Map<string, number>();
  /** Keys in the hands of workers → monotonic start. */
  readonly #processing = new Map<string, number>();
  readonly #addedAt = new Map<string, number>();
  readonly #delayed = new DelayHeap();
  readonly #failures = new Map<string, number>();
  readonly #getters: ((key: string | undefined) => void)[] = [];
  readonly #drained: (() => void)[] = [];
  #shuttingDown = false;
  #isDispatching = false;
  #timer: { readonly dueAt: number; readonly cancel: AbortController } | undefined;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#random = options.random ?? Math.random;
    this.#baseDelayMs = options.baseDelayMs ?? 1_000;
    this.#maxDelayMs = options.maxDelayMs ?? 300_000;
    this.#metrics = options.metrics;
  }

  /** Keys that wait for a worker; neither delayed ones nor those being worked on. */
  get length(): number {
    return this.#ready.size;
  }

  get isShuttingDown(): boolean {
    return this.#shuttingDown;
  }

  /** Keys that wait for their time. */
  get delayedLength(): number {
    return this.#delayed.size;
  }

  /** Makes a key ready now. */
  add(key: string, options: AddOptions = {}): void {
    if (this.#shuttingDown) return;
    const priority = options.priority ?? 0;
    const waiting = this.#dirty.get(key);
    if (waiting === undefined) {
      this.#dirty.set(key, priority);
      this.#addedAt.set(key, this.#clock.monotonic());
      this.#metrics?.added();
      if (!this.#processing.has(key)) this.#makeReady(key, priority);
    } else if (priority > waiting) {
      this.#dirty.set(key, priority);
      if (!this.#processing.has(key)) this.#ready.push(key, priority);
    }
  }

  /** Makes a key ready in `ms` milliseconds, or earlier if it was promised earlier. */
  addAfter(key: string, ms: number, options: AddOptions = {}): void {
    if (this.#shuttingDown) return;
    if (!(ms > 0)) {
      this.add(key, options);
      return;
    }
    this.#delayed.push(key, this.#clock.monotonic() + ms, options.priority ?? 0);
    this.#armTimer();
  }

  /** Adds after a delay with full jitter that doubles with each call until `forget`. Returns the milliseconds. */
  addRateLimited(key: string, options: AddOptions = {}): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const ceiling = Math.min(this.#maxDelayMs, this.#baseDelayMs * 2 ** Math.min(failures, 40));
    // Full jitter over (0, ceiling], with a floor, so that a series of lucky draws is no hot loop.
    const ms = Math.max(ceiling * this.#random(), Math.min(this.#baseDelayMs, ceiling) / 10);
    this.#metrics?.retried();
    this.addAfter(key, ms, options);
    return ms;
  }

  /** Ends the growth of the key's delay, after success. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** Calls of `addRateLimited` since `forget`. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next key, when there is one; undefined once the queue is shut down and empty. */
  get(): Promise<string | undefined> {
    const key = this.#ready.shift();
    if (key !== undefined) {
      this.#start(key);
      return Promise.resolve(key);
    }
    if (this.#shuttingDown) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#getters.push(resolve));
  }

  /** Ends the work on a key. If it was added meanwhile, it is ready again. */
  done(key: string): void {
    const startedAt = this.#processing.get(key);
    if (startedAt === undefined) return;
    this.#processing.delete(key);
    this.#metrics?.finished((this.#clock.monotonic() - startedAt) / 1_000);
    const priority = this.#dirty.get(key);
    if (priority !== undefined) this.#makeReady(key, priority);
    this.#reportDrained();
  }

  /** Takes no more keys and drops delayed ones. What is ready is still served; then `get` answers undefined. */
  shutDown(): void {
    this.#shuttingDown = true;
    this.#dispatch();
    this.#delayed.clear();
    this.#timer?.cancel.abort();
    this.#timer = undefined;
    for (const resolve of this.#getters.splice(0)) resolve(undefined);
    this.#reportDrained();
  }

  /** Shuts down and resolves when every ready and unfinished key is done. */
  shutDownWithDrain(): Promise<void> {
    const drained = new Promise<void>((resolve) => this.#drained.push(resolve));
    this.shutDown();
    return drained;
  }

  /** Shuts down and forgets the keys that no worker has taken. Their objects are found again by the next process. */
  shutDownNow(): void {
    this.#ready.clear();
    this.#dirty.clear();
    this.#addedAt.clear();
    this.#metrics?.depth(0);
    this.shutDown();
  }

  /** Seconds of the work in progress: the sum and the longest, for the metrics. */
  inProgress(): { readonly unfinishedSeconds: number; readonly longestRunningSeconds: number } {
    const now = this.#clock.monotonic();
    const seconds = [...this.#processing.values()].map((startedAt) => (now - startedAt) / 1_000);
    return {
      unfinishedSeconds: seconds.reduce((sum, value) => sum + value, 0),
      longestRunningSeconds: seconds.reduce((longest, value) => Math.max(longest, value), 0),
    };
  }

  #makeReady(key: string, priority: number): void {
    this.#ready.push(key, priority);
    this.#metrics?.depth(this.#ready.size);
    if (this.#getters.length === 0 || this.#isDispatching) return;
    // A turn later, so that a burst of events about one object in one turn is one piece of work.
    this.#isDispatching = true;
    void Promise.resolve().then(() => this.#dispatch());
  }

  /** Gives ready keys to waiting workers. */
  #dispatch(): void {
    this.#isDispatching = false;
    while (this.#getters.length > 0) {
      const key = this.#ready.shift();
      if (key === undefined) return;
      this.#start(key);
      this.#getters.shift()?.(key);
    }
  }

  #start(key: string): void {
    const now = this.#clock.monotonic();
    const addedAt = this.#addedAt.get(key) ?? now;
    this.#addedAt.delete(key);
    this.#dirty.delete(key);
    this.#processing.set(key, now);
    this.#metrics?.started((now - addedAt) / 1_000);
    this.#metrics?.depth(this.#ready.size);
  }

  #reportDrained(): void {
    if (!this.#shuttingDown || this.#ready.size > 0 || this.#processing.size > 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** One timer serves all delayed keys: it is set for the earliest and replaced when an earlier one comes. */
  #armTimer(): void {
    const dueAt = this.#delayed.nextDueAt();
    if (dueAt === undefined || (this.#timer && this.#timer.dueAt <= dueAt)) return;
    this.#timer?.cancel.abort();
    const timer = { dueAt, cancel: new AbortController() };
    this.#timer = timer;
    void this.#clock.sleep(Math.max(0, dueAt - this.#clock.monotonic()), timer.cancel.signal).then(
      () => {
        if (this.#timer === timer) this.#releaseDue();
      },
      () => undefined, // Aborted: another timer took over, or the queue is shut down.
    );
  }

  #releaseDue(): void {
    this.#timer = undefined;
    // Timers may fire a fraction of a millisecond early; a key that is due within it must not cost another round.
    const now = this.#clock.monotonic() + 1;
    for (let due = this.#delayed.shiftDue(now); due; due = this.#delayed.shiftDue(now)) {
      this.add(due.key, { priority: due.priority });
    }
    this.#armTimer();
  }
}
