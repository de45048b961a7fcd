import type { Random } from "./ports.ts";

/**
 * Growing delay between attempts: uniform between `minMs` and `min(maxMs, 2·minMs·2^n)`, where n counts the attempts since
 * the last `reset`. Full jitter spreads clients that failed together; the floor keeps a lucky draw from becoming a loop.
 */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #random: Random;
  #attempts = 0;

  constructor(options: { readonly minMs: number; readonly maxMs: number; readonly random: Random }) {
    this.#minMs = options.minMs;
    this.#maxMs = options.maxMs;
    this.#random = options.random;
  }

  /** Attempts since the last success. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Milliseconds to wait before the next attempt; the one after waits longer. */
  next(): number {
    const ceiling = Math.min(this.#maxMs, this.#minMs * 2 ** Math.min(this.#attempts + 1, 40));
    this.#attempts += 1;
    return this.#minMs + this.#random() * Math.max(0, ceiling - this.#minMs);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
