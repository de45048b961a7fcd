import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { CallFailed } from "./call.ts";
import { toOperatorError } from "./operator-error.ts";
import { installVirtualTime, type VirtualTime } from "./fixtures/virtual-time.ts";
import type { Invoke } from "./invoke.ts";
import { CachedVSwitchPool } from "./vswitch-pool.ts";

const signal = new AbortController().signal;

interface Query {
  readonly VSwitchId?: string;
  readonly VpcId?: string;
  readonly PageSize?: number;
  readonly PageNumber?: number;
}

describe("the vSwitch pool", () => {
  let time: VirtualTime;
  beforeEach(() => {
    time = installVirtualTime();
  });
  afterEach(() => time.timers.uninstall());

  const world = (free: Record<string, number>, options: { size?: number; ttlMs?: number } = {}) => {
    const reads: string[] = [];
    const refusals = new Map<string, CallFailed>();
    const pages: string[] = [];
    /** In the VPC, and not in a listing. */
    const unlisted = new Set<string>();
    let listingFails: CallFailed | undefined;
    const rowOf = (id: string) => ({
      VSwitchId: id,
      VpcId: "vpc-1",
      ZoneId: "z",
      CidrBlock: "10.0.0.0/24",
      AvailableIpAddressCount: free[id],
    });
    const invoke: Invoke = async (api, _, parameters) => {
      const { VSwitchId, VpcId = "", PageSize = 10, PageNumber = 1 } = parameters as Query;
      if (VSwitchId === undefined) {
        pages.push(`${VpcId} ${PageNumber} of ${PageSize}`);
        await time.clock.sleep(100);
        if (listingFails !== undefined) throw toOperatorError(api, listingFails, 0);
        const ids = VpcId === "vpc-1" ? Object.keys(free).filter((id) => !unlisted.has(id)) : [];
        const from = (PageNumber - 1) * PageSize;
        return {
          TotalCount: ids.length,
          VSwitches: { VSwitch: ids.slice(from, from + PageSize).map(rowOf) },
        };
      }
      const id = VSwitchId;
      reads.push(id);
      await time.clock.sleep(100);
      const refusal = refusals.get(id);
      if (refusal !== undefined) throw toOperatorError(api, refusal, 0);
      return { TotalCount: 1, VSwitches: { VSwitch: free[id] === undefined ? [] : [rowOf(id)] } };
    };
    const intents = new Map<string, number>();
    const pool = new CachedVSwitchPool({
      invoke,
      clock: time.clock,
      regionId: "r",
      vpcId: "vpc-1",
      intended: (id) => intents.get(id) ?? 0,
      ...options,
    });
    const get = async (...ids: string[]) => {
      const [result] = await Promise.all([pool.get(ids, signal), time.timers.tickAsync(150)]);
      return result;
    };
    const count = async (id: string) => {
      const [found] = await get(id);
      return found !== undefined && "freeIpv4Count" in found ? found.freeIpv4Count : undefined;
    };
    const survey = async (...ids: string[]) => {
      const [result] = await Promise.all([pool.survey(ids, signal), time.timers.tickAsync(500)]);
      return result;
    };
    const failListing = (failure: CallFailed | undefined) => void (listingFails = failure);
    return { pool, reads, pages, refusals, unlisted, intents, get, count, free, survey, failListing };
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
    free["vsw-1"] = 4;
    // Of which one is ours, unless the count shows it; that is believed of it after a minute.
    free["vsw-2"] = 5;
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

  const throttled = new CallFailed({ kind: "answered", code: "Throttling.User", message: "m", status: 400 });

  it("surveys any number of vSwitches with one page per 50 of the VPC, and says which are not as before", async () => {
    const ids = Array.from({ length: 70 }, (_, index) => `vsw-${index}`);
    const { survey, pages, reads, free, count } = world(Object.fromEntries(ids.map((id) => [id, 5])));
    expect([...(await survey(...ids))].sort()).toEqual([...ids].sort());
    expect(pages).toEqual(["vpc-1 1 of 50", "vpc-1 2 of 50"]);
    free["vsw-3"] = 2;
    expect(await survey(...ids)).toEqual([]);
    expect(await count("vsw-3")).toBe(2);
    expect([pages.length, reads.length]).toEqual([4, 0]);
  });

  it("asks for a vSwitch by its id before a listing makes it missing, and then not again for five minutes", async () => {
    const { survey, pool, reads, unlisted, free } = world({ "vsw-1": 5, "vsw-2": 5 });
    await survey("vsw-1", "vsw-2");
    unlisted.add("vsw-1");
    expect(await survey("vsw-1", "vsw-2")).toEqual([]);
    expect(reads).toEqual(["vsw-1"]);
    delete free["vsw-1"];
    expect(await survey("vsw-1", "vsw-2")).toEqual(["vsw-1"]);
    expect(pool.known(["vsw-1", "vsw-2"])).toMatchObject([{ error: "NotFound" }, { freeIpv4Count: 5 }]);
    for (let round = 0; round < 5; round++) {
      await time.timers.tickAsync(22_000);
      expect(await survey("vsw-1", "vsw-2")).toEqual([]);
      expect(pool.known(["vsw-1"])).toMatchObject([{ error: "NotFound" }]);
    }
    expect(reads).toHaveLength(2);
    await time.timers.tickAsync(300_000);
    await survey("vsw-1");
    expect(reads).toHaveLength(3);
    unlisted.delete("vsw-1");
    free["vsw-1"] = 4;
    expect(await survey("vsw-1")).toEqual(["vsw-1"]);
    expect(pool.known(["vsw-1"])).toMatchObject([{ freeIpv4Count: 4 }]);
  });

  it("keeps what it knows when a survey, or its question for one vSwitch, fails", async () => {
    const { survey, pool, failListing, unlisted, refusals } = world({ "vsw-1": 5 });
    await survey("vsw-1");
    failListing(throttled);
    const failed = expect(pool.survey(["vsw-1"], signal)).rejects.toMatchObject({ category: "throttled" });
    await time.timers.tickAsync(500);
    await failed;
    failListing(undefined);
    unlisted.add("vsw-1");
    refusals.set("vsw-1", throttled);
    expect(await survey("vsw-1")).toEqual([]);
    expect(pool.known(["vsw-1"])).toMatchObject([{ zoneId: "z" }]);
  });

  it("a survey frees an exhausted vSwitch that has addresses again", async () => {
    const { survey, pool, free } = world({ "vsw-1": 0 });
    await survey("vsw-1");
    pool.exhausted("vsw-1");
    free["vsw-1"] = 3;
    await time.timers.tickAsync(22_000);
    await survey("vsw-1");
    expect(pool.isExhausted("vsw-1")).toBe(false);
    expect(pool.freeIpv4Count("vsw-1")).toBe(3);
  });

  it.each([
    { name: "one that lags by one survey", listedAfterUse: [100, 90, 90] },
    { name: "one that lags by two surveys", listedAfterUse: [100, 100, 90] },
    { name: "one that is up to date", listedAfterUse: [90, 90, 90] },
    { name: "one that shows our use bit by bit", listedAfterUse: [97, 93, 90] },
  ])("our own use counts once, whatever the listing: $name", async ({ listedAfterUse }) => {
    const { survey, pool, free } = world({ "vsw-1": 100 });
    await survey("vsw-1");
    for (let use = 0; use < 10; use++) pool.taken("vsw-1");
    for (const listed of listedAfterUse) {
      free["vsw-1"] = listed;
      await time.timers.tickAsync(20_000);
      await survey("vsw-1");
      expect(pool.freeIpv4Count("vsw-1")).toBe(90);
    }
  });

  it("what we use and give back is believed of the cloud after a minute", async () => {
    const { survey, pool } = world({ "vsw-1": 100 });
    await survey("vsw-1");
    pool.taken("vsw-1");
    await time.timers.tickAsync(30_000);
    await survey("vsw-1");
    expect(pool.freeIpv4Count("vsw-1")).toBe(99);
    await time.timers.tickAsync(30_000);
    await survey("vsw-1");
    expect(pool.freeIpv4Count("vsw-1")).toBe(100);
  });

  it("counts what records ask for and what is being written, and calls no vSwitch full for it", async () => {
    const { survey, pool, intents } = world({ "vsw-1": 10 });
    await survey("vsw-1");
    intents.set("vsw-1", 4);
    const release = pool.reserve(["vsw-1", "vsw-none"]);
    expect(pool.freeIpv4Count("vsw-1")).toBe(5);
    release();
    expect(pool.freeIpv4Count("vsw-1")).toBe(6);
    intents.set("vsw-1", 40);
    expect(pool.freeIpv4Count("vsw-1")).toBe(1);
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
