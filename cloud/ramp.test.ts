import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { CallPriority } from "../domain/eni/eni.ts";
import { SuspendedError } from "../runtime/errors.ts";
import { installVirtualTime, type VirtualTime } from "./fixtures/virtual-time.ts";
import { Ramp, rampMs } from "./ramp.ts";

const never = new AbortController().signal;

describe("the slow return after a pause", () => {
  let time: VirtualTime;
  let ramp: Ramp;
  let starts: { atMs: number; name: string }[];
  beforeEach(() => {
    time = installVirtualTime();
    ramp = new Ramp(time.clock);
    starts = [];
  });
  afterEach(() => time.timers.uninstall());

  const submit = async (name: string, priority: CallPriority = "bind", signal = never): Promise<void> => {
    const turn = ramp.turn(priority, signal);
    if (turn !== undefined) await turn;
    starts.push({ atMs: time.clock.monotonic(), name });
  };
  const startsBetween = (fromMs: number, toMs: number) =>
    starts.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length;

  it("without a pause every call starts at once", () => {
    expect(ramp.turn("gc", never)).toBeUndefined();
    expect(ramp.isRising).toBe(false);
  });

  it("starts grow from a few a second to all that wait, within 20 s", async () => {
    ramp.begin();
    for (let n = 0; n < 2_000; n += 1) void submit(`${n}`);
    await time.timers.tickAsync(30_000);
    expect(startsBetween(0, 1_000)).toBeLessThanOrEqual(7);
    expect(startsBetween(14_000, 15_000)).toBeGreaterThanOrEqual(150);
    expect(startsBetween(0, 1_000)).toBeGreaterThanOrEqual(3);
    const perSecond = Array.from({ length: 15 }, (_, second) => startsBetween(second * 1_000, second * 1_000 + 1_000));
    expect(perSecond).toEqual(perSecond.toSorted((a, b) => a - b));
    // A hundred binds need two hundred calls; they fit into the first half.
    expect(startsBetween(0, 10_000)).toBeGreaterThanOrEqual(200);
    expect(startsBetween(0, rampMs + 1)).toBe(2_000);
  });

  it("the most urgent go first, in order of arrival", async () => {
    ramp.begin();
    void submit("first");
    for (const priority of ["gc", "release", "bind", "bind-fixed"] as const) {
      void submit(`${priority} 1`, priority);
      void submit(`${priority} 2`, priority);
    }
    await time.timers.tickAsync(10_000);
    expect(starts.map(({ name }) => name)).toEqual([
      "first",
      ...["bind-fixed 1", "bind-fixed 2", "bind 1", "bind 2", "release 1", "release 2", "gc 1", "gc 2"],
    ]);
  });

  it("an aborted call leaves and costs no start", async () => {
    ramp.begin();
    const aborts = new AbortController();
    void submit("first");
    const aborted = expect(submit("aborted", "bind", aborts.signal)).rejects.toMatchObject({ name: "AbortError" });
    const late = new AbortController();
    late.abort();
    await expect(submit("late", "bind", late.signal)).rejects.toMatchObject({ name: "AbortError" });
    void submit("second");
    aborts.abort();
    await time.timers.tickAsync(400);
    await aborted;
    expect(starts.map(({ name }) => name)).toEqual(["first", "second"]);
  });

  it("another pause refuses everybody who waits", async () => {
    ramp.begin();
    void submit("first");
    const refused = expect(submit("second")).rejects.toBeInstanceOf(SuspendedError);
    ramp.refuseAll(new SuspendedError("Degraded", "again", 1_000));
    await refused;
    await time.timers.tickAsync(60_000);
    expect(starts.map(({ name }) => name)).toEqual(["first"]);
  });
});
