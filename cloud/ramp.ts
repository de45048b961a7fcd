/** Lets calls begin again slowly after a pause, so that a cloud that has just recovered is not hit by everything at once. */
import type { CallPriority } from "../domain/eni/eni.ts";
import type { Clock } from "../runtime/ports.ts";
import { abortError } from "./limiter.ts";

/** Starts in the first second, about; from there they double with every {@link doublingMs}. */
const startsPerSecond = 4;
const doublingMs = 2_500;
/** By then it is a thousand a second, which is above every quota. */
export const rampMs = 20_000;

/** Starts that are allowed so many milliseconds after the beginning. */
export function startsAllowed(elapsedMs: number): number {
  return elapsedMs >= rampMs ? Infinity : Math.floor(1 + factor * (2 ** (elapsedMs / doublingMs) - 1));
}

/** Milliseconds after the beginning at which the n-th start is allowed. */
function allowedAtMs(n: number): number {
  return Math.min(rampMs, doublingMs * Math.log2((n - 1) / factor + 1));
}

/** So that the slope at the beginning is {@link startsPerSecond}. */
const factor = (startsPerSecond * doublingMs) / 1_000 / Math.LN2;

interface Waiter {
  readonly start: () => void;
  readonly refuse: (error: Error) => void;
}

const lanes: readonly CallPriority[] = ["bind-fixed", "bind", "release", "gc"];

export class Ramp {
  readonly #clock: Clock;
  readonly #lanes: Readonly<Record<CallPriority, Waiter[]>> = { "bind-fixed": [], bind: [], release: [], gc: [] };
  #beganAtMs = -Infinity;
  #started = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The pause is over. */
  begin(): void {
    this.#beganAtMs = this.#clock.monotonic();
    this.#started = 0;
  }

  /** Starts are still fewer than anybody would like. */
  get isRising(): boolean {
    return this.#elapsedMs() < rampMs;
  }

  /** Undefined: start at once. Otherwise resolves when it is this call's turn, the most urgent first. @throws AbortError */
  turn(priority: CallPriority, signal: AbortSignal): Promise<void> | undefined {
    if (!this.isRising && this.#waiting() === 0) return undefined;
    return new Promise((resolve, reject) => {
      const lane = this.#lanes[priority];
      const settle = (end: () => void) => {
        signal.removeEventListener("abort", abort);
        end();
      };
      const waiter: Waiter = { start: () => settle(resolve), refuse: (error) => settle(() => reject(error)) };
      const abort = () => {
        lane.splice(lane.indexOf(waiter), 1);
        waiter.refuse(abortError(signal));
      };
      if (signal.aborted) {
        reject(abortError(signal));
        return;
      }
      signal.addEventListener("abort", abort, { once: true });
      lane.push(waiter);
      this.#serve();
    });
  }

  /** Another pause began: nobody's turn comes. */
  refuseAll(error: Error): void {
    clearTimeout(this.#timer);
    for (const lane of lanes) for (const waiter of this.#lanes[lane].splice(0)) waiter.refuse(error);
  }

  #serve(): void {
    clearTimeout(this.#timer);
    const allowed = startsAllowed(this.#elapsedMs());
    while (this.#started < allowed) {
      const lane = lanes.find((candidate) => this.#lanes[candidate].length > 0);
      if (lane === undefined) return;
      this.#started += 1;
      this.#lanes[lane].shift()?.start();
    }
    if (this.#waiting() === 0) return;
    const dueInMs = allowedAtMs(this.#started + 1) - this.#elapsedMs();
    // Not unref'd: someone waits.
    this.#timer = setTimeout(() => this.#serve(), Math.max(1, Math.ceil(dueInMs)));
  }

  #elapsedMs(): number {
    return this.#clock.monotonic() - this.#beganAtMs;
  }

  #waiting(): number {
    return lanes.reduce((sum, lane) => sum + this.#lanes[lane].length, 0);
  }
}
