import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { CallPriority } from "../domain/eni/eni.ts";
import { SuspendedError, ThrottledError, TransientError, type OperatorError } from "../runtime/errors.ts";
import { apiNames, isRead, type ApiName, type Product } from "./call.ts";
import { CallGate } from "./call-gate.ts";
import { SettableLevel } from "./fixtures/settable-level.ts";
import { installVirtualTime, silentLogger, type VirtualTime } from "./fixtures/virtual-time.ts";

const never = new AbortController().signal;
const priorities: readonly CallPriority[] = ["bind-fixed", "bind", "release", "gc"];
const read = "DescribeNetworkInterfaces";

describe("the gate before every call", () => {
  let time: VirtualTime;
  let wanted: SettableLevel;
  let gate: CallGate;
  let probes: { product: Product; atMs: number }[];
  /** What a probe meets. */
  let isBack: boolean;
  let changes: number;
  beforeEach(() => {
    time = installVirtualTime();
    wanted = new SettableLevel();
    probes = [];
    isBack = false;
    changes = 0;
    gate = new CallGate({
      wanted,
      probe: async (product) => {
        gate.assertMayProbe(read, "bind");
        probes.push({ product, atMs: time.clock.monotonic() });
        const api = product === "ecs" ? read : "DescribeVSwitches";
        if (isBack) gate.answered(api);
        else gate.failed(api, noAnswer(), time.clock.now());
        await Promise.resolve();
      },
      clock: time.clock,
      logger: silentLogger,
    });
    gate.onChange(() => (changes += 1));
  });
  afterEach(() => {
    gate.close();
    time.timers.uninstall();
  });

  const failure = (code: string, outcome: "refused" | "unknown") =>
    new TransientError("CloudUnreachable", code, { cloud: { api: read, code, outcome } });
  const noAnswer = () => failure("Timeout", "unknown");
  const isHeld = (api: ApiName, priority: CallPriority = "bind") => gate.suspensionOf(api, priority) !== undefined;
  /** So many failures in a row, a second apart, as they reach the gate. */
  const fail = async (count: number, error: () => OperatorError = noAnswer, api: ApiName = read) => {
    for (let n = 0; n < count; n += 1) {
      gate.failed(api, error(), time.clock.now());
      await time.timers.tickAsync(1_000);
    }
  };
  const cases = apiNames.flatMap((api) => priorities.map((priority) => ({ api, priority })));

  it("without trouble nothing is held back", () => {
    expect(cases.filter(({ api, priority }) => isHeld(api, priority))).toEqual([]);
  });

  describe("l0", () => {
    it("holds back every API that there is, whatever it is for", () => {
      wanted.set("l0");
      expect(cases.filter(({ api, priority }) => !isHeld(api, priority))).toEqual([]);
      for (const { api, priority } of cases) {
        expect(() => gate.enter(api, { priority, signal: never })).toThrow(SuspendedError);
      }
      expect(gate.suspensionOf(read, "bind")).toEqual({
        reason: "Degraded",
        message: "calls to the cloud are suspended: degradation l0 (configuration)",
        sinceMs: time.clock.now(),
      });
    });

    it("stops the probes of an outage too, and leaves the outage when it ends", async () => {
      await fail(5);
      wanted.set("l0");
      const before = probes.length;
      isBack = true;
      await time.timers.tickAsync(60_000);
      expect(probes.length).toBe(before);
      wanted.set("");
      await time.timers.tickAsync(10_000);
      expect(isHeld(read)).toBe(false);
    });

    it("tells at the beginning and at the end, and ends with a slow return", async () => {
      wanted.set("l0");
      wanted.set("");
      expect(changes).toBe(2);
      expect(gate.enter(read, { priority: "bind", signal: never })).toBeInstanceOf(Promise);
      await time.timers.tickAsync(21_000);
      expect(gate.enter(read, { priority: "bind", signal: never })).toBeUndefined();
    });

    it("refuses what waits for its turn", async () => {
      wanted.set("l0");
      wanted.set("");
      void gate.enter(read, { priority: "bind", signal: never });
      const waiting = expect(gate.enter(read, { priority: "bind", signal: never })).rejects.toBeInstanceOf(
        SuspendedError,
      );
      wanted.set("l0");
      await waiting;
    });
  });

  describe("l1", () => {
    const rows: readonly { name: string; apis: readonly ApiName[]; priority: CallPriority; isHeld: boolean }[] = [
      {
        name: "deletions, even if a caller names them a bind",
        apis: apiNames.filter((api) => api.startsWith("Delete")),
        priority: "bind",
        isHeld: true,
      },
      {
        name: "addresses that are given back",
        apis: apiNames.filter((api) => api.startsWith("Unassign")),
        priority: "bind",
        isHeld: true,
      },
      {
        name: "every change that releases",
        apis: apiNames.filter((api) => !isRead(api)),
        priority: "release",
        isHeld: true,
      },
      { name: "all that collects", apis: apiNames, priority: "gc", isHeld: true },
      { name: "looks at what is being released", apis: apiNames.filter(isRead), priority: "release", isHeld: false },
      {
        name: "a detach for a pod that waits",
        apis: apiNames.filter((api) => api.startsWith("Detach")),
        priority: "bind-fixed",
        isHeld: false,
      },
      {
        name: "creating, attaching and assigning",
        apis: apiNames.filter((api) => /^(Create|Attach|Assign)/.test(api)),
        priority: "bind",
        isHeld: false,
      },
    ];
    it.each(rows)("$name: held back is $isHeld", ({ apis, priority, isHeld: want }) => {
      wanted.set("l1");
      expect(apis.length).toBeGreaterThan(0);
      expect(apis.filter((api) => isHeld(api, priority) !== want)).toEqual([]);
    });

    it("ends without a slow return: the cloud was in use all the time", () => {
      wanted.set("l1");
      wanted.set("");
      expect(gate.enter("DeleteNetworkInterface", { priority: "release", signal: never })).toBeUndefined();
    });
  });

  describe("an outage", () => {
    it.each([
      { name: "no answer in time", error: noAnswer },
      { name: "no connection", error: () => failure("NotSent", "refused") },
      { name: "an internal error", error: () => failure("InternalError", "unknown") },
      { name: "HTML", error: () => failure("MalformedAnswer", "unknown") },
    ])("$name, five times in a row over 3 s, holds calls back", async ({ error }) => {
      await fail(4, error);
      expect(isHeld(read)).toBe(false);
      await fail(1, error);
      expect(isHeld("CreateNetworkInterface")).toBe(true);
      expect(changes).toBe(1);
    });

    it.each([
      { name: "throttling", error: () => new ThrottledError("Throttled", "slow down", 1_000) },
      { name: "a refusal", error: () => failure("InvalidEniId.NotFound", "refused") },
      { name: "a missing credential", error: () => failure("NoCredential", "refused") },
    ])("$name is none", async ({ error }) => {
      await fail(50, error);
      expect(isHeld(read)).toBe(false);
    });

    it("any answer in between begins the count anew", async () => {
      for (let n = 0; n < 20; n += 1) {
        await fail(4);
        gate.answered(read);
      }
      expect(isHeld(read)).toBe(false);
    });

    it("a burst of failures within a moment is none yet", () => {
      for (let n = 0; n < 100; n += 1) gate.failed(read, noAnswer(), time.clock.now());
      expect(isHeld(read)).toBe(false);
    });

    it("calls that hung for long before they failed have lasted long enough", () => {
      for (let n = 0; n < 5; n += 1) gate.failed(read, noAnswer(), time.clock.now() - 20_000);
      expect(isHeld(read)).toBe(true);
    });

    it("of one product leaves the other alone", async () => {
      await fail(5, noAnswer, "DescribeVSwitches");
      expect(isHeld("DescribeVSwitches")).toBe(true);
      expect(isHeld(read)).toBe(false);
      expect(gate.outages()).toEqual([
        { product: "ecs", isDown: false },
        { product: "vpc", isDown: true },
      ]);
    });

    it("says which product, since when and why, in words that stay", async () => {
      const sinceMs = time.clock.now();
      await fail(5);
      const first = gate.suspensionOf(read, "bind");
      const since = new Date(sinceMs).toISOString().replace(".000Z", "Z");
      expect(first).toEqual({
        reason: "CloudUnavailable",
        message: `calls to the cloud are suspended: ECS does not answer since ${since} (Timeout)`,
        sinceMs,
      });
      await time.timers.tickAsync(600_000);
      expect(gate.suspensionOf(read, "bind")).toEqual(first);
    });

    it("of an hour costs a probe every 10 s and nothing else", async () => {
      await fail(5);
      await time.timers.tickAsync(3_600_000);
      expect(probes.length).toBeGreaterThan(300);
      expect(probes.length).toBeLessThanOrEqual(365);
      const gaps = probes.slice(1).map(({ atMs }, index) => atMs - (probes[index]?.atMs ?? 0));
      expect(gaps.slice(0, 4)).toEqual([2_000, 4_000, 8_000, 10_000]);
      expect(Math.max(...gaps)).toBe(10_000);
    });

    it("ends with a probe that is answered, at most 10 s after the cloud is back, and calls begin slowly", async () => {
      await fail(5);
      await time.timers.tickAsync(600_000);
      isBack = true;
      await time.timers.tickAsync(10_000);
      expect(isHeld(read)).toBe(false);
      expect(changes).toBe(2);
      const count = probes.length;
      expect(gate.enter(read, { priority: "bind", signal: never })).toBeInstanceOf(Promise);
      await time.timers.tickAsync(60_000);
      expect(probes.length).toBe(count);
    });

    it("that returns while calls begin slowly is noticed at once", async () => {
      await fail(5);
      isBack = true;
      await time.timers.tickAsync(10_000);
      for (let n = 0; n < 5; n += 1) gate.failed(read, noAnswer(), time.clock.now());
      expect(isHeld(read)).toBe(true);
    });

    it("is not probed after the end of the process", async () => {
      await fail(5);
      gate.close();
      const before = probes.length;
      await time.timers.tickAsync(60_000);
      expect(probes.length).toBe(before);
    });
  });
});
