import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { CallFailed } from "./call.ts";
import { toOperatorError } from "./operator-error.ts";
import { installVirtualTime, type VirtualTime } from "./fixtures/virtual-time.ts";
import type { Invoke } from "./invoke.ts";
import { CachedVSwitchPool } from "./vswitch-pool.ts";

const signal = new AbortController().signal;

describe("the vSwitch pool", () => {
  let time: VirtualTime;
  beforeEach(() => {
    time = installVirtualTime();
  });
  afterEach(() => time.timers.uninstall());

  const world = (free: Record<string, number>, options: { size?: number; ttlMs?: number } = {}) => {
    const reads: string[] = [];
    const refusals = new Map<string, CallFailed>();
    const invoke: Invoke = async (api, _, parameters) => {
      const id = String((parameters as Record<string, unknown>)["VSwitchId"]);
      reads.push(id);
      await time.clock.sleep(100);
      const refusal = refusals.get(id);
      if (refusal !== undefined) throw toOperatorError(api, refusal, 0);
      const count = free[id];
      const found = {
        VSwitchId: id,
        VpcId: "vpc-1",
        ZoneId: "z",
        CidrBlock: "10.0.0.0/24",
        AvailableIpAddressCount: count,
      };
      return { VSwitches: { VSwitch: count === undefined ? [] : [found] } };
    };
    const pool = new CachedVSwitchPool({ invoke, clock: time.clock, regionId: "r", ...options });
    const get = async (...ids: string[]) => {
      const [result] = await Promise.all([pool.get(ids, signal), time.timers.tickAsync(150)]);
      return result;
    };
    const count = async (id: string) => {
      const [found] = await get(id);
      return found !== undefined && "freeIpv4Count" in found ? found.freeIpv4Count : undefined;
    };
    return { pool, reads, refusals, get, count, free };
  };

  it("uses on what it knew while a read fails for a reason that may pass, and reads again as soon as it can", async () => {
    const { pool, reads, refusals, get, count, free } = world({ "vsw-1": 9 }, { ttlMs: 1_000 });
    expect(await count("vsw-1")).toBe(9);
    const failure = { message: "m", status: 503 };
    refusals.set("vsw-1", new CallFailed({ kind: "answered", code: "ServiceUnavailable", ...failure }));
    await time.timers.tickAsync(3_600_000);
    pool.taken("vsw-1");
    expect(await count("vsw-1")).toBe(8);
    expect(reads).toHaveLength(2);
    refusals.clear();
    free["vsw-1"] = 4;
    expect(await count("vsw-1")).toBe(4);
    expect(await get("vsw-1")).toMatchObject([{ zoneId: "z" }]);
  });

  it("keeps a full vSwitch blocked while it cannot be read", async () => {
    const { pool, refusals, count } = world({ "vsw-1": 9 });
    await count("vsw-1");
    pool.exhausted("vsw-1");
    refusals.set("vsw-1", new CallFailed({ kind: "timeout", code: "Timeout", message: "m" }));
    await time.timers.tickAsync(10_000);
    const [regained] = await Promise.all([pool.refreshExhausted(signal), time.timers.tickAsync(150)]);
    expect(regained).toEqual([]);
    expect(pool.isExhausted("vsw-1")).toBe(true);
  });

  it("reads each id once, for concurrent readers and until the read is old", async () => {
    const { pool, reads, get } = world({ "vsw-1": 9, "vsw-2": 3 });
    const readers = Array.from({ length: 20 }, () => pool.get(["vsw-1", "vsw-2"], signal));
    await time.timers.tickAsync(150);
    const [first] = await Promise.all(readers);
    expect(first).toMatchObject([
      {
        vSwitchId: "vsw-1",
        zoneId: "z",
        vpcId: "vpc-1",
        ipv4Cidr: "10.0.0.0/24",
        ipv6Cidr: "",
        freeIpv4Count: 9,
        isExhausted: false,
      },
      { vSwitchId: "vsw-2", freeIpv4Count: 3 },
    ]);
    expect(reads).toEqual(["vsw-1", "vsw-2"]);
    await time.timers.tickAsync(1_200_000);
    await get("vsw-1");
    expect(reads).toHaveLength(3);
  });

  it("counts our own use, never below zero", async () => {
    const { pool, count } = world({ "vsw-1": 2 });
    expect(await count("vsw-1")).toBe(2);
    pool.taken("vsw-1");
    pool.taken("vsw-1");
    pool.taken("vsw-1");
    expect(await count("vsw-1")).toBe(0);
    pool.returned("vsw-1");
    expect(await count("vsw-1")).toBe(1);
  });

  it("blocks an exhausted one until a read shows free addresses, re-reading at most every 5 s", async () => {
    const { pool, reads, get, free } = world({ "vsw-1": 0 });
    await get("vsw-1");
    pool.exhausted("vsw-1");
    expect(pool.isExhausted("vsw-1")).toBe(true);
    expect((await get("vsw-1"))[0]).toMatchObject({ freeIpv4Count: 0, isExhausted: true });
    const refresh = async () => (await Promise.all([pool.refreshExhausted(signal), time.timers.tickAsync(150)]))[0];
    expect(await refresh()).toEqual([]);
    expect(reads).toHaveLength(1);
    await time.timers.tickAsync(5_000);
    expect(await refresh()).toEqual([]);
    expect(reads).toHaveLength(2);
    free["vsw-1"] = 5;
    expect(await refresh()).toEqual([]);
    await time.timers.tickAsync(5_000);
    expect(await refresh()).toEqual(["vsw-1"]);
    expect((await get("vsw-1"))[0]).toMatchObject({ freeIpv4Count: 5, isExhausted: false });
    expect(await refresh()).toEqual([]);
  });

  it("reads one without free addresses again after 5 s, for addresses return", async () => {
    const { count, reads, free, pool } = world({ "vsw-1": 0, "vsw-2": 1 });
    expect(await count("vsw-1")).toBe(0);
    expect(await count("vsw-2")).toBe(1);
    pool.taken("vsw-2");
    free["vsw-1"] = free["vsw-2"] = 4;
    expect(await count("vsw-1")).toBe(0);
    expect(await count("vsw-2")).toBe(0);
    expect(reads).toHaveLength(2);
    await time.timers.tickAsync(5_000);
    expect(await count("vsw-1")).toBe(4);
    expect(await count("vsw-2")).toBe(4);
  });

  it("says in its place what could not be read, and asks again for what was missing or forbidden after 20 s", async () => {
    const { refusals, get, reads, free } = world({ "vsw-1": 1 });
    refusals.set(
      "vsw-x",
      new CallFailed({
        kind: "answered",
        code: "Forbidden.RAM",
        message: "m",
        status: 403,
        missingAction: "vpc:DescribeVSwitches",
      }),
    );
    refusals.set(
      "vsw-y",
      new CallFailed({ kind: "answered", code: "InvalidVswitchID.NotFound", message: "m", status: 404 }),
    );
    const result = await get("vsw-none", "vsw-1", "vsw-x", "vsw-y");
    expect(result[0]).toEqual({ vSwitchId: "vsw-none", error: "NotFound" });
    expect(result[1]).toMatchObject({ freeIpv4Count: 1 });
    expect(result[2]).toMatchObject({
      error: { reason: "AccessDenied", cloud: { missingAction: "vpc:DescribeVSwitches" } },
    });
    expect(result[3]).toEqual({ vSwitchId: "vsw-y", error: "NotFound" });
    await get("vsw-none", "vsw-x");
    expect(reads).toHaveLength(4);
    free["vsw-none"] = 3;
    free["vsw-x"] = 2;
    refusals.clear();
    await time.timers.tickAsync(20_000);
    expect(await get("vsw-none", "vsw-x")).toMatchObject([{ freeIpv4Count: 3 }, { freeIpv4Count: 2 }]);
  });

  it("forgets the least recently used beyond its size", async () => {
    const { reads, get } = world({ a: 1, b: 1, c: 1 }, { size: 2 });
    await get("a");
    await get("b");
    await get("a");
    await get("c");
    await get("a");
    await get("b");
    expect(reads).toEqual(["a", "b", "c", "b"]);
  });

  it("ends one caller's wait at its signal, and the read goes on for the others", async () => {
    const { pool } = world({ a: 1 });
    const aborts = new AbortController();
    const other = pool.get(["a"], signal);
    const ended = expect(pool.get(["a"], aborts.signal)).rejects.toMatchObject({ name: "AbortError" });
    aborts.abort();
    await ended;
    await time.timers.tickAsync(150);
    expect(await other).toMatchObject([{ freeIpv4Count: 1 }]);
  });
});
