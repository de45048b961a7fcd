import type { Clock } from "../runtime/ports.ts";

/**
 * Client-side limit of requests: `burst` at once, then `perSecond`. First come, first served, because every caller takes
 * its token at the call and waits for the moment at which the bucket would have held it.
 */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  /** Below zero: so many callers wait. */
  #tokens: number;
  #filledAtMs: number;

  constructor(perSecond: number, burst: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, burst);
    this.#clock = clock;
    this.#tokens = this.#burst;
    this.#filledAtMs = clock.monotonic();
  }

  /**
   * Resolves when the request may go, to the milliseconds waited.
   * @throws AbortError when `signal` aborts first; the token goes back
   */
  async take(signal: AbortSignal): Promise<number> {
    const nowMs = this.#clock.monotonic();
    const refill = ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + refill) - 1;
    this.#filledAtMs = nowMs;
    if (this.#tokens >= 0) return 0;
    const waitMs = (-this.#tokens / this.#perSecond) * 1000;
    try {
      await this.#clock.sleep(waitMs, signal);
    } catch (error: unknown) {
      this.#tokens += 1;
      throw error;
    }
    return waitMs;
  }
}
