import { isAbort } from "./errors.ts";
import type { Clock, Logger } from "./ports.ts";

export { probeServers } from "./probe-server.ts";

/** A part of the process with a life of its own. */
export interface Runnable {
  readonly name: string;
  /**
   * Runs until `signal` aborts, then cleans up and resolves. Resolving early means that the part has nothing more to do;
   * rejecting ends the process.
   */
  start(signal: AbortSignal): Promise<void>;
  /** Called after `signal` aborted and before `start` is awaited, for parts that need a push. */
  stop?(): void | Promise<void>;
  /** True: started when the lease is acquired. False: runs on every replica. */
  readonly needsLeader: boolean;
  /** True: started before the caches are filled, stopped last (probes, metrics). @default false */
  readonly beforeCaches?: boolean;
  /** Why this part cannot do its work yet or now, in words; undefined when it can. */
  ready?(): string | undefined;
}

/** An informer, as the manager sees it. */
export interface ManagedCache {
  readonly name: string;
  readonly lastError: string | undefined;
  hasSynced(): boolean;
  waitForSync(signal: AbortSignal): Promise<void>;
  start(signal: AbortSignal): Promise<void>;
}

/** A LeaderElector, as the manager sees it. */
export interface Election {
  /** Resolves after a release, @throws when the lease was lost. */
  run(signal: AbortSignal): Promise<void>;
  waitForLeadership(signal: AbortSignal): Promise<void>;
}

export interface ManagerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Absent: leader-only parts start at once (`leaderElection: false`). */
  readonly election?: Election;
  /** Time for the whole stop, milliseconds. @default 30_000, controller-runtime's graceful shutdown */
  readonly stopLimitMs?: number;
}

/** Parts that are stopped together, before the stage that was started before them. */
interface Stage {
  readonly stop: AbortController;
  readonly running: {
    readonly runnable: Pick<Runnable, "name" | "stop">;
    readonly ended: Promise<void>;
    hasEnded: boolean;
  }[];
}

/**
 * Starts the parts of the process in order and stops them in reverse: early parts (probes) → caches, awaited until filled →
 * parts of every replica (webhook) → leader election → leader-only parts (controllers). The lease is released only after
 * every leader-only part has ended, so that no two processes act at the same time.
 */
