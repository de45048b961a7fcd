import PQueue from "p-queue";
import { isAbort } from "./errors.ts";
import type { Logger } from "./ports.ts";

interface Waiting {
  priority: number;
  /** Order of arrival within a priority. */
  order: number;
  readonly withdraw: AbortController;
}

/**
 * A limited number of places, for instance the 100 interfaces that may be in creation at once. A key asks, is granted a
 * place in order of priority (highest first) and arrival, and holds it until `release`.
 */
export class Places {
  readonly limit: number;
  readonly #queue: PQueue;
  readonly #log: Logger | undefined;
  readonly #waiting = new Map<string, Waiting>();
  /** Keys that hold a place → ends the holding. */
  readonly #holders = new Map<string, () => void>();
  readonly #listeners: ((key: string) => void)[] = [];
  #orders = 0;

  constructor(options: { readonly limit: number; readonly log?: Logger }) {
    this.limit = options.limit;
    this.#log = options.log;
    this.#queue = new PQueue({ concurrency: options.limit });
  }

  /** Places that are taken; at most `limit`. */
  get inUse(): number {
    return this.#holders.size;
  }

  /** Keys that wait for a place. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Asks for a place. The answer comes by `onGranted`, never within this call. Asking again changes nothing, except that
   * another priority moves a waiting key to the end of that priority.
   * @param priority higher is granted first
   */
  request(key: string, priority: number): void {
    if (this.#holders.has(key)) return;
    const known = this.#waiting.get(key);
    if (known) {
      if (known.priority === priority) return;
      this.#setPriority(key, known, priority);
      return;
    }
    const waiting = { priority, order: this.#orders++, withdraw: new AbortController() };
    this.#waiting.set(key, waiting);
    // A turn later: p-queue starts a task within `add`, and a grant within `request` would surprise every caller.
    void Promise.resolve().then(() => this.#enqueue(key, waiting));
  }

  holds(key: string): boolean {
    return this.#holders.has(key);
  }

  isWaiting(key: string): boolean {
    return this.#waiting.has(key);
  }

  /** How many waiting keys are served before this one, plus one; undefined when it does not wait. Costs O(waiting). */
  position(key: string): number | undefined {
    const own = this.#waiting.get(key);
    if (!own) return undefined;
    let position = 1;
    for (const other of this.#waiting.values()) {
      const before = other.priority > own.priority || (other.priority === own.priority && other.order < own.order);
      if (before) position += 1;
    }
    return position;
  }

  /** Gives the place back, or withdraws the request. Nothing happens for a key that has neither. */
  release(key: string): void {
    const waiting = this.#waiting.get(key);
    if (waiting) {
      this.#waiting.delete(key);
      waiting.withdraw.abort();
      return;
    }
    const end = this.#holders.get(key);
    this.#holders.delete(key);
    end?.();
  }

  /** `listener` is called when a key gets its place; `holds(key)` is true by then. */
  onGranted(listener: (key: string) => void): void {
    this.#listeners.push(listener);
  }

  #enqueue(key: string, waiting: Waiting): void {
    if (waiting.withdraw.signal.aborted) return;
    this.#queue
      .add(() => this.#hold(key, waiting), { priority: waiting.priority, signal: waiting.withdraw.signal })
      .catch((error: unknown) => {
        if (!isAbort(error)) this.#log?.error("a place was lost", { key, error });
      });
  }

  /** Runs inside p-queue for as long as the place is held. */
  #hold(key: string, waiting: Waiting): Promise<void> {
    if (this.#waiting.get(key) !== waiting) return Promise.resolve();
    this.#waiting.delete(key);
    const held = new Promise<void>((resolve) => this.#holders.set(key, resolve));
    for (const listener of this.#listeners) {
      try {
        listener(key);
      } catch (error: unknown) {
        this.#log?.error("listener of a place failed", { key, error });
      }
    }
    return held;
  }

  #setPriority(key: string, known: Waiting, priority: number): void {
    this.#waiting.delete(key);
    known.withdraw.abort();
    this.request(key, priority);
  }
}
