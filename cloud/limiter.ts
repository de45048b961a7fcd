/** Lets every call to the cloud wait for its place in the quota of its API, the most urgent work first. */
import Bottleneck from "bottleneck";
import type { CallPriority } from "../domain/eni/eni.ts";
import { ThrottledError } from "../runtime/errors.ts";
import type { Clock } from "../runtime/ports.ts";
import { apiNames, defaultCallsPerMinute, isRecord, type ApiName } from "./call.ts";
import { MinuteBudget, minuteOf } from "./minute-budget.ts";

export interface LimiterOptions {
  readonly clock: Clock;
  /** Calls per minute by API, over {@link defaultCallsPerMinute}. Source: configuration `rateLimit`. */
  readonly callsPerMinute?: Partial<Record<ApiName, number>>;
  /** Milliseconds around a minute's boundary that are charged to both minutes. @default 500 */
  readonly guardMs?: number;
  /** Starts per API that may happen between two renewals of the lease; undefined without leader election. */
  readonly allowance?: number;
  /** Told when half of the allowance is used since the record; once per record and API. */
  readonly onRecordDue?: () => void;
  /** Told of every wait that ended with a start, milliseconds. */
  readonly onWaited?: (api: ApiName, waitMs: number) => void;
  /** Told of every refusal by the cloud. */
  readonly onRefused?: (api: ApiName) => void;
}

/** A figure for metrics. */
export interface LimiterState {
  readonly api: ApiName;
  /** Starts that are allowed at this instant. */
  readonly tokens: number;
  /** Calls that wait for their start. */
  readonly waiting: number;
  /** Our part of the quota, 0.1 to 1; below 1 after refusals. */
  readonly share: number;
}

/**
 * Starts between two records. A leader that is killed costs its successor so many of the quota, so they are few; a burst
 * asks for a record after half of them, which takes some milliseconds.
 */
export const defaultAllowance = 40;

/**
 * The limiter of all APIs. Quotas are counted per wall-clock minute, never exceeded, and used up under backlog.
 * @see MinuteBudget for the count
 */
export class Limiter {
  readonly #options: LimiterOptions;
  readonly #gates = new Map<ApiName, Gate>();

  constructor(options: LimiterOptions) {
    this.#options = options;
  }

  /**
   * Runs `send` when the API's quota allows a start. A ThrottledError of `send` closes the API until the next minute and
   * puts this call back at the head of its queue; every other outcome is passed on.
   * @throws AbortError when the signal aborts while waiting
   */
  run<T>(
    api: ApiName,
    call: { readonly priority: CallPriority; readonly signal: AbortSignal },
    send: Send<T>,
  ): Promise<T> {
    return this.#gate(api).run(call.priority, call.signal, send);
  }

  /** Use of the current minute, as compact JSON for an annotation of the lease. Its write is confirmed by `renewed`. */
  usage(): string {
    const minute = minuteOf(this.#options.clock.now());
    const used: Record<string, number> = {};
    for (const [api, gate] of this.#gates) {
      gate.budget.recording();
      const calls = gate.budget.used(minute);
      if (calls > 0) used[api] = calls;
    }
    return JSON.stringify({ minute, used, allowance: this.#options.allowance ?? 0 });
  }

  /** The record of the newest `usage` reached the lease: the allowance counts anew. */
  renewed(): void {
    for (const gate of this.#gates.values()) {
      gate.budget.renewed();
      gate.refresh();
    }
  }

  /**
   * Charges what the former leader used. After a hard takeover its unrecorded starts are charged as well: at most the
   * allowance per API, in the minute of the record or the one after. A record that is absent, older or unreadable charges nothing.
   */
  restore(annotation: string | undefined, options: { readonly hardTakeover: boolean }): void {
    const record = parseUsage(annotation);
    const minute = minuteOf(this.#options.clock.now());
    if (record === undefined || record.minute < minute - 1 || record.minute > minute + 1) return;
    for (const api of apiNames) {
      const unrecorded = options.hardTakeover ? record.allowance : 0;
      const calls = (record.used[api] ?? 0) + unrecorded;
      if (calls > 0) this.#gate(api).budget.restore(record.minute, calls);
      if (record.minute !== minute && unrecorded > 0) this.#gate(api).budget.restore(minute, unrecorded);
    }
  }

  /** Calls per minute that configuration allows. */
  callsPerMinute(api: ApiName): number {
    return this.#options.callsPerMinute?.[api] ?? defaultCallsPerMinute[api];
  }

  /** Figures of the APIs that were called. */
  state(): readonly LimiterState[] {
    const nowMs = this.#options.clock.now();
    return [...this.#gates].map(([api, gate]) => ({
      api,
      tokens: gate.budget.available(nowMs),
      waiting: gate.waiting,
      share: gate.budget.share(nowMs),
    }));
  }

  #gate(api: ApiName): Gate {
    const known = this.#gates.get(api);
    if (known !== undefined) return known;
    const { guardMs = 500, allowance } = this.#options;
    const gate = new Gate(
      api,
      new MinuteBudget({ callsPerMinute: this.callsPerMinute(api), guardMs, allowance }),
      this.#options,
    );
    this.#gates.set(api, gate);
    return gate;
  }
}

/** Sends one call; `startedAtMs` is the wall clock at the start, `waitedMs` what this try waited. */
type Send<T> = (start: { readonly startedAtMs: number; readonly waitedMs: number }) => Promise<T>;

interface Waiter {
  readonly lane: CallPriority;
  readonly start: (start: { startedAtMs: number; waitedMs: number }) => void;
  readonly sinceMs: number;
}

const lanes: readonly CallPriority[] = ["bind-fixed", "bind", "release", "gc"];
/** Binding starts in a row, while releasing waits, before one releasing call goes first: 9 in 10. */
const bindStreak = 9;

/**
 * The queue of one API. Bottleneck hands out anonymous places as its reservoir allows; who gets a place is decided when
 * it comes, so that an aborted call costs nothing and releasing keeps its tenth. The budget has the last word: the
 * reservoir is only its copy of a moment before.
 */
class Gate {
  readonly budget: MinuteBudget;
  readonly #api: ApiName;
  readonly #options: LimiterOptions;
  readonly #places = new Bottleneck({ reservoir: 0 });
  readonly #lanes: Readonly<Record<CallPriority, Waiter[]>> = { "bind-fixed": [], bind: [], release: [], gc: [] };
  #placesAsked = 0;
  #streak = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(api: ApiName, budget: MinuteBudget, options: LimiterOptions) {
    this.#api = api;
    this.budget = budget;
    this.#options = options;
  }

