/** What every component of the sandbox's cluster is given. */
import type { Clock, KubeObject, Logger, Random } from "../../runtime/ports.ts";
import { toEvent, type Api, type EventText } from "./api.ts";
import { resources, type Resource } from "./kinds.ts";

export interface ComponentContext {
  readonly api: Api;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Ends the component. */
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

/** Milliseconds for which the same event about the same object is not repeated. */
const repeatAfterMs = 30_000;
/** Remembered events; beyond, the memory starts afresh: an event more is better than a growing map. */
const rememberedEvents = 5000;

/** Writes events; losing one is better than losing work. */
export class Reporter {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #lastMs = new Map<string, number>();

  constructor(api: Api, clock: Clock, log: Logger) {
    this.#api = api;
    this.#clock = clock;
    this.#log = log;
  }

  /** Never throws. Repeats within 30 s are dropped. */
  event(resource: Resource, regarding: KubeObject, text: EventText): void {
    const nowMs = this.#clock.now();
    const key = `${regarding.metadata.uid ?? ""} ${text.reason} ${text.note}`;
    if (nowMs - (this.#lastMs.get(key) ?? -Infinity) < repeatAfterMs) return;
    if (this.#lastMs.size >= rememberedEvents) this.#lastMs.clear();
    this.#lastMs.set(key, nowMs);
    this.#api.create(resources.events, toEvent(resource, regarding, text, nowMs)).catch((error: unknown) => {
      this.#log.debug("event lost", { reason: text.reason, error: String(error) });
    });
  }
}

/** RFC 3339 with whole seconds, as Kubernetes writes `Time`. */
export function isoSeconds(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}
