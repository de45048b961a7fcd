import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { SlewedClock } from "./slewed-clock.ts";

/** A machine whose wall clock somebody sets. */
function aMachine() {
  const machine = { wallMs: 1_000_000, monotonicMs: 500 };
  const clock = new SlewedClock({
    now: () => machine.wallMs,
    monotonic: () => machine.monotonicMs,
    sleep: () => Promise.resolve(),
  });
  const pass = (ms: number): void => {
    machine.wallMs += ms;
    machine.monotonicMs += ms;
  };
  return { machine, clock, pass };
}

describe("the slewed clock", () => {
  it("is the wall clock while nobody sets it", () => {
    const { machine, clock, pass } = aMachine();
    pass(12_345);
    expect(clock.now()).toBe(machine.wallMs);
  });

  it("shows whole milliseconds while it follows", () => {
    const { machine, clock, pass } = aMachine();
    machine.wallMs -= 300_000;
    pass(7);
    expect(Number.isInteger(clock.now())).toBe(true);
  });

  it.each([{ jumpMs: 300_000 }, { jumpMs: -300_000 }])(
    "does not jump by $jumpMs ms, and has followed after an hour",
    ({ jumpMs }) => {
      const { machine, clock, pass } = aMachine();
      const before = clock.now();
      machine.wallMs += jumpMs;
      expect(clock.now()).toBe(before);
      for (let minute = 0; minute < 60; minute += 1) {
        pass(60_000);
        clock.now();
      }
      expect(clock.now()).toBe(machine.wallMs);
    },
  );

  it("measures every span within a tenth, and never goes back, whatever is done to the wall clock", () => {
    const anything = fc.array(
      fc.record({ passMs: fc.integer({ min: 0, max: 100_000 }), jumpMs: fc.integer({ min: -1e9, max: 1e9 }) }),
    );
    fc.assert(
      fc.property(anything, (happenings) => {
        const { machine, clock, pass } = aMachine();
        for (const { passMs, jumpMs } of happenings) {
          const before = clock.now();
          machine.wallMs += jumpMs;
          pass(passMs);
          const spanMs = clock.now() - before;
          expect(spanMs).toBeGreaterThanOrEqual(passMs * 0.9 - 1);
          expect(spanMs).toBeLessThanOrEqual(passMs * 1.1 + 1);
        }
      }),
    );
  });
});
