/** Answers the API server's admission requests over HTTPS. */
import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { parseGoDuration } from "../domain/retention/go-duration.ts";
import type { Logger } from "../runtime/ports.ts";
import type { AdmissionHandler } from "./admission.ts";
import type { WebhookMetrics } from "./metrics.ts";
import { encodeReview, parseReview } from "./review.ts";

export interface WebhookServerOptions {
  /** 0 lets the system choose; see {@link WebhookServer.port}. Source: configuration `webhookPort`. */
  readonly port: number;
  /** @default all addresses */
  readonly host?: string;
  readonly tls: ServerTls;
  /** Path to handler, for instance `/mutating`. */
  readonly routes: Readonly<Record<string, AdmissionHandler>>;
  readonly log: Logger;
  readonly metrics?: WebhookMetrics;
  /**
   * Milliseconds for one answer when the request does not say less (`?timeout=10s`).
   * @default 9_000: below the published webhook time-out of 10 s, so that our error is read instead of a broken connection.
   */
  readonly budgetMs?: number;
}

export interface ServerTls {
  /** PEM; the server's certificate, followed by its chain. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

/**
 * 7 MiB, as controller-runtime has it: the API server takes objects of up to 3 MiB, and an update carries two of them in
 * an AdmissionReview around them. A pod that the API server took is never too large here.
 */
const maxBodyBytes = 7 * 1024 * 1024;
/** A body above the limit is read on, and thrown away, up to this size: who still sends does not read the refusal. */
const discardedBytes = 4 * maxBodyBytes;
/** Milliseconds for a TLS handshake. */
const handshakeMs = 10_000;
/** Go's client gives up an idle connection after 90 s; ours must live longer, or a request meets a closing connection. */
const keepAliveMs = 120_000;
/** Milliseconds that answers in progress get at shutdown. */
const drainMs = 10_000;
/** Milliseconds that a connection without a request gets at shutdown: one may be on its way. */
const spareMs = 1_000;

/** An HTTP answer that is not an admission answer. */
class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * One HTTPS server for all webhooks. It serves on every replica, leader or not.
 *
 * A handler that throws makes the HTTP answer fail with 500, which leaves the decision to the webhook's `failurePolicy`; a
 * refusal inside a good answer would not.
 */
export class WebhookServer {
  readonly name = "webhook";
  readonly needsLeader = false;
  readonly #options: WebhookServerOptions;
  readonly #server: Server;
  /** Open connections, and by the peer's address those with an answer in progress. */
  readonly #connections = new Set<Socket>();
  readonly #busy = new Set<string>();
  #state: "new" | "listening" | "closed" = "new";

