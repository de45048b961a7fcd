/** Speaks HTTPS with the API server: one connection pool, a limit per kind, time-outs, decoding, watches as lines. */
import { Agent, ProxyAgent, type Dispatcher } from "undici";
import { abortError } from "../runtime/clock.ts";
import { OperatorError, TransientError } from "../runtime/errors.ts";
import type { Clock } from "../runtime/ports.ts";
import type { Transport, TransportRequest, TransportResponse } from "../runtime/transport.ts";
import { loadKubeEndpoint, type Access, type KubeConfigSource, type KubeEndpoint } from "./kube-config.ts";
import { LineSplitter } from "./line-splitter.ts";
import { resourceOfPath } from "./resources.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface TransportOptions {
  readonly source: KubeConfigSource;
  readonly userAgent: string;
  /** Requests per second of each kind, watches and leases excepted. Source: config `kubeClientQPS`. */
  readonly qps: number;
  /** Requests of each kind at once. Source: config `kubeClientBurst`. */
  readonly burst: number;
  readonly clock: Clock;
  /** Called once per finished request and once per watch that was opened. Feeds the `rest_client_*` metrics. */
  readonly onRequest?: (observation: RequestObservation) => void;
  /** Longest time of a request that is no watch. @default 30_000 */
  readonly timeoutMs?: number;
  /** Age at which credentials and CA are read again. @default 30_000: projected tokens turn over long before they expire */
  readonly credentialAgeMs?: number;
}

/** One exchange with the API server, under the labels of client-go's metrics. */
export interface RequestObservation {
  readonly method: TransportRequest["method"];
  /** Host and port of the API server. */
  readonly host: string;
  /** HTTP status, or `<error>` when no answer came. */
  readonly code: string;
  /** From sending to the whole answer (a watch: to its headers). */
  readonly durationMs: number;
  /** Waited for the client-side limit before that. */
  readonly limiterWaitMs: number;
}

export interface KubeTransport extends Transport {
  /** Host and port of the API server. */
  readonly host: string;
  /** Namespace of the kubeconfig's context or of the service account. */
  readonly namespace: string | undefined;
  /** Ends every connection; running requests fail. */
  close(): Promise<void>;
}

/**
 * Reads the configuration; connects with the first request.
 * @throws TerminalError when the configuration is missing or invalid
 */
export async function createTransport(options: TransportOptions): Promise<KubeTransport> {
  const endpoint = await loadKubeEndpoint(options.source);
  return new HttpTransport(endpoint, options);
}

/** Connections beyond that add TLS handshakes, not throughput: each answers in a few milliseconds. */
const maxConnections = 64;

interface Session {
  readonly access: Access;
  readonly fingerprint: string;
  readonly readAtMs: number;
  readonly shared: Dispatcher;
  /** A lease renewal must not wait behind lists and bursts of writes. */
  readonly lease: Dispatcher;
}

class HttpTransport implements KubeTransport {
  readonly host: string;
  readonly namespace: string | undefined;
  readonly #endpoint: KubeEndpoint;
  readonly #options: TransportOptions;
  readonly #origin: string;
  readonly #pathPrefix: string;
  readonly #buckets = new Map<string, TokenBucket>();
  #session: Session | undefined;
  #opening: Promise<Session> | undefined;
  #isClosed = false;

  constructor(endpoint: KubeEndpoint, options: TransportOptions) {
    const url = new URL(endpoint.server);
    this.#endpoint = endpoint;
    this.#options = options;
    this.#origin = url.origin;
    this.#pathPrefix = url.pathname === "/" ? "" : url.pathname;
    this.host = url.host;
    this.namespace = endpoint.namespace;
  }

