/** The clock of the API server, which all replicas share, learned from the `Date` header of its answers. */
import type { Clock, SharedClock } from "../runtime/ports.ts";
import type { Transport } from "../runtime/transport.ts";

/** Milliseconds since the epoch; the true time is in between. */
type TimeBounds = ReturnType<SharedClock["bounds"]>;

/** The API server's time less this machine's monotonic clock, milliseconds; the true difference is in between. */
interface Offset {
  readonly lowMs: number;
  readonly highMs: number;
}

/** `Date` has whole seconds, rounded down. */
const headerResolutionMs = 1_000;

/** Several API servers answer under one address, and their clocks differ by this at most. */
const serversDifferMs = 500;

/** Linux slews a clock by at most 500 ppm, so that what was learned loses as much of its worth. */
const driftPerMs = 0.0005;

/**
 * Bounds of the API server's time.
 *
 * Each answer says that the server's clock showed `Date` to the second at some instant between sending and receiving; the
 * bounds of many answers together are narrower than the header's second. An answer that contradicts them widens them: a
 * clock was set, or another server answers; the next answers narrow them again. What is known counts on the monotonic
 * clock, so that setting this machine's wall clock changes nothing; if the wall clock gains on the monotonic one, which
 * stands still while a machine sleeps, it may as well be that much later.
 *
 * Until an answer had a `Date`, which those of an API server in this process never have, it is this machine's wall clock.
 */
export class ServerClock implements SharedClock {
  readonly #clock: Clock;
  #offset: Offset | undefined;
  #asOfMs = 0;
  /** Wall less monotonic clock then. */
  #wallOffsetMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  bounds(): TimeBounds {
    const monotonicMs = this.#clock.monotonic();
    const offset = this.#aged(monotonicMs);
    if (offset === undefined) return { earliestMs: this.#clock.now(), latestMs: this.#clock.now() };
    return {
      earliestMs: monotonicMs + offset.lowMs - serversDifferMs,
      latestMs: monotonicMs + offset.highMs,
    };
  }

  /**
   * Takes note of an answer that has just come.
   * @param date its `Date` header
   * @param sentAtMs on the monotonic clock, not later than the request left
   */
  observe(date: string | undefined, sentAtMs: number): void {
    const dateMs = Date.parse(date ?? "");
    if (Number.isNaN(dateMs)) return;
    const receivedAtMs = this.#clock.monotonic();
    const told = { lowMs: dateMs - receivedAtMs, highMs: dateMs + headerResolutionMs - sentAtMs };
    this.#offset = agreed(this.#aged(receivedAtMs), told);
    this.#asOfMs = receivedAtMs;
    this.#wallOffsetMs = this.#clock.now() - receivedAtMs;
  }

  #aged(monotonicMs: number): Offset | undefined {
    if (this.#offset === undefined) return undefined;
    const driftMs = (monotonicMs - this.#asOfMs) * driftPerMs;
    const sleptMs = Math.max(0, this.#clock.now() - monotonicMs - this.#wallOffsetMs);
    return { lowMs: this.#offset.lowMs - driftMs, highMs: this.#offset.highMs + driftMs + sleptMs };
  }
}

function agreed(known: Offset | undefined, told: Offset): Offset {
  if (known === undefined) return told;
  const lowMs = Math.max(known.lowMs, told.lowMs);
  const highMs = Math.min(known.highMs, told.highMs);
  if (lowMs <= highMs) return { lowMs, highMs };
  return { lowMs: Math.min(known.lowMs, told.lowMs), highMs: Math.max(known.highMs, told.highMs) };
}

/** The same transport, whose answers set `serverClock`. Watches do not: their answer is known when they end. */
export function withServerClock(transport: Transport, serverClock: ServerClock, clock: Clock): Transport {
  return {
    request: async (request, signal) => {
      const sentAtMs = clock.monotonic();
      const response = await transport.request(request, signal);
      serverClock.observe(response.headers["date"], sentAtMs);
      return response;
    },
    stream: (request, onEvent, signal) => transport.stream(request, onEvent, signal),
  };
}
