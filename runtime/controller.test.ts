import FakeTimers from "@sinonjs/fake-timers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { abortError, systemClock } from "./clock.ts";
import { Controller } from "./controller.ts";
import type { ControllerOptions } from "./controller.ts";
import { CapacityError, ConflictError, InvariantError, TerminalError, TransientError, WaitingError } from "./errors.ts";
import { createLogger } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import type { Result } from "./reconcile.ts";

let timers: FakeTimers.Clock;
beforeEach(() => {
  timers = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => {
  timers.uninstall();
});

/** A started controller whose reconciles do what `reconcile` says; its times of reconcile are recorded. */
function aController(
  reconcile: (key: string, run: number, signal: AbortSignal) => Promise<Result>,
  overrides: Partial<ControllerOptions> = {},
) {
  const lines: string[] = [];
  const runs: { key: string; atMs: number }[] = [];
  const stop = new AbortController();
  const startMs = systemClock.monotonic();
  const metrics = createMetrics();
  const controller = new Controller({
    name: "test",
    workers: 2,
    clock: systemClock,
    random: () => 1,
    log: createLogger({ level: "debug", write: (line) => lines.push(line) }),
    metrics,
    reconciler: {
      reconcile: ({ namespace, name }, signal) => {
        const key = `${namespace}/${name}`;
        runs.push({ key, atMs: Math.round(systemClock.monotonic() - startMs) });
        return reconcile(key, runs.length, signal);
      },
    },
    ...overrides,
  });
  const ended = controller.start(stop.signal);
  return { controller, runs, lines, stop, ended, metrics, times: () => runs.map((run) => run.atMs) };
}

const failOnce = (error: Error) => (_key: string, run: number) =>
  run === 1 ? Promise.reject(error) : Promise.resolve({});

describe("Controller", () => {
  it("reconciles what is enqueued, by key or request, at once or later", async () => {
    const { controller, runs } = aController(() => Promise.resolve({}));
    controller.enqueue("default/a");
    controller.enqueue({ namespace: "default", name: "a" });
    controller.enqueue("default/b", { afterMs: 500 });
    await timers.tickAsync(600);
    expect(runs.map((run) => run.key)).toEqual(["default/a", "default/b"]);
  });

  it("runs again when the result asks for it", async () => {
    const { controller, times } = aController((_key, run) => Promise.resolve(run < 3 ? { requeueAfterMs: 2_000 } : {}));
    controller.enqueue("default/a");
    await timers.tickAsync(10_000);
    expect(times()).toEqual([0, 2_000, 4_000]);
  });

  it.each([
    { name: "conflict", error: new ConflictError("C", "stale"), wantMs: 0 },
    { name: "waiting", error: new WaitingError("W", "detaching", 2_500), wantMs: 2_500 },
    { name: "transient", error: new TransientError("T", "reset"), wantMs: 1_000 },
    { name: "capacity", error: new CapacityError("Q", "full"), wantMs: 300_000 },
    { name: "terminal", error: new TerminalError("F", "forbidden"), wantMs: 1_800_000 },
    { name: "a defect", error: new TypeError("x is undefined"), wantMs: 1_000 },
  ])("retries after $name in $wantMs ms", async ({ error, wantMs }) => {
    const { controller, times } = aController(failOnce(error));
    controller.enqueue("default/a");
    await timers.tickAsync(2_000_000);
    expect(times()).toEqual([0, wantMs]);
  });

  it("survives a reconciler that throws before it returns a promise, and one that rejects with nonsense", async () => {
    const { controller, runs } = aController((_key, run) => {
      if (run === 1) throw new Error("synchronous");
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- that is the point
      if (run === 2) return Promise.reject("text");
      return Promise.resolve({});
    });
    controller.enqueue("default/a");
    await timers.tickAsync(10_000);
    expect(runs).toHaveLength(3);
  });

  it("lets the delay grow while failures repeat, and starts anew after a success", async () => {
    const { controller, times } = aController((_key, run) =>
      run === 4 ? Promise.resolve({ requeueAfterMs: 1 }) : Promise.reject(new TransientError("T", "reset")),
    );
    controller.enqueue("default/a");
    await timers.tickAsync(9_000);
    expect(times().slice(0, 6)).toEqual([0, 1_000, 3_000, 7_000, 7_001, 8_001]);
  });

  it("does not turn a lasting conflict into a hot loop", async () => {
    const { controller, runs } = aController(() => Promise.reject(new ConflictError("C", "stale")));
    controller.enqueue("default/a");
    await timers.tickAsync(10_000);
    expect(runs.length).toBeLessThan(25);
  });

  it("never runs one key twice at once and never more than its workers", async () => {
    const active = new Map<string, number>();
    let most = 0;
    const { controller, runs } = aController(async (key) => {
      active.set(key, (active.get(key) ?? 0) + 1);
      expect(active.get(key)).toBe(1);
      most = Math.max(
        most,
        [...active.values()].reduce((sum, one) => sum + one, 0),
      );
      await systemClock.sleep(100);
      active.set(key, 0);
      return {};
    });
    for (const key of ["d/a", "d/b", "d/c", "d/a"]) controller.enqueue(key);
    await timers.tickAsync(50);
    controller.enqueue("d/a");
    await timers.tickAsync(1_000);
    expect(most).toBe(2);
    expect(runs.map((run) => run.key)).toEqual(["d/a", "d/b", "d/c", "d/a"]);
  });

  it("waits for running reconciles when it stops, aborts their signal and takes no more keys", async () => {
    const { controller, runs, stop, ended } = aController(
      (_key, _run, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => setTimeout(() => reject(abortError()), 50)),
        ),
    );
    for (const key of ["d/a", "d/b", "d/c"]) controller.enqueue(key);
    await timers.tickAsync(10);
    let hasEnded = false;
    void ended.then(() => (hasEnded = true));
    stop.abort();
    await timers.tickAsync(10);
    expect(hasEnded).toBe(false);
    await timers.tickAsync(100);
    expect(hasEnded).toBe(true);
    expect(runs).toHaveLength(2);
    expect(timers.countTimers()).toBe(0);
  });

  it("logs a reconcile that takes more than 30 s, with the object's name", async () => {
    const { controller, lines } = aController(async () => {
      await systemClock.sleep(31_000);
      return {};
    });
    controller.enqueue("default/a");
    await timers.tickAsync(40_000);
    const slow = lines.filter((line) => line.includes("reconcile is slow"));
    expect(slow).toHaveLength(1);
    expect(JSON.parse(slow[0]!)).toMatchObject({ level: "warn", controller: "test", namespace: "default", name: "a" });
  });

  it("counts results under controller-runtime's names", async () => {
    const errors = [new TransientError("T", ""), new InvariantError("I", ""), new WaitingError("W", "", 1_000)];
    const { controller, metrics } = aController((_key, run) =>
      run <= 3 ? Promise.reject(errors[run - 1]!) : Promise.resolve({}),
    );
    controller.enqueue("default/a");
    await timers.tickAsync(20_000);
    const text = await metrics.registry.metrics();
    for (const line of [
      'controller_runtime_reconcile_total{controller="test",result="error"} 2',
      'controller_runtime_reconcile_total{controller="test",result="requeue_after"} 1',
      'controller_runtime_reconcile_total{controller="test",result="success"} 1',
      'controller_runtime_reconcile_errors_total{controller="test"} 2',
      'controller_runtime_reconcile_panics_total{controller="test"} 1',
      'controller_runtime_max_concurrent_reconciles{controller="test"} 2',
      'controller_runtime_active_workers{controller="test"} 0',
      'workqueue_adds_total{name="test",controller="test"} 4',
      'workqueue_retries_total{name="test",controller="test"} 2',
      'workqueue_depth{name="test",controller="test"} 0',
      'workqueue_unfinished_work_seconds{name="test",controller="test"} 0',
    ]) {
      expect(text).toContain(line);
    }
  });
});
