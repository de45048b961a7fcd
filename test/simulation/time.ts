/** Virtual time for a whole world in one process, and whose time it is. */
import { AsyncLocalStorage } from "node:async_hooks";
import FakeTimers, { type Clock as InstalledTimers } from "@sinonjs/fake-timers";

/** A process of the world, which timers and answers reach only while it runs. */
export interface Process {
  /** Runs `input` as this process: at once, later, or never. */
  deliver(input: () => void): void;
}

/** So many timers may fire in one millisecond; a burst of a few hundred objects is some thousands. */
const mostIdleSteps = 50_000;

const current = new AsyncLocalStorage<Process | undefined>();

/** Runs `work`, and all that it starts, as that process. */
export function runAs<T>(process: Process, work: () => T): T {
  return current.run(process, work);
}

/** Runs `work`, and all that it starts, as nobody's: the network, the API server, the cloud. */
export function runOutside<T>(work: () => T): T {
  return current.run(undefined, work);
}

/**
 * Replaces the global timers and clocks of this process, until `end`. Each step fires one timer and lets everything settle
 * that this set off; promises and stream events take no virtual time. A timer belongs to the process that set it.
 */
export class VirtualTime {
  readonly #timers: InstalledTimers;
  readonly #nextTurn: (work: () => void) => void;
  #steps = 0;
  /** Steps since time last passed. */
  #idleSteps = 0;

  /** @param startMs wall clock, milliseconds since the epoch */
  constructor(startMs: number) {
    this.#nextTurn = globalThis.setImmediate;
    this.#timers = FakeTimers.install({
      now: startMs,
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
      ignoreMissingTimers: true,
    });
    ownTimers("setTimeout");
    ownTimers("setInterval");
  }

  /** Steps since the start. */
  get steps(): number {
    return this.#steps;
  }

  /** Wall clock, milliseconds since the epoch. */
  get nowMs(): number {
    return this.#timers.now;
  }

  /** Lets everything settle that needs no time. */
  settle(): Promise<void> {
    return new Promise((resolve) => this.#nextTurn(resolve));
  }

  /** Fires the next timer. @returns false when there is none */
  async step(): Promise<boolean> {
    if (this.#timers.countTimers() === 0) return false;
    this.#steps += 1;
    const beforeMs = this.#timers.now;
    this.#timers.next();
    this.#idleSteps = this.#timers.now === beforeMs ? this.#idleSteps + 1 : 0;
    if (this.#idleSteps > mostIdleSteps) throw new Error("somebody sets timers that fire at once, again and again");
    await this.settle();
    return true;
  }

  /** Gives the globals back; what still waits never wakes. */
  end(): void {
    this.#timers.uninstall();
  }
}

function ownTimers(name: "setTimeout" | "setInterval"): void {
  const set = globalThis[name] as (work: (...given: unknown[]) => void, ms?: number, ...given: unknown[]) => unknown;
  const owned = (work: (...given: unknown[]) => void, ms?: number, ...given: unknown[]): unknown => {
    const owner = current.getStore();
    // As Node.js has it: whole milliseconds, at least one.
    const wholeMs = Math.max(1, Math.trunc(ms ?? 1));
    if (owner === undefined) return set(() => runOutside(() => work(...given)), wholeMs);
    return set(() => owner.deliver(() => work(...given)), wholeMs);
  };
  Object.defineProperty(globalThis, name, { value: owned, configurable: true, writable: true });
}
