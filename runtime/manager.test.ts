import FakeTimers from "@sinonjs/fake-timers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { abortError, systemClock } from "./clock.ts";
import { FencedError } from "./errors.ts";
import { createLogger } from "./log.ts";
import { Manager } from "./manager.ts";
import type { Election, ManagedCache, ManagerOptions, Runnable } from "./manager.ts";
import { createMetrics } from "./metrics.ts";
import { healthServer, metricsServer, probeServers } from "./probe-server.ts";

const log = createLogger({ level: "error", write: () => undefined });

describe("Manager", () => {
  let timers: FakeTimers.Clock;
  beforeEach(() => {
    timers = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  });
  afterEach(() => {
    timers.uninstall();
  });

  /** Parts that note when they start and stop. */
  function aWorld(options: Partial<ManagerOptions> = {}) {
    const notes: string[] = [];
    const stop = new AbortController();
    const untilAbort = (signal: AbortSignal) =>
      new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    const part = (name: string, overrides: Partial<Runnable> = {}): Runnable => ({
      name,
      needsLeader: false,
      start: async (signal) => {
        notes.push(`start ${name}`);
        await untilAbort(signal);
        await systemClock.sleep(10);
        notes.push(`stop ${name}`);
      },
      ...overrides,
    });
    const cache = (name: string, syncMs: number): ManagedCache => {
      let isSynced = false;
      return {
        ...part(name),
        lastError: syncMs > 5_000 ? "list: HTTP 403" : undefined,
        hasSynced: () => isSynced,
        waitForSync: async (signal) => {
          await systemClock.sleep(syncMs, signal);
          isSynced = true;
          notes.push(`synced ${name}`);
        },
      };
    };
    const election = (acquireMs: number, loseMs = Number.POSITIVE_INFINITY): Election => ({
      run: async (signal) => {
        notes.push("candidate");
        const lost = systemClock.sleep(Math.min(loseMs, 1e9), signal).then(
          () => Promise.reject(new FencedError()),
          () => undefined,
        );
        await lost;
        notes.push("released");
      },
      waitForLeadership: async (signal) => {
        await systemClock.sleep(acquireMs, signal);
        notes.push("acquired");
      },
    });
    const manager = new Manager({ clock: systemClock, log, ...options });
    const run = () =>
      manager.run(stop.signal).then(
        () => "stopped" as const,
        (error: unknown) => error,
      );
    return { manager, notes, stop, part, cache, election, run };
  }

  it("starts in order and stops in reverse; the lease is released after the controllers have ended", async () => {
    const world = aWorld();
    const manager = new Manager({ clock: systemClock, log, election: world.election(1_000) });
    manager.add(
      world.part("controller", { needsLeader: true }),
      world.part("webhook"),
      world.part("probes", { beforeCaches: true }),
    );
    manager.addCache(world.cache("pods", 300), world.cache("nodes", 200));
    const ended = manager.run(world.stop.signal);
    await timers.tickAsync(250);
    expect(world.notes).toEqual(["start probes", "start pods", "start nodes", "synced nodes"]);
    await timers.tickAsync(2_000);
    expect(world.notes.slice(4)).toEqual(["synced pods", "start webhook", "candidate", "acquired", "start controller"]);
    world.notes.length = 0;
    world.stop.abort();
    await timers.tickAsync(1_000);
    await ended;
    expect(world.notes).toEqual([
      "stop controller",
      "released",
      "stop webhook",
      "stop pods",
      "stop nodes",
      "stop probes",
    ]);
    expect(timers.countTimers()).toBe(0);
  });

  it("starts leader-only parts at once without an election", async () => {
    const { manager, part, notes, run, stop } = aWorld();
    manager.add(part("controller", { needsLeader: true }));
    const ended = run();
    await timers.tickAsync(1);
    expect(notes).toEqual(["start controller"]);
    stop.abort();
    await timers.tickAsync(100);
    expect(await ended).toBe("stopped");
  });

  it("says what is not ready: caches with their error, parts, never the parts of the leader", async () => {
    const { manager, part, cache, run, stop } = aWorld();
    let webhook: string | undefined = "no certificate";
    manager.add(part("webhook", { ready: () => webhook }), part("pod", { needsLeader: true, ready: () => "busy" }));
    manager.addCache(cache("pods", 6_000));
    const ended = run();
    await timers.tickAsync(1);
    expect(manager.notReady()).toEqual([
      "the process is starting",
      "cache pods: not filled yet (list: HTTP 403)",
      "webhook: no certificate",
    ]);
    await timers.tickAsync(6_000);
    expect(manager.notReady()).toEqual(["webhook: no certificate"]);
    webhook = undefined;
    expect(manager.notReady()).toEqual([]);
    stop.abort();
    await timers.tickAsync(1);
    expect(manager.notReady()).toEqual(["the process is stopping"]);
    await timers.tickAsync(100);
    await ended;
  });

  it("stops everything and reports the error when a part fails", async () => {
    const { manager, part, notes, run } = aWorld();
    manager.add(part("webhook"), part("broken", { start: () => Promise.reject(new Error("port in use")) }));
    const ended = run();
    await timers.tickAsync(100);
    expect(await ended).toEqual(new Error("port in use"));
    expect(notes).toEqual(["start webhook", "stop webhook"]);
  });

  it("ends the controllers and the run when the lease is lost", async () => {
    const world = aWorld();
    const { manager, part, notes, run } = aWorld({ election: world.election(100, 5_000) });
    manager.add(part("controller", { needsLeader: true }));
    const ended = run();
    await timers.tickAsync(5_100);
    expect(await ended).toBeInstanceOf(FencedError);
    expect(notes).toEqual(["start controller", "stop controller"]);
  });

  it("names the parts that do not stop within the limit, and stops the others", async () => {
    const { manager, part, notes, run, stop } = aWorld({ stopLimitMs: 2_000 });
    manager.add(part("good"), part("stuck", { needsLeader: true, start: () => new Promise(() => undefined) }));
    const ended = run();
    await timers.tickAsync(1);
    stop.abort();
    await timers.tickAsync(2_100);
    expect(await ended).toEqual(new Error("did not stop in time: stuck, good"));
    expect(notes).toContain("stop good");
  });

  it("can be stopped while it starts", async () => {
    const { manager, part, cache, notes, run, stop } = aWorld();
    manager.addCache(cache("pods", 60_000));
    manager.add(part("webhook"));
    const ended = run();
    await timers.tickAsync(1);
    stop.abort();
    await timers.tickAsync(100);
    expect(await ended).toBe("stopped");
    expect(notes).toEqual(["start pods", "stop pods"]);
  });

  it("takes the abort of a part for its end, calls stop, and lets a failing stop pass", async () => {
    const { manager, part, run, stop } = aWorld();
    const calls: string[] = [];
    manager.add(
      part("aborts", { start: (signal) => systemClock.sleep(1e9, signal) }),
      part("pushed", {
        start: (signal) => systemClock.sleep(1e9, signal).catch(() => Promise.reject(abortError())),
        stop: () => {
          calls.push("stop");
          throw new Error("stop");
        },
      }),
    );
    const ended = run();
    await timers.tickAsync(1);
    expect(() => manager.add(part("late"))).toThrow("already running");
    stop.abort();
    await timers.tickAsync(100);
    expect(await ended).toBe("stopped");
    expect(calls).toEqual(["stop"]);
  });
});

