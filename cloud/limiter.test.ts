import { afterEach, describe, expect, it } from "@jest/globals";
import fc from "../test/fixtures/property.ts";
import type { CallPriority } from "../domain/eni/eni.ts";
import { ThrottledError } from "../runtime/errors.ts";
import type { ApiName } from "./call.ts";
import { installVirtualTime, minuteStartMs, type VirtualTime } from "./fixtures/virtual-time.ts";
import { Limiter, type LimiterOptions } from "./limiter.ts";

const api: ApiName = "AttachNetworkInterface";
const guardMs = 500;
const signal = new AbortController().signal;

describe("the limiter", () => {
  let time: VirtualTime | undefined;
  afterEach(() => time?.timers.uninstall());

  const world = (options: Partial<LimiterOptions> & { offsetMs?: number; quota?: number } = {}) => {
    time?.timers.uninstall();
    time = installVirtualTime(options.offsetMs ?? 0);
    const { clock, timers } = time;
    const limiter = new Limiter({ clock, callsPerMinute: { [api]: options.quota ?? 20 }, guardMs, ...options });
    const starts: { atMs: number; priority: CallPriority }[] = [];
    const submit = (priority: CallPriority = "bind", callSignal = signal) =>
      limiter.run(api, { priority, signal: callSignal }, ({ startedAtMs }) => {
        starts.push({ atMs: startedAtMs - minuteStartMs, priority });
        return Promise.resolve();
      });
    return { limiter, timers, clock, starts, submit };
  };

  /** The most calls that a server could count in one minute, each landing up to `guardMs` from its start. */
  const worstMinute = (starts: readonly { atMs: number }[]) => {
    const minutes = new Set(starts.map(({ atMs }) => Math.floor(atMs / 60_000)));
    return Math.max(
      0,
      ...[...minutes].map((minute) => {
        const from = minute * 60_000 - guardMs;
        return starts.filter(({ atMs }) => atMs >= from && atMs < from + 60_000 + 2 * guardMs).length;
      }),
    );
  };

  it("never lets a wall-clock minute see more than the quota, whichever side of a boundary calls land on", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 150_000 }), { maxLength: 120 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 0, max: 59_999 }),
        async (arrivals, quota, offsetMs) => {
          const { timers, starts, submit } = world({ quota, offsetMs });
          const done = arrivals.map(
            (ms) => new Promise<void>((resolve) => setTimeout(() => void submit().then(resolve), ms)),
          );
          await timers.tickAsync(150_000 + Math.ceil(120 / quota) * 60_000 + 120_000);
          await Promise.all(done);
          expect(starts).toHaveLength(arrivals.length);
          expect(worstMinute(starts)).toBeLessThanOrEqual(quota);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("uses the full quota of every minute under backlog", async () => {
    const { timers, starts, submit } = world({ quota: 500 });
    for (let n = 0; n < 2_000; n += 1) void submit();
    await timers.tickAsync(4 * 60_000 - 1);
    const perMinute = [0, 1, 2, 3].map(
      (minute) => starts.filter(({ atMs }) => Math.floor(atMs / 60_000) === minute).length,
    );
    expect(perMinute).toEqual([500, 500, 500, 500]);
    expect(worstMinute(starts)).toBe(500);
  });

  it("serves the most urgent first, whatever came first", async () => {
    const { timers, starts, submit } = world({ quota: 2, offsetMs: 1_000 });
    const order: CallPriority[] = ["gc", "gc", "gc", "release", "bind", "bind-fixed"];
    for (const priority of order) void submit(priority);
    await timers.tickAsync(3 * 60_000);
    expect(starts.map(({ priority }) => priority)).toEqual(["bind-fixed", "bind", "release", "gc", "gc", "gc"]);
  });

  it("keeps a tenth for releasing under a backlog of binds, and gives all to binds when nothing is released", async () => {
    const { timers, starts, submit } = world({ quota: 100, offsetMs: 1_000 });
    for (let n = 0; n < 300; n += 1) void submit("bind");
    for (let n = 0; n < 50; n += 1) void submit("release");
    await timers.tickAsync(58_000);
    expect(starts).toHaveLength(100);
    expect(starts.filter(({ priority }) => priority === "release").length).toBeGreaterThanOrEqual(10);

    const alone = world({ quota: 100, offsetMs: 1_000 });
    for (let n = 0; n < 300; n += 1) void alone.submit("bind");
    await alone.timers.tickAsync(58_000);
    expect(alone.starts).toHaveLength(100);
  });

  it("closes the API until the next minute after a refusal, repeats the refused call first and shrinks its share", async () => {
    const { limiter, timers, clock, starts, submit } = world({ quota: 100, offsetMs: 10_000 });
    let attempts = 0;
    const refused = limiter.run(api, { priority: "bind", signal }, () => {
      attempts += 1;
      if (attempts === 1) return Promise.reject(new ThrottledError("Throttled", "m", 1_000));
      return Promise.resolve(clock.now() - minuteStartMs);
    });
    await timers.tickAsync(100);
    for (let n = 0; n < 200; n += 1) void submit();
    await timers.tickAsync(49_000);
    expect(starts).toHaveLength(0);
    await timers.tickAsync(60_000);
    expect(Math.floor((await refused) / 60_000)).toBe(1);
    expect(starts).toHaveLength(69);
    await timers.tickAsync(60_000);
    expect(starts).toHaveLength(69 + 80);
  });

  it("shrinks its share once for many refusals of one minute, never below a tenth, and recovers a tenth a quiet minute", async () => {
    const { limiter, timers } = world({ quota: 100, offsetMs: 10_000 });
    let isRefusing = true;
    const send = () => (isRefusing ? Promise.reject(new ThrottledError("Throttled", "m", 1_000)) : Promise.resolve());
    const calls = Array.from({ length: 5 }, () => limiter.run(api, { priority: "bind", signal }, send));
    await timers.tickAsync(1_000);
    expect(limiter.state()[0]?.share).toBeCloseTo(0.7);
    await timers.tickAsync(20 * 60_000);
    expect(limiter.state()[0]?.share).toBeCloseTo(0.1);
    isRefusing = false;
    await timers.tickAsync(61_000);
    await Promise.all(calls);
    await timers.tickAsync(4 * 60_000);
    expect(limiter.state()[0]?.share).toBeGreaterThanOrEqual(0.4);
    await timers.tickAsync(10 * 60_000);
    expect(limiter.state()[0]?.share).toBe(1);
  });

  it("forgets a call whose signal aborts while it waits, at no cost", async () => {
    const { limiter, timers, submit, starts } = world({ quota: 1, offsetMs: 1_000 });
    await Promise.all([submit(), timers.tickAsync(100)]);
    const aborts = new AbortController();
    const waiting = submit("bind", aborts.signal);
    const outcome = expect(waiting).rejects.toMatchObject({ name: "AbortError" });
    await timers.tickAsync(100);
    aborts.abort(new Error("stopped"));
    await outcome;
    expect(limiter.state()[0]).toMatchObject({ waiting: 0 });
    const next = submit();
    await timers.tickAsync(61_000);
    await next;
    expect(starts).toHaveLength(2);
  });

  it("has no timer when nobody waits", async () => {
    const { timers, submit } = world({ offsetMs: 1_000 });
    await Promise.all([submit(), timers.tickAsync(100)]);
    await timers.tickAsync(70_000);
    expect(timers.countTimers()).toBe(0);
  });

  it("passes other failures on", async () => {
    const { limiter, timers } = world({ offsetMs: 1_000 });
    const failed = limiter.run(api, { priority: "bind", signal }, () => Promise.reject(new Error("no")));
    await Promise.all([expect(failed).rejects.toThrow("no"), timers.tickAsync(100)]);
  });

  describe("with a lease", () => {
    it("stops at the recorded allowance until the record is renewed", async () => {
      const { limiter, timers, starts, submit } = world({ quota: 500, offsetMs: 1_000, allowance: 150 });
      limiter.usage();
      limiter.renewed();
      for (let n = 0; n < 400; n += 1) void submit();
      await timers.tickAsync(5_000);
      expect(starts).toHaveLength(150);
      limiter.usage();
      await timers.tickAsync(1_000);
      expect(starts).toHaveLength(150);
      limiter.renewed();
      await timers.tickAsync(5_000);
      expect(starts).toHaveLength(300);
    });

    it("asks for a record after half of the allowance, so that a burst hardly waits for renewals", async () => {
      let asked = 0;
      const recordLater = () => {
        asked += 1;
        // What a renewal of the lease takes.
        limiter.usage();
        setTimeout(() => limiter.renewed(), 20);
      };
      const { limiter, timers, starts, submit } = world({
        quota: 500,
        offsetMs: 1_000,
        allowance: 40,
        onRecordDue: recordLater,
      });
      for (let n = 0; n < 200; n += 1) void submit();
      await timers.tickAsync(500);
      expect(starts).toHaveLength(200);
      expect(asked).toBeLessThanOrEqual(10);
    });

    it("gives its use to the next leader, who starts with what is left", async () => {
      const former = world({ quota: 100, offsetMs: 1_000, allowance: 150 });
      for (let n = 0; n < 60; n += 1) void former.submit();
      await former.timers.tickAsync(3_000);
      const record = former.limiter.usage();
      expect(record.length).toBeLessThan(200);

      const next = world({ quota: 100, offsetMs: 5_000, allowance: 150 });
      next.limiter.restore(record, { hardTakeover: false });
      for (let n = 0; n < 100; n += 1) void next.submit();
      await next.timers.tickAsync(50_000);
      expect(next.starts).toHaveLength(40);
    });

    it("counts the allowance of a leader that was killed, in the minute of its record and the next", async () => {
      const former = world({ quota: 500, offsetMs: 50_000, allowance: 150 });
      for (let n = 0; n < 100; n += 1) void former.submit();
      await former.timers.tickAsync(3_000);
      const record = former.limiter.usage();

      const next = world({ quota: 500, offsetMs: 61_000, allowance: 1_000 });
      next.limiter.restore(record, { hardTakeover: true });
      for (let n = 0; n < 500; n += 1) void next.submit();
      await next.timers.tickAsync(50_000);
      expect(next.starts).toHaveLength(350);
    });

    it.each([undefined, "", "no json", "{}", '{"minute":"x","used":{}}'])(
      "takes nothing from the record %p",
      (record) => {
        const { limiter } = world();
        limiter.restore(record, { hardTakeover: true });
        expect(limiter.state()).toEqual([]);
      },
    );
  });
});
