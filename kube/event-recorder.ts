/** Writes Kubernetes events (events.k8s.io/v1) beside the work: deduplicated, bounded, never in its way. */
import {
  FencedError,
  NotFoundError,
  TerminalError,
  ThrottledError,
  TransientError,
  isAbort,
} from "../runtime/errors.ts";
import type { Clock, KubeObject, Logger, ObjectReference, Random, Recorder } from "../runtime/ports.ts";
import type { Transport } from "../runtime/transport.ts";
import { cutNote } from "./event-note.ts";
import { createObjectClient } from "./object-client.ts";
import { apiVersionOf, resourceTypes } from "./resources.ts";

export interface EventRecorderOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Which replica reports: the pod's or host's name. At most 128 characters. */
  readonly instance: string;
  /** While it throws, events are dropped. */
  readonly fence?: { assertHeld(): void };
  /** Called for every event that was not written. */
  readonly onDropped?: (why: DropReason) => void;
}

export type DropReason = "queue-full" | "fenced" | "stopped" | "refused";

type RecordedEvent = Parameters<Recorder["event"]>[0];

/** What the API server stores. */
interface EventObject extends KubeObject {
  readonly eventTime: string;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly type: string;
  readonly reason: string;
  readonly action: string;
  readonly note: string;
  readonly regarding: ObjectReference;
  readonly related?: ObjectReference;
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}

/** Events that say the same about the same object. */
interface Series {
  readonly key: string;
  readonly event: RecordedEvent;
  readonly controller: string;
  readonly namespace: string;
  /** Empty until the first write. */
  name: string;
  count: number;
  writtenCount: number;
  lastSeenMs: number;
  lastWrittenMs: number;
  isQueued: boolean;
}

/** Equal events within this time are one series. */
const seriesMs = 10 * 60_000;
/** A series tells its count no more often. */
const updateEveryMs = 30_000;
const maxQueued = 1000;
/** Series remembered; about 1 kB each. */
const maxSeries = 4096;
/** One at a time, as client-go does: in a burst the events wait for the work, not the work for the events. */
const maxInFlight = 1;
/** Tries of one write; an event that fails more often is not worth the calls. */
const maxTries = 3;

