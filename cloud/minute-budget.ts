/** Counts the calls of one API per wall-clock minute, and says whether one more may start. No timers, no I/O. */

const minuteMs = 60_000;
/** What a refusal leaves of the share, the least it leaves, and what a minute without refusal gives back. */
const shrink = 0.7;
const floor = 0.1;
const recovery = 0.1;

export interface MinuteBudgetOptions {
  /** Quota of the account for this API. */
  readonly callsPerMinute: number;
  /**
   * Milliseconds around a minute's boundary within which a call may be counted in either minute (latency, clock skew).
   * A call that starts there is charged to both.
   */
  readonly guardMs: number;
  /** Starts that may happen between two confirmed records of the usage; undefined: no record is kept. */
  readonly allowance: number | undefined;
}

/**
 * Invariant: whatever the server's minute of each call, as long as the call lands within `guardMs` of its start, no
 * server minute sees more than `callsPerMinute` of them.
 */
export class MinuteBudget {
  readonly #options: MinuteBudgetOptions;
  readonly #used = new Map<number, number>();
  readonly #closed = new Set<number>();
  #share = 1;
  /** The minute since which the share has not been adjusted. */
  #shareMinute = -1;
  #starts = 0;
  #recordedStarts = 0;
  #pendingStarts = 0;
  #isRecordAsked = false;

  constructor(options: MinuteBudgetOptions) {
    this.#options = options;
  }

  /** Starts that are allowed at this instant. */
  available(nowMs: number): number {
    const free = this.#minutes(nowMs).map((minute) => this.#free(minute, nowMs));
    return Math.max(0, Math.min(this.#allowanceLeft(), ...free));
  }

  /** Charges one start. False: not allowed at this instant, nothing charged. */
  tryCharge(nowMs: number): boolean {
    if (this.available(nowMs) < 1) return false;
    for (const minute of this.#minutes(nowMs)) this.#used.set(minute, this.used(minute) + 1);
    this.#starts += 1;
    this.#forget(nowMs);
    return true;
  }

  /** Gives back a start whose call was not sent. */
  refund(chargedAtMs: number): void {
    for (const minute of this.#minutes(chargedAtMs)) this.#used.set(minute, Math.max(0, this.used(minute) - 1));
    this.#starts -= 1;
  }

  /**
   * The cloud refused a call of that minute for its rate: nobody starts until the next one, and our share of the quota
   * shrinks, once per minute however many calls were refused.
   */
  refuse(landedAtMs: number): void {
    const minute = minuteOf(landedAtMs);
    this.#recover(landedAtMs);
    if (this.#closed.has(minute)) return;
    this.#closed.add(minute);
    this.#share = Math.max(floor, this.#share * shrink);
    this.#shareMinute = Math.max(this.#shareMinute, minute);
  }

  /** Our part of the quota, 0.1 to 1. */
  share(nowMs: number): number {
    this.#recover(nowMs);
    return this.#share;
  }

  used(minute: number): number {
    return this.#used.get(minute) ?? 0;
  }

  /** Adds calls that a former leader made in that minute. */
  restore(minute: number, calls: number): void {
    this.#used.set(minute, Math.min(this.#options.callsPerMinute, this.used(minute) + calls));
  }

  /** The usage is being recorded; {@link MinuteBudget.renewed} confirms it. */
  recording(): void {
    this.#pendingStarts = this.#starts;
  }

  /** The record reached the lease: the allowance counts from it. */
  renewed(): void {
    this.#recordedStarts = this.#pendingStarts;
    this.#isRecordAsked = false;
  }

  /** True once when half of the allowance is used since the last record. */
  recordIsDue(): boolean {
    const { allowance } = this.#options;
    if (allowance === undefined || this.#isRecordAsked || this.#allowanceLeft() > allowance / 2) return false;
    this.#isRecordAsked = true;
    return true;
  }

  /** When a start that is not allowed now is worth trying again, milliseconds since the epoch. */
  nextChangeMs(nowMs: number): number {
    const offset = nowMs % minuteMs;
    const start = nowMs - offset;
    return start + (offset < this.#options.guardMs ? this.#options.guardMs : minuteMs);
  }

  #allowanceLeft(): number {
    const { allowance } = this.#options;
    return allowance === undefined ? Infinity : allowance - (this.#starts - this.#recordedStarts);
  }

  #free(minute: number, nowMs: number): number {
    if (this.#closed.has(minute)) return 0;
    const limit = Math.max(1, Math.floor(this.#options.callsPerMinute * this.share(nowMs)));
    return limit - this.used(minute);
  }

  /** The minutes in which a call that starts at this instant may be counted. */
  #minutes(nowMs: number): readonly number[] {
    const minute = minuteOf(nowMs);
    const offset = nowMs % minuteMs;
    if (offset < this.#options.guardMs) return [minute - 1, minute];
    return offset >= minuteMs - this.#options.guardMs ? [minute, minute + 1] : [minute];
  }

  /** Full minutes without refusal since the last look, each worth a tenth of the quota. */
  #recover(nowMs: number): void {
    const minute = minuteOf(nowMs);
    const quiet = minute - this.#shareMinute - 1;
    if (this.#share >= 1 || quiet <= 0) return;
    this.#share = Math.min(1, this.#share + recovery * quiet);
    this.#shareMinute = minute - 1;
  }

  #forget(nowMs: number): void {
    const oldest = minuteOf(nowMs) - 1;
    for (const minute of this.#used.keys()) if (minute < oldest) this.#used.delete(minute);
    for (const minute of this.#closed) if (minute < oldest) this.#closed.delete(minute);
  }
}

/** Number of the wall-clock minute since the epoch: the window of the cloud's quotas. */
export function minuteOf(nowMs: number): number {
  return Math.floor(nowMs / minuteMs);
}