  async request(request: TransportRequest, signal: AbortSignal): Promise<TransportResponse> {
    const limiterWaitMs = await this.#admit(request, signal);
    const response = await this.#timed(request, limiterWaitMs, signal);
    if (response.status !== 401) return response;
    // A token that was replaced a moment ago. The server did nothing, so one repetition is safe for every method.
    const before = this.#session?.fingerprint;
    const session = await untilAborted(this.#open(), signal);
    return session.fingerprint === before ? response : await this.#timed(request, 0, signal);
  }

  async stream(
    request: TransportRequest,
    onEvent: (event: unknown) => void,
    signal: AbortSignal,
  ): Promise<TransportResponse> {
    const startedMs = this.#options.clock.monotonic();
    let answer: Dispatcher.ResponseData;
    try {
      answer = await this.#send(request, signal);
    } catch (error: unknown) {
      this.#observe(request, "<error>", startedMs, 0);
      throw this.#failure(error, request, signal);
    }
    this.#observe(request, String(answer.statusCode), startedMs, 0);
    try {
      if (answer.statusCode !== 200) return await decode(answer);
      await readLines(answer.body, onEvent);
      return { status: 200, headers: headersOf(answer), body: undefined };
    } catch (error: unknown) {
      throw this.#failure(error, request, signal);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const session = this.#session;
    this.#session = undefined;
    await Promise.all([session?.shared.destroy(), session?.lease.destroy()]);
  }

  /** Waits for the limit of the request's kind. Leases are exempt: a renewal that waits loses the lease. */
  async #admit(request: TransportRequest, signal: AbortSignal): Promise<number> {
    if (signal.aborted) throw abortError();
    if (isLease(request.path)) return 0;
    const resource = resourceOfPath(request.path);
    let bucket = this.#buckets.get(resource);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#options.qps, this.#options.burst, this.#options.clock);
      this.#buckets.set(resource, bucket);
    }
    return await bucket.take(signal);
  }

  async #timed(request: TransportRequest, limiterWaitMs: number, signal: AbortSignal): Promise<TransportResponse> {
    const startedMs = this.#options.clock.monotonic();
    const timeoutMs = this.#options.timeoutMs ?? 30_000;
    let code = "<error>";
    try {
      const response = await withDeadline(
        timeoutMs,
        signal,
        async (limited) => await decode(await this.#send(request, limited)),
        () =>
          new TransientError(
            "APIServerTimeout",
            `${describe(request)}: no answer from ${this.host} in ${timeoutMs} ms`,
          ),
      );
      code = String(response.status);
      return response;
    } catch (error: unknown) {
      throw this.#failure(error, request, signal);
    } finally {
      this.#observe(request, code, startedMs, limiterWaitMs);
    }
  }

  async #send(request: TransportRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const session = this.#fresh() ?? (await untilAborted(this.#open(), signal));
    const body = request.body === undefined ? null : JSON.stringify(request.body);
    const gated: Dispatcher.RequestOptions & Gated = {
      origin: this.#origin,
      path: `${this.#pathPrefix}${request.path}`,
      method: request.method,
      headers: {
        accept: "application/json",
        "user-agent": this.#options.userAgent,
        ...(body === null ? {} : { "content-type": "application/json" }),
        ...session.access.headers,
        ...request.headers,
      },
      body,
      signal,
      // Requests are limited as a whole by their own timer; a watch may be silent for as long as the informer allows.
      headersTimeout: this.#options.timeoutMs ?? 30_000,
      bodyTimeout: 0,
      ...(request.beforeSend !== undefined && { beforeSend: request.beforeSend }),
    };
    return await (isLease(request.path) ? session.lease : session.shared).request(gated);
  }

  /** The current session, unless its credentials are due to be read again. */
  #fresh(): Session | undefined {
    const maxAgeMs = this.#options.credentialAgeMs ?? 30_000;
    const session = this.#session;
    return session !== undefined && this.#options.clock.monotonic() - session.readAtMs < maxAgeMs ? session : undefined;
  }

  /** Reads the credentials; one caller does it for all. */
  async #open(): Promise<Session> {
    this.#opening ??= this.#reopen(this.#session, this.#options.clock.monotonic()).finally(() => {
      this.#opening = undefined;
    });
    return await this.#opening;
  }

  async #reopen(current: Session | undefined, nowMs: number): Promise<Session> {
    if (this.#isClosed) throw new TransientError("APIServerUnreachable", "the connection to the API server was closed");
    let access: Access;
    try {
      access = await this.#endpoint.access();
    } catch (error: unknown) {
      // A file that is being replaced must not stop work that the credentials at hand still allow.
      if (current === undefined) throw error;
      this.#session = { ...current, readAtMs: nowMs };
      return this.#session;
    }
    const fingerprint = JSON.stringify([access.tls, access.headers]);
    const sameTls = current !== undefined && JSON.stringify(current.access.tls) === JSON.stringify(access.tls);
    const pools = sameTls
      ? current
      : { shared: this.#dispatcher(access, maxConnections), lease: this.#dispatcher(access, 1) };
    if (current !== undefined && !sameTls) {
      // Ends once its last watch has ended, which the server sees to within minutes.
      void current.shared.close();
      void current.lease.close();
    }
    this.#session = { access, fingerprint, readAtMs: nowMs, shared: pools.shared, lease: pools.lease };
    return this.#session;
  }

  #dispatcher(access: Access, connections: number): Dispatcher {
    // 30 s: the keep-alive probe of client-go, shorter than the idle limit of common load balancers.
    const connect = { ...access.tls, keepAlive: true, keepAliveInitialDelay: 30_000, timeout: 10_000 };
    const pool = { connections, pipelining: 1, allowH2: false, keepAliveTimeout: 60_000 };
    const { proxyUrl } = this.#endpoint;
    const dispatcher =
      proxyUrl === undefined
        ? new Agent({ ...pool, connect })
        : new ProxyAgent({ ...pool, uri: proxyUrl, requestTls: access.tls });
    return dispatcher.compose(gate);
  }

  #observe(request: TransportRequest, code: string, startedMs: number, limiterWaitMs: number): void {
    const durationMs = this.#options.clock.monotonic() - startedMs;
    this.#options.onRequest?.({ method: request.method, host: this.host, code, durationMs, limiterWaitMs });
  }

  #failure(error: unknown, request: TransportRequest, signal: AbortSignal): unknown {
    if (signal.aborted) return abortError();
    if (error instanceof OperatorError) return error;
    const problem = error instanceof Error ? error.message : String(error);
    return new TransientError("APIServerUnreachable", `${describe(request)} at ${this.host}: ${problem}`, {
      cause: error,
    });
  }
}

