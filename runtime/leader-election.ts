import { abortError, withTimeout } from "./clock.ts";
import { ConflictError, FencedError, isAbort, TransientError } from "./errors.ts";
import type { Fence } from "./fence.ts";
import { claimOf, isFree, microTime, releaseOf } from "./lease.ts";
import type { Lease, LeasePort } from "./lease.ts";
import type { Metrics } from "./metrics.ts";
import type { Clock, Logger, Random } from "./ports.ts";
import type { Watchdog } from "./watchdog.ts";

export type { Lease, LeasePort } from "./lease.ts";

/** Time that the release at shutdown may take, milliseconds. Without it the successor waits for the lease to expire. */
const releaseLimitMs = 3_000;

/** The lease as its last holder left it. */
export interface PreviousLease {
  /** Identity of the last holder other than this process; empty when it released the lease. */
  readonly holder: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** RFC 3339 with microseconds, by the clock of the last holder. */
  readonly renewTime: string | undefined;
  /** True when the last holder gave the lease back, so that its annotations are complete. */
  readonly released: boolean;
}

export interface LeaderElectorOptions {
  readonly leases: LeasePort;
  /** Unique to this process, for instance `<host>_<uuid>`: two processes of one identity would both lead. */
  readonly identity: string;
  readonly namespace: string;
  readonly name: string;
  /** Others take the lease over when they saw no renewal for so long. Whole seconds; @default 15_000 */
  readonly leaseDurationMs?: number;
  /** Leadership ends when no renewal succeeded for so long; less than the lease. @default 10_000 */
  readonly renewDeadlineMs?: number;
  /** Time between attempts. @default 2_000 */
  readonly retryPeriodMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: Logger;
  readonly metrics?: Metrics;
  /** Annotations to write at every renewal and at the release; other annotations of the lease are kept. */
  readonly annotations?: () => Readonly<Record<string, string>>;
  /** Called once, when the lease was acquired, before leader-only work starts. `previous` is undefined on a fresh lease. */
  readonly onAcquired?: (previous: PreviousLease | undefined) => void | Promise<void>;
  /** Called once, as soon as it is noticed that the lease was lost. Not called at a release. */
  readonly onLost?: () => void;
  /**
   * Ends the process before another can lead, if it was stopped between its last question whether it leads and the write
   * that this allowed. Absent: such a write is sent when the process goes on.
   */
  readonly watchdog?: Watchdog;
}

type State = "waiting" | "leading" | "released" | "lost";

/**
 * Holds a coordination.k8s.io/v1 Lease, compatible with client-go's leader election: holderIdentity, leaseTransitions,
 * expiry judged by how long this process has not seen the lease change, never by comparing clocks of machines. All
 * durations run on the monotonic clock. Once lost, the lease is never taken again by this process: what it had in flight
 * may be stale, so the process is to end.
 */
export class LeaderElector implements Fence {
  readonly identity: string;
  readonly #options: LeaderElectorOptions;
  readonly #leaseDurationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryPeriodMs: number;
  #state: State = "waiting";
  /** Lease as last read or written. */
  #observed: Lease | undefined;
  /** True until a read, and after every failed attempt: a write without answer may have happened. */
  #mustRead = true;
  /** A claim was sent and its answer not taken: the lease may be ours without our knowing. */
  #hasUnclearClaim = false;
  /** Monotonic time at which `#observed` was first seen like this. */
  #observedAt = 0;
  #previous: PreviousLease | undefined;
  /** Monotonic time at which the last successful renewal was sent: nobody can take over earlier than a lease after it. */
  #renewedAt = 0;
  /** Monotonic time at which the last attempt began. */
  #attemptedAt = 0;
  /** Attempts run one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #leading: Promise<void>;
  #reportLeading!: () => void;
  readonly #lost = new AbortController();

  constructor(options: LeaderElectorOptions) {
    this.#options = options;
    this.identity = options.identity;
    this.#leaseDurationMs = options.leaseDurationMs ?? 15_000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryPeriodMs = options.retryPeriodMs ?? 2_000;
    if (this.#renewDeadlineMs >= this.#leaseDurationMs || this.#retryPeriodMs >= this.#renewDeadlineMs) {
      throw new RangeError("leader election needs retryPeriod < renewDeadline < leaseDuration");
    }
    this.#leading = new Promise((resolve) => (this.#reportLeading = resolve));
    options.metrics?.leader.set({ name: options.name }, 0);
  }

  /** Holder as last seen; empty when free or unknown. */
  get holder(): string {
    return this.#observed?.spec.holderIdentity ?? "";
  }

