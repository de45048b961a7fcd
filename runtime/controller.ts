import type { OperatorError } from "./errors.ts";
import type { Metrics } from "./metrics.ts";
import type { Clock, Logger, Random } from "./ports.ts";
import { keyOf, requestOf } from "./reconcile.ts";
import type { Reconciler, Request, Result } from "./reconcile.ts";
import { verdictOf } from "./verdict.ts";
import { WorkQueue } from "./work-queue.ts";

/** A reconcile has no wait of its own, so one that lasts this long points at a call that hangs. Logged, not cut. */
const slowReconcileMs = 30_000;
const slowCheckMs = 5_000;

export interface ControllerOptions {
  /** Registered name (`pod-eni`): label of the metrics and field `controller` of the log. */
  readonly name: string;
  readonly reconciler: Reconciler;
  /** Reconciles that may run at the same time; never two of one key. */
  readonly workers: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: Metrics;
  /** Jitter of the delays after failures. @default Math.random */
  readonly random?: Random;
  readonly queue?: {
    /** First delay after a failure, milliseconds. @default 1_000 */
    readonly baseDelayMs?: number;
    /** Longest delay after failures, milliseconds. @default 300_000 */
    readonly maxDelayMs?: number;
  };
}

export interface EnqueueOptions {
  /** Milliseconds from now; absent means at once. */
  readonly afterMs?: number;
  /** Higher is served first. @default 0 */
  readonly priority?: number;
}

/**
 * Brings keys to their desired state with a number of workers. `enqueue` may be called before `start`: keys wait. One
 * reconcile that fails, throws synchronously or rejects with anything at all delays only its own key (see verdict.ts).
 */
export class Controller {
  readonly name: string;
  readonly #options: ControllerOptions;
  readonly #log: Logger;
  readonly #queue: WorkQueue;
  /** Failed reconciles in a row, by key. */
  readonly #failures = new Map<string, number>();
  readonly #label: { readonly controller: string };
  /** Keys that are being reconciled, and since when on the monotonic clock. */
  readonly #running = new Map<string, number>();
  /** Those of them that were reported as slow. */
  readonly #reported = new Set<string>();
  #active = 0;

  constructor(options: ControllerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = options.log.child({ controller: options.name });
    this.#label = { controller: options.name };
    const metrics = options.metrics?.queue(options.name, {
      unfinishedSeconds: () => this.#queue.inProgress().unfinishedSeconds,
      longestRunningSeconds: () => this.#queue.inProgress().longestRunningSeconds,
    });
    this.#queue = new WorkQueue({
      clock: options.clock,
      ...(options.random && { random: options.random }),
      ...options.queue,
      ...(metrics && { metrics }),
    });
  }

  /** Keys that wait for a worker. */
  get queueLength(): number {
    return this.#queue.length;
  }

  /** Reconciles that run now. */
  get active(): number {
    return this.#active;
  }

  /** Asks for a reconcile of one object, given as key (see `keyOf`) or request. Repetitions are merged. */
  enqueue(target: string | Request, options: EnqueueOptions = {}): void {
    const key = typeof target === "string" ? target : keyOf(target);
    const priority = options.priority ?? 0;
    if (options.afterMs === undefined) this.#queue.add(key, { priority });
    else this.#queue.addAfter(key, options.afterMs, { priority });
  }

  /**
   * Works until `signal` aborts; then takes no more keys, passes the abort to the running reconciles and resolves when the
   * last of them has ended. Never rejects. A controller starts once.
   */
  async start(signal: AbortSignal): Promise<void> {
    const { workers, metrics } = this.#options;
    metrics?.maxConcurrentReconciles.set(this.#label, workers);
    const stop = () => this.#queue.shutDownNow();
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    this.#log.info("controller started", { workers });
    this.#watchSlow(signal).catch(() => undefined); // It ends with the signal.
    await Promise.all(Array.from({ length: Math.max(1, workers) }, () => this.#work(signal)));
    signal.removeEventListener("abort", stop);
    this.#log.info("controller stopped");
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (let key = await this.#queue.get(); key !== undefined; key = await this.#queue.get()) {
      this.#active += 1;
      this.#options.metrics?.activeWorkers.set(this.#label, this.#active);
      try {
        await this.#reconcile(key, signal);
      } catch (error: unknown) {
        // Only our own bookkeeping can get here; the worker must survive it and the key must not be lost.
        this.#log.error("bookkeeping of a reconcile failed", { key, error });
        this.#queue.addRateLimited(key);
      } finally {
        this.#active -= 1;
        this.#options.metrics?.activeWorkers.set(this.#label, this.#active);
        this.#queue.done(key);
      }
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<void> {
    const { clock, metrics, reconciler } = this.#options;
    const request = requestOf(key);
    const startedAt = clock.monotonic();
    this.#running.set(key, startedAt);
    try {
      this.#succeed(key, await reconciler.reconcile(request, signal));
    } catch (error: unknown) {
      this.#fail(key, request, error, signal);
    } finally {
      this.#running.delete(key);
      this.#reported.delete(key);
      metrics?.reconcileTime.observe(this.#label, (clock.monotonic() - startedAt) / 1_000);
    }
  }

  #succeed(key: string, result: Result): void {
    this.#failures.delete(key);
    this.#queue.forget(key);
    const { requeueAfterMs } = result;
    if (requeueAfterMs !== undefined) this.#queue.addAfter(key, requeueAfterMs);
    const label = requeueAfterMs === undefined ? "success" : "requeue_after";
    this.#options.metrics?.reconcileTotal.inc({ ...this.#label, result: label });
  }

  #fail(key: string, request: Request, error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return; // The process stops: whatever the reconcile says, its key has no successor here.
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const verdict = verdictOf(error, failures);
    const retryAfterMs = this.#retry(key, verdict.retry);
    this.#count(verdict.category, verdict.countsAsFailure);
    this.#log[verdict.logLevel]("reconcile failed", {
      ...request,
      category: verdict.category,
      failures: failures + 1,
      retryAfterMs: Math.round(retryAfterMs),
      error,
    });
  }

  #retry(key: string, retry: ReturnType<typeof verdictOf>["retry"]): number {
    if (retry.type === "backoff") return this.#queue.addRateLimited(key);
    this.#queue.addAfter(key, retry.ms);
    return retry.ms;
  }

  #count(category: OperatorError["category"] | "aborted", countsAsFailure: boolean): void {
    const { metrics } = this.#options;
    metrics?.reconcileTotal.inc({ ...this.#label, result: countsAsFailure ? "error" : "requeue_after" });
    if (countsAsFailure) metrics?.reconcileErrors.inc(this.#label);
    if (category === "terminal") metrics?.reconcileTerminalErrors.inc(this.#label);
    if (category === "invariant") metrics?.reconcilePanics.inc(this.#label);
  }

  /** Names each reconcile once that takes too long, while it does. One timer for all: reconciles are many and short. */
  async #watchSlow(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      await clock.sleep(slowCheckMs, signal);
      const now = clock.monotonic();
      for (const [key, startedAt] of this.#running) {
        if (now - startedAt < slowReconcileMs || this.#reported.has(key)) continue;
        this.#reported.add(key);
        this.#log.warn("reconcile is slow", { ...requestOf(key), durationMs: Math.round(now - startedAt) });
      }
    }
  }
}
