import FakeTimers from "@sinonjs/fake-timers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { Backoff } from "./backoff.ts";
import { systemClock, withTimeout } from "./clock.ts";
import { isAbort } from "./errors.ts";
import { seededRandom } from "./random.ts";

let timers: FakeTimers.Clock;
beforeEach(() => {
  timers = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => {
  timers.uninstall();
});
const never = new AbortController().signal;

describe("systemClock", () => {
  it("sleeps, also longer than one timer can", async () => {
    let isAwake = false;
    void systemClock.sleep(30 * 86_400_000).then(() => (isAwake = true));
    await timers.tickAsync(29 * 86_400_000);
    expect(isAwake).toBe(false);
    await timers.tickAsync(86_400_000);
    expect(isAwake).toBe(true);
  });

  it("rejects with AbortError, before and during a sleep, and leaves no timer", async () => {
    const stop = new AbortController();
    const sleeping = systemClock.sleep(1_000, stop.signal).catch((error: unknown) => error);
    stop.abort();
    expect(isAbort(await sleeping)).toBe(true);
    expect(isAbort(await systemClock.sleep(1, stop.signal).catch((error: unknown) => error))).toBe(true);
    expect(timers.countTimers()).toBe(0);
  });
});

describe("withTimeout", () => {
  it("passes results and rejections on and leaves no timer", async () => {
    const late = () => new Error("late");
    expect(await withTimeout(systemClock, 10, never, () => Promise.resolve(1), late)).toBe(1);
    await expect(withTimeout(systemClock, 10, never, () => Promise.reject(new Error("own")), late)).rejects.toThrow(
      "own",
    );
    expect(timers.countTimers()).toBe(0);
  });

  it("ends work that ignores its signal", async () => {
    const hanging = withTimeout(
      systemClock,
      10,
      never,
      () => new Promise(() => undefined),
      () => new Error("late"),
    );
    const outcome = hanging.catch((error: unknown) => error);
    await timers.tickAsync(10);
    expect(await outcome).toEqual(new Error("late"));
  });

  it("passes an abort of the caller to the work", async () => {
    const stop = new AbortController();
    const work = (signal: AbortSignal) => systemClock.sleep(5_000, signal);
    const outcome = withTimeout(systemClock, 10_000, stop.signal, work, () => new Error("late")).catch(
      (error: unknown) => error,
    );
    stop.abort();
    await timers.tickAsync(0);
    expect(isAbort(await outcome)).toBe(true);
    expect(timers.countTimers()).toBe(0);
  });
});

describe("seededRandom", () => {
  it("repeats itself for a seed, differs between seeds and is uniform in [0, 1)", () => {
    const draw = (seed: number | string) => Array.from({ length: 1_000 }, seededRandom(seed));
    expect(draw("a")).toEqual(draw("a"));
    expect(draw("a")).not.toEqual(draw("b"));
    expect(draw(1)).not.toEqual(draw(2));
    const sample = draw(42);
    expect(sample.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(sample.reduce((sum, value) => sum + value, 0) / sample.length).toBeCloseTo(0.5, 1);
  });
});

describe("Backoff", () => {
  it("grows to its maximum, never falls below its minimum, and starts anew after reset", () => {
    const high = new Backoff({ minMs: 800, maxMs: 30_000, random: () => 1 });
    expect([1, 2, 3, 4, 5, 6, 7].map(() => high.next())).toEqual([1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    high.reset();
    expect(high.next()).toBe(1_600);
    const low = new Backoff({ minMs: 800, maxMs: 30_000, random: () => 0 });
    expect([1, 2, 3].map(() => low.next())).toEqual([800, 800, 800]);
  });
});
