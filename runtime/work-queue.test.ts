import FakeTimers from "@sinonjs/fake-timers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import fc from "../test/fixtures/property.ts";
import { systemClock } from "./clock.ts";
import { WorkQueue } from "./work-queue.ts";
import type { WorkQueueMetrics } from "./work-queue.ts";

let timers: FakeTimers.Clock;
beforeEach(() => {
  timers = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => {
  timers.uninstall();
});

const aQueue = (options: Partial<ConstructorParameters<typeof WorkQueue>[0]> = {}) =>
  new WorkQueue({ clock: systemClock, random: () => 0.5, ...options });

/** Takes what is ready now, without waiting. */
async function takeReady(queue: WorkQueue): Promise<string[]> {
  const keys: string[] = [];
  while (queue.length > 0) {
    const key = await queue.get();
    if (key !== undefined) keys.push(key);
  }
  return keys;
}

describe("WorkQueue", () => {
  it("serves keys in order of arrival, each once", async () => {
    const queue = aQueue();
    for (const key of ["a", "b", "a", "c"]) queue.add(key);
    expect(await takeReady(queue)).toEqual(["a", "b", "c"]);
  });

  it("serves a higher priority first, and moves a waiting key forward when it is added with a higher one", async () => {
    const queue = aQueue();
    queue.add("low");
    queue.add("moved");
    queue.add("high", { priority: 5 });
    queue.add("moved", { priority: 9 });
    queue.add("high", { priority: 1 });
    expect(await takeReady(queue)).toEqual(["moved", "high", "low"]);
  });

  it("gives a key that is added while it is worked on to nobody before done, and then once", async () => {
    const queue = aQueue();
    queue.add("a");
    expect(await queue.get()).toBe("a");
    queue.add("a");
    queue.add("a");
    expect(queue.length).toBe(0);
    queue.done("a");
    expect(await takeReady(queue)).toEqual(["a"]);
    queue.done("a");
    expect(queue.length).toBe(0);
  });

  it("hands a key to a worker that waits", async () => {
    const queue = aQueue();
    const waiting = queue.get();
    queue.add("a");
    expect(await waiting).toBe("a");
  });

  it("hands a key that was added again to a waiting worker at done", async () => {
    const queue = aQueue();
    queue.add("a");
    await queue.get();
    queue.add("a");
    const waiting = queue.get();
    queue.done("a");
    expect(await waiting).toBe("a");
  });

  it("releases delayed keys at their time, in order of time, with one timer", async () => {
    const queue = aQueue();
    queue.addAfter("late", 3_000);
    queue.addAfter("early", 1_000);
    queue.addAfter("middle", 2_000);
    expect(timers.countTimers()).toBe(1);
    await timers.tickAsync(990);
    expect(queue.length).toBe(0);
    await timers.tickAsync(20);
    expect(await takeReady(queue)).toEqual(["early"]);
    await timers.tickAsync(2_000);
    expect(await takeReady(queue)).toEqual(["middle", "late"]);
    expect(timers.countTimers()).toBe(0);
  });

  it("keeps the earliest of several delays of a key and serves it once", async () => {
    const queue = aQueue();
    queue.addAfter("a", 1_000);
    queue.addAfter("a", 5_000);
    queue.addAfter("a", 500);
    await timers.tickAsync(600);
    expect(await takeReady(queue)).toEqual(["a"]);
    queue.done("a");
    await timers.tickAsync(10_000);
    expect(queue.length).toBe(0);
  });

  it("adds at once for a delay of zero, a negative one or none that is a number", () => {
    const queue = aQueue();
    queue.addAfter("zero", 0);
    queue.addAfter("negative", -5);
    queue.addAfter("nonsense", Number.NaN);
    expect(queue.length).toBe(3);
  });

  it("waits longer than a Node timer can: a fixed address kept for 40 days", async () => {
    const queue = aQueue();
    queue.addAfter("a", 40 * 86_400_000);
    await timers.tickAsync(39 * 86_400_000);
    expect(queue.length).toBe(0);
    await timers.tickAsync(86_400_000 + 10);
    expect(queue.length).toBe(1);
  });

  it("doubles the delay of a failing key up to the maximum, with full jitter, until forget", () => {
    const queue = aQueue({ random: () => 1, baseDelayMs: 1_000, maxDelayMs: 5_000 });
    const delays = [1, 2, 3, 4, 5].map(() => queue.addRateLimited("a"));
    expect(delays).toEqual([1_000, 2_000, 4_000, 5_000, 5_000]);
    expect(queue.failures("a")).toBe(5);
    queue.forget("a");
    expect(queue.addRateLimited("a")).toBe(1_000);
    expect(aQueue({ random: () => 0 }).addRateLimited("a")).toBe(100);
  });

  it("serves what is ready after shutDown, then answers undefined, and takes nothing more", async () => {
    const queue = aQueue();
    queue.add("a");
    queue.addAfter("b", 100);
    queue.shutDown();
    queue.add("c");
    queue.addAfter("d", 10);
    expect(await queue.get()).toBe("a");
    expect(await queue.get()).toBeUndefined();
    expect(timers.countTimers()).toBe(0);
  });

  it("wakes waiting workers at shutDown", async () => {
    const queue = aQueue();
    const waiting = [queue.get(), queue.get()];
    queue.shutDown();
    expect(await Promise.all(waiting)).toEqual([undefined, undefined]);
  });

  it("drains: resolves when unfinished and re-added keys are done", async () => {
    const queue = aQueue();
    queue.add("a");
    await queue.get();
    queue.add("a");
    let isDrained = false;
    const drained = queue.shutDownWithDrain().then(() => (isDrained = true));
    queue.done("a");
    await timers.tickAsync(1);
    expect(isDrained).toBe(false);
    expect(await queue.get()).toBe("a");
    queue.done("a");
    await drained;
  });

  it("reports depth, waits, work and unfinished work", async () => {
    const seen: string[] = [];
    const metrics: WorkQueueMetrics = {
      depth: (keys) => seen.push(`depth ${keys}`),
      added: () => seen.push("added"),
      retried: () => seen.push("retried"),
      started: (seconds) => seen.push(`started ${seconds.toFixed(1)}`),
      finished: (seconds) => seen.push(`finished ${seconds.toFixed(1)}`),
    };
    const queue = aQueue({ metrics });
    queue.add("a");
    await timers.tickAsync(500);
    await queue.get();
    await timers.tickAsync(2_000);
    expect(queue.inProgress().longestRunningSeconds).toBeCloseTo(2);
    expect(queue.inProgress().unfinishedSeconds).toBeCloseTo(2);
    queue.done("a");
    queue.addRateLimited("a");
    expect(seen).toEqual(["added", "depth 1", "started 0.5", "depth 0", "finished 2.0", "retried"]);
  });

  it("never gives one key to two workers, and never loses the last add (property)", async () => {
    const command = fc.record({
      key: fc.constantFrom("a", "b", "c", "d"),
      type: fc.constantFrom("add", "addAfter", "addRateLimited", "get", "done", "tick"),
      number: fc.integer({ min: 0, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
        const queue = aQueue();
        const inWork = new Set<string>();
        /** Keys added since they were last taken: each must be served again. */
        const owed = new Set<string>();
        const take = async () => {
          if (queue.length === 0) return;
          const key = (await queue.get())!;
          expect(inWork.has(key)).toBe(false);
          inWork.add(key);
          owed.delete(key);
        };
        const finish = (key: string) => {
          if (inWork.delete(key)) queue.done(key);
        };
        for (const { key, type, number } of commands) {
          if (type === "add") queue.add(key, { priority: number });
          if (type === "addAfter") queue.addAfter(key, number * 100);
          if (type === "addRateLimited") queue.addRateLimited(key);
          if (type.startsWith("add")) owed.add(key);
          if (type === "get") await take();
          if (type === "done") finish(key);
          if (type === "tick") await timers.tickAsync(number * 150);
        }
        for (let round = 0; round < 20 && (owed.size > 0 || queue.length > 0); round++) {
          for (const key of [...inWork]) finish(key);
          await timers.tickAsync(400_000);
          while (queue.length > 0) await take();
        }
        expect([...owed]).toEqual([]);
        queue.shutDownNow();
      }),
      { numRuns: 200 },
    );
  });

  it("keeps 100 000 keys cheap", async () => {
    const queue = aQueue();
    for (let index = 0; index < 100_000; index++) queue.add(`key-${index}`, { priority: index % 3 });
    expect(await takeReady(queue)).toHaveLength(100_000);
  });
});
