import type { Clock } from "./ports.ts";

/** Why somebody must not try now what others failed at a moment ago. */
export interface Hold {
  readonly reason: string;
  readonly message: string;
  /** Nobody tries at the moment and it is time: whoever claims it may. */
  readonly isDue: boolean;
  /** Milliseconds until it is due; 0 when it is. */
  readonly retryAfterMs: number;
}

interface Cause {
  readonly reason: string;
  readonly message: string;
  nextProbeAtMs: number;
  /** The key that may try. */
  prober?: string;
  /** Kinds of request that were tried since the cause is known. */
  readonly tried: Set<string>;
}

/** Three times a minute, so that a mended cause is noticed soon and a lasting one costs little. */
export const probeEveryMs = 20_000;

/** A cause that nobody asked about for so long has ended with those whom it stopped. */
const forgottenAfterMs = 600_000;

/**
 * What stops many at once and needs a person (a missing permission, a wrong key, a security group that is gone) is tried
 * by one of them at a time, every 20 s; the others wait and are told when it is over. A memory: losing it costs a call each.
 *
 * A cause has a scope. Within it there may be different kinds of request; each is tried once as soon as it comes, because
 * what is denied to one may be allowed to another.
 */
export class SharedCauses {
  readonly #clock: Pick<Clock, "now">;
  readonly #causes = new Map<string, Cause>();
  readonly #listeners: (() => void)[] = [];

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** A try failed for this cause. */
  failed(scope: string, kind: string, cause: { readonly reason: string; readonly message: string }): void {
    const nowMs = this.#clock.now();
    for (const [name, { nextProbeAtMs }] of this.#causes) {
      if (nowMs - nextProbeAtMs > forgottenAfterMs) this.#causes.delete(name);
    }
    const tried = (this.#causes.get(scope)?.tried ?? new Set()).add(kind);
    const { reason, message } = cause;
    this.#causes.set(scope, { reason, message, nextProbeAtMs: nowMs + probeEveryMs, tried });
  }

  /** A try went well. The listeners are told if the scope was held. */
  succeeded(scope: string): void {
    if (!this.#causes.delete(scope)) return;
    for (const listener of this.#listeners) listener();
  }

  /** Undefined when `key` may try. */
  holdOf(scope: string, kind: string, key: string): Hold | undefined {
    const cause = this.#causes.get(scope);
    if (cause === undefined || cause.prober === key) return undefined;
    const waitMs = cause.tried.has(kind) ? Math.max(0, cause.nextProbeAtMs - this.#clock.now()) : 0;
    const { reason, message } = cause;
    return { reason, message, isDue: waitMs === 0, retryAfterMs: waitMs };
  }

  /** Makes `key` the one that tries, if it is due. One that never comes to it is followed by another 20 s later. */
  claim(scope: string, kind: string, key: string): void {
    const cause = this.#causes.get(scope);
    if (cause === undefined || this.holdOf(scope, kind, key)?.isDue !== true) return;
    cause.prober = key;
    cause.tried.add(kind);
    cause.nextProbeAtMs = this.#clock.now() + probeEveryMs;
  }

  /** `listener` is called when a cause has ended. */
  onLifted(listener: () => void): void {
    this.#listeners.push(listener);
  }
}
