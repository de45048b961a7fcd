import FakeTimers from "@sinonjs/fake-timers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { systemClock } from "./clock.ts";
import { isAbort } from "./errors.ts";
import { Informer } from "./informer.ts";
import type { InformerOptions } from "./informer.ts";
import { createLogger } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import type { KubeObject } from "./ports.ts";
import type { Transport, TransportRequest, TransportResponse } from "./transport.ts";

interface Thing extends KubeObject {
  readonly spec: { readonly node: string; readonly size?: number };
}

let timers: FakeTimers.Clock;
beforeEach(() => {
  timers = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => {
  timers.uninstall();
});

/** A thing on node-1; its uid is the name unless given. */
const aThing = (name: string, version: number, { uid = name, node = "node-1" } = {}): Thing => ({
  apiVersion: "v1",
  kind: "Thing",
  metadata: { name, namespace: "default", uid, resourceVersion: String(version) },
  spec: { node },
});
const answer = (status: number, body: unknown = {}, headers = {}): TransportResponse => ({ status, body, headers });
const aList = (things: readonly KubeObject[], version: number, token = ""): TransportResponse =>
  answer(200, { metadata: { resourceVersion: String(version), continue: token }, items: things });
const bookmark = (version: number) => ({
  type: "BOOKMARK",
  object: { metadata: { resourceVersion: String(version) } },
});

interface OpenWatch {
  readonly atMs: number;
  readonly query: URLSearchParams;
  send(event: unknown): void;
  end(response?: TransportResponse): void;
  break(error: Error): void;
  isAborted(): boolean;
}

/** A server that answers as told: lists from `onList`, watches by hand or at once from `onWatch`. */
class ScriptedServer implements Transport {
  readonly lists: { readonly atMs: number; readonly query: URLSearchParams }[] = [];
  readonly watches: OpenWatch[] = [];
  onList: (query: URLSearchParams, signal: AbortSignal) => Promise<TransportResponse> | TransportResponse = () =>
    aList([], 1);
  onWatch: ((watch: OpenWatch) => void) | undefined;
  readonly #startMs = systemClock.monotonic();

  async request(request: TransportRequest, signal: AbortSignal): Promise<TransportResponse> {
    const query = new URLSearchParams(request.path.split("?")[1]);
    this.lists.push({ atMs: this.#now(), query });
    return this.onList(query, signal);
  }

  stream(
    request: TransportRequest,
    onEvent: (event: unknown) => void,
    signal: AbortSignal,
  ): Promise<TransportResponse> {
    return new Promise((resolve, reject) => {
      const watch: OpenWatch = {
        atMs: this.#now(),
        query: new URLSearchParams(request.path.split("?")[1]),
        send: onEvent,
        end: (response = answer(200)) => resolve(response),
        break: reject,
        isAborted: () => signal.aborted,
      };
      signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")), { once: true });
      this.watches.push(watch);
      this.onWatch?.(watch);
    });
  }

  get watch(): OpenWatch {
    return this.watches.at(-1)!;
  }

  #now(): number {
    return Math.round(systemClock.monotonic() - this.#startMs);
  }
}

async function anInformer(
  arrange: (server: ScriptedServer) => void = () => undefined,
  overrides: Partial<InformerOptions<Thing>> = {},
) {
  const server = new ScriptedServer();
  arrange(server);
  const seen: string[] = [];
  const stop = new AbortController();
  const metrics = createMetrics();
  const lines: string[] = [];
  const informer = new Informer<Thing>({
    transport: server,
    path: "/api/v1/things",
    clock: systemClock,
    random: () => 0.5,
    log: createLogger({ level: "debug", write: (line) => lines.push(line) }),
    metrics,
    indexes: { node: (thing) => [thing.spec.node] },
    ...overrides,
  });
  const label = ({ metadata }: Thing) => `${metadata.name}@${metadata.resourceVersion}`;
  informer.addHandler({
    onAdd: (thing) => seen.push(`add ${label(thing)}`),
    onUpdate: (old, thing) => seen.push(`update ${label(old)} ${label(thing)}`),
    onDelete: (thing, { missed }) => seen.push(`delete ${label(thing)}${missed ? " missed" : ""}`),
  });
  const ended = informer.start(stop.signal);
  await timers.tickAsync(1);
  /** What the handlers saw since the last call. */
  const news = () => seen.splice(0);
  return { informer, server, stop, ended, news, metrics, lines };
}

describe("Informer: list and watch", () => {
  it("lists in pages, then watches from the list's version with bookmarks and a bounded time", async () => {
    const { informer, server, news } = await anInformer((scripted) => {
      scripted.onList = (query) =>
        query.get("continue") === null ? aList([aThing("a", 5)], 10, "next page") : aList([aThing("b", 6)], 10);
    });
    expect(server.lists.map(({ query }) => [query.get("limit"), query.get("continue")])).toEqual([
      ["500", null],
      ["500", "next page"],
    ]);
    expect(news()).toEqual(["add a@5", "add b@6"]);
    expect(informer.hasSynced()).toBe(true);
    expect(Object.fromEntries(server.watch.query)).toEqual({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: "10",
      timeoutSeconds: "440",
    });
  });

  it("keeps a selector of the path, spreads timeoutSeconds over 290 to 590", async () => {
    const low = await anInformer(undefined, { path: "/api/v1/things?labelSelector=a%3Db", random: () => 0 });
    const high = await anInformer(undefined, { random: () => 0.999 });
    expect(low.server.lists[0]!.query.get("labelSelector")).toBe("a=b");
    expect(low.server.watch.query.get("timeoutSeconds")).toBe("290");
    expect(high.server.watch.query.get("timeoutSeconds")).toBe("590");
  });

  it("delivers changes with the old and the new object, and the final object of a deletion", async () => {
    const { informer, server, news } = await anInformer(
      (scripted) => (scripted.onList = () => aList([aThing("a", 5)], 10)),
    );
    news();
    server.watch.send({ type: "ADDED", object: aThing("b", 11) });
    server.watch.send({ type: "MODIFIED", object: aThing("a", 12, { node: "node-2" }) });
    expect(informer.lister.byIndex("node", "node-2").map((thing) => thing.metadata.name)).toEqual(["a"]);
    server.watch.send({ type: "DELETED", object: aThing("a", 13) });
    expect(news()).toEqual(["add b@11", "update a@5 a@12", "delete a@13"]);
    expect(informer.lister.get("default/a")).toBeUndefined();
    expect(informer.lister.list()).toHaveLength(1);
    expect(informer.lister.byIndex("node", "node-2")).toEqual([]);
    expect(() => informer.lister.byIndex("other", "x")).toThrow("never declared");
  });

  it("drops managedFields, applies the transform and freezes what it stores, without touching the answer", async () => {
    const raw = { ...aThing("a", 5), metadata: { ...aThing("a", 5).metadata, managedFields: [{ manager: "x" }] } };
    const { informer } = await anInformer((scripted) => (scripted.onList = () => aList([raw], 10)), {
      transform: (thing) => ({ ...thing, spec: { node: thing.spec.node, size: 1 } }),
    });
    const stored = informer.lister.get("default/a")!;
    expect(stored.metadata).not.toHaveProperty("managedFields");
    expect(stored.spec.size).toBe(1);
    expect(Object.isFrozen(stored) && Object.isFrozen(stored.metadata)).toBe(true);
    expect(raw.metadata).toHaveProperty("managedFields");
    expect(Object.isFrozen(raw)).toBe(false);
  });

  it("tells a handler that comes late what is there", async () => {
    const { informer } = await anInformer((scripted) => (scripted.onList = () => aList([aThing("a", 5)], 10)));
    const added: string[] = [];
    informer.addHandler({ onAdd: (thing) => added.push(thing.metadata.name) });
    expect(added).toEqual(["a"]);
  });

  it("goes on when a handler throws, and the other handlers get the event", async () => {
    const { informer, server, news, metrics } = await anInformer();
    const later: string[] = [];
    informer.addHandler({
      onAdd: () => {
        throw new Error("handler");
      },
    });
    informer.addHandler({ onAdd: (thing) => later.push(thing.metadata.name) });
    server.watch.send({ type: "ADDED", object: aThing("a", 5) });
    server.watch.send({ type: "ADDED", object: aThing("b", 6) });
    expect(news()).toEqual(["add a@5", "add b@6"]);
    expect(later).toEqual(["a", "b"]);
    expect(await metrics.registry.metrics()).toContain('informer_handler_errors_total{informer="things"} 2');
  });

  it("waits for the first list, and gives the wait up with the caller", async () => {
    const { informer } = await anInformer((scripted) => {
      scripted.onList = async () => {
        await systemClock.sleep(500);
        return aList([], 1);
      };
    });
    const stop = new AbortController();
    const given = informer.waitForSync(stop.signal).catch((error: unknown) => error);
    stop.abort();
    expect(isAbort(await given)).toBe(true);
    const waiting = informer.waitForSync(new AbortController().signal);
    expect(informer.hasSynced()).toBe(false);
    await timers.tickAsync(500);
    await waiting;
    expect(informer.hasSynced()).toBe(true);
    await informer.waitForSync(stop.signal);
  });
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
    expect(server.watches.length).toBeLessThan(15);
    expect(server.watches.length).toBeGreaterThan(3);
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
    await timers.tickAsync(120_000);
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

describe("Informer: write-through", () => {
  const listed = (scripted: ScriptedServer) => (scripted.onList = () => aList([aThing("a", 5)], 10));

  it("stores the answer of our write at once and drops the events that are not newer", async () => {
    const { informer, server, news } = await anInformer(listed);
    news();
    informer.put(aThing("a", 20));
    server.watch.send({ type: "MODIFIED", object: aThing("a", 15) });
    server.watch.send({ type: "MODIFIED", object: aThing("a", 20) });
    server.watch.send({ type: "MODIFIED", object: aThing("a", 21) });
    expect(news()).toEqual(["update a@5 a@20", "update a@20 a@21"]);
  });

  it("compares versions as numbers, beyond what a double holds", async () => {
    const { informer, news } = await anInformer(listed);
    news();
    const big = (last: string) => ({
      ...aThing("a", 0),
      metadata: { ...aThing("a", 0).metadata, resourceVersion: last },
    });
    informer.put(big("9"));
    informer.put(big("10"));
    informer.put(big("9007199254740993"));
    informer.put(big("9007199254740992"));
    expect(informer.lister.get("default/a")?.metadata.resourceVersion).toBe("9007199254740993");
    expect(news()).toHaveLength(3);
  });

  it("stores what we created before the watch tells it, once", async () => {
    const { informer, server, news } = await anInformer(listed);
    news();
    informer.put(aThing("b", 12));
    server.watch.send({ type: "ADDED", object: aThing("b", 12) });
    expect(news()).toEqual(["add b@12"]);
  });

  it("lets a deletion win over an earlier write of ours, whichever comes first", async () => {
    const { informer, server, news } = await anInformer(listed);
    news();
    informer.put(aThing("a", 20));
    server.watch.send({ type: "DELETED", object: aThing("a", 21) });
    informer.put(aThing("a", 20));
    expect(news()).toEqual(["update a@5 a@20", "delete a@21"]);
    expect(informer.lister.get("default/a")).toBeUndefined();
  });

  it("does not let the deletion of a predecessor remove the successor that we created", async () => {
    const { informer, server, news } = await anInformer(listed);
    news();
    informer.put(aThing("a", 30, { uid: "second" }));
    server.watch.send({ type: "DELETED", object: aThing("a", 29) });
    server.watch.send({ type: "ADDED", object: aThing("a", 30, { uid: "second" }) });
    expect(news()).toEqual(["delete a@5 missed", "add a@30"]);
    server.watch.send({ type: "DELETED", object: aThing("a", 31, { uid: "second" }) });
    expect(informer.lister.list()).toEqual([]);
  });

  it("keeps a write that is newer than the snapshot of a running list", async () => {
    const { informer, server, news } = await anInformer(listed);
    await timers.tickAsync(20_000);
    news();
    let release: (response: TransportResponse) => void = () => undefined;
    server.onList = () => new Promise((resolve) => (release = resolve));
    server.watch.end(answer(410));
    await timers.tickAsync(1);
    informer.put(aThing("b", 25));
    informer.put(aThing("old", 15));
    release(aList([aThing("a", 5)], 20));
    await timers.tickAsync(1);
    expect(news()).toEqual(["add b@25", "add old@15", "delete old@15 missed"]);
    expect(informer.lister.get("default/b")).toBeDefined();
  });
});
