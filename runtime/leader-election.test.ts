import FakeTimers from "@sinonjs/fake-timers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { systemClock } from "./clock.ts";
import { AlreadyExistsError, ConflictError, FencedError, TransientError } from "./errors.ts";
import { LeaderElector } from "./leader-election.ts";
import type { LeaderElectorOptions, Lease, LeasePort, PreviousLease } from "./leader-election.ts";
import { createMetrics } from "./metrics.ts";
import type { Clock } from "./ports.ts";
import { seededRandom } from "./random.ts";

let timers: FakeTimers.Clock;
beforeEach(() => {
  timers = FakeTimers.install({
    now: 1_700_000_000_000,
    toFake: ["setTimeout", "clearTimeout", "Date", "performance"],
  });
});
afterEach(() => {
  timers.uninstall();
});

/** One lease with resourceVersion checks, and the faults of a network. */
class LeaseStore implements LeasePort {
  lease: Lease | undefined;
  writes = 0;
  #version = 0;

  get(): Promise<Lease | undefined> {
    return Promise.resolve(this.lease);
  }
  create(lease: Lease): Promise<Lease> {
    if (this.lease) return Promise.reject(new AlreadyExistsError("AlreadyExists", "exists"));
    return Promise.resolve(this.write(lease));
  }
  update(lease: Lease): Promise<Lease> {
    if (lease.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) {
      return Promise.reject(new ConflictError("Conflict", "stale"));
    }
    return Promise.resolve(this.write(lease));
  }
  write(lease: Lease): Lease {
    this.writes += 1;
    this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: String(++this.#version) } };
    return this.lease;
  }
}

/** A candidate's own way to the store, which can be cut. */
class Link implements LeasePort {
  readonly #store: LeaseStore;
  /** `lost-answers`: writes happen, but their answers do not come back. `hangs`: nothing ever answers. */
  state: "up" | "down" | "lost-answers" | "hangs" = "up";

  constructor(store: LeaseStore) {
    this.#store = store;
  }
  get(): Promise<Lease | undefined> {
    return this.#through(() => this.#store.get());
  }
  create(lease: Lease): Promise<Lease> {
    return this.#through(() => this.#store.create(lease));
  }
  update(lease: Lease): Promise<Lease> {
    return this.#through(() => this.#store.update(lease));
  }
  async #through<R>(call: () => Promise<R>): Promise<R> {
    if (this.state === "hangs") return new Promise(() => undefined);
    if (this.state === "down") throw new TransientError("Reset", "reset");
    const answer = await call();
    if (this.state === "lost-answers") throw new TransientError("Reset", "answer lost");
    return answer;
  }
}

/** A watchdog by the test's clock: when it would end the process, milliseconds on the monotonic clock. */
class Deadline {
  endsAtMs: number | undefined;
  feed(ms: number): void {
    this.endsAtMs = systemClock.monotonic() + ms;
  }
  stop(): void {
    this.endsAtMs = undefined;
  }
}

function aCandidate(store: LeaseStore, identity: string, overrides: Partial<LeaderElectorOptions> = {}) {
  const link = new Link(store);
  const events: string[] = [];
  const previous: (PreviousLease | undefined)[] = [];
  const stop = new AbortController();
  const elector = new LeaderElector({
    leases: link,
    identity,
    namespace: "kube-system",
    name: "terway-controlplane",
    clock: systemClock,
    random: () => 0.5,
    onAcquired: (last) => {
      events.push("acquired");
      previous.push(last);
    },
    onLost: () => events.push("lost"),
    ...overrides,
  });
  const ended = elector.run(stop.signal).catch((error: unknown) => error);
  return { elector, link, events, previous, stop, ended };
}

