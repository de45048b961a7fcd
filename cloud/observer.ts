/** Looks at all interfaces that someone waits for, many with one call, and wakes the waiters. */
import type { CallPriority, Eni, EniStatus } from "../domain/eni/eni.ts";
import { isAbort, SuspendedError } from "../runtime/errors.ts";
import type { Clock, Logger } from "../runtime/ports.ts";
import { Durations, type WatchOperation } from "./durations.ts";
import { toEnis } from "./eni-answers.ts";
import type { Invoke } from "./invoke.ts";

/** The one place that describes single interfaces. Nothing watched means no call. */
export interface EniObserver {
  /** Starts to look, or replaces the watch of that id; the same watch again changes nothing. */
  watch(eniId: string, watch: Watch): void;
  stop(eniId: string): void;
  /** Result of the newest look that began at or after the current watch's start; undefined before it. */
  latest(eniId: string): Observation | undefined;
  /**
   * Called after a look at an interface whose state is not merely the expected passing one (at once, then at most every
   * second while it stays), or differs from the last, or is awaited for more than 10 s (then at most every 5 s).
   */
  onObserved(listener: (eniId: string) => void): void;
}

export interface Watch {
  readonly operation: WatchOperation;
  /** Wall clock when the effect was asked for, milliseconds since the epoch. */
  readonly startedAtMs: number;
  /** Of the look's call; the most urgent one of those asked together counts. */
  readonly priority: CallPriority;
}

export interface Observation {
  /** Wall clock when the look began, milliseconds since the epoch. */
  readonly observedAtMs: number;
  /** Undefined: not in the answer. */
  readonly eni: Eni | undefined;
}

export interface ObserverOptions {
  readonly invoke: Invoke;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly regionId: string;
  /** Looks per minute at most: a share of the quota of DescribeNetworkInterfaces. */
  readonly looksPerMinute: number;
}

/** Ids in one call: the limit of DescribeNetworkInterfaces. */
const idsPerLook = 100;
/** Looks on their way at once; more would only queue in front of the limiter. */
const looksInFlight = 6;
const oldMs = 10_000;
const oldNotifyMs = 5_000;
/** An unexpected state that stays wakes its waiter again after this: reads may lag behind, so the waiter may go on waiting. */
const sameNotifyMs = 1_000;
/** From here on nobody waits for the second: the interface is stuck. */
const stuckMs = 60_000;
/** A duration that is known less exactly tells of looks that were late (refused, held back, waiting for the quota). */
const exactlyMs = 2_000;
/** Binds that began within this time share their looks. */
const bindWindowMs = 4_000;
/** Nobody waits for the end of a release to the tenth of a second. */
const releaseIntervalMs = 1_000;
const failedBackoffMs = 200;
const failedBackoffAtMostMs = 5_000;

interface Watched extends Watch {
  dueAtMs: number;
  latest: Observation | undefined;
  lastStatus: EniStatus | "gone" | undefined;
  /** Until then the effect was not to be expected, or was seen not to have come. */
  pendingUntilMs: number;
  notifiedAtMs: number;
  /** The duration was learned; looks go on slowly until the watch is stopped. */
  isFinished: boolean;
}

