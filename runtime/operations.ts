import { abortError } from "./clock.ts";
import type { Clock, Logger } from "./ports.ts";

/** Where an operation stands. Settled states stay until `clear` or the next `start` of the key. */
export type OperationState<R> =
  | {
      readonly status: "running";
      /** Wall clock, milliseconds since the epoch. */
      readonly startedAtMs: number;
    }
  | { readonly status: "done"; readonly result: R }
  | {
      readonly status: "failed";
      readonly error: unknown;
      /** Wall clock, milliseconds since the epoch. */
      readonly failedAtMs: number;
    };

/** How long `stop` lets running operations finish: a cloud call that is cut off has an unknown effect. */
const defaultStopLimitMs = 10_000;

/**
 * Runs slow work (cloud calls) outside the workers of a controller, one at a time per key. A reconcile starts the work and
 * returns; when the work settles, listeners get its wake key, the object is reconciled again and finds the outcome here.
 * The memory is a cache: losing it costs a look at the cloud, never correctness.
 */
export class Operations<R> {
  readonly #clock: Clock;
  readonly #log: Logger | undefined;
  readonly #states = new Map<string, OperationState<R>>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #listeners: ((wakeKey: string) => void)[] = [];
  readonly #abort = new AbortController();
  #stopped = false;

  constructor(options: { readonly clock: Clock; readonly log?: Logger }) {
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Operations that run now. */
  get running(): number {
    return this.#running.size;
  }

  /**
   * Starts `work` unless one of that key runs. An earlier outcome of the key is replaced. `work` may throw or reject; the
   * error becomes the state.
   * @param wakeKey given to the listeners when the work settles
   * @returns false when one of that key runs already, or after `stop`
   */
  start(key: string, wakeKey: string, work: (signal: AbortSignal) => Promise<R>): boolean {
    if (this.#stopped || this.#running.has(key)) return false;
    this.#states.set(key, { status: "running", startedAtMs: this.#clock.now() });
    this.#running.set(key, this.#run(key, wakeKey, work));
    return true;
  }

  state(key: string): OperationState<R> | undefined {
    return this.#states.get(key);
  }

  /** Forgets a settled outcome. A running operation is not touched. */
  clear(key: string): void {
    if (!this.#running.has(key)) this.#states.delete(key);
  }

  /** `listener` is called after the state of a settled operation can be read. */
  onSettled(listener: (wakeKey: string) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Starts nothing more and waits for what runs. After `limitMs` the rest gets an aborted signal and is not waited for.
   * Never rejects.
   */
  async stop(limitMs: number = defaultStopLimitMs): Promise<void> {
    this.#stopped = true;
    if (this.#running.size > 0) {
      const finished = new AbortController();
      const limit = this.#clock.sleep(limitMs, finished.signal).catch(() => undefined);
      await Promise.race([Promise.all(this.#running.values()), limit]);
      finished.abort();
    }
    if (this.#running.size > 0) this.#log?.warn("operations were cut off", { running: this.#running.size });
    this.#abort.abort(abortError());
  }

  async #run(key: string, wakeKey: string, work: (signal: AbortSignal) => Promise<R>): Promise<void> {
    // Never within the caller's turn: a listener that runs before `start` has returned would surprise every caller.
    await Promise.resolve();
    let state: OperationState<R>;
    try {
      state = { status: "done", result: await work(this.#abort.signal) };
    } catch (error: unknown) {
      state = { status: "failed", error, failedAtMs: this.#clock.now() };
    }
    this.#states.set(key, state);
    this.#running.delete(key);
    for (const listener of this.#listeners) {
      try {
        listener(wakeKey);
      } catch (error: unknown) {
        this.#log?.error("listener of an operation failed", { key: wakeKey, error });
      }
    }
  }
}