describe("LeaderElector", () => {
  it("creates the lease as client-go writes it, and renews it", async () => {
    const store = new LeaseStore();
    const { elector } = aCandidate(store, "a");
    await timers.tickAsync(1);
    expect(elector.isLeader()).toBe(true);
    expect(store.lease).toMatchObject({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "terway-controlplane", namespace: "kube-system" },
      spec: {
        holderIdentity: "a",
        leaseDurationSeconds: 15,
        leaseTransitions: 0,
        acquireTime: "2023-11-14T22:13:20.000000Z",
        renewTime: "2023-11-14T22:13:20.000000Z",
      },
    });
    await timers.tickAsync(10_000);
    expect(store.lease!.spec.renewTime).toBe("2023-11-14T22:13:30.000000Z");
    expect(store.lease!.spec.acquireTime).toBe("2023-11-14T22:13:20.000000Z");
    expect(store.writes).toBe(6);
    elector.assertHeld();
  });

  it("leads with one of two, which start at the same time", async () => {
    const store = new LeaseStore();
    const candidates = [aCandidate(store, "a"), aCandidate(store, "b")];
    for (let second = 0; second < 60; second++) {
      await timers.tickAsync(1_000);
      expect(candidates.filter(({ elector }) => elector.isLeader())).toHaveLength(1);
    }
  });

  it("hands over within a retry period when the leader releases, with its annotations", async () => {
    const store = new LeaseStore();
    let used = 0;
    const first = aCandidate(store, "a", { annotations: () => ({ "k8s.aliyun.com/used": String(++used) }) });
    await timers.tickAsync(1);
    const second = aCandidate(store, "b");
    await timers.tickAsync(5_000);
    first.stop.abort();
    expect(await first.ended).toBeUndefined();
    expect(first.elector.isLeader()).toBe(false);
    expect(first.events).toEqual(["acquired"]);
    expect(store.lease!.spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
    await timers.tickAsync(2_500);
    expect(second.elector.isLeader()).toBe(true);
    expect(store.lease!.spec).toMatchObject({ holderIdentity: "b", leaseDurationSeconds: 15, leaseTransitions: 1 });
    expect(second.previous[0]).toMatchObject({
      holder: "",
      released: true,
      annotations: { "k8s.aliyun.com/used": String(used) },
    });
  });

  it("takes over when it has not seen the lease change for its duration, and not earlier", async () => {
    const store = new LeaseStore();
    const first = aCandidate(store, "a", { annotations: () => ({ used: "7" }) });
    await timers.tickAsync(1);
    const second = aCandidate(store, "b");
    await timers.tickAsync(20_000);
    first.link.state = "down";
    await timers.tickAsync(9_000);
    expect([first.elector.isLeader(), second.elector.isLeader()]).toEqual([true, false]);
    await timers.tickAsync(3_000);
    expect([first.elector.isLeader(), second.elector.isLeader()]).toEqual([false, false]);
    await timers.tickAsync(6_000);
    expect(second.elector.isLeader()).toBe(true);
    expect(second.previous[0]).toMatchObject({ holder: "a", released: false, annotations: { used: "7" } });
  });

  it("believes the duration that the holder wrote and no clock of another machine", async () => {
    const store = new LeaseStore();
    store.write({
      metadata: { name: "terway-controlplane", namespace: "kube-system" },
      spec: { holderIdentity: "other", leaseDurationSeconds: 60, renewTime: "1999-01-01T00:00:00.000000Z" },
    });
    const { elector } = aCandidate(store, "a");
    await timers.tickAsync(59_000);
    expect(elector.isLeader()).toBe(false);
    await timers.tickAsync(3_000);
    expect(elector.isLeader()).toBe(true);
  });

  it.each(["down", "hangs"] as const)(
    "gives up at the renew deadline when the API server is %s, for ever",
    async (state) => {
      const store = new LeaseStore();
      const { elector, link, events, ended } = aCandidate(store, "a");
      await timers.tickAsync(1);
      link.state = state;
      await timers.tickAsync(9_900);
      expect(elector.isLeader()).toBe(true);
      await timers.tickAsync(200);
      expect(elector.isLeader()).toBe(false);
      expect(() => elector.assertHeld()).toThrow(FencedError);
      expect(await ended).toBeInstanceOf(FencedError);
      expect(events).toEqual(["acquired", "lost"]);
      link.state = "up";
      await timers.tickAsync(60_000);
      expect(elector.isLeader()).toBe(false);
      expect(timers.countTimers()).toBe(0);
    },
  );

  it("has its watchdog end the process after it stopped leading, and before another can lead, whenever it is frozen", async () => {
    const store = new LeaseStore();
    const watchdog = new Deadline();
    const first = aCandidate(store, "a", { watchdog });
    for (let frozenAtMs = 0; frozenAtMs < 20_000; frozenAtMs += 700) {
      await timers.tickAsync(frozenAtMs === 0 ? 1 : 700);
      // A process that stops now leads until its deadline, counted from its last renewal, which it sent up to 2 s ago.
      const renewedAtMs = Date.parse(store.lease!.spec.renewTime!) - 1_700_000_000_000;
      expect(watchdog.endsAtMs).toBeGreaterThan(renewedAtMs + 10_000);
      expect(watchdog.endsAtMs).toBeLessThan(renewedAtMs + 15_000);
    }
    first.stop.abort();
    await first.ended;
    expect(watchdog.endsAtMs).toBeUndefined();
  });

  it("stops its watchdog when it notices itself that the lease is lost, so that the process can end in order", async () => {
    const store = new LeaseStore();
    const watchdog = new Deadline();
    const { link, ended } = aCandidate(store, "a", { watchdog });
    await timers.tickAsync(1);
    link.state = "down";
    await timers.tickAsync(10_100);
    expect(await ended).toBeInstanceOf(FencedError);
    expect(watchdog.endsAtMs).toBeUndefined();
  });

  it("feeds no watchdog while another leads", async () => {
    const store = new LeaseStore();
    aCandidate(store, "a");
    await timers.tickAsync(1);
    const watchdog = new Deadline();
    aCandidate(store, "b", { watchdog });
    await timers.tickAsync(60_000);
    expect(watchdog.endsAtMs).toBeUndefined();
  });

  it("survives a fault that is shorter than the deadline", async () => {
    const store = new LeaseStore();
    const { elector, link } = aCandidate(store, "a");
    await timers.tickAsync(1);
    link.state = "down";
    await timers.tickAsync(7_000);
    link.state = "up";
    await timers.tickAsync(30_000);
    expect(elector.isLeader()).toBe(true);
  });

  it.each([{ takesMs: 1_000 }, { takesMs: 1_500 }, { takesMs: 1_990 }])(
    "keeps the lease that it acquired while every write takes $takesMs ms of the 2 s that it may",
    async ({ takesMs }) => {
      const store = new LeaseStore();
      const slowly = async (write: () => Promise<Lease>): Promise<Lease> => {
        await systemClock.sleep(takesMs);
        return write();
      };
      const leases: LeasePort = {
        get: () => store.get(),
        create: (lease) => slowly(() => store.create(lease)),
        update: (lease) => slowly(() => store.update(lease)),
      };
      const { elector, events } = aCandidate(store, "a", {
        leases,
        leaseDurationMs: 6_000,
        renewDeadlineMs: 4_000,
        retryPeriodMs: 1_000,
      });
      await timers.tickAsync(60_000);
      expect(elector.isLeader()).toBe(true);
      expect(events).toEqual(["acquired"]);
    },
  );

  it("knows after a pause that it may have been replaced, before any timer has run", async () => {
    const store = new LeaseStore();
    let pausedMs = 0;
    const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + pausedMs };
    const first = aCandidate(store, "a", { clock });
    await timers.tickAsync(1);
    expect(first.elector.isLeader()).toBe(true);
    pausedMs = 30_000;
    expect(() => first.elector.assertHeld()).toThrow(FencedError);
    expect(first.events).toEqual(["acquired", "lost"]);
    const writes = store.writes;
    await timers.tickAsync(30_000);
    expect(store.writes).toBe(writes);
    expect(await first.ended).toBeInstanceOf(FencedError);
  });

  it("finds its own write after a lost answer, when it acquires and when it renews", async () => {
    const store = new LeaseStore();
    const first = aCandidate(store, "a");
    await timers.tickAsync(1);
    first.stop.abort();
    await first.ended;
    const second = aCandidate(store, "b");
    second.link.state = "lost-answers";
    await timers.tickAsync(1);
    second.link.state = "up";
    await timers.tickAsync(3_000);
    expect(second.elector.isLeader()).toBe(true);
    expect(second.previous[0]).toMatchObject({ holder: "", released: true });
    second.link.state = "lost-answers";
    await timers.tickAsync(4_000);
    second.link.state = "up";
    await timers.tickAsync(20_000);
    expect(second.elector.isLeader()).toBe(true);
    expect(store.lease!.spec.leaseTransitions).toBe(1);
  });

  it("is lost at once when another name stands on the lease", async () => {
    const store = new LeaseStore();
    const { elector, events, ended } = aCandidate(store, "a");
    await timers.tickAsync(1);
    store.write({ ...store.lease!, spec: { ...store.lease!.spec, holderIdentity: "thief" } });
    await timers.tickAsync(4_100); // one conflict, then one look
    expect(elector.isLeader()).toBe(false);
    expect(events).toEqual(["acquired", "lost"]);
    expect(await ended).toBeInstanceOf(FencedError);
    expect(store.lease!.spec.holderIdentity).toBe("thief");
  });

  it("keeps renewing while onAcquired is busy, and reports leadership after it", async () => {
    const store = new LeaseStore();
    const { elector } = aCandidate(store, "a", { onAcquired: () => systemClock.sleep(40_000) });
    let isReported = false;
    void elector.waitForLeadership(new AbortController().signal).then(() => (isReported = true));
    await timers.tickAsync(39_000);
    expect([elector.isLeader(), isReported]).toEqual([true, false]);
    await timers.tickAsync(2_000);
    expect([elector.isLeader(), isReported]).toEqual([true, true]);
  });

  it("loses the lease when taking over fails", async () => {
    const { ended, events } = aCandidate(new LeaseStore(), "a", {
      onAcquired: () => Promise.reject(new Error("broken")),
    });
    await timers.tickAsync(10);
    expect(await ended).toBeInstanceOf(FencedError);
    expect(events).toEqual(["lost"]);
  });

  it("renews on demand, keeps foreign annotations and refuses when it does not lead", async () => {
    const store = new LeaseStore();
    let used = "1";
    const { elector } = aCandidate(store, "a", { annotations: () => ({ used }) });
    await expect(elector.renewNow()).rejects.toBeInstanceOf(FencedError);
    await timers.tickAsync(1);
    store.lease = { ...store.lease!, metadata: { ...store.lease!.metadata, annotations: { foreign: "x", used: "1" } } };
    const conflict = store.write(store.lease);
    expect(conflict.metadata.resourceVersion).toBeDefined();
    used = "2";
    await expect(elector.renewNow()).rejects.toBeInstanceOf(TransientError);
    await elector.renewNow();
    expect(store.lease.metadata.annotations).toEqual({ foreign: "x", used: "2" });
  });

  it("ends without a release when it never led, and gives up a wait for leadership", async () => {
    const store = new LeaseStore();
    aCandidate(store, "a");
    await timers.tickAsync(1);
    const { elector, stop, ended } = aCandidate(store, "b");
    const waiting = elector.waitForLeadership(stop.signal).catch((error: unknown) => (error as Error).name);
    await timers.tickAsync(5_000);
    stop.abort();
    expect(await ended).toBeUndefined();
    expect(await waiting).toBe("AbortError");
    expect(store.lease!.spec.holderIdentity).toBe("a");
  });

  it.each([
    { answer: "is lost", late: false },
    { answer: "comes too late", late: true },
  ])("gives back the lease when it is stopped while it acquires it and the answer $answer", async ({ late }) => {
    const store = new LeaseStore();
    const cutOff = (lease: Lease, signal: AbortSignal): Promise<Lease> =>
      new Promise((resolve, reject) => {
        const written = store.write(lease);
        signal.addEventListener("abort", () => (late ? resolve(written) : reject(new DOMException("", "AbortError"))));
      });
    const leases: LeasePort = {
      get: () => store.get(),
      create: cutOff,
      update: (lease) => store.update(lease),
    };
    const { stop, ended } = aCandidate(store, "a", { leases });
    await timers.tickAsync(1);
    expect(store.lease!.spec.holderIdentity).toBe("a");
    stop.abort();
    expect(await ended).toBeUndefined();
    expect(store.lease!.spec.holderIdentity).toBe("");
  });

  it("reports itself as a metric and refuses timings that cannot work", async () => {
    const metrics = createMetrics();
    aCandidate(new LeaseStore(), "a", { metrics });
    await timers.tickAsync(1);
    expect(await metrics.registry.metrics()).toContain('leader_election_master_status{name="terway-controlplane"} 1');
    expect(() => aCandidate(new LeaseStore(), "a", { leaseDurationMs: 5_000 })).toThrow(RangeError);
  });

  it("never has two leaders when links are cut at random (10 seeds)", async () => {
    for (let seed = 0; seed < 10; seed++) {
      const random = seededRandom(seed);
      const store = new LeaseStore();
      const candidates = ["a", "b", "c"].map((name) => aCandidate(store, name, { random }));
      const states = ["up", "up", "up", "down", "lost-answers", "hangs"] as const;
      for (let step = 0; step < 25; step++) {
        const { link } = candidates[Math.floor(random() * 3)]!;
        link.state = states[Math.floor(random() * states.length)]!;
        await timers.tickAsync(random() * 4_000);
        expect(candidates.filter(({ elector }) => elector.isLeader()).length).toBeLessThanOrEqual(1);
      }
      for (const { stop, link } of candidates) {
        link.state = "up";
        stop.abort();
      }
      await timers.tickAsync(20_000);
    }
  });
});
