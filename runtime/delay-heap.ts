interface Delayed {
  readonly key: string;
  readonly priority: number;
  readonly dueAt: number;
}

/** Keys ordered by the time at which they are due; each key at most once, at the earliest time that was asked for. */
export class DelayHeap {
  /** Binary heap by `dueAt`. Entries that an earlier one replaced stay until they surface, and are skipped then. */
  readonly #heap: Delayed[] = [];
  readonly #current = new Map<string, Delayed>();

  get size(): number {
    return this.#current.size;
  }

  /** `dueAt` is a time on the caller's monotonic clock, milliseconds. */
  push(key: string, dueAt: number, priority: number): void {
    const known = this.#current.get(key);
    if (known && known.dueAt <= dueAt && known.priority >= priority) return;
    const entry = {
      key,
      dueAt: known ? Math.min(known.dueAt, dueAt) : dueAt,
      priority: known ? Math.max(known.priority, priority) : priority,
    };
    this.#current.set(key, entry);
    this.#heap.push(entry);
    this.#rise(this.#heap.length - 1);
  }

  nextDueAt(): number | undefined {
    this.#skipReplaced();
    return this.#heap[0]?.dueAt;
  }

  /** Removes and returns the earliest key that is due at `now`. */
  shiftDue(now: number): Delayed | undefined {
    this.#skipReplaced();
    const first = this.#heap[0];
    if (!first || first.dueAt > now) return undefined;
    this.#removeFirst();
    this.#current.delete(first.key);
    return first;
  }

  clear(): void {
    this.#heap.length = 0;
    this.#current.clear();
  }

  #skipReplaced(): void {
    for (let first = this.#heap[0]; first && this.#current.get(first.key) !== first; first = this.#heap[0]) {
      this.#removeFirst();
    }
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#dueAt(parent) <= this.#dueAt(index)) return;
      this.#swap(parent, index);
      index = parent;
    }
  }

  #sink(from: number): void {
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      const child = this.#dueAt(left + 1) < this.#dueAt(left) ? left + 1 : left;
      if (this.#dueAt(index) <= this.#dueAt(child)) return;
      this.#swap(child, index);
      index = child;
    }
  }

  #dueAt(index: number): number {
    return this.#heap[index]?.dueAt ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const first = this.#heap[a];
    const second = this.#heap[b];
    if (!first || !second) return;
    this.#heap[a] = second;
    this.#heap[b] = first;
  }
}
