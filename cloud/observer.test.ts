import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { CallPriority } from "../domain/eni/eni.ts";
import { TransientError } from "../runtime/errors.ts";
import { installVirtualTime, silentLogger, type VirtualTime } from "./fixtures/virtual-time.ts";
import type { Invoke } from "./invoke.ts";
import { Observer } from "./observer.ts";

describe("the observer", () => {
  let time: VirtualTime;
  let beganAtMs = 0;
  beforeEach(() => {
    time = installVirtualTime();
    beganAtMs = time.clock.now();
  });
  afterEach(() => time.timers.uninstall());

  /** A cloud with interfaces whose status is a function of time; absent ones are not answered. */
  const world = (options: { answerMs?: number; looksPerMinute?: number; waitMs?: () => number } = {}) => {
    const statusById = new Map<string, () => string | undefined>();
    const looks: { atMs: number; ids: readonly string[]; priority: CallPriority }[] = [];
    const failures: Error[] = [];
    const invoke: Invoke = async (_, __, parameters, { priority }) => {
      if (options.waitMs !== undefined) await time.clock.sleep(options.waitMs());
      const query = typeof parameters === "function" ? parameters(time.clock.now()) : parameters;
      if (query === undefined) return undefined;
      const ids = query["NetworkInterfaceId"] as readonly string[];
      looks.push({ atMs: time.clock.now() - beganAtMs, ids, priority });
      const failure = failures.shift();
      const list = ids.flatMap((id) => {
        const status = statusById.get(id)?.();
        return status === undefined ? [] : [{ NetworkInterfaceId: id, Status: status }];
      });
      await time.clock.sleep(options.answerMs ?? 100);
      if (failure !== undefined) throw failure;
      return { NetworkInterfaceSets: { NetworkInterfaceSet: list } };
    };
    const observer = new Observer({
      invoke,
      clock: time.clock,
      logger: silentLogger,
      regionId: "cn-hangzhou",
      looksPerMinute: options.looksPerMinute ?? 600,
    });
    const woken: { atMs: number; eniId: string; status: string | undefined }[] = [];
    observer.onObserved((eniId) => {
      const status = observer.latest(eniId)?.eni?.status;
      woken.push({ atMs: time.clock.now() - beganAtMs, eniId, status });
    });
    observer.start();
    /** An interface that is `before` for `ms`, then `after`. */
    const changes = (eniId: string, before: string, ms: number, after: string | undefined) => {
      const atMs = time.clock.now() + ms;
      statusById.set(eniId, () => (time.clock.now() < atMs ? before : after));
    };
    const watch = (
      eniId: string,
      operation: "attach" | "detach" | "delete" | "look",
      priority: CallPriority = "bind",
    ) => observer.watch(eniId, { operation, startedAtMs: time.clock.now(), priority });
    return { observer, statusById, looks, failures, woken, changes, watch };
  };

  it("wakes the waiter of an attach once it is InUse, soon, and looks first at the tenth of the distribution", async () => {
    const { looks, woken, changes, watch, observer } = world();
    changes("eni-1", "Attaching", 2_000, "InUse");
    watch("eni-1", "attach");
    await time.timers.tickAsync(2_400);
    expect(looks[0]?.atMs).toBe(1_400);
    expect(woken).toHaveLength(1);
    expect(woken[0]).toMatchObject({ eniId: "eni-1", status: "InUse" });
    expect(woken[0]?.atMs).toBeLessThanOrEqual(2_000 + 200 + 100);
    expect(observer.latest("eni-1")?.eni?.status).toBe("InUse");
  });

  it("makes no call when nobody waits", async () => {
    const { looks, changes, watch, observer } = world();
    await time.timers.tickAsync(60_000);
    expect(looks).toHaveLength(0);
    changes("eni-1", "Attaching", 500, "InUse");
    watch("eni-1", "attach");
    await time.timers.tickAsync(2_000);
    observer.stop("eni-1");
    const before = looks.length;
    await time.timers.tickAsync(60_000);
    expect(looks).toHaveLength(before);
    expect(time.timers.countTimers()).toBe(0);
  });

  it("serves a wave of a hundred attaches with at most twenty calls", async () => {
    const { looks, woken, changes, watch, observer } = world();
    observer.onObserved((eniId) => {
      if (observer.latest(eniId)?.eni?.status === "InUse") observer.stop(eniId);
    });
    for (let n = 0; n < 100; n += 1) {
      changes(`eni-${n}`, "Attaching", 1_500 + n * 15, "InUse");
      watch(`eni-${n}`, "attach");
    }
    await time.timers.tickAsync(5_000);
    expect(new Set(woken.map(({ eniId }) => eniId)).size).toBe(100);
    expect(observer.size).toBe(0);
    expect(looks.length).toBeLessThanOrEqual(20);
  });

  it("sees every end of a steady stream of ten attaches a second within 150 ms and its call", async () => {
    const { woken, changes, watch, observer } = world({ looksPerMinute: 600 });
    observer.onObserved((eniId) => observer.stop(eniId));
    const ends = new Map<string, number>();
    for (let n = 0; n < 300; n += 1) {
      const ms = 1_500 + ((n * 397) % 1_500);
      ends.set(`eni-${n}`, n * 100 + ms);
      changes(`eni-${n}`, "Attaching", ms, "InUse");
      watch(`eni-${n}`, "attach");
      await time.timers.tickAsync(100);
    }
    await time.timers.tickAsync(5_000);
    const delays = woken.map(({ eniId, atMs }) => atMs - (ends.get(eniId) ?? 0)).toSorted((a, b) => a - b);
    expect(delays).toHaveLength(300);
    expect(delays[296]).toBeLessThanOrEqual(100 + 150);
  });

  it("asks for everyone at every look, though each call waits a little for the quota", async () => {
    let call = 0;
    const { looks, watch, statusById } = world({ waitMs: () => (call++ % 2 === 0 ? 20 : 0) });
    for (let n = 0; n < 10; n += 1) {
      statusById.set(`eni-${n}`, () => "Attaching");
      watch(`eni-${n}`, "attach");
      await time.timers.tickAsync(20);
    }
    await time.timers.tickAsync(4_000);
    const gaps = Array.from({ length: 10 }, (_, n) => {
      const own = looks.filter(({ ids }) => ids.includes(`eni-${n}`)).map(({ atMs }) => atMs);
      return own.slice(1).map((atMs, index) => atMs - (own[index] ?? 0));
    }).flat();
    expect(gaps.length).toBeGreaterThan(100);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(160);
  });

  it("asks at most a hundred ids a call, and for all of many", async () => {
    const { looks, watch, statusById } = world();
    for (let n = 0; n < 250; n += 1) {
      statusById.set(`eni-${n}`, () => "InUse");
      watch(`eni-${n}`, "look");
    }
    await time.timers.tickAsync(400);
    expect(Math.max(...looks.map(({ ids }) => ids.length))).toBe(100);
    expect(new Set(looks.flatMap(({ ids }) => ids)).size).toBe(250);
  });

  it("spends at most its share of the quota", async () => {
    const { looks, watch, statusById } = world({ looksPerMinute: 60 });
    const forever = setInterval(() => {
      const eniId = `eni-${time.clock.now()}`;
      statusById.set(eniId, () => "Attaching");
      watch(eniId, "attach");
    }, 100);
    await time.timers.tickAsync(120_000);
    clearInterval(forever);
    for (const from of [0, 30_000, 60_000]) {
      expect(looks.filter(({ atMs }) => atMs >= from && atMs < from + 60_000).length).toBeLessThanOrEqual(60);
    }
  });

  it("repeats a failed look and loses no waiter", async () => {
    const { failures, woken, watch, statusById } = world();
    failures.push(...Array.from({ length: 4 }, () => new TransientError("CloudUnavailable", "m")));
    statusById.set("eni-1", () => "Available");
    watch("eni-1", "detach");
    await time.timers.tickAsync(10_000);
    expect(woken[0]).toMatchObject({ eniId: "eni-1", status: "Available" });
  });

  it("tells of absence, of a fall back, and of an unknown state", async () => {
    const { woken, watch, statusById, changes } = world();
    watch("gone", "delete", "release");
    changes("fallback", "Attaching", 1_800, "Available");
    watch("fallback", "attach");
    statusById.set("strange", () => "Creating");
    watch("strange", "look");
    await time.timers.tickAsync(2_500);
    const statusOf = (eniId: string) =>
      woken.filter((wake) => wake.eniId === eniId).map(({ status }) => status ?? "absent");
    expect(statusOf("gone")).toContain("absent");
    expect(statusOf("fallback")[0]).toBe("Available");
    expect(statusOf("strange")[0]).toBe("Unknown");
  });

  it("wakes the waiter of a stuck interface every few seconds, with few calls", async () => {
    const { woken, looks, watch, statusById } = world();
    statusById.set("eni-1", () => "Detaching");
    watch("eni-1", "detach", "release");
    await time.timers.tickAsync(9_000);
    expect(woken).toHaveLength(0);
    await time.timers.tickAsync(111_000);
    expect(woken.length).toBeGreaterThanOrEqual(15);
    expect(woken.length).toBeLessThanOrEqual(24);
    expect(looks.length).toBeLessThan(100);
  });

  it("ignores what was seen before the effect was asked for", async () => {
    const { observer, watch, statusById } = world({ answerMs: 500 });
    statusById.set("eni-1", () => "Available");
    watch("eni-1", "look");
    await time.timers.tickAsync(100);
    // The look is on its way when the attach is asked for.
    statusById.set("eni-1", () => "Attaching");
    watch("eni-1", "attach");
    await time.timers.tickAsync(1_000);
    expect(observer.latest("eni-1")).toBeUndefined();
    await time.timers.tickAsync(2_000);
    expect(observer.latest("eni-1")?.eni?.status).toBe("Attaching");
  });

  it("takes the same watch twice for one, and asks with the most urgent priority", async () => {
    const { looks, observer, statusById } = world();
    const startedAtMs = time.clock.now();
    statusById.set("eni-1", () => "Attaching");
    statusById.set("eni-2", () => "Attaching");
    observer.watch("eni-1", { operation: "look", startedAtMs, priority: "gc" });
    observer.watch("eni-2", { operation: "look", startedAtMs, priority: "bind-fixed" });
    await time.timers.tickAsync(50);
    observer.watch("eni-1", { operation: "look", startedAtMs, priority: "gc" });
    await time.timers.tickAsync(50);
    expect(looks).toHaveLength(1);
    expect(looks[0]?.priority).toBe("bind-fixed");
  });

  it.each([{ durationMs: 4_000 }, { durationMs: 500 }])(
    "learns a cloud that takes $durationMs ms",
    async ({ durationMs }) => {
      const { looks, changes, watch, observer } = world();
      observer.onObserved((eniId) => observer.stop(eniId));
      for (let n = 0; n < 300; n += 1) {
        changes(`eni-${n}`, "Attaching", durationMs, "InUse");
        watch(`eni-${n}`, "attach");
        await time.timers.tickAsync(durationMs + 1_000);
      }
      const startedAtMs = time.clock.now();
      const before = looks.length;
      changes("probe", "Attaching", durationMs, "InUse");
      watch("probe", "attach");
      await time.timers.tickAsync(durationMs + 1_000);
      const firstMs = (looks[before]?.atMs ?? 0) - (startedAtMs - beganAtMs);
      expect(firstMs).toBeGreaterThan(durationMs * 0.8);
      expect(firstMs).toBeLessThan(durationMs * 1.2);
    },
  );

  it("learns nothing from looks that were refused for half a minute: the next release is seen as soon as ever", async () => {
    const { looks, failures, changes, watch, observer } = world();
    observer.onObserved((eniId) => observer.stop(eniId));
    for (let n = 0; n < 12; n += 1) failures.push(new TransientError("Timeout", "late"));
    for (let n = 0; n < 50; n += 1) {
      changes(`eni-${n}`, "Detaching", 1_000, "Available");
      watch(`eni-${n}`, "detach", "release");
    }
    await time.timers.tickAsync(60_000);
    expect(observer.size).toBe(0);
    const [before, startedAtMs] = [looks.length, time.clock.now()];
    watch("probe", "detach", "release");
    await time.timers.tickAsync(3_000);
    expect((looks[before]?.atMs ?? Infinity) - (startedAtMs - beganAtMs)).toBeLessThanOrEqual(2_000);
  });
});
