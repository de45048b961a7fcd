import type { StoredObject } from "./kube-json.ts";

/** One committed change of one resource. */
export interface LoggedEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** The version that the change made; also `object.metadata.resourceVersion`. */
  readonly revision: number;
  /** The object after the change; for DELETED its last state. */
  readonly object: StoredObject;
  /** The object before the change; undefined for ADDED. */
  readonly previous: StoredObject | undefined;
}

/**
 * The newest changes of one resource, for watches to start from. Bounded: what falls out can no longer be watched from,
 * which a client sees as 410 Expired.
 */
export class WatchLog {
  readonly #capacity: number;
  #events: LoggedEvent[] = [];
  /** How many events were dropped: the position of the first event that is kept. */
  #dropped = 0;
  /** Version of the newest dropped event. Watching from it or later is possible. */
  #floor: number;
  readonly #listeners = new Set<() => void>();

  /** `capacity`: events kept at least; up to twice as many are. `floor`: the version at which this log begins. */
  constructor(capacity: number, floor: number) {
    this.#capacity = capacity;
    this.#floor = floor;
  }

  append(event: LoggedEvent): void {
    this.#events.push(event);
    if (this.#events.length >= this.#capacity * 2) this.#drop(this.#events.length - this.#capacity);
    for (const listener of this.#listeners) listener();
  }

  /** Forgets everything: every watch from an earlier version is 410 from now on. For tests of clients. */
  compact(): void {
    this.#drop(this.#events.length);
  }

  #drop(count: number): void {
    this.#floor = this.#events[count - 1]?.revision ?? this.#floor;
    this.#events = this.#events.slice(count);
    this.#dropped += count;
  }

  /** Position of the first event after `revision`; undefined when some of those are gone. */
  positionAfter(revision: number): number | undefined {
    if (revision < this.#floor) return undefined;
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#dropped + low;
  }

  /** Position after the newest event. */
  get end(): number {
    return this.#dropped + this.#events.length;
  }

  /** At most `limit` events from `position` on; undefined when some of them are gone. */
  read(position: number, limit: number): readonly LoggedEvent[] | undefined {
    if (position < this.#dropped) return undefined;
    return this.#events.slice(position - this.#dropped, position - this.#dropped + limit);
  }

  /** Calls `listener` after each append, synchronously. Returns the way to stop it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