  /** True while it is certain that no other process can hold the lease. A process that was paused learns it here first. */
  isLeader(): boolean {
    if (this.#state !== "leading") return false;
    if (this.#options.clock.monotonic() - this.#renewedAt < this.#renewDeadlineMs) return true;
    this.#lose("no renewal succeeded in time");
    return false;
  }

  /** @throws FencedError unless `isLeader` */
  assertHeld(): void {
    if (!this.isLeader()) throw new FencedError();
  }

  /** Resolves when the lease was acquired and `onAcquired` has finished. @throws AbortError when `signal` aborts first */
  waitForLeadership(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(abortError());
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      void this.#leading.then(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
    });
  }

  /**
   * Competes for the lease and renews it until `signal` aborts; then releases it and resolves.
   * @throws FencedError when the lease was lost
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const stopped = AbortSignal.any([signal, this.#lost.signal]);
    while (!stopped.aborted) {
      await this.#attemptInTurn(stopped);
      await clock.sleep(this.#pauseMs(), stopped).catch(() => undefined); // Aborted: the loop looks.
    }
    if (this.#lost.signal.aborted) throw new FencedError();
    await this.#release();
  }

  /**
   * Renews at once, for instance to publish new annotations.
   * @throws FencedError when the lease is not held, or is lost in the attempt
   * @throws TransientError when the attempt failed; the lease is still held
   */
  async renewNow(): Promise<void> {
    this.assertHeld();
    const isRenewed = await this.#attemptInTurn(this.#lost.signal);
    this.assertHeld();
    if (!isRenewed) throw new TransientError("LeaseNotRenewed", "the lease could not be renewed");
  }

