/** Where the time of one bind went, in milliseconds. Cloud work of several interfaces of a pod overlaps and is added up. */
export interface BindTimings {
  readonly placeWaitMs: number;
  readonly limiterWaitMs: number;
  /** Inside CreateNetworkInterface and AttachNetworkInterface, answers included, the attachment itself not. */
  readonly cloudCallMs: number;
  /** When the describe that found the last interface attached began and was answered, epoch milliseconds; 0: none. */
  readonly lookBeganMs: number;
  readonly lookAnsweredMs: number;
}

interface Entry {
  placeWaitMs: number;
  limiterWaitMs: number;
  cloudCallMs: number;
  lookBeganMs: number;
  lookAnsweredMs: number;
  askedAtMs?: number;
}

/** Adds up, per pod, what waits and calls took; for the log line and the metrics of a finished bind. */
export class TimingBook {
  readonly #byKey = new Map<string, Entry>();

  placeRequested(key: string, nowMs: number): void {
    const entry = this.#entry(key);
    entry.askedAtMs ??= nowMs;
  }

  placeGranted(key: string, nowMs: number): void {
    const entry = this.#entry(key);
    if (entry.askedAtMs === undefined) return;
    entry.placeWaitMs += nowMs - entry.askedAtMs;
    delete entry.askedAtMs;
  }

  called(key: string, timing: { readonly limiterWaitMs: number; readonly callMs: number }): void {
    const entry = this.#entry(key);
    entry.limiterWaitMs += timing.limiterWaitMs;
    entry.cloudCallMs += timing.callMs;
  }

  looked(key: string, beganMs: number, answeredMs: number): void {
    const entry = this.#entry(key);
    entry.lookBeganMs = beganMs;
    entry.lookAnsweredMs = answeredMs;
  }

  /** The sums of a key, which is forgotten. */
  take(key: string): BindTimings {
    const { placeWaitMs, limiterWaitMs, cloudCallMs, lookBeganMs, lookAnsweredMs } = this.#entry(key);
    this.#byKey.delete(key);
    return { placeWaitMs, limiterWaitMs, cloudCallMs, lookBeganMs, lookAnsweredMs };
  }

  #entry(key: string): Entry {
    let entry = this.#byKey.get(key);
    if (entry === undefined) {
      entry = { placeWaitMs: 0, limiterWaitMs: 0, cloudCallMs: 0, lookBeganMs: 0, lookAnsweredMs: 0 };
      this.#byKey.set(key, entry);
    }
    return entry;
  }
}