  constructor(options: WebhookServerOptions) {
    this.#options = options;
    this.#server = createServer(
      {
        ...options.tls,
        minVersion: "TLSv1.2",
        handshakeTimeout: handshakeMs,
        keepAliveTimeout: keepAliveMs,
        // Both count from the connection on, and Go's client keeps a spare one that it has not used yet. A slow body has the
        // time of its answer and no more, see #answer.
        headersTimeout: keepAliveMs,
        requestTimeout: keepAliveMs,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.on("connection", (socket: Socket) => {
      this.#connections.add(socket);
      socket.once("close", () => this.#connections.delete(socket));
    });
    // A peer that breaks the handshake is its own problem; without a listener it would be an uncaught exception.
    this.#server.on("tlsClientError", (error) => options.log.debug("TLS handshake failed", { error }));
  }

  /** Resolves once connections are accepted. @throws the system's error when the port cannot be had */
  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#options.port, this.#options.host, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    this.#state = "listening";
  }

  /** The port that is listened on; 0 before {@link listen}. */
  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Why admission requests cannot be answered, or undefined when they can. */
  ready(): string | undefined {
    switch (this.#state) {
      case "new":
        return "the webhook server does not listen yet";
      case "closed":
        return "the webhook server is closed";
      case "listening":
        return undefined;
    }
  }

  /** New connections use the new certificate; open ones go on. */
  setCertificate(tls: ServerTls): void {
    this.#server.setSecureContext({ ...tls, minVersion: "TLSv1.2" });
  }

  /** Stops accepting, lets answers in progress finish for up to 10 s, and ends the rest sooner. Safe to repeat. */
  async close(): Promise<void> {
    if (this.#state !== "listening") return;
    this.#state = "closed";
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    // Node counts a connection that never had a request, such as the spare ones of Go's client, among the busy.
    const spare = setTimeout(() => this.#end((socket) => !this.#busy.has(peerOf(socket))), spareMs);
    const force = setTimeout(() => this.#end(() => true), drainMs);
    await closed;
    clearTimeout(spare);
    clearTimeout(force);
  }

  #end(isMeant: (socket: Socket) => boolean): void {
    for (const socket of this.#connections) if (isMeant(socket)) socket.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const peer = peerOf(request.socket);
    this.#busy.add(peer);
    response.once("close", () => this.#busy.delete(peer));
    const { pathname, searchParams } = targetOf(request);
    const handler = Object.hasOwn(this.#options.routes, pathname) ? this.#options.routes[pathname] : undefined;
    if (handler === undefined) {
      this.#send(response, 404, `no webhook at ${pathname}\n`, "text/plain");
      return;
    }
    const finished = this.#measure(pathname);
    const answer = await answerAdmission(request, handler, this.#budgetOf(searchParams.get("timeout")));
    if ("error" in answer) {
      const { status, error } = answer;
      this.#options.log.warn("admission request failed", { webhook: pathname, status, error });
      this.#send(response, status, `${messageOf(error)}\n`, "text/plain");
    } else {
      this.#send(response, 200, answer.body, "application/json");
    }
    finished(answer.status);
  }

  #measure(webhook: string): (status: number) => void {
    const { metrics } = this.#options;
    if (metrics === undefined) return () => undefined;
    const stopTimer = metrics.latency.startTimer({ webhook });
    metrics.inFlight.inc({ webhook });
    return (status) => {
      metrics.inFlight.dec({ webhook });
      metrics.requests.inc({ webhook, code: status });
      stopTimer();
    };
  }

  /** Nine tenths of what the API server waits, so that the answer is still read. */
  #budgetOf(timeout: string | null): number {
    const budgetMs = this.#options.budgetMs ?? 9_000;
    const givenMs = parseGoDuration(timeout ?? "");
    return givenMs === undefined || givenMs <= 0 ? budgetMs : Math.min(budgetMs, Math.ceil(givenMs * 0.9));
  }

  #send(response: ServerResponse, status: number, body: string, contentType: string): void {
    // A body that was not read to its end, or a closing server: the connection cannot be used again.
    if (!response.req.complete || this.#state === "closed") response.setHeader("connection", "close");
    response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
    response.end(body);
  }
}

/** The part of an HTTP request that an answer is made from: the body comes in parts. */
export type AdmissionHttpRequest = Pick<IncomingMessage, "method"> &
  AsyncIterable<Buffer> & { readonly headers: { readonly "content-type"?: string | undefined } };

/** Status 200 with an AdmissionReview, or any other with the error that says why there is none. */
export type AdmissionHttpAnswer =
  { readonly status: 200; readonly body: string } | { readonly status: number; readonly error: unknown };

/** Never rejects: what `handler` throws is status 500. `budgetMs`: milliseconds for body and answer together. */
export async function answerAdmission(
  request: AdmissionHttpRequest,
  handler: AdmissionHandler,
  budgetMs: number,
): Promise<AdmissionHttpAnswer> {
  try {
    return { status: 200, body: await bodyOfAnswer(request, handler, budgetMs) };
  } catch (error) {
    return { status: error instanceof HttpError ? error.status : 500, error };
  }
}

async function bodyOfAnswer(
  request: AdmissionHttpRequest,
  handler: AdmissionHandler,
  budgetMs: number,
): Promise<string> {
  if (request.method !== "POST") throw new HttpError(405, "admission requests are POST");
  const type = request.headers["content-type"] ?? "";
  if (!isJson(type)) throw new HttpError(415, `content-type must be application/json, not ${JSON.stringify(type)}`);
  const signal = AbortSignal.timeout(budgetMs);
  const text = await inTime(readBody(request), signal, () => new HttpError(408, `no whole body within ${budgetMs} ms`));
  const review = parseOrRefuse(text);
  const asked = handler(review.request, signal);
  const late = (): Error => new HttpError(504, `no answer within ${budgetMs} ms`);
  return encodeReview(review, await inTime(asked, signal, late));
}

function peerOf({ remoteAddress = "", remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** What cannot be read as a URL, such as `//`, is no webhook of ours. */
function targetOf({ url = "/" }: IncomingMessage): Pick<URL, "pathname" | "searchParams"> {
  return URL.parse(url, "https://webhook") ?? { pathname: url, searchParams: new URLSearchParams() };
}

function isJson(contentType: string): boolean {
  return contentType.split(";", 1)[0]?.trim().toLowerCase() === "application/json";
}

/** @throws what `onLate` makes, when `signal` aborts before `work` is done */
async function inTime<R>(work: Promise<R>, signal: AbortSignal, onLate: () => Error): Promise<R> {
  const late = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(onLate());
    else signal.addEventListener("abort", () => reject(onLate()), { once: true });
  });
  // The one that comes second has no reader.
  work.catch(() => undefined);
  late.catch(() => undefined);
  return await Promise.race([work, late]);
}

/** @throws HttpError 400 */
function parseOrRefuse(text: string): ReturnType<typeof parseReview> {
  try {
    return parseReview(text);
  } catch (error) {
    throw new HttpError(400, messageOf(error));
  }
}

/** @throws HttpError 413 above 7 MiB, 400 when the body is empty or ends early */
async function readBody(request: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      size += chunk.length;
      if (size <= maxBodyBytes) chunks.push(chunk);
      else if (size > discardedBytes) break;
    }
  } catch (error) {
    throw new HttpError(400, `the body ended early: ${messageOf(error)}`);
  }
  if (size > maxBodyBytes) throw new HttpError(413, `the body is larger than ${maxBodyBytes / 1024 / 1024} MiB`);
  if (size === 0) throw new HttpError(400, "the body is empty: an AdmissionReview is expected");
  return Buffer.concat(chunks).toString("utf8");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
