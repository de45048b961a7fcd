import type { Clock } from "./ports.ts";

/** The most by which it runs faster or slower than time passes: a clock that is five minutes off is followed within the hour. */
const mostSlew = 0.1;

/**
 * The wall clock without its jumps: it never goes back, and follows a wall clock that was set by running up to a tenth faster or
 * slower. What is compared or waited for within this process goes by it: a wait of seconds must not become one of minutes, and
 * an old look at the cloud not a new one, because somebody set the clock.
 */
export class SlewedClock implements Clock {
  readonly #clock: Clock;
  #nowMs: number;
  #atMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#nowMs = clock.now();
    this.#atMs = clock.monotonic();
  }

  now(): number {
    const monotonicMs = this.#clock.monotonic();
    const passedMs = Math.max(0, monotonicMs - this.#atMs);
    const missingMs = this.#clock.now() - (this.#nowMs + passedMs);
    const slewMs = Math.max(-passedMs * mostSlew, Math.min(passedMs * mostSlew, missingMs));
    this.#nowMs += passedMs + slewMs;
    this.#atMs = monotonicMs;
    // Whole milliseconds: a timer for a part of one fires at once, and would be set again and again.
    return Math.floor(this.#nowMs);
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#clock.sleep(ms, signal);
  }
}
