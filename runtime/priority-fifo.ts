interface Lane {
  readonly keys: string[];
  /** Index of the first key that was not taken. */
  head: number;
}

/** Distinct keys in order of priority, highest first, and of arrival within a priority. */
export class PriorityFifo {
  /** Entries whose key has moved to another lane stay behind and are skipped: removal from the middle costs O(n). */
  readonly #lanes = new Map<number, Lane>();
  readonly #priorityOf = new Map<string, number>();
  #descending: readonly number[] = [];

  get size(): number {
    return this.#priorityOf.size;
  }

  /** Adds a key, or moves it to the end of another priority. A key that has that priority already keeps its place. */
  push(key: string, priority: number): void {
    if (this.#priorityOf.get(key) === priority) return;
    this.#priorityOf.set(key, priority);
    let lane = this.#lanes.get(priority);
    if (!lane) {
      lane = { keys: [], head: 0 };
      this.#lanes.set(priority, lane);
      this.#descending = [...this.#lanes.keys()].sort((a, b) => b - a);
    }
    lane.keys.push(key);
  }

  shift(): string | undefined {
    for (const priority of this.#descending) {
      const lane = this.#lanes.get(priority);
      const key = lane && this.#shiftLane(lane, priority);
      if (key !== undefined) return key;
      this.#lanes.delete(priority);
      this.#descending = [...this.#lanes.keys()].sort((a, b) => b - a);
    }
    return undefined;
  }

  clear(): void {
    this.#lanes.clear();
    this.#priorityOf.clear();
    this.#descending = [];
  }

  #shiftLane(lane: Lane, priority: number): string | undefined {
    while (lane.head < lane.keys.length) {
      const key = lane.keys[lane.head];
      lane.head += 1;
      compact(lane);
      if (key !== undefined && this.#priorityOf.get(key) === priority) {
        this.#priorityOf.delete(key);
        return key;
      }
    }
    return undefined;
  }
}

/** Gives the memory of taken keys back once they are the larger part, so that each key is moved O(1) times. */
function compact(lane: Lane): void {
  if (lane.head > 1_024 && lane.head * 2 > lane.keys.length) {
    lane.keys.splice(0, lane.head);
    lane.head = 0;
  }
}
