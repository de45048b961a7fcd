import FakeTimers from "@sinonjs/fake-timers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { aList, aThing, anInformer, answer, bookmark } from "./informer.fixture.ts";
import type { OpenWatch } from "./informer.fixture.ts";

let timers: FakeTimers.Clock;
beforeEach(() => {
  timers = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => {
  timers.uninstall();
});

describe("Informer: failures (each ended or blinded the official client's informer)", () => {
  it("watches on at once, from the last version, when a healthy watch reaches its time", async () => {
    const { server, informer } = await anInformer();
    server.watch.send(bookmark(77));
    await timers.tickAsync(60_000);
    server.watch.end();
    await timers.tickAsync(1);
    expect(server.watches).toHaveLength(2);
    expect(server.watch.query.get("resourceVersion")).toBe("77");
    expect(server.lists).toHaveLength(1);
    expect(informer.lastError).toBeUndefined();
  });

  it("gives a connection up that is silent for 90 s, but not one with bookmarks", async () => {
    const { server } = await anInformer();
    for (let minute = 0; minute < 4; minute++) {
      await timers.tickAsync(60_000);
      server.watch.send(bookmark(10 + minute));
    }
    expect(server.watches).toHaveLength(1);
    await timers.tickAsync(91_000);
    expect(server.watches).toHaveLength(2);
    expect(server.watches[0]!.isAborted()).toBe(true);
    expect(server.watch.query.get("resourceVersion")).toBe("13");
  });

  it("ignores what a stream delivers after it was given up", async () => {
    const { server, news } = await anInformer();
    const [old] = server.watches;
    await timers.tickAsync(91_000);
    expect(server.watches).toHaveLength(2);
    old!.send({ type: "ADDED", object: aThing("late", 50) });
    expect(news()).toEqual([]);
  });

  it("does not loop hot when the server closes at once, again and again", async () => {
    const { server } = await anInformer((scripted) => (scripted.onWatch = (watch) => watch.end()));
    await timers.tickAsync(60_000);
    expect(server.watches.length).toBeLessThan(30);
    expect(server.watches.length).toBeGreaterThan(3);
    expect(server.lists.length).toBeLessThan(8);
  });

  it.each([
    { name: "a reset connection", fail: (watch: OpenWatch) => watch.break(new Error("ECONNRESET")) },
    { name: "HTTP 500", fail: (watch: OpenWatch) => watch.end(answer(500)) },
    { name: "HTTP 429", fail: (watch: OpenWatch) => watch.end(answer(429)) },
    { name: "HTTP 403", fail: (watch: OpenWatch) => watch.end(answer(403, { message: "forbidden" })) },
    {
      name: "an ERROR event of code 500",
      fail: (watch: OpenWatch) => watch.send({ type: "ERROR", object: { code: 500 } }),
    },
  ])("watches again after $name, later and later, and recovers", async ({ fail }) => {
    let isBroken = true;
    const { server, informer, news } = await anInformer((scripted) => {
      scripted.onWatch = (watch) => {
        if (isBroken) fail(watch);
      };
    });
    await timers.tickAsync(6_000);
    expect(informer.lastError).toMatch(/^watch: /);
    const gaps = server.watches.slice(1).map((watch, index) => watch.atMs - server.watches[index]!.atMs);
    expect(gaps.slice(0, 2)).toEqual([1_200, 2_000]); // random is 0.5: the middle of 800–1600, of 800–3200
    isBroken = false;
    await timers.tickAsync(60_000);
    server.watch.send({ type: "ADDED", object: aThing("a", 5) });
    expect(news()).toEqual(["add a@5"]);
    expect(informer.lastError).toBeUndefined();
    expect(informer.hasSynced()).toBe(true);
  });

  it.each([
    { name: "HTTP 500", fail: () => answer(500) },
    { name: "HTTP 404 (the CRD is not served yet)", fail: () => answer(404, { message: "not found" }) },
    { name: "HTTP 403", fail: () => answer(403) },
    { name: "a connection refused", fail: () => Promise.reject(new Error("ECONNREFUSED")) },
    { name: "an answer that is no list", fail: () => answer(200, "<html>") },
    { name: "an item without metadata", fail: () => answer(200, { metadata: { resourceVersion: "1" }, items: [{}] }) },
  ])("lists again after $name, with a reason for the readiness message, and recovers", async ({ fail }) => {
    let isBroken = true;
    const { server, informer } = await anInformer((scripted) => {
      scripted.onList = () => (isBroken ? fail() : aList([aThing("a", 5)], 10));
    });
    await timers.tickAsync(20_000);
    expect(informer.hasSynced()).toBe(false);
    expect(informer.lastError).toMatch(/^list: /);
    expect(server.lists.length).toBeGreaterThan(2);
    expect(server.lists.length).toBeLessThan(12);
    isBroken = false;
    await timers.tickAsync(31_000);
    expect(informer.hasSynced()).toBe(true);
    expect(informer.lastError).toBeUndefined();
  });

  it("ends a list that hangs", async () => {
    let calls = 0;
    const { informer } = await anInformer((scripted) => {
      scripted.onList = () => (++calls === 1 ? new Promise(() => undefined) : aList([], 1));
    });
    await timers.tickAsync(65_000);
    expect(informer.hasSynced()).toBe(true);
  });

  it("obeys Retry-After, up to a minute", async () => {
    let calls = 0;
    const { server } = await anInformer((scripted) => {
      scripted.onList = () =>
        ++calls <= 2 ? answer(429, {}, { "retry-after": calls === 1 ? "20" : "9999" }) : aList([], 1);
    });
    await timers.tickAsync(90_000);
    expect(server.lists.map((list) => Math.round(list.atMs / 1_000))).toEqual([0, 20, 80]);
  });

  it.each([
    { name: "HTTP 410", expire: (watch: OpenWatch) => watch.end(answer(410)) },
    { name: "an ERROR event 410", expire: (watch: OpenWatch) => watch.send({ type: "ERROR", object: { code: 410 } }) },
  ])("lists at once after $name and replays what it missed", async ({ expire }) => {
    const { server, news } = await anInformer((scripted) => {
      scripted.onList = () =>
        aList([aThing("kept", 1), aThing("changed", 2), aThing("gone", 3), aThing("again", 4)], 10);
    });
    news();
    await timers.tickAsync(20_000);
    server.onList = () =>
      aList([aThing("kept", 1), aThing("changed", 12), aThing("again", 13, { uid: "second" }), aThing("new", 14)], 20);
    expire(server.watch);
    await timers.tickAsync(1);
    expect(news()).toEqual([
      "update changed@2 changed@12",
      "delete again@4 missed",
      "add again@13",
      "add new@14",
      "delete gone@3 missed",
    ]);
    expect(server.watch.query.get("resourceVersion")).toBe("20");
  });

  it("lists at once after 410 that ends an outage, whatever the back-off has grown to", async () => {
    const { server } = await anInformer();
    await timers.tickAsync(20_000);
    server.onWatch = (watch) => watch.break(new Error("refused"));
    server.watch.break(new Error("closed"));
    await timers.tickAsync(5_000);
    server.onWatch = (watch) => {
      if (watch.query.get("resourceVersion") === "1") watch.end(answer(410));
    };
    server.onList = () => aList([], 50);
    await timers.tickAsync(30_000);
    expect(server.lists).toHaveLength(2);
    expect(server.lists[1]!.atMs - server.watches.at(-2)!.atMs).toBeLessThan(5);
  });

  it("watches again within 5 s of the end of an outage, however long it was, and lists nothing for it", async () => {
    const { server, news } = await anInformer();
    await timers.tickAsync(20_000);
    server.onWatch = (watch) => watch.break(new Error("refused"));
    server.watch.break(new Error("closed"));
    await timers.tickAsync(600_000);
    server.onWatch = undefined;
    await timers.tickAsync(5_000);
    server.watch.send({ type: "ADDED", object: aThing("a", 5) });
    expect(news()).toEqual(["add a@5"]);
    expect(server.lists).toHaveLength(1);
  });

  it("knows all that happened within 10 s of a server's second restart in ten seconds", async () => {
    const { server, informer } = await anInformer(undefined, { random: () => 1 });
    await timers.tickAsync(20_000);
    for (const version of [100, 200]) {
      server.onWatch = (watch) => watch.break(new Error("refused"));
      server.watch.break(new Error("closed"));
      await timers.tickAsync(2_000);
      const beginnings = [
        answer(403, { message: "no roles yet" }),
        answer(429, { message: "storage is (re)initializing" }, { "retry-after": "1" }),
      ];
      server.onList = () => aList([aThing("a", version)], version);
      server.onWatch = (watch) => {
        const beginning = beginnings.shift();
        if (beginning !== undefined) watch.end(beginning);
        else if (watch.query.get("resourceVersion") !== String(version)) watch.end(answer(410));
      };
      await timers.tickAsync(version === 100 ? 8_000 : 10_000);
    }
    expect(informer.lister.list().map(({ metadata }) => metadata.resourceVersion)).toEqual(["200"]);
  });

  it("does not list a large collection again and again while the server fails in the middle of it", async () => {
    const { server, informer } = await anInformer((scripted) => {
      scripted.onList = (query) => (query.has("continue") ? answer(500) : aList([aThing("a", 5)], 10, "t"));
    });
    await timers.tickAsync(120_000);
    expect(informer.hasSynced()).toBe(false);
    expect(server.lists.filter(({ query }) => !query.has("continue")).length).toBeLessThan(15);
  });

  it("does not loop hot when every watch answers 410", async () => {
    const { server } = await anInformer((scripted) => (scripted.onWatch = (watch) => watch.end(answer(410))));
    await timers.tickAsync(60_000);
    expect(server.lists.length).toBeLessThan(15);
  });

  it("lists in one piece after a continue token expired in the middle of a list", async () => {
    const { server, informer } = await anInformer((scripted) => {
      scripted.onList = (query) => {
        if (query.get("limit") === null) return aList([aThing("a", 5), aThing("b", 6)], 12);
        return query.get("continue") === null ? aList([aThing("a", 5)], 10, "t") : answer(410);
      };
    });
    await timers.tickAsync(5_000);
    expect(informer.lister.list()).toHaveLength(2);
    expect(server.lists.at(-1)!.query.has("limit")).toBe(false);
  });

  it.each([
    { name: "a line that is no event", line: "garbage" },
    { name: "an event without an object", line: { type: "ADDED" } },
    { name: "an unknown type", line: { type: "SOMETHING", object: aThing("x", 1) } },
    { name: "a bookmark without a version", line: { type: "BOOKMARK", object: {} } },
  ])("lists again after $name", async ({ line }) => {
    const { server } = await anInformer();
    server.watch.send(line);
    await timers.tickAsync(2_000);
    expect(server.lists).toHaveLength(2);
    expect(server.watches).toHaveLength(2);
  });

  it("lists again when the transport could not decode a line", async () => {
    const { server } = await anInformer();
    server.watch.break(new SyntaxError("Unexpected token"));
    await timers.tickAsync(2_000);
    expect(server.lists).toHaveLength(2);
  });

  it("lists when no watch is accepted at all, and believes a server whose data were restored from a backup", async () => {
    const { server, informer, news } = await anInformer(
      (scripted) => (scripted.onList = () => aList([aThing("a", 900)], 1_000)),
    );
    await timers.tickAsync(20_000);
    news();
    server.onList = () => aList([aThing("a", 300), aThing("b", 310)], 400);
    server.onWatch = (watch) => {
      if (watch.query.get("resourceVersion") === "1000")
        watch.end(answer(504, { message: "Too large resource version" }));
    };
    server.watch.break(new Error("reset"));
    await timers.tickAsync(60_000);
    expect(news()).toEqual(["update a@900 a@300", "add b@310"]);
    expect(server.watch.query.get("resourceVersion")).toBe("400");
    expect(informer.lastError).toBeUndefined();
  });

  it("stops during a watch, a list and a back-off, and opens nothing afterwards", async () => {
    const watching = await anInformer();
    const listing = await anInformer((scripted) => (scripted.onList = () => new Promise(() => undefined)));
    const backingOff = await anInformer((scripted) => (scripted.onList = () => answer(500)));
    for (const { stop, ended, server } of [watching, listing, backingOff]) {
      stop.abort();
      await ended;
      const before = server.lists.length + server.watches.length;
      await timers.tickAsync(600_000);
      expect(server.lists.length + server.watches.length).toBe(before);
    }
    expect(timers.countTimers()).toBe(0);
  });

  it("refuses a second start and leaves the first alone", async () => {
    const { informer, server, news } = await anInformer();
    await expect(informer.start(new AbortController().signal)).rejects.toThrow("twice");
    server.watch.send({ type: "ADDED", object: aThing("a", 5) });
    expect(news()).toEqual(["add a@5"]);
  });
});
