import { describe, expect, it } from "@jest/globals";
import type { Clock } from "../runtime/ports.ts";
import fc from "../test/fixtures/property.ts";
import { ServerClock, withServerClock } from "./server-clock.ts";

/** When the machine started, on a clock that is right. Milliseconds since the epoch. */
const startMs = Date.parse("2026-01-01T00:00:00Z");

/** A machine whose clocks are moved by the test; its wall clock is `skewMs` ahead. */
class Machine implements Clock {
  #elapsedMs = 0;
  #sleptMs = 0;
  skewMs: number;

  constructor(skewMs = 0) {
    this.skewMs = skewMs;
  }

  /** What a right clock shows. */
  trueMs(): number {
    return startMs + this.#elapsedMs + this.#sleptMs;
  }

  now(): number {
    return this.trueMs() + this.skewMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  sleep(): Promise<void> {
    return Promise.resolve();
  }

  pass(ms: number): void {
    this.#elapsedMs += ms;
  }

  /** The machine stands still, and its monotonic clock with it. */
  suspend(ms: number): void {
    this.#sleptMs += ms;
  }
}

/** As an API server whose clock shows `serverMs` writes it. */
function dateOf(serverMs: number): string {
  return new Date(serverMs).toUTCString();
}

interface Exchange {
  readonly pauseMs: number;
  /** From the request to the answer's header, and from there to its arrival. */
  readonly requestMs: number;
  readonly answerMs: number;
}

const exchangeMembers = { pauseMs: fc.nat(600_000), requestMs: fc.nat(5_000), answerMs: fc.nat(5_000) };
const anyExchange: fc.Arbitrary<Exchange> = fc.record(exchangeMembers);

/** One request and its answer by a server that is `aheadMs` ahead. */
function exchange(clock: ServerClock, machine: Machine, { pauseMs, requestMs, answerMs }: Exchange, aheadMs = 0): void {
  machine.pass(pauseMs);
  const sentAtMs = machine.monotonic();
  machine.pass(requestMs);
  const date = dateOf(machine.trueMs() + aheadMs);
  machine.pass(answerMs);
  clock.observe(date, sentAtMs);
}

function expectTruth(clock: ServerClock, trueMs: number): void {
  const { earliestMs, latestMs } = clock.bounds();
  expect(earliestMs).toBeLessThanOrEqual(trueMs);
  expect(latestMs).toBeGreaterThanOrEqual(trueMs);
}

describe("the clock of the API server", () => {
  it("is within the bounds whatever the machine's clock says and however long answers take", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e9, max: 1e9 }),
        fc.array(anyExchange, { minLength: 1, maxLength: 30 }),
        (skewMs, exchanges) => {
          const machine = new Machine(skewMs);
          const clock = new ServerClock(machine);
          for (const each of exchanges) {
            exchange(clock, machine, each);
            expectTruth(clock, machine.trueMs());
          }
        },
      ),
    );
  });

  it("is within the bounds though the machine's clock is set or the machine sleeps", () => {
    const anyTurn = fc.record({
      ...exchangeMembers,
      setToMs: fc.integer({ min: -1e7, max: 1e7 }),
      sleepMs: fc.nat(1e7),
    });
    fc.assert(
      fc.property(fc.array(anyTurn, { minLength: 1, maxLength: 20 }), (turns) => {
        const machine = new Machine();
        const clock = new ServerClock(machine);
        for (const turn of turns) {
          exchange(clock, machine, turn);
          // Both at once cannot be told apart: a clock that is set back by as much hides the sleep until the next answer.
          if (turn.sleepMs % 2 === 0) machine.suspend(turn.sleepMs);
          else machine.skewMs = turn.setToMs;
          expectTruth(clock, machine.trueMs());
        }
      }),
    );
  });

  it("is known to little more than half a second after some quick answers", () => {
    const machine = new Machine(300_000);
    const clock = new ServerClock(machine);
    for (let n = 0; n < 60; n++) exchange(clock, machine, { pauseMs: 1_970, requestMs: 5, answerMs: 5 });
    const { earliestMs, latestMs } = clock.bounds();
    expect(latestMs - earliestMs).toBeLessThan(700);
    expectTruth(clock, machine.trueMs());
  });

  it("is never ahead of the slower one of two servers that differ by half a second", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyExchange, fc.boolean()), { minLength: 1, maxLength: 50 }), (exchanges) => {
        const machine = new Machine(-40_000);
        const clock = new ServerClock(machine);
        for (const [each, isAhead] of exchanges) {
          exchange(clock, machine, each, isAhead ? 500 : 0);
          expectTruth(clock, machine.trueMs());
        }
      }),
    );
  });

  it.each([{ setByMs: 600_000 }, { setByMs: -600_000 }])(
    "is followed within two answers when it is set by $setByMs ms",
    ({ setByMs }) => {
      const machine = new Machine();
      const clock = new ServerClock(machine);
      const quick = { pauseMs: 2_000, requestMs: 5, answerMs: 5 };
      for (let n = 0; n < 5; n++) exchange(clock, machine, quick);
      for (let n = 0; n < 2; n++) exchange(clock, machine, quick, setByMs);
      expectTruth(clock, machine.trueMs() + setByMs);
      const { earliestMs, latestMs } = clock.bounds();
      expect(latestMs - earliestMs).toBeLessThan(2_000);
    },
  );

  it("is the machine's own clock while no answer has had a Date", async () => {
    const machine = new Machine(5_000);
    const serverClock = new ServerClock(machine);
    const answer = { status: 200, headers: {}, body: {} };
    const transport = { request: () => Promise.resolve(answer), stream: () => Promise.resolve(answer) };
    const observed = withServerClock(transport, serverClock, machine);
    await observed.request({ method: "GET", path: "/version" }, new AbortController().signal);
    serverClock.observe("yesterday", machine.monotonic());
    expect(serverClock.bounds()).toEqual({ earliestMs: startMs + 5_000, latestMs: startMs + 5_000 });
  });

  it("is learned from what passes through the transport", async () => {
    const machine = new Machine(86_400_000);
    const serverClock = new ServerClock(machine);
    const request = () => {
      machine.pass(30);
      return Promise.resolve({ status: 404, headers: { date: dateOf(machine.trueMs()) }, body: {} });
    };
    const observed = withServerClock({ request, stream: request }, serverClock, machine);
    await observed.request({ method: "GET", path: "/version" }, new AbortController().signal);
    expectTruth(serverClock, machine.trueMs());
    expect(serverClock.bounds().latestMs).toBeLessThanOrEqual(machine.trueMs() + 1_100);
  });
});