export class EventRecorder implements Recorder {
  readonly #options: EventRecorderOptions;
  readonly #client;
  readonly #series = new Map<string, Series>();
  readonly #queue: Series[] = [];
  readonly #writes = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  #hasWarned = false;
  #sequence = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    const fence = options.fence === undefined ? {} : { fence: options.fence };
    this.#client = createObjectClient<EventObject>({
      transport: options.transport,
      resource: resourceTypes.events,
      ...fence,
    });
  }

  /** A recorder that reports as `terway-controlplane/<controller>`; all share one queue. */
  forController(controller: string): Recorder {
    return { event: (event) => this.#record(event, `terway-controlplane/${controller}`) };
  }

  event(event: RecordedEvent): void {
    this.#record(event, "terway-controlplane");
  }

  /** Drops what is queued and waits for the writes under way, which are aborted. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const series of this.#queue.splice(0)) this.#drop("stopped", series);
    await Promise.allSettled(this.#writes);
  }

  #record(event: RecordedEvent, controller: string): void {
    if (this.#stopping.signal.aborted) {
      this.#options.onDropped?.("stopped");
      return;
    }
    const nowMs = this.#options.clock.now();
    const series = this.#seriesOf({ ...event, note: cutNote(event.note) }, controller, nowMs);
    series.count += 1;
    series.lastSeenMs = nowMs;
    if (series.writtenCount === 0 || nowMs - series.lastWrittenMs >= updateEveryMs) this.#enqueue(series);
    else this.#updateLater(series, nowMs);
  }

  /** The running series of this event, or a fresh one. Forgets series that are over, oldest first. */
  #seriesOf(event: RecordedEvent, controller: string, nowMs: number): Series {
    const { regarding } = event;
    const object = [regarding.apiVersion, regarding.kind, regarding.namespace, regarding.name, regarding.uid];
    const key = JSON.stringify([...object, controller, event.type, event.reason, event.action, event.note]);
    const found = this.#series.get(key);
    // Taken out and put in again, so that the map stays ordered by last use.
    this.#series.delete(key);
    const isRunning = found !== undefined && nowMs - found.lastSeenMs < seriesMs;
    const series = isRunning ? found : this.#startSeries(key, event, controller, nowMs);
    this.#series.set(key, series);
    for (const old of this.#series.values()) {
      if (this.#series.size <= maxSeries && nowMs - old.lastSeenMs < seriesMs) break;
      this.#series.delete(old.key);
    }
    return series;
  }

  #startSeries(key: string, event: RecordedEvent, controller: string, nowMs: number): Series {
    const regardingNamespace = event.regarding.namespace ?? "";
    // Events about cluster-scoped objects live in `default`; the API server refuses any other namespace.
    const namespace = regardingNamespace === "" ? "default" : regardingNamespace;
    const counts = { count: 0, writtenCount: 0, lastSeenMs: nowMs, lastWrittenMs: nowMs };
    return { key, event, controller, namespace, name: "", ...counts, isQueued: false };
  }

  #enqueue(series: Series): void {
    if (series.isQueued) return;
    if (this.#queue.length >= maxQueued) {
      this.#drop("queue-full", series);
      return;
    }
    series.isQueued = true;
    this.#queue.push(series);
    this.#pump();
  }

  #updateLater(series: Series, nowMs: number): void {
    if (series.isQueued) return;
    series.isQueued = true;
    const dueMs = series.lastWrittenMs + updateEveryMs - nowMs;
    this.#options.clock.sleep(dueMs, this.#stopping.signal).then(
      () => {
        series.isQueued = false;
        this.#enqueue(series);
      },
      () => this.#drop("stopped", series),
    );
  }

  #pump(): void {
    while (this.#writes.size < maxInFlight) {
      const series = this.#queue.shift();
      if (series === undefined) return;
      const write = this.#write(series).finally(() => {
        this.#writes.delete(write);
        this.#pump();
      });
      this.#writes.add(write);
    }
  }

  /** Never rejects. */
  async #write(series: Series): Promise<void> {
    series.isQueued = false;
    const count = series.count;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#send(series, count);
        series.writtenCount = count;
        series.lastWrittenMs = this.#options.clock.now();
        return;
      } catch (error: unknown) {
        const waitMs = retryDelayMs(error, attempt);
        if (waitMs === undefined || !(await this.#pause(waitMs))) {
          this.#giveUp(series, error);
          return;
        }
      }
    }
  }

  async #send(series: Series, count: number): Promise<void> {
    const { signal } = this.#stopping;
    const micro = microTime(series.lastSeenMs);
    if (series.name !== "") {
      try {
        const patch = { series: { count, lastObservedTime: micro } };
        await this.#client.patch(series.namespace, series.name, patch, signal);
        return;
      } catch (error: unknown) {
        // Events expire at the server (one hour by default) or with their namespace: written anew.
        if (!(error instanceof NotFoundError)) throw error;
      }
    }
    const name = this.#nameFor(series.event.regarding);
    await this.#client.create(this.#objectOf(series, name, count, micro), signal);
    series.name = name;
  }

  #objectOf(series: Series, name: string, count: number, micro: string): EventObject {
    const { event } = series;
    return {
      apiVersion: apiVersionOf(resourceTypes.events),
      kind: "Event",
      metadata: { name, namespace: series.namespace },
      eventTime: micro,
      reportingController: series.controller,
      reportingInstance: this.#options.instance.slice(0, 128),
      type: event.type,
      reason: event.reason,
      action: event.action,
      note: event.note,
      regarding: event.regarding,
      ...(event.related === undefined ? {} : { related: event.related }),
      ...(count > 1 ? { series: { count, lastObservedTime: micro } } : {}),
    };
  }

  /** Unique over replicas and restarts: object name, time, sequence and chance. */
  #nameFor(regarding: ObjectReference): string {
    this.#sequence += 1;
    const chance = Math.floor(this.#options.random() * 0xffff_ffff);
    const suffix = [this.#options.clock.now(), this.#sequence, chance].map((part) => part.toString(36)).join("-");
    return `${regarding.name.slice(0, 200).replace(/[.-]+$/, "")}.${suffix}`;
  }

  async #pause(ms: number): Promise<boolean> {
    try {
      await this.#options.clock.sleep(ms, this.#stopping.signal);
      return true;
    } catch {
      return false;
    }
  }

  #giveUp(series: Series, error: unknown): void {
    if (error instanceof FencedError) {
      this.#drop("fenced", series);
      return;
    }
    if (isAbort(error)) {
      this.#drop("stopped", series);
      return;
    }
    this.#drop("refused", series);
    const fields = { error, reason: series.event.reason, name: series.event.regarding.name };
    // One warning a process: a missing permission refuses every event alike.
    if (error instanceof TerminalError && !this.#hasWarned) {
      this.#hasWarned = true;
      this.#options.log.warn("an event was refused; further refusals are logged at debug level", fields);
    } else {
      this.#options.log.debug("an event was lost", fields);
    }
  }

  #drop(why: DropReason, series: Series): void {
    series.isQueued = false;
    this.#options.onDropped?.(why);
  }
}

/** Undefined: not worth another try. */
function retryDelayMs(error: unknown, attempt: number): number | undefined {
  if (attempt >= maxTries) return undefined;
  if (error instanceof ThrottledError) return error.retryAfterMs;
  return error instanceof TransientError ? 1000 * attempt : undefined;
}

/** MicroTime of the wire; the clock knows milliseconds. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