export class Observer implements EniObserver {
  readonly #options: ObserverOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #listeners: ((eniId: string) => void)[] = [];
  readonly #durations = new Durations();
  readonly #lookStarts: number[] = [];
  readonly #bindStarts: number[] = [];
  readonly #stopped = new AbortController();
  #isStarted = false;
  #timer: NodeJS.Timeout | undefined;
  #inFlight = 0;
  #failures = 0;
  #nextLookAtMs = 0;

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  watch(eniId: string, watch: Watch): void {
    const former = this.#watched.get(eniId);
    if (former?.operation === watch.operation && former.startedAtMs === watch.startedAtMs) return;
    const firstMs = this.#durations.firstLookMs(watch.operation, isBinding(watch) ? 0.1 : 0.9);
    if (isBinding(watch)) this.#bindStarts.push(this.#options.clock.now());
    this.#watched.set(eniId, {
      ...watch,
      dueAtMs: Math.max(watch.startedAtMs + firstMs, this.#options.clock.now()),
      latest: undefined,
      lastStatus: undefined,
      pendingUntilMs: watch.startedAtMs + firstMs,
      notifiedAtMs: 0,
      isFinished: false,
    });
    this.#arm();
  }

  stop(eniId: string): void {
    this.#watched.delete(eniId);
    this.#arm();
  }

  latest(eniId: string): Observation | undefined {
    return this.#watched.get(eniId)?.latest;
  }

  onObserved(listener: (eniId: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Interfaces that are watched. */
  get size(): number {
    return this.#watched.size;
  }

  /** Looks that failed are not put off any longer: the cloud may answer now. */
  lookSoon(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#nextLookAtMs = this.#options.clock.now();
    this.#arm();
  }

  /** Begins to look. Watches may be there before. */
  start(): void {
    this.#isStarted = true;
    this.#arm();
  }

  /** Ends all looks; nothing is called afterwards. */
  close(): void {
    this.#isStarted = false;
    clearTimeout(this.#timer);
    this.#stopped.abort();
  }

  /** Sets the timer to the next look; none when nobody waits. */
  #arm(): void {
    clearTimeout(this.#timer);
    if (!this.#isStarted || this.#inFlight >= looksInFlight) return;
    let dueAtMs = Infinity;
    for (const watched of this.#watched.values()) dueAtMs = Math.min(dueAtMs, watched.dueAtMs);
    if (dueAtMs === Infinity) return;
    const atMs = Math.max(dueAtMs, this.#nextLookAtMs);
    this.#timer = setTimeout(() => void this.#look(), Math.max(0, Math.ceil(atMs - this.#options.clock.now())));
  }

  /** Asks for everything that is due, in one call per hundred. */
  async #look(): Promise<void> {
    const nowMs = this.#options.clock.now();
    const due = this.#due(nowMs);
    if (due.length === 0) {
      // A timer may fire early by a fraction of a millisecond.
      this.#arm();
      return;
    }
    const allowed = this.#options.looksPerMinute - this.#recentLooks(nowMs).length;
    const calls = Math.max(1, Math.min(allowed, Math.ceil(due.length / idsPerLook)));
    const priority = mostUrgent(due.map(([, watched]) => watched.priority));
    for (let call = 1; call < calls && this.#inFlight < looksInFlight - 1; call += 1) void this.#ask(priority);
    const asked = this.#ask(priority);
    // After the first steps of the calls: those that started are counted.
    this.#nextLookAtMs = Math.max(this.#nextLookAtMs, nowMs + this.#intervalMs(due, nowMs) * calls);
    this.#arm();
    await asked;
  }

  async #ask(priority: CallPriority): Promise<void> {
    this.#inFlight += 1;
    let asked: readonly [string, Watched][] = [];
    let beganAtMs = 0;
    try {
      // What is due is decided when the call starts: it may have waited for the quota.
      const answer = await this.#options.invoke(
        "DescribeNetworkInterfaces",
        { mutates: false, repeats: false },
        (startedAtMs) => {
          beganAtMs = startedAtMs;
          asked = this.#take(startedAtMs);
          if (asked.length === 0) return undefined;
          return {
            RegionId: this.#options.regionId,
            NetworkInterfaceId: asked.map(([eniId]) => eniId),
            MaxResults: idsPerLook,
          };
        },
        { priority, signal: this.#stopped.signal },
      );
      if (asked.length > 0) this.#answered(asked, answer, beganAtMs);
      this.#failures = 0;
    } catch (error) {
      if (!isAbort(error)) this.#failed(asked, error);
    } finally {
      this.#inFlight -= 1;
      this.#arm();
    }
  }

  #due(nowMs: number): readonly [string, Watched][] {
    return [...this.#watched].filter(([, watched]) => watched.dueAtMs <= nowMs);
  }

  /**
   * The next hundred due ids, the longest due first; each is due again after its own interval. What is due half an
   * interval later comes along: it would just miss this look and wait for the one after the next.
   */
  #take(nowMs: number): readonly [string, Watched][] {
    const due = this.#due(nowMs);
    if (due.length === 0) return [];
    const intervalMs = this.#intervalMs(due, nowMs);
    const near = this.#due(nowMs + intervalMs / 2);
    const taken = near.toSorted(([, a], [, b]) => a.dueAtMs - b.dueAtMs).slice(0, idsPerLook);
    for (const [, watched] of taken) watched.dueAtMs = nowMs + ownIntervalMs(watched, nowMs, intervalMs);
    if (taken.length > 0) this.#lookStarts.push(nowMs);
    while ((this.#lookStarts[0] ?? nowMs) <= nowMs - 60_000) this.#lookStarts.shift();
    return taken;
  }

  /**
   * Milliseconds between two looks. Binds are looked at often, for the look is what the pod waits for; less often when
   * there are only a few, for which a call each would be dear. Near the share of the quota, looks are spread over what is
   * left of it.
   */
  #intervalMs(due: readonly [string, Watched][], nowMs: number): number {
    const binding = due.some(([, watched]) => isBinding(watched)) ? this.#recentBinds(nowMs) : 0;
    const wantedMs = binding === 0 ? releaseIntervalMs : binding < 4 ? 200 : 120;
    const recent = this.#recentLooks(nowMs);
    const used = recent.length / this.#options.looksPerMinute;
    if (used < 0.5) return wantedMs;
    if (used >= 1) return Math.max(wantedMs, (recent[0] ?? nowMs) + 60_000 - nowMs);
    const steadyMs = 60_000 / this.#options.looksPerMinute;
    return Math.max(wantedMs, used < 0.9 ? steadyMs : steadyMs * 3);
  }

  /** Binds that began in the last seconds, finished ones included: the end of a burst is still a burst. */
  #recentBinds(nowMs: number): number {
    while ((this.#bindStarts[0] ?? nowMs) < nowMs - bindWindowMs) this.#bindStarts.shift();
    return Math.max(1, this.#bindStarts.length);
  }

  /** Starts of the looks of the last 60 s. */
  #recentLooks(nowMs: number): readonly number[] {
    return this.#lookStarts.filter((startMs) => startMs > nowMs - 60_000);
  }

  #answered(asked: readonly [string, Watched][], answer: unknown, observedAtMs: number): void {
    const eniById = new Map(toEnis(answer).map((eni) => [eni.eniId, eni]));
    for (const [eniId, watched] of asked) {
      // The watch was stopped or replaced, or a later look has already answered.
      if (this.#watched.get(eniId) !== watched || (watched.latest?.observedAtMs ?? 0) > observedAtMs) continue;
      // A look that began before the watch's effect was asked for says nothing about it.
      if (observedAtMs < watched.startedAtMs) continue;
      const eni = eniById.get(eniId);
      watched.latest = { observedAtMs, eni };
      this.#learn(watched, observedAtMs);
      this.#notify(eniId, watched);
    }
  }

  #learn(watched: Watched, observedAtMs: number): void {
    if (watched.isFinished) return;
    if (!isFinal(watched.operation, watched.latest?.eni)) {
      watched.pendingUntilMs = observedAtMs;
      return;
    }
    watched.isFinished = true;
    const durationMs = observedAtMs - watched.startedAtMs;
    // A longer one tells of an outage or of a hanging guest, not of the cloud's pace.
    const isOfItsPace = durationMs <= stuckMs && observedAtMs - watched.pendingUntilMs <= exactlyMs;
    if (isOfItsPace) this.#durations.add(watched.operation, durationMs);
  }

  #notify(eniId: string, watched: Watched): void {
    const nowMs = this.#options.clock.now();
    const status = watched.latest?.eni?.status ?? "gone";
    const wakes = isWorthWaking(watched, status, nowMs);
    watched.lastStatus = status;
    if (!wakes) return;
    watched.notifiedAtMs = nowMs;
    for (const listener of this.#listeners) listener(eniId);
  }

  /** Due again soon: a failed look is repeated, with growing distance while the cloud fails. */
  #failed(asked: readonly [string, Watched][], error: unknown): void {
    this.#failures += 1;
    const backoffMs = Math.min(failedBackoffAtMostMs, failedBackoffMs * 2 ** (this.#failures - 1));
    const nowMs = this.#options.clock.now();
    for (const [, watched] of asked) watched.dueAtMs = nowMs + backoffMs;
    this.#nextLookAtMs = Math.max(this.#nextLookAtMs, nowMs + backoffMs);
    if (error instanceof SuspendedError) return;
    this.#options.logger.info("look at interfaces failed", { count: asked.length, error, retryAfterMs: backoffMs });
  }
}

const passing: Readonly<Record<WatchOperation, EniStatus | undefined>> = {
  attach: "Attaching",
  detach: "Detaching",
  delete: "Deleting",
  look: undefined,
};

function isFinal(operation: WatchOperation, eni: Eni | undefined): boolean {
  if (operation === "attach") return eni?.status === "InUse";
  if (operation === "detach") return eni === undefined || eni.status === "Available";
  return operation === "look" || eni === undefined;
}

function isWorthWaking(watched: Watched, status: EniStatus | "gone", nowMs: number): boolean {
  const sinceNotifiedMs = nowMs - watched.notifiedAtMs;
  if (nowMs - watched.startedAtMs > oldMs && sinceNotifiedMs >= oldNotifyMs) return true;
  const isNews = status !== watched.lastStatus;
  // The first sight of the expected passing state is no news to whoever started it.
  if (status === passing[watched.operation]) return isNews && watched.lastStatus !== undefined;
  return isNews || sinceNotifiedMs >= sameNotifyMs;
}

function isBinding(watch: Watch): boolean {
  return watch.priority === "bind-fixed" || watch.priority === "bind";
}

/** Slower for what is finished, old or stuck, and for releasing, which nobody waits for to the tenth of a second. */
function ownIntervalMs(watched: Watched, nowMs: number, intervalMs: number): number {
  const ageMs = nowMs - watched.startedAtMs;
  if (ageMs > stuckMs) return 5_000;
  if (watched.isFinished || ageMs > oldMs) return 1_000;
  return isBinding(watched) ? intervalMs : Math.max(releaseIntervalMs, intervalMs);
}

const urgency: readonly CallPriority[] = ["bind-fixed", "bind", "release", "gc"];

function mostUrgent(priorities: readonly CallPriority[]): CallPriority {
  return urgency.find((priority) => priorities.includes(priority)) ?? "gc";
}