describe("probe servers", () => {
  const get = async (port: number | undefined, path: string) => {
    const response = await fetch(`http://127.0.0.1:${String(port)}${path}`);
    return [response.status, await response.text()] as const;
  };
  /** Starts a server, runs the checks on its port, and stops it. */
  async function whileServing(
    server: ReturnType<typeof healthServer>,
    check: (port: number | undefined) => Promise<void>,
  ) {
    const stop = new AbortController();
    const ended = server!.start(stop.signal);
    for (let turn = 0; turn < 100 && server!.port() === undefined; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    try {
      await check(server!.port());
    } finally {
      stop.abort();
      await ended;
    }
  }

  it("answers the probes of the kubelet with the reasons", async () => {
    let notReady: readonly string[] = ["cache pods: not filled yet"];
    const server = healthServer({ address: "127.0.0.1:0", notReady: () => notReady, log });
    expect(server?.ready?.()).toBe("not listening yet");
    await whileServing(server, async (port) => {
      expect(await get(port, "/healthz")).toEqual([200, "ok\n"]);
      expect(await get(port, "/readyz")).toEqual([500, "cache pods: not filled yet\n"]);
      notReady = [];
      expect(await get(port, "/readyz/")).toEqual([200, "ok\n"]);
      expect(await get(port, "/metrics")).toEqual([404, "not found\n"]);
      expect(server?.ready?.()).toBeUndefined();
    });
  });

  it("serves metrics, on the listener of the probes when the addresses are equal", async () => {
    const address = "127.0.0.1:0";
    const [server, ...others] = probeServers(
      { address, notReady: () => [], notLive: () => "stuck", log },
      { address, metrics: createMetrics({ processMetrics: true }), log },
    );
    expect(others).toEqual([]);
    await whileServing(server, async (port) => {
      expect(await get(port, "/healthz")).toEqual([500, "stuck\n"]);
      const [status, text] = await get(port, "/metrics");
      expect(status).toBe(200);
      expect(text).toContain("workqueue_depth");
      expect(text).toContain("process_cpu_seconds_total");
    });
  });

  it('is off at "0", and refuses what is no address', () => {
    const metrics = createMetrics();
    expect(metricsServer({ address: "0", metrics, log })).toBeUndefined();
    expect(probeServers({ address: "", notReady: () => [], log }, { address: "0", metrics, log })).toEqual([]);
    expect(() => metricsServer({ address: "localhost", metrics, log })).toThrow("listen address");
  });
});
