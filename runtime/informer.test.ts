import FakeTimers from "@sinonjs/fake-timers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { systemClock } from "./clock.ts";
import { isAbort } from "./errors.ts";
import { aList, aThing, anInformer, answer } from "./informer.fixture.ts";
import type { ScriptedServer } from "./informer.fixture.ts";
import type { TransportResponse } from "./transport.ts";

let timers: FakeTimers.Clock;
beforeEach(() => {
  timers = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => {
  timers.uninstall();
});

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
