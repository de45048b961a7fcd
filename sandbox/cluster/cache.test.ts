import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { install } from "@sinonjs/fake-timers";
import { systemClock } from "../../runtime/clock.ts";
import type { KubeObject, Logger } from "../../runtime/ports.ts";
import type { Transport, TransportResponse } from "../../runtime/transport.ts";
import { Cache } from "./cache.ts";
import { resources } from "./kinds.ts";

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

/** Lists what `objects` holds; a watch stays open until `end` or `fail`. `down` refuses everything. */
class FakeServer implements Transport {
  objects = new Map<string, KubeObject>();
  version = 100;
  down = false;
  watchedFrom: string[] = [];
  #send: (event: unknown) => void = () => undefined;
  #settle: { resolve: (response: TransportResponse) => void; reject: (error: Error) => void } | undefined;

  put(name: string, uid = name): KubeObject {
    this.version++;
    const known = this.objects.get(name);
    const object = { metadata: { name, uid, resourceVersion: String(this.version) } };
    this.objects.set(name, object);
    this.#send({ type: known === undefined ? "ADDED" : "MODIFIED", object });
    return object;
  }

  remove(name: string): void {
    this.version++;
    this.objects.delete(name);
    this.#send({ type: "DELETED", object: { metadata: { name, uid: name, resourceVersion: String(this.version) } } });
  }

  send(event: unknown): void {
    this.#send(event);
  }

  /** Events that happen from here on are lost. */
  fail(): void {
    this.#send = () => undefined;
    this.#settle?.reject(new Error("reset"));
  }

  end(status = 200): void {
    this.#send = () => undefined;
    this.#settle?.resolve({ status, headers: {}, body: {} });
  }

  request({ path }: { path: string }): Promise<TransportResponse> {
    if (this.down) return Promise.reject(new Error("refused"));
    const query = new URLSearchParams(path.split("?")[1]);
    // Pages of two, so that every list of three has a continuation.
    const start = Number(query.get("continue") ?? 0);
    const items = [...this.objects.values()].slice(start, start + 2);
    const more = start + 2 < this.objects.size ? { continue: String(start + 2) } : {};
    const body = { items, metadata: { resourceVersion: String(this.version), ...more } };
    return Promise.resolve({ status: 200, headers: {}, body });
  }

  stream(
    { path }: { path: string },
    onEvent: (event: unknown) => void,
    signal: AbortSignal,
  ): Promise<TransportResponse> {
    this.watchedFrom.push(new URLSearchParams(path.split("?")[1]).get("resourceVersion") ?? "");
    this.#send = onEvent;
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
    });
  }
}

let time: ReturnType<typeof install>;
let server: FakeServer;
let cache: Cache<KubeObject>;
let changes: string[];
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  time = install();
  server = new FakeServer();
  for (const name of ["a", "b", "c"]) server.put(name);
  const options = { transport: server, resource: resources.nodes, clock: systemClock, random: () => 0.5, log: silent };
  cache = new Cache(options);
  changes = [];
  cache.onChange(({ before, after }) => {
    changes.push(`${before === undefined ? "+" : after === undefined ? "-" : "~"}${(after ?? before)!.metadata.name}`);
  });
  stop = new AbortController();
  running = cache.run(stop.signal);
  await time.tickAsync(10);
});

afterEach(async () => {
  stop.abort();
  await running;
  time.uninstall();
});

describe("Cache", () => {
  it("lists in pages, then watches from the list's version", async () => {
    await cache.synced();
    expect(changes).toEqual(["+a", "+b", "+c"]);
    expect(server.watchedFrom).toEqual(["103"]);
    server.put("a");
    server.remove("b");
    server.put("d");
    expect(changes.slice(3)).toEqual(["~a", "-b", "+d"]);
  });

  it("learns from a new list what a broken watch has missed", async () => {
    server.fail();
    server.remove("a");
    server.put("b");
    server.put("c", "successor");
    await time.tickAsync(2000);
    expect(changes.slice(3)).toEqual(["-a", "~b", "-c", "+c"]);
  });

  it("comes back after an outage of an hour", async () => {
    server.down = true;
    server.fail();
    await time.tickAsync(3_600_000);
    server.down = false;
    server.put("d");
    await time.tickAsync(2000);
    expect(changes.slice(3)).toEqual(["+d"]);
  });

  it("resumes a watch that ended well where a bookmark left it, and lists again when the version has expired", async () => {
    server.send({ type: "BOOKMARK", object: { metadata: { name: "", resourceVersion: "150" } } });
    server.end();
    await time.tickAsync(10);
    expect(server.watchedFrom).toEqual(["103", "150"]);
    server.version = 200;
    server.send({ type: "ERROR", object: { code: 410, reason: "Expired", message: "too old", metadata: {} } });
    await time.tickAsync(2000);
    expect(server.watchedFrom).toEqual(["103", "150", "200"]);
  });

  it("gives up a watch that the server never ends", async () => {
    await time.tickAsync(330_000);
    expect(server.watchedFrom.length).toBeGreaterThan(1);
  });

  it("takes the answer of an own write at once, and not one that the watch has overtaken", () => {
    cache.observe({ metadata: { name: "own", uid: "own", resourceVersion: "104" } });
    expect(cache.get("own")).toBeDefined();
    const stale = server.put("d");
    server.remove("d");
    cache.observe(stale);
    expect(cache.get("d")).toBeUndefined();
  });

  it("serves the other listeners when one throws", () => {
    cache.onChange(() => {
      throw new Error("broken listener");
    });
    const seen: string[] = [];
    cache.onChange(({ after }) => seen.push(after?.metadata.name ?? ""));
    server.put("d");
    expect(seen).toEqual(["d"]);
  });
});
