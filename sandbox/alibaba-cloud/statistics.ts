import { type Api, quotaWindowMs } from "./api.ts";

/** What was asked of one API. */
export interface ApiReport {
  /** All calls, refused ones included. */
  readonly calls: number;
  /** Refusals by error code. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Calls whose answer was lost or replaced by a fault, by the fault's kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** Answers that repeated an earlier one for the same client token. */
  readonly replays: number;
  /** Accepted calls by wall-clock minute (epoch minutes). */
  readonly callsPerMinute: Readonly<Record<string, number>>;
  /** Calls that were refused for their rate, by wall-clock minute (epoch minutes). */
  readonly throttledPerMinute: Readonly<Record<string, number>>;
  readonly peakConcurrency: number;
}

class ApiStatistics {
  calls = 0;
  replays = 0;
  current = 0;
  peak = 0;
  readonly refusals = new Map<string, number>();
  readonly faults = new Map<string, number>();
  readonly perMinute = new Map<string, number>();
  readonly throttledPerMinute = new Map<string, number>();

  toReport(): ApiReport {
    return {
      calls: this.calls,
      refusals: Object.fromEntries(this.refusals),
      faults: Object.fromEntries(this.faults),
      replays: this.replays,
      callsPerMinute: Object.fromEntries(this.perMinute),
      throttledPerMinute: Object.fromEntries(this.throttledPerMinute),
      peakConcurrency: this.peak,
    };
  }
}

/** Counts of calls, kept per API. */
export class Statistics {
  readonly #apis = new Map<Api, ApiStatistics>();
  #current = 0;
  #peak = 0;
  #allocating = 0;
  #peakAllocating = 0;

  /** Calls under way at the worst moment. */
  get peakConcurrency(): number {
    return this.#peak;
  }

  /** The most interfaces that were being allocated at one moment. */
  get peakAllocating(): number {
    return this.#peakAllocating;
  }

  begin(api: Api): void {
    const statistics = this.#of(api);
    statistics.calls++;
    statistics.peak = Math.max(statistics.peak, ++statistics.current);
    this.#peak = Math.max(this.#peak, ++this.#current);
  }

  end(api: Api): void {
    this.#of(api).current--;
    this.#current--;
  }

  accepted(api: Api, nowMs: number): void {
    increment(this.#of(api).perMinute, minuteOf(nowMs));
  }

  throttled(api: Api, nowMs: number): void {
    increment(this.#of(api).throttledPerMinute, minuteOf(nowMs));
  }

  refused(api: Api, code: string): void {
    increment(this.#of(api).refusals, code);
  }

  faulted(api: Api, kind: string): void {
    increment(this.#of(api).faults, kind);
  }

  replayed(api: Api): void {
    this.#of(api).replays++;
  }

  /** @param count interfaces being allocated now, creates under way included */
  allocating(count: number): void {
    this.#allocating = count;
    this.#peakAllocating = Math.max(this.#peakAllocating, this.#allocating);
  }

  /** Starts the peaks anew, so that phases of a benchmark can be told apart. */
  resetPeaks(): void {
    this.#peak = this.#current;
    this.#peakAllocating = this.#allocating;
    for (const statistics of this.#apis.values()) statistics.peak = statistics.current;
  }

  toReport(): Readonly<Partial<Record<Api, ApiReport>>> {
    return Object.fromEntries([...this.#apis].map(([api, statistics]) => [api, statistics.toReport()]));
  }

  #of(api: Api): ApiStatistics {
    let statistics = this.#apis.get(api);
    if (statistics === undefined) this.#apis.set(api, (statistics = new ApiStatistics()));
    return statistics;
  }
}

const minuteOf = (nowMs: number): string => String(Math.floor(nowMs / quotaWindowMs));

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
