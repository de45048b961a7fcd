import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../runtime/ports.ts";
import { type Product, versionByProduct, type WireParameters } from "./api.ts";
import type { Endpoint, Outcome } from "./endpoint.ts";
import { Refusal } from "./refusal.ts";
import type { Report } from "./report.ts";
import type { SignatureVerifier, SignedRequest } from "./signature.ts";

/** What the HTTP front needs of the cloud behind it. */
export interface ServerParts {
  readonly endpoint: Endpoint;
  readonly verifier: SignatureVerifier;
  readonly clock: Clock;
  readonly report: () => Report;
}

/** A port on which ECS and VPC answer. */
export interface Listening {
  /** `host:port`, the form that the SDK's `endpoint` and `ECS_ENDPOINT` take. */
  readonly endpoint: string;
  /** Refuses new connections and cuts the open ones. */
  close(): Promise<void>;
}

/** Serves both products on one port (the header `x-acs-version` tells them apart), and `GET /_sandbox/report`. */
export async function startServer(parts: ServerParts, address: { host: string; port: number }): Promise<Listening> {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    serve(parts, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return { endpoint: `${address.host}:${port}`, close: () => closeServer(server) };
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

async function serve(parts: ServerParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://sandbox");
  if (request.method === "GET" && url.pathname === "/_sandbox/report") {
    send(response, 200, "application/json", JSON.stringify(parts.report()));
    return;
  }
  const body = await readBody(request);
  const signed = toSignedRequest(request, url, body);
  respond(response, await answer(parts, signed));
}

async function answer(parts: ServerParts, signed: SignedRequest): Promise<Outcome> {
  try {
    const product = toProduct(signed.headers["x-acs-version"]);
    const account = parts.verifier.verify(signed, parts.clock.now());
    const parameters = toParameters(signed);
    const action = signed.headers["x-acs-action"] ?? "";
    return await parts.endpoint.perform({ product, action, parameters, accessKeyId: account.accessKeyId });
  } catch (error: unknown) {
    if (error instanceof Refusal) return parts.endpoint.refuse(error);
    throw error;
  }
}

function toProduct(version: string | undefined): Product {
  if (version === versionByProduct.ecs) return "ecs";
  if (version === versionByProduct.vpc) return "vpc";
  throw new Refusal(400, "InvalidVersion", "Specified parameter Version is not valid.");
}

function respond(response: ServerResponse, outcome: Outcome): void {
  switch (outcome.type) {
    case "answer":
      send(response, outcome.status, "application/json;charset=utf-8", JSON.stringify(outcome.body));
      return;
    case "html":
      send(response, outcome.status, "text/html", proxyPage);
      return;
    case "reset":
      // An RST, as a broken middlebox sends it: the caller sees ECONNRESET.
      response.socket?.resetAndDestroy();
      return;
    case "silence":
      // The caller gives up by itself; its time-out closes the connection.
      return;
  }
}

/** What a proxy in front of the cloud answers when the cloud does not. */
const proxyPage =
  "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>502 Bad Gateway</body>\r\n</html>\r\n";

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function toSignedRequest(request: IncomingMessage, url: URL, body: Buffer): SignedRequest {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === "string") headers[name] = value;
  }
  return { method: request.method ?? "", path: url.pathname, query: new Map(url.searchParams), headers, body };
}

// The SDK puts everything into the query; a form body is what the RPC style allows as well.
function toParameters(signed: SignedRequest): WireParameters {
  const isForm = signed.headers["content-type"]?.startsWith("application/x-www-form-urlencoded") === true;
  const form = isForm ? new URLSearchParams(signed.body.toString()) : [];
  return Object.fromEntries([...signed.query, ...form]);
}