interface Gated {
  readonly beforeSend?: () => void;
}

/** Asks `beforeSend` in the turn in which the request is written to a connection, however long it waited for one. */
const gate: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
  const { beforeSend } = options as Gated;
  return dispatch(options, beforeSend === undefined ? handler : withGate(handler, beforeSend));
};

function withGate(handler: Dispatcher.DispatchHandler, beforeSend: () => void): Dispatcher.DispatchHandler {
  return {
    onRequestStart(controller, context: unknown) {
      try {
        beforeSend();
      } catch (error) {
        controller.abort(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      handler.onRequestStart?.(controller, context);
    },
    onRequestUpgrade: (...told) => handler.onRequestUpgrade?.(...told),
    onResponseStart: (...told) => handler.onResponseStart?.(...told),
    onResponseData: (...told) => handler.onResponseData?.(...told),
    onResponseEnd: (...told) => handler.onResponseEnd?.(...told),
    onResponseError: (...told) => handler.onResponseError?.(...told),
  };
}

const deadlinePassed = "deadline passed";

/**
 * Runs `work` with a signal that aborts with `signal`, or when the time is over. One controller and one timer, because it
 * runs for every request; `work` must end when its signal aborts.
 */
async function withDeadline<R>(
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<R>,
  timeoutError: () => Error,
): Promise<R> {
  if (signal.aborted) throw abortError();
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => stop.abort(deadlinePassed), ms);
  try {
    return await work(stop.signal);
  } catch (error: unknown) {
    throw stop.signal.reason === deadlinePassed ? timeoutError() : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** Stops waiting for `work` when `signal` aborts: an exec plugin that hangs must not hold its callers. */
function untilAborted<R>(work: Promise<R>, signal: AbortSignal): Promise<R> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortError());
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function isLease(path: string): boolean {
  return path.startsWith("/apis/coordination.k8s.io/");
}

/** `GET /api/v1/pods`, without the query. */
function describe(request: TransportRequest): string {
  return `${request.method} ${request.path.split("?", 1)[0] ?? ""}`;
}

async function readLines(body: AsyncIterable<Uint8Array>, onEvent: (event: unknown) => void): Promise<void> {
  const splitter = new LineSplitter();
  // The loop takes the next chunk only after the last one was handled: that is the backpressure.
  for await (const chunk of body) {
    for (const line of splitter.push(chunk)) onEvent(parseEvent(line));
  }
  const rest = splitter.end();
  if (rest.trim() !== "") onEvent(parseEvent(rest));
}

function parseEvent(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error: unknown) {
    throw new TransientError("MalformedWatchEvent", `a watch event of ${line.length} characters is no JSON`, {
      cause: error,
    });
  }
}

async function decode(answer: Dispatcher.ResponseData): Promise<TransportResponse> {
  const text = await answer.body.text();
  return {
    status: answer.statusCode,
    headers: headersOf(answer),
    body: decodeText(text, answer.headers["content-type"]),
  };
}

/** JSON when it says so and is; the text otherwise. */
function decodeText(text: string, contentType: string | string[] | undefined): unknown {
  if (text === "") return undefined;
  if (!String(contentType ?? "").includes("json")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function headersOf(answer: Dispatcher.ResponseData): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined) headers[name.toLowerCase()] = Array.isArray(value) ? value.join(", ") : value;
  }
  return headers;
}
