/** Notices that one product of the cloud is down, and that it is back. */
import { TransientError } from "../runtime/errors.ts";
import type { Clock } from "../runtime/ports.ts";

/** Failures in a row, without any answer in between. */
const failuresToOpen = 5;
/** A hiccup of so many milliseconds is left to the repetitions of the calls themselves. */
const outageMs = 3_000;

/** Why a product counts as down. */
interface Outage {
  /** When the first of the failed calls was sent: wall clock, milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Code of the call that decided: `Timeout`, `NotSent`, `ServiceUnavailable` … */
  readonly code: string;
}

/** Counts only; who holds calls back is its owner (cloud/call-gate.ts). */
export class Breaker {
  readonly #clock: Clock;
  #failures = 0;
  #failingSinceMs = 0;
  #outage: Outage | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get outage(): Outage | undefined {
    return this.#outage;
  }

  /** The cloud answered, be it with a refusal. @returns true when that ended an outage */
  answered(): boolean {
    const wasDown = this.#outage !== undefined;
    this.#failures = 0;
    this.#outage = undefined;
    return wasDown;
  }

  /**
   * No answer, or one that says that the cloud is out of order.
   * @param isRecovering an outage ended a moment ago: a few failures are enough, whatever the time
   * @returns true when that began an outage
   */
  failed(code: string, sentAtMs: number, isRecovering: boolean): boolean {
    if (this.#outage !== undefined) return false;
    if (this.#failures === 0) this.#failingSinceMs = sentAtMs;
    this.#failures += 1;
    const hasLasted = isRecovering || this.#clock.now() - this.#failingSinceMs >= outageMs;
    if (this.#failures < failuresToOpen || !hasLasted) return false;
    this.#outage = { sinceMs: this.#failingSinceMs, code };
    return true;
  }
}

/**
 * The code of a failure that tells of an outage: no connection, no answer, HTML, or an error of the cloud's own. Undefined for
 * every refusal, throttling included: who refuses is there. A missing credential is not the cloud's fault.
 */
export function outageCodeOf(error: unknown): string | undefined {
  if (!(error instanceof TransientError) || error.cloud === undefined) return undefined;
  const { code, outcome } = error.cloud;
  return outcome === "unknown" || code === "NotSent" ? code : undefined;
}
