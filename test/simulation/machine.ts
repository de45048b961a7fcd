/** The machine that one replica runs on: it can die or stand still at any moment, and its wall clock can be wrong. */
import { abortError, systemClock } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/ports.ts";
import { runAs, runOutside, type Process } from "./time.ts";

/** A moment at which a request leaves, or its answer arrives: the awaits that matter. */
export interface Moment {
  /** For instance `PATCH /apis/…` or `AttachNetworkInterface`. */
  readonly request: string;
  readonly side: "sends" | "receives";
}

export class Machine implements Process {
  readonly name: string;
  /** Milliseconds that its wall clock is ahead. */
  skewMs = 0;
  readonly clock: Clock;
  /** Called at every moment; may call {@link Machine.kill} or {@link Machine.pause}. */
  readonly #onMoment: (moment: Moment, machine: Machine) => void;
  #state: "running" | "paused" | "dead" = "running";
  #held: (() => void)[] = [];

  constructor(name: string, onMoment: (moment: Moment, machine: Machine) => void) {
    this.name = name;
    this.#onMoment = onMoment;
    this.clock = {
      now: () => systemClock.now() + this.skewMs,
      monotonic: () => systemClock.monotonic(),
      sleep: (ms, signal) => systemClock.sleep(ms, signal),
    };
  }

  get isDead(): boolean {
    return this.#state === "dead";
  }

  get isPaused(): boolean {
    return this.#state === "paused";
  }

  deliver(input: () => void): void {
    if (this.#state === "paused") this.#held.push(input);
    else if (this.#state === "running") runAs(this, input);
  }

  /** kill -9. What it sent before goes its way. */
  kill(): void {
    this.#state = "dead";
    this.#held = [];
  }

  /** SIGSTOP. */
  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  /** SIGCONT. */
  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    for (const input of this.#held.splice(0)) this.deliver(input);
  }

  /**
   * Sends a request of this machine: `check` is asked when it leaves, `carry` is the way there, the effect and the way
   * back. Between any two of these the machine may die or stand still.
   */
  send<T>(request: string, check: (() => void) | undefined, signal: AbortSignal, carry: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortError());
        return;
      }
      const onAbort = (): void => reject(abortError());
      signal.addEventListener("abort", onAbort, { once: true });
      const arrive = (answer: () => void): void => {
        this.#at({ request, side: "receives" });
        this.deliver(() => {
          signal.removeEventListener("abort", onAbort);
          answer();
        });
      };
      const leave = (): void => {
        if (signal.aborted) return;
        try {
          check?.();
        } catch (error) {
          reject(toError(error));
          return;
        }
        runOutside(carry).then(
          (value) => arrive(() => resolve(value)),
          (error: unknown) => arrive(() => reject(toError(error))),
        );
      };
      this.#at({ request, side: "sends" });
      this.deliver(leave);
    });
  }

  #at(moment: Moment): void {
    if (this.#state !== "dead") this.#onMoment(moment, this);
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