export class Manager {
  readonly #options: ManagerOptions;
  readonly #runnables: Runnable[] = [];
  readonly #caches: ManagedCache[] = [];
  readonly #stages: Stage[] = [];
  readonly #failed = new AbortController();
  #failure: { readonly error: unknown } | undefined;
  #isStarted = false;
  #isStopping = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
  }

  /** Adds a part; within a stage parts start in the order of adding. Only before `run`. */
  add(...runnables: readonly Runnable[]): void {
    this.#refuseLate();
    this.#runnables.push(...runnables);
  }

  /** Adds informers; all are filled before anything that uses them starts. Only before `run`. */
  addCache(...caches: readonly ManagedCache[]): void {
    this.#refuseLate();
    this.#caches.push(...caches);
  }

  /**
   * What keeps this replica from serving, one line each; empty when it is ready. A replica that is not the leader is ready
   * when all that runs on every replica is; the parts of the leader do not count.
   */
  notReady(): readonly string[] {
    if (this.#isStopping) return ["the process is stopping"];
    const caches = this.#caches
      .filter((cache) => !cache.hasSynced())
      .map(
        (cache) => `cache ${cache.name}: not filled yet${cache.lastError === undefined ? "" : ` (${cache.lastError})`}`,
      );
    const parts = this.#runnables.flatMap((runnable) => {
      const why = runnable.needsLeader ? undefined : runnable.ready?.();
      return why === undefined ? [] : [`${runnable.name}: ${why}`];
    });
    return this.#isStarted ? [...caches, ...parts] : ["the process is starting", ...caches, ...parts];
  }

  /**
   * Runs everything until `signal` aborts, then stops in reverse and resolves.
   * @throws the error of the first part that rejected, after the stop; FencedError when the lease was lost;
   * Error naming the parts that did not end within the stop limit
   */
  async run(signal: AbortSignal): Promise<void> {
    const stopped = AbortSignal.any([signal, this.#failed.signal]);
    try {
      await this.#startAll(stopped);
      await aborted(stopped);
    } catch (error: unknown) {
      if (!stopped.aborted || !isAbort(error)) this.#fail("start", error);
    }
    const leftOver = await this.#stopAll();
    if (this.#failure) throw this.#failure.error;
    if (leftOver.length > 0) throw new Error(`did not stop in time: ${leftOver.join(", ")}`);
  }

  async #startAll(stopped: AbortSignal): Promise<void> {
    const { election } = this.#options;
    const everywhere = this.#runnables.filter((runnable) => !runnable.needsLeader);
    this.#startStage(everywhere.filter((runnable) => runnable.beforeCaches === true));
    this.#startStage(this.#caches);
    await Promise.all(this.#caches.map((cache) => cache.waitForSync(stopped)));
    this.#startStage(everywhere.filter((runnable) => runnable.beforeCaches !== true));
    this.#isStarted = true;
    if (election) {
      this.#startStage([{ name: "leader election", start: (signal) => election.run(signal) }]);
      await election.waitForLeadership(stopped);
    }
    if (stopped.aborted) return;
    this.#startStage(this.#runnables.filter((runnable) => runnable.needsLeader));
  }

  #startStage(runnables: readonly Pick<Runnable, "name" | "start" | "stop">[]): void {
    if (this.#failed.signal.aborted) return;
    const stage: Stage = { stop: new AbortController(), running: [] };
    this.#stages.push(stage);
    for (const runnable of runnables) {
      this.#options.log.debug("starting", { part: runnable.name });
      const entry = { runnable, hasEnded: false, ended: Promise.resolve() };
      entry.ended = this.#supervise(runnable, stage.stop.signal).finally(() => (entry.hasEnded = true));
      stage.running.push(entry);
    }
  }

  /** Never rejects. */
  async #supervise(runnable: Pick<Runnable, "name" | "start">, signal: AbortSignal): Promise<void> {
    try {
      await runnable.start(signal);
    } catch (error: unknown) {
      if (!(signal.aborted && isAbort(error))) this.#fail(runnable.name, error);
    }
  }

  #fail(part: string, error: unknown): void {
    this.#options.log.error("a part of the process failed", { part, error });
    this.#failure ??= { error };
    this.#failed.abort();
  }

  /** Returns the names of the parts that did not end in time. */
  async #stopAll(): Promise<readonly string[]> {
    const { clock, log, stopLimitMs = 30_000 } = this.#options;
    this.#isStopping = true;
    const finished = new AbortController();
    const late = new AbortController();
    const limit = clock.sleep(stopLimitMs, finished.signal).then(
      () => late.abort(),
      () => undefined, // All stopped in time.
    );
    const leftOver: string[] = [];
    for (const stage of this.#stages.toReversed()) {
      stage.stop.abort();
      const ended = Promise.all(
        stage.running.map(async ({ runnable, ended }) => {
          await this.#push(runnable);
          await ended;
        }),
      );
      await Promise.race([ended, limit]);
      if (late.signal.aborted)
        leftOver.push(...stage.running.filter((entry) => !entry.hasEnded).map((entry) => entry.runnable.name));
    }
    finished.abort();
    log.info("stopped", { leftOver });
    return leftOver;
  }

  async #push(runnable: Pick<Runnable, "name" | "stop">): Promise<void> {
    try {
      await runnable.stop?.();
    } catch (error: unknown) {
      this.#options.log.error("a part failed to stop", { part: runnable.name, error });
    }
  }

  #refuseLate(): void {
    if (this.#stages.length > 0) throw new Error("the manager is already running");
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
