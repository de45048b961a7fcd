import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { SuspendedError, TerminalError, ThrottledError, TransientError, WaitingError } from "../runtime/errors.ts";
import type { OperatorError } from "../runtime/errors.ts";
import { apiNames, type ApiName } from "./call.ts";
import { CallGate } from "./call-gate.ts";
import { SettableLevel } from "./fixtures/settable-level.ts";
import { installVirtualTime, silentLogger, type VirtualTime } from "./fixtures/virtual-time.ts";

const attach = "AttachNetworkInterface";
const look = "DescribeNetworkInterfaces";
const denied = () => new TerminalError("AccessDenied", "missing RAM action ecs:AttachNetworkInterface");
const wrongKey = () => new TerminalError("InvalidCredential", "no such key");
const answerOf = (api: ApiName, code: string) => ({ cloud: { api, code, outcome: "refused" as const } });

describe("a call that is refused whatever it is about", () => {
  let time: VirtualTime;
  let gate: CallGate;
  /** What the cloud makes of a call about nothing; undefined: carries it out. */
  let ofProbe: (() => OperatorError) | undefined;
  let probes: number;
  let changes: number;
  beforeEach(() => {
    time = installVirtualTime();
    ofProbe = wrongKey;
    probes = 0;
    changes = 0;
    gate = new CallGate({
      wanted: new SettableLevel(),
      probe: async () => {
        probes += 1;
        if (ofProbe === undefined) gate.answered(look);
        else gate.failed(look, ofProbe(), time.clock.now());
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

  const isHeld = (api: ApiName) => gate.suspensionOf(api, "bind") !== undefined;
  const send = (api: ApiName) => gate.assertMaySend(api, "bind");
  const refuse = (count: number, error: () => OperatorError, api: ApiName = attach) => {
    for (let n = 0; n < count; n += 1) gate.failed(api, error(), time.clock.now());
  };

  it("is held back from the third time on, says why, and wakes who waits", () => {
    refuse(2, denied);
    expect(isHeld(attach)).toBe(false);
    refuse(1, denied);
    expect(gate.suspensionOf(attach, "bind")).toMatchObject({ reason: "AccessDenied", message: denied().message });
    expect(changes).toBe(1);
    expect(apiNames.filter(isHeld)).toEqual([attach]);
    expect(() => send(attach)).toThrow(SuspendedError);
  });

  it("is tried once every 20 s, by whoever comes first", async () => {
    refuse(3, denied);
    let tried = 0;
    const tryOnce = () => {
      try {
        send(attach);
      } catch {
        return;
      }
      tried += 1;
      refuse(1, denied);
    };
    for (let second = 0; second < 300; second += 1) {
      for (let waiting = 0; waiting < 5; waiting += 1) tryOnce();
      await time.timers.tickAsync(1_000);
    }
    expect(tried).toBe(14);
  });

  it.each<{ readonly name: string; readonly outcome: (() => OperatorError) | undefined; readonly lifts: boolean }>([
    { name: "is carried out", outcome: undefined, lifts: true },
    {
      name: "is refused for the state of its interface",
      outcome: () => new WaitingError("InterfaceStateChanged", "not Available", 1_000, answerOf(attach, "X")),
      lifts: true,
    },
    { name: "is refused for the same", outcome: denied, lifts: false },
    {
      name: "is refused for its rate",
      outcome: () => new ThrottledError("Throttled", "too many", 1_000, answerOf(attach, "Throttling.User")),
      lifts: false,
    },
    {
      name: "is not answered",
      outcome: () =>
        new TransientError("CloudUnreachable", "Timeout", {
          cloud: { api: attach, code: "Timeout", outcome: "unknown" },
        }),
      lifts: false,
    },
  ])("is let through again as soon as one $name: $lifts", ({ outcome, lifts }) => {
    refuse(3, denied);
    if (outcome === undefined) gate.answered(attach);
    else refuse(1, outcome);
    expect(isHeld(attach)).toBe(!lifts);
    expect(changes).toBe(lifts ? 2 : 1);
  });

  it("is not held back while others of its kind are allowed in between", () => {
    for (let n = 0; n < 20; n += 1) {
      refuse(2, denied);
      gate.answered(attach);
    }
    expect(isHeld(attach)).toBe(false);
  });

  it("of creations and of reads that caches share is left to their owners", () => {
    const owned = ["CreateNetworkInterface", "DescribeVSwitches", "DescribeInstanceTypes"] as const;
    for (const api of owned) refuse(10, denied, api);
    expect(owned.filter(isHeld)).toEqual([]);
  });

  it("for a wrong key holds every call back; a read about nothing asks three times a minute whether it is mended", async () => {
    refuse(3, wrongKey);
    expect(apiNames.filter((api) => !isHeld(api))).toEqual([]);
    await time.timers.tickAsync(600_000);
    expect(probes).toBe(30);
    expect(() => send(look)).toThrow(SuspendedError);
    ofProbe = undefined;
    await time.timers.tickAsync(20_000);
    expect(apiNames.filter(isHeld)).toEqual([]);
    expect(changes).toBe(2);
    await time.timers.tickAsync(600_000);
    expect(probes).toBe(31);
  });

  it("for a right after a wrong key was mended: only that call stays held back", () => {
    refuse(3, wrongKey);
    refuse(3, denied);
    expect(apiNames.filter(isHeld)).toEqual([attach]);
  });
});
