import type { Clock } from "../../runtime/ports.ts";
import type { EniTimings, SimulatedEni } from "./model.ts";

interface Version {
  /** Epoch milliseconds from which this version was the truth. */
  readonly sinceMs: number;
  /** undefined: it did not exist. */
  readonly eni: SimulatedEni | undefined;
}

interface Entry {
  /** Oldest first, never empty; the last is the truth. */
  versions: Version[];
  readonly timings: EniTimings;
  readonly sequence: number;
}

/**
 * All interfaces, and their past as far back as late reads may look (cloud-api §C5). A late read of a young interface
 * finds nothing; one of a deleted interface still shows it.
 */
export class EniStore {
  readonly #clock: Clock;
  #retainMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #byInstance = new Map<string, Set<string>>();
  /** Deleted ids whose past is still visible, oldest first. */
  readonly #deleted: { readonly eniId: string; readonly atMs: number }[] = [];
  #size = 0;

  /** @param retainMs the longest delay that any read may have */
  constructor(clock: Clock, retainMs: number) {
    this.#clock = clock;
    this.#retainMs = retainMs;
  }

  /** Longer delays see only as far back as the past was kept when it happened. */
  retain(retainMs: number): void {
    this.#retainMs = Math.max(this.#retainMs, retainMs);
  }

  /** Interfaces that exist. */
  get size(): number {
    return this.#size;
  }

  /** The truth. */
  find(eniId: string): SimulatedEni | undefined {
    return this.#entries.get(eniId)?.versions.at(-1)?.eni;
  }

  timings(eniId: string): EniTimings {
    return this.#entries.get(eniId)?.timings ?? {};
  }

  /** What a read that lags by `delayMs` sees. */
  seen(eniId: string, delayMs: number): SimulatedEni | undefined {
    const entry = this.#entries.get(eniId);
    return entry === undefined ? undefined : this.#at(entry, delayMs);
  }

  /**
   * All that a read that lags by `delayMs` sees, in order of creation; of one instance, in the order of attachment.
   * `afterSequence` spares the reading of what a page leaves out.
   */
  *allSeen(delayMs: number, instanceId?: string, afterSequence = 0): Generator<SimulatedEni> {
    this.#forget();
    if (instanceId !== undefined && delayMs === 0) {
      yield* this.#ofInstance(instanceId);
      return;
    }
    for (const entry of this.#entries.values()) {
      if (entry.sequence <= afterSequence) continue;
      const eni = this.#at(entry, delayMs);
      if (eni !== undefined && (instanceId === undefined || eni.instanceId === instanceId)) yield eni;
    }
  }

  *#ofInstance(instanceId: string): Generator<SimulatedEni> {
    for (const eniId of this.#byInstance.get(instanceId) ?? []) {
      const eni = this.find(eniId);
      if (eni !== undefined) yield eni;
    }
  }

  put(eni: SimulatedEni): void {
    const entry = this.#entries.get(eni.eniId);
    this.#index(entry?.versions.at(-1)?.eni, eni);
    if (entry === undefined) {
      const versions: Version[] = this.#retainMs > 0 ? [{ sinceMs: -Infinity, eni: undefined }] : [];
      this.#entries.set(eni.eniId, { versions, timings: {}, sequence: eni.sequence });
      this.#size++;
    }
    this.#append(eni.eniId, eni);
  }

  remove(eniId: string): void {
    const eni = this.find(eniId);
    if (eni === undefined) return;
    this.#index(eni, undefined);
    this.#size--;
    if (this.#retainMs === 0) {
      this.#entries.delete(eniId);
      return;
    }
    this.#append(eniId, undefined);
    this.#deleted.push({ eniId, atMs: this.#clock.now() });
  }

  #append(eniId: string, eni: SimulatedEni | undefined): void {
    const entry = this.#entries.get(eniId);
    if (entry === undefined) return;
    const nowMs = this.#clock.now();
    if (this.#retainMs === 0) {
      entry.versions = [{ sinceMs: nowMs, eni }];
      return;
    }
    const horizonMs = nowMs - this.#retainMs;
    const versions = [...entry.versions, { sinceMs: nowMs, eni }];
    entry.versions = versions.filter((_, index) => (versions[index + 1]?.sinceMs ?? Infinity) > horizonMs);
  }

  #at(entry: Entry, delayMs: number): SimulatedEni | undefined {
    if (delayMs === 0) return entry.versions.at(-1)?.eni;
    const momentMs = this.#clock.now() - delayMs;
    return entry.versions.findLast((version) => version.sinceMs <= momentMs)?.eni;
  }

  #index(before: SimulatedEni | undefined, after: SimulatedEni | undefined): void {
    if (before?.instanceId === after?.instanceId) return;
    if (before?.instanceId !== undefined) this.#byInstance.get(before.instanceId)?.delete(before.eniId);
    if (after?.instanceId === undefined) return;
    const ids = this.#byInstance.get(after.instanceId) ?? new Set();
    this.#byInstance.set(after.instanceId, ids.add(after.eniId));
  }

  #forget(): void {
    const horizonMs = this.#clock.now() - this.#retainMs;
    while (this.#deleted[0] !== undefined && this.#deleted[0].atMs <= horizonMs) {
      const eniId = this.#deleted.shift()?.eniId;
      if (eniId !== undefined) this.#entries.delete(eniId);
    }
  }
}
