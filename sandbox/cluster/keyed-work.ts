/** Runs one function per key: never twice at once for a key, again when the key was added meanwhile, later on failure. */
import { isAbort } from "../../runtime/errors.ts";
import type { Clock, Logger, Random } from "../../runtime/ports.ts";
import { isStale } from "./api.ts";

export interface KeyedWorkOptions {
  /** For log lines. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Keys worked on at the same time. */
  readonly concurrency: number;
  /** Returns milliseconds after which to come back, or undefined to wait for the next `add`. */
  readonly work: (key: string) => Promise<number | undefined>;
}

/** Back-off of a failing key: doubles from the first to the last figure, milliseconds. */
const firstRetryMs = 100;
const lastRetryMs = 10_000;

export class KeyedWork {
  readonly #options: KeyedWorkOptions;
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();
  /** When the earliest timer of a key is due, milliseconds on the monotonic clock. */
  readonly #due = new Map<string, number>();

  constructor(options: KeyedWorkOptions) {
    this.#options = options;
  }

  /** Asks for `key` to be worked on. Duplicates fold into one. */
  add(key: string): void {
    this.#waiting.add(key);
    this.#start();
  }

  /** Like `add` after `ms` milliseconds on the clock; an earlier timer of the key makes it superfluous. */
  addAfter(key: string, ms: number): void {
    const { clock, signal } = this.#options;
    const dueMs = clock.monotonic() + ms;
    if ((this.#due.get(key) ?? Infinity) <= dueMs) return;
    this.#due.set(key, dueMs);
    clock.sleep(ms, signal).then(
      () => {
        if (this.#due.get(key) !== dueMs) return;
        this.#due.delete(key);
        this.add(key);
      },
      () => undefined,
    );
  }

  /** Resolves when nothing runs any more; with the signal aborted nothing new starts. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  #start(): void {
    for (const key of this.#waiting) {
      if (this.#options.signal.aborted || this.#running.size >= this.#options.concurrency) return;
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#running.set(key, this.#run(key));
    }
  }

  async #run(key: string): Promise<void> {
    // Lets a burst of changes of one moment settle into one run.
    await Promise.resolve();
    try {
      const againMs = await this.#options.work(key);
      this.#failures.delete(key);
      if (againMs !== undefined) this.addAfter(key, againMs);
    } catch (error) {
      if (!isAbort(error)) this.#retry(key, error);
    } finally {
      this.#running.delete(key);
      this.#start();
    }
  }

  #retry(key: string, error: unknown): void {
    const { name, random, log } = this.#options;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const delayMs = Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 10)) * (0.5 + random() / 2);
    if (isStale(error)) log.debug(`${name}: stale read, trying again`, { key, error: String(error) });
    else log.warn(`${name}: failed, trying again`, { key, error: String(error), delayMs: Math.round(delayMs) });
    this.addAfter(key, delayMs);
  }
}
