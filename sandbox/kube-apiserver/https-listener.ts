import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { parse as parseYaml } from "yaml";
import { decodeProtobuf } from "./protobuf.ts";
import type { RequestHandler } from "./request-handler.ts";
import type { ApiRequest, ApiResponse, UserInfo, WatchAnswer } from "./request.ts";
import { makeServingCertificate } from "./serving-certificate.ts";
import { ApiError, badRequest, unsupportedMediaType } from "./status.ts";

/** Where to listen and for whom. */
export interface ListenOptions {
  readonly host: "127.0.0.1";
  /** @default 0, any free one */
  readonly port?: number;
  /** Users by bearer token. Any other request is 401. */
  readonly tokens: Readonly<Record<string, UserInfo>>;
}

/** A listener that is up. */
export interface Listening {
  /** `https://127.0.0.1:<port>` */
  readonly url: string;
  /** The certificate that clients must trust. */
  readonly caPem: string;
  /** Ends all connections, watches included. */
  close(): Promise<void>;
}

/** Bodies above this are refused with 413. Source: the limit of kube-apiserver (3 MiB). */
const maxBodyBytes = 3 * 1024 * 1024;

/** Serves the handler over HTTPS, HTTP/1.1 with keep-alive. */
export async function listenHttps(handler: RequestHandler, options: ListenOptions): Promise<Listening> {
  const { certPem, keyPem } = makeServingCertificate(Date.now());
  const tokens = new Map(Object.entries(options.tokens));
  const server: Server = createServer(
    { cert: certPem, key: keyPem, keepAliveTimeout: 120_000 },
    (message, response) => {
      const user = tokens.get(bearerOf(message));
      serve(handler, user, { message, response }).catch(() => {
        // The connection broke while we answered: nobody is left to tell.
        response.destroy();
      });
    },
  );
  server.requestTimeout = 0;
  server.listen(options.port ?? 0, options.host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `https://${options.host}:${port}`,
    caPem: certPem,
    close: () => (closing ??= closeServer(server)),
  };
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

function bearerOf(message: IncomingMessage): string {
  return /^Bearer (.+)$/i.exec(message.headers.authorization ?? "")?.[1]?.trim() ?? "";
}

interface Exchange {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
}

async function serve(handler: RequestHandler, user: UserInfo | undefined, exchange: Exchange): Promise<void> {
  const url = new URL(exchange.message.url ?? "/", "https://sandbox");
  // As it is now: Node's own is made once a second, and late when this process is busy.
  exchange.response.setHeader("date", new Date().toUTCString());
  const isHealth = /^\/(healthz|readyz|livez|version)/.test(url.pathname);
  if (user === undefined && !isHealth) {
    send(exchange.response, refused(new ApiError(401, "Unauthorized", "Unauthorized")));
    return;
  }
  let answer: ApiResponse | WatchAnswer;
  try {
    const request = await toApiRequest(exchange.message, url, user ?? { name: "system:anonymous", groups: [] });
    answer = await handler.handle(request);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    answer = refused(error);
  }
  if ("run" in answer) await sendWatch(answer, exchange.response);
  else send(exchange.response, answer);
}

function refused(error: ApiError): ApiResponse {
  return { status: error.code, headers: error.headers, body: error.status };
}

async function toApiRequest(message: IncomingMessage, url: URL, user: UserInfo): Promise<ApiRequest> {
  const bytes = await readBody(message);
  return {
    method: message.method ?? "GET",
    path: url.pathname,
    query: url.searchParams,
    headers: headersOf(message),
    body: bytes.length === 0 ? undefined : parseBody(bytes, message.headers["content-type"] ?? ""),
    user,
  };
}

function headersOf(message: IncomingMessage): Record<string, string> {
  const entries = Object.entries(message.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(", ") : (value ?? ""),
  ]);
  return Object.fromEntries(entries) as Record<string, string>;
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > maxBodyBytes) {
      throw new ApiError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${maxBodyBytes}`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function parseBody(bytes: Buffer, contentType: string): unknown {
  if (contentType.includes("protobuf")) {
    const decoded = decodeProtobuf(bytes);
    if (decoded === undefined) throw unsupportedMediaType(contentType, ["application/json", "application/yaml"]);
    return decoded;
  }
  if (!/json|yaml/.test(contentType)) {
    throw unsupportedMediaType("", ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]);
  }
  const text = bytes.toString("utf8");
  try {
    return contentType.includes("yaml") ? (parseYaml(text) as unknown) : (JSON.parse(text) as unknown);
  } catch (error) {
    throw badRequest(`couldn't read the body: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function send(response: ServerResponse, { status, headers, body }: ApiResponse): void {
  const isText = typeof body === "string";
  const text = isText ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** One JSON line per event; waits for a slow reader. */
async function sendWatch(watch: WatchAnswer, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => {
    gone.abort();
  });
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
  response.flushHeaders();
  await watch.run(async (event) => {
    if (gone.signal.aborted || response.write(`${JSON.stringify(event)}\n`)) return;
    // Rejects when the reader goes away, which the next look at the signal sees.
    await once(response, "drain", { signal: gone.signal }).catch(() => undefined);
  }, gone.signal);
  response.end();
}