  get waiting(): number {
    return lanes.reduce((sum, lane) => sum + this.#lanes[lane].length, 0);
  }

  async run<T>(lane: CallPriority, signal: AbortSignal, send: Send<T>): Promise<T> {
    for (let isRepeat = false; ; isRepeat = true) {
      const start = await this.#wait(lane, signal, isRepeat);
      try {
        return await send(start);
      } catch (error) {
        if (!(error instanceof ThrottledError)) throw error;
        // The call landed somewhere between start and answer; its minute is the one that was full.
        this.budget.refuse((start.startedAtMs + this.#options.clock.now()) / 2);
        this.#options.onRefused?.(this.#api);
      }
    }
  }

  /** Reads the budget into the reservoir and comes back when it changes. */
  refresh(): void {
    if (this.waiting === 0) return;
    const nowMs = this.#options.clock.now();
    this.#askPlaces();
    this.#places.updateSettings({ reservoir: this.budget.available(nowMs) });
    // Not unref'd: someone waits.
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), Math.max(1, this.budget.nextChangeMs(nowMs) - nowMs));
  }

  #wait(
    lane: CallPriority,
    signal: AbortSignal,
    isRepeat: boolean,
  ): Promise<{ startedAtMs: number; waitedMs: number }> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortError(signal));
        return;
      }
      const abort = () => {
        this.#remove(waiter);
        reject(abortError(signal));
      };
      const waiter: Waiter = {
        lane,
        sinceMs: this.#options.clock.monotonic(),
        start: (start) => {
          signal.removeEventListener("abort", abort);
          resolve(start);
        },
      };
      signal.addEventListener("abort", abort, { once: true });
      // A refused call keeps its turn.
      if (isRepeat) this.#lanes[lane].unshift(waiter);
      else this.#lanes[lane].push(waiter);
      this.refresh();
    });
  }

  /** One place per waiter is asked for; a place whose waiter went away is reused. */
  #askPlaces(): void {
    for (; this.#placesAsked < this.waiting; this.#placesAsked += 1) {
      void this.#places.schedule(() => {
        this.#placed();
        return Promise.resolve();
      });
    }
  }

  #placed(): void {
    this.#placesAsked -= 1;
    const waiter = this.#next();
    if (waiter === undefined) {
      clearTimeout(this.#timer);
      return;
    }
    const startedAtMs = this.#options.clock.now();
    if (!this.budget.tryCharge(startedAtMs)) {
      this.refresh();
      return;
    }
    if (this.budget.recordIsDue()) this.#options.onRecordDue?.();
    this.#remove(waiter);
    this.#streak = isRelease(waiter.lane) ? 0 : this.#streak + 1;
    const waitedMs = this.#options.clock.monotonic() - waiter.sinceMs;
    this.#options.onWaited?.(this.#api, waitedMs);
    waiter.start({ startedAtMs, waitedMs });
  }

  #next(): Waiter | undefined {
    const release = this.#lanes.release[0] ?? this.#lanes.gc[0];
    if (release !== undefined && this.#streak >= bindStreak) return release;
    return this.#lanes["bind-fixed"][0] ?? this.#lanes.bind[0] ?? release;
  }

  #remove(waiter: Waiter): void {
    const lane = this.#lanes[waiter.lane];
    const index = lane.indexOf(waiter);
    if (index >= 0) lane.splice(index, 1);
    if (this.waiting === 0) clearTimeout(this.#timer);
  }
}

function isRelease(lane: CallPriority): boolean {
  return lane === "release" || lane === "gc";
}

/** What an aborted wait rejects with: always an AbortError, whatever reason the signal carries. */
export function abortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error && reason.name === "AbortError" ? reason : new DOMException("aborted", "AbortError");
}

interface Usage {
  readonly minute: number;
  readonly used: Readonly<Record<string, number>>;
  readonly allowance: number;
}

function parseUsage(annotation: string | undefined): Usage | undefined {
  if (annotation === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(annotation);
  } catch {
    // Unreadable means unknown: someone edited the lease by hand.
    return undefined;
  }
  if (!isRecord(value) || typeof value["minute"] !== "number" || !isRecord(value["used"])) return undefined;
  const used: Record<string, number> = {};
  for (const [api, calls] of Object.entries(value["used"])) if (typeof calls === "number") used[api] = calls;
  return { minute: value["minute"], used, allowance: typeof value["allowance"] === "number" ? value["allowance"] : 0 };
}