  /** Milliseconds to the next attempt. Spread while waiting, so that candidates do not collide; never past an expiry. */
  #pauseMs(): number {
    if (this.#state === "leading") {
      // From start to start: whose claim was answered within the limit of an attempt can renew with answers as slow.
      const next = Math.min(
        this.#attemptedAt + this.#retryPeriodMs,
        // In time for the verdict at the deadline, even when the retry period does not divide it.
        this.#renewedAt + this.#renewDeadlineMs,
      );
      return Math.max(0, next - this.#options.clock.monotonic());
    }
    const pause = this.#retryPeriodMs * (1 + 0.2 * this.#options.random());
    if (!this.#observed || isFree(this.#observed)) return pause;
    const untilExpiry = this.#expiresAt(this.#observed) - this.#options.clock.monotonic();
    return untilExpiry > 0 ? Math.min(pause, untilExpiry + this.#retryPeriodMs * 0.1 * this.#options.random()) : pause;
  }

  #attemptInTurn(signal: AbortSignal): Promise<boolean> {
    const attempt = this.#turn.then(() => this.#attempt(signal));
    this.#turn = attempt;
    return attempt;
  }

  /** One attempt to acquire or renew. Never rejects. */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    const { clock, log } = this.#options;
    if (signal.aborted || this.#isOver()) return false;
    this.#attemptedAt = clock.monotonic();
    const limitMs = Math.max(1, Math.min(this.#renewDeadlineMs / 2, this.#msToDeadline()));
    try {
      const timedOut = () => new TransientError("Timeout", "the lease request got no answer in time");
      return await withTimeout(clock, limitMs, signal, (limited) => this.#acquireOrRenew(limited), timedOut);
    } catch (error: unknown) {
      if (!isAbort(error)) log?.info("lease attempt failed", { state: this.#state, error });
      this.#mustRead = true;
      return false;
    } finally {
      this.#isOver();
    }
  }

  /** Notices a deadline that has passed. */
  #isOver(): boolean {
    if (this.#state === "leading") this.isLeader();
    return this.#state === "lost" || this.#state === "released";
  }

  #msToDeadline(): number {
    if (this.#state !== "leading") return this.#renewDeadlineMs;
    return this.#renewedAt + this.#renewDeadlineMs - this.#options.clock.monotonic();
  }

  async #acquireOrRenew(signal: AbortSignal): Promise<boolean> {
    const { leases, namespace, name } = this.#options;
    if (this.#state !== "leading" || this.#mustRead) {
      const lease = await leases.get(namespace, name, signal);
      if (signal.aborted) return false; // The answer came after its time limit; a later attempt may have read since.
      this.#observe(lease);
      this.#mustRead = false;
    }
    if (this.#observed && !this.#mayClaim(this.#observed)) {
      if (this.#state === "leading") this.#lose(`the lease is held by ${this.holder || "nobody"}`);
      return false;
    }
    return this.#claim(signal);
  }

  async #claim(signal: AbortSignal): Promise<boolean> {
    const { leases, namespace, name, clock } = this.#options;
    const sentAt = clock.monotonic();
    const claim = claimOf(this.#observed, {
      namespace,
      name,
      identity: this.identity,
      leaseDurationMs: this.#leaseDurationMs,
      now: microTime(clock.now()),
      annotations: this.#options.annotations?.() ?? {},
    });
    this.#hasUnclearClaim = true;
    // What makes the answer not count makes the next attempt, or the release, read.
    this.#mustRead = true;
    const written = await (this.#observed ? leases.update(claim, signal) : leases.create(claim, signal));
    if (signal.aborted) return false;
    this.#hasUnclearClaim = this.#mustRead = false;
    this.#observe(written);
    this.#renewedAt = sentAt;
    this.#feedWatchdog();
    if (this.#state === "waiting") this.#lead();
    return true;
  }

  /** Between the end of our leadership, which is said in the log, and the end of the lease. */
  #feedWatchdog(): void {
    const endMs = this.#renewedAt + (this.#renewDeadlineMs + this.#leaseDurationMs) / 2;
    this.#options.watchdog?.feed(endMs - this.#options.clock.monotonic());
  }

  #mayClaim(lease: Lease): boolean {
    if (lease.spec.holderIdentity === this.identity) return true;
    // A leader that finds another name on the lease, or none, has lost it.
    if (this.#state === "leading") return false;
    return isFree(lease) || this.#options.clock.monotonic() >= this.#expiresAt(lease);
  }

  /** By the duration that the holder wrote: a holder with a longer one than ours keeps its time. */
  #expiresAt(lease: Lease): number {
    const durationMs = (lease.spec.leaseDurationSeconds ?? this.#leaseDurationMs / 1_000) * 1_000;
    return this.#observedAt + durationMs;
  }

  #observe(lease: Lease | undefined): void {
    const version = lease?.metadata.resourceVersion;
    const isUnchanged = version !== undefined && version === this.#observed?.metadata.resourceVersion;
    if (!isUnchanged) this.#observedAt = this.#options.clock.monotonic();
    this.#observed = lease;
    if (lease && this.holder !== this.identity) {
      const { annotations = {} } = lease.metadata;
      const { renewTime } = lease.spec;
      this.#previous = { holder: this.holder, annotations, renewTime, released: isFree(lease) };
    }
  }

  #lead(): void {
    const { log, metrics, name, onAcquired } = this.#options;
    this.#state = "leading";
    metrics?.leader.set({ name }, 1);
    log?.info("leader lease acquired", { identity: this.identity, previous: this.#previous?.holder });
    // Renewals go on meanwhile: taking over the predecessor's state may take longer than the lease.
    void Promise.resolve()
      .then(() => onAcquired?.(this.#previous))
      .then(
        () => this.#reportLeading(),
        (error: unknown) => {
          log?.error("taking over the leadership failed", { error });
          this.#lose("taking over the leadership failed");
        },
      );
  }

  #lose(why: string): void {
    const { log, metrics, name, onLost, watchdog } = this.#options;
    if (this.#state !== "leading") return;
    this.#state = "lost";
    watchdog?.stop();
    metrics?.leader.set({ name }, 0);
    log?.error("leader lease lost", { identity: this.identity, why });
    this.#lost.abort();
    try {
      onLost?.();
    } catch (error: unknown) {
      log?.error("onLost failed", { error });
    }
  }

  /** Gives the lease back, so that the next leader need not wait for it to expire. Best effort. */
  async #release(): Promise<void> {
    const { clock, log, metrics, name, watchdog } = this.#options;
    await this.#turn;
    const wasLeading = this.isLeader();
    // First: from here on nothing may be changed, whether the release is written or not.
    if (this.#state !== "lost") this.#state = "released";
    watchdog?.stop();
    metrics?.leader.set({ name }, 0);
    if (!wasLeading && !this.#hasUnclearClaim) return;
    try {
      const timedOut = () => new TransientError("Timeout", "the release got no answer in time");
      const never = new AbortController().signal;
      await withTimeout(clock, releaseLimitMs, never, (signal) => this.#writeRelease(signal), timedOut);
      log?.info("leader lease released", { identity: this.identity });
    } catch (error: unknown) {
      log?.warn("leader lease was not released; it expires", { error });
    }
  }

  async #writeRelease(signal: AbortSignal): Promise<void> {
    const { leases, namespace, name, clock } = this.#options;
    for (;;) {
      const current = this.#mustRead ? await leases.get(namespace, name, signal) : this.#observed;
      if (current?.spec.holderIdentity !== this.identity) return;
      try {
        await leases.update(releaseOf(current, microTime(clock.now()), this.#options.annotations?.() ?? {}), signal);
        return;
      } catch (error: unknown) {
        if (!(error instanceof ConflictError) || this.#mustRead) throw error;
        this.#mustRead = true;
      }
    }
  }
}
