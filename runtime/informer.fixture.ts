import { systemClock } from "./clock.ts";
import { Informer } from "./informer.ts";
import type { InformerOptions } from "./informer.ts";
import { createLogger } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import type { KubeObject } from "./ports.ts";
import type { Transport, TransportRequest, TransportResponse } from "./transport.ts";

export interface Thing extends KubeObject {
  readonly spec: { readonly node: string; readonly size?: number };
}

/** A thing on node-1; its uid is the name unless given. */
export const aThing = (name: string, version: number, { uid = name, node = "node-1" } = {}): Thing => ({
  apiVersion: "v1",
  kind: "Thing",
  metadata: { name, namespace: "default", uid, resourceVersion: String(version) },
  spec: { node },
});
export const answer = (status: number, body: unknown = {}, headers = {}): TransportResponse => ({
  status,
  body,
  headers,
});
export const aList = (things: readonly KubeObject[], version: number, token = ""): TransportResponse =>
  answer(200, { metadata: { resourceVersion: String(version), continue: token }, items: things });
export const bookmark = (version: number) => ({
  type: "BOOKMARK",
  object: { metadata: { resourceVersion: String(version) } },
});

export interface OpenWatch {
  readonly atMs: number;
  readonly query: URLSearchParams;
  send(event: unknown): void;
  end(response?: TransportResponse): void;
  break(error: Error): void;
  isAborted(): boolean;
}

/** A server that answers as told: lists from `onList`, watches by hand or at once from `onWatch`. */
export class ScriptedServer implements Transport {
  readonly lists: { readonly atMs: number; readonly query: URLSearchParams }[] = [];
  readonly watches: OpenWatch[] = [];
  onList: (query: URLSearchParams, signal: AbortSignal) => Promise<TransportResponse> | TransportResponse = () =>
    aList([], 1);
  onWatch: ((watch: OpenWatch) => void) | undefined;
  readonly #startMs = systemClock.monotonic();

  async request(request: TransportRequest, signal: AbortSignal): Promise<TransportResponse> {
    const query = new URLSearchParams(request.path.split("?")[1]);
    this.lists.push({ atMs: this.#now(), query });
    return this.onList(query, signal);
  }

  stream(
    request: TransportRequest,
    onEvent: (event: unknown) => void,
    signal: AbortSignal,
  ): Promise<TransportResponse> {
    return new Promise((resolve, reject) => {
      const watch: OpenWatch = {
        atMs: this.#now(),
        query: new URLSearchParams(request.path.split("?")[1]),
        send: onEvent,
        end: (response = answer(200)) => resolve(response),
        break: reject,
        isAborted: () => signal.aborted,
      };
      signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")), { once: true });
      this.watches.push(watch);
      this.onWatch?.(watch);
    });
  }

  get watch(): OpenWatch {
    const last = this.watches.at(-1);
    if (!last) throw new Error("no watch was opened");
    return last;
  }

  #now(): number {
    return Math.round(systemClock.monotonic() - this.#startMs);
  }
}

/** A started informer on a scripted server, and what its handlers saw. Fake timers must be installed. */
export async function anInformer(
  arrange: (server: ScriptedServer) => void = () => undefined,
  overrides: Partial<InformerOptions<Thing>> = {},
) {
  const server = new ScriptedServer();
  arrange(server);
  const seen: string[] = [];
  const stop = new AbortController();
  const metrics = createMetrics();
  const lines: string[] = [];
  const informer = new Informer<Thing>({
    transport: server,
    path: "/api/v1/things",
    clock: systemClock,
    random: () => 0.5,
    log: createLogger({ level: "debug", write: (line) => lines.push(line) }),
    metrics,
    indexes: { node: (thing) => [thing.spec.node] },
    ...overrides,
  });
  const label = ({ metadata }: Thing) => `${metadata.name}@${metadata.resourceVersion}`;
  informer.addHandler({
    onAdd: (thing) => seen.push(`add ${label(thing)}`),
    onUpdate: (old, thing) => seen.push(`update ${label(old)} ${label(thing)}`),
    onDelete: (thing, { missed }) => seen.push(`delete ${label(thing)}${missed ? " missed" : ""}`),
  });
  const ended = informer.start(stop.signal);
  await settle();
  /** What the handlers saw since the last call. */
  const news = () => seen.splice(0);
  return { informer, server, stop, ended, news, metrics, lines };
}

/** Lets all that is ready run; no time passes, and `setImmediate` is not faked. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
