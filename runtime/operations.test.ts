import FakeTimers from "@sinonjs/fake-timers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { systemClock } from "./clock.ts";
import { Operations } from "./operations.ts";

let timers: FakeTimers.Clock;
beforeEach(() => {
  timers = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => {
  timers.uninstall();
});

function someOperations() {
  const woken: string[] = [];
  const operations = new Operations<string>({ clock: systemClock });
  operations.onSettled((key) => woken.push(key));
  return { operations, woken };
}

/** Work of `ms` milliseconds that a signal can cut. */
const work = (ms: number) => async (signal: AbortSignal) => {
  await systemClock.sleep(ms, signal);
  return `after ${ms}`;
};

describe("Operations", () => {
  it("runs work outside the caller and keeps its result until it is cleared", async () => {
    const { operations, woken } = someOperations();
    expect(operations.state("eni-1")).toBeUndefined();
    expect(operations.start("eni-1", "default/pod", work(100))).toBe(true);
    expect(operations.state("eni-1")).toEqual({ status: "running", startedAtMs: Date.now() });
    expect(woken).toEqual([]);
    await timers.tickAsync(100);
    expect(woken).toEqual(["default/pod"]);
    expect(operations.state("eni-1")).toEqual({ status: "done", result: "after 100" });
    operations.clear("eni-1");
    expect(operations.state("eni-1")).toBeUndefined();
  });

  it("runs one at a time per key, and several keys at once", async () => {
    const { operations } = someOperations();
    expect(operations.start("a", "w", work(100))).toBe(true);
    expect(operations.start("a", "w", work(1))).toBe(false);
    expect(operations.start("b", "w", work(1))).toBe(true);
    expect(operations.running).toBe(2);
    operations.clear("a");
    expect(operations.state("a")?.status).toBe("running");
    await timers.tickAsync(100);
    expect(operations.state("a")).toEqual({ status: "done", result: "after 100" });
    expect(operations.start("a", "w", work(5))).toBe(true);
    await timers.tickAsync(5);
    expect(operations.state("a")).toEqual({ status: "done", result: "after 5" });
  });

  it("keeps an error as the state, thrown or rejected, and wakes the object", async () => {
    const { operations, woken } = someOperations();
    const error = new Error("refused");
    operations.start("rejects", "w1", () => Promise.reject(error));
    operations.start("throws", "w2", () => {
      throw error;
    });
    await timers.tickAsync(1);
    for (const key of ["rejects", "throws"]) expect(operations.state(key)).toMatchObject({ status: "failed", error });
    expect(woken.toSorted()).toEqual(["w1", "w2"]);
  });

  it("reaches every listener even when one throws", async () => {
    const { operations, woken } = someOperations();
    const first = new Operations<string>({ clock: systemClock });
    first.onSettled(() => {
      throw new Error("listener");
    });
    first.onSettled((key) => woken.push(key));
    first.start("a", "w", work(1));
    await timers.tickAsync(1);
    expect(woken).toEqual(["w"]);
    await operations.stop();
  });

  it("waits for running work when it stops, and starts nothing more", async () => {
    const { operations } = someOperations();
    operations.start("a", "w", work(3_000));
    let hasStopped = false;
    void operations.stop().then(() => (hasStopped = true));
    expect(operations.start("b", "w", work(1))).toBe(false);
    await timers.tickAsync(2_900);
    expect(hasStopped).toBe(false);
    await timers.tickAsync(200);
    expect(hasStopped).toBe(true);
    expect(operations.state("a")?.status).toBe("done");
    expect(timers.countTimers()).toBe(0);
  });

  it("cuts off work that exceeds the limit of the stop", async () => {
    const { operations } = someOperations();
    operations.start("a", "w", work(60_000));
    let hasStopped = false;
    void operations.stop(5_000).then(() => (hasStopped = true));
    await timers.tickAsync(5_010);
    expect(hasStopped).toBe(true);
    expect(operations.state("a")?.status).toBe("failed");
  });
});
