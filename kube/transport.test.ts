import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { Server as HttpServer } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { stringify } from "yaml";
import { systemClock } from "../runtime/clock.ts";
import { FencedError, TerminalError, TransientError, isAbort } from "../runtime/errors.ts";
import { createTransport, type KubeTransport, type RequestObservation, type TransportOptions } from "./transport.ts";

const never = new AbortController().signal;
const pods = { method: "GET", path: "/api/v1/pods" } as const;
const lease = { method: "GET", path: "/apis/coordination.k8s.io/v1/namespaces/a/leases/b" } as const;

let folder: string;
const closers: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kube-transport-"));
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await rm(folder, { recursive: true });
});

/** A server on a free port of this machine; counts the connections it accepted. */
async function serve(server: HttpServer | TlsServer): Promise<{ readonly port: number; connections(): number }> {
  let connections = 0;
  server.on("connection", () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

async function connect(
  cluster: Readonly<Record<string, unknown>>,
  user: Readonly<Record<string, unknown>> = {},
  options: Partial<TransportOptions> = {},
): Promise<KubeTransport> {
  const path = join(folder, "kubeconfig");
  await writeFile(
    path,
    stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "c", cluster }],
      users: [{ name: "u", user }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "here" } }],
      "current-context": "x",
    }),
  );
  const source = { type: "kubeconfig", path } as const;
  const transport = await createTransport({
    source,
    userAgent: "test/1",
    qps: 1000,
    burst: 1000,
    clock: systemClock,
    ...options,
  });
  closers.push(() => transport.close());
  return transport;
}

/** A transport to a plain HTTP server that answers with `listener`. */
async function plain(listener: RequestListener, options: Partial<TransportOptions> = {}, user = {}) {
  const server = await serve(createServer(listener));
  const cluster = { server: `http://127.0.0.1:${server.port}/`, "insecure-skip-tls-verify": true };
  return { transport: await connect(cluster, user, options), server };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Self-signed for 127.0.0.1 until 2126; made for this test, used nowhere else. */
const trusted = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBiTCCATCgAwIBAgIUT/b4kenMRAy+g1LAwTVAIu6feNEwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGdGVzdCBhMCAXDTI2MTEyMTEyMTY1MFoYDzIxMjYxMDI4MTIx
NjUwWjARMQ8wDQYDVQQDDAZ0ZXN0IGEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAQBesxJO+n8zfQPehes3ZNsl4Z+vpzrAjrFjbHx60Rchmm+61Tg2Kc2NpM3uekZ
EOm9AndS+c1KI4wx371G3X8Ao2QwYjAdBgNVHQ4EFgQUTj3UUr1TKCdMlctrOqmm
zUJ+GfEwHwYDVR0jBBgwFoAUTj3UUr1TKCdMlctrOqmmzUJ+GfEwDwYDVR0TAQH/
BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0cAMEQCICj4e0Q5
PAuomYGx6clhXpUU1jgt7M0woxz/X1fz1P6zAiBLpuOAZC+1k/My/RZQDKxObCgR
YmepM5XhcrsIEkuORA==
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3POSdu+Nf7oVjkGH
eI3VHV2F0gKCp7d0QrxAXi/usnShRANCAAQBesxJO+n8zfQPehes3ZNsl4Z+vpzr
AjrFjbHx60Rchmm+61Tg2Kc2NpM3uekZEOm9AndS+c1KI4wx371G3X8A
-----END PRIVATE KEY-----
`,
};
const untrusted = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBizCCATCgAwIBAgIUCW2T9deqFjoRLnXIpHKq1ym1RhEwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGdGVzdCBiMCAXDTI2MTEyMTEyMTY1MFoYDzIxMjYxMDI4MTIx
NjUwWjARMQ8wDQYDVQQDDAZ0ZXN0IGIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AATu61io8Y01Xexfi/mkbdEPJPulhYmlLEAaf8fZPkLqW318WJjn8jl6o4Wo+U7g
njVBQTgHUOy5RPhIEcA51pjYo2QwYjAdBgNVHQ4EFgQU3zY71J6f4ZggTVipk/bI
22dlJKowHwYDVR0jBBgwFoAU3zY71J6f4ZggTVipk/bI22dlJKowDwYDVR0TAQH/
BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0kAMEYCIQDKvkSi
Mn3yGfRvhcH0ii5JNd8dP0LuNLJNXrLGUcjBqgIhALqnAsK1f5sZQ34fqG3e6ogP
KJHtn/nqd/UUQqwIAL3L
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQguuF0ds94HMTzwnIh
grhb3z+clfshP/oZbPUw2Gst8qOhRANCAATu61io8Y01Xexfi/mkbdEPJPulhYml
LEAaf8fZPkLqW318WJjn8jl6o4Wo+U7gnjVBQTgHUOy5RPhIEcA51pjY
-----END PRIVATE KEY-----
`,
};

describe("requests", () => {
  it("speak HTTPS with the CA and token of the kubeconfig", async () => {
    const seen: IncomingMessage["headers"][] = [];
    const server = await serve(
      createTlsServer(trusted, (request, response) => {
        seen.push(request.headers);
        json(response, 200, { kind: "PodList" });
      }),
    );
    const cluster = {
      server: `https://127.0.0.1:${server.port}`,
      "certificate-authority-data": Buffer.from(trusted.cert).toString("base64"),
    };
    const transport = await connect(cluster, { token: "secret" });
    expect((await transport.request(pods, never)).body).toEqual({ kind: "PodList" });
    expect(seen[0]).toMatchObject({
      authorization: "Bearer secret",
      "user-agent": "test/1",
      accept: "application/json",
    });
    expect(transport.namespace).toBe("here");
  });

  it("refuse a server whose certificate the CA did not sign", async () => {
    const server = await serve(createTlsServer(untrusted, (_, response) => response.end()));
    const cluster = {
      server: `https://127.0.0.1:${server.port}`,
      "certificate-authority-data": Buffer.from(trusted.cert).toString("base64"),
    };
    const transport = await connect(cluster);
    await expect(transport.request(pods, never)).rejects.toThrow(TransientError);
  });

  it("reuse connections, and leases have their own", async () => {
    const { transport, server } = await plain((_, response) => json(response, 200, {}));
    for (let i = 0; i < 50; i += 1) await transport.request(pods, never);
    const shared = server.connections();
    // The pool opens a second one when an answer's end has not been noticed yet.
    expect(shared).toBeLessThanOrEqual(2);
    await transport.request(lease, never);
    await transport.request(lease, never);
    expect(server.connections()).toBe(shared + 1);
  });

  it("send a body as JSON, and let the caller choose the kind of a patch", async () => {
    const seen: { type: string | undefined; body: string }[] = [];
    const { transport } = await plain((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        seen.push({ type: request.headers["content-type"], body });
        json(response, 200, {});
      });
    });
    await transport.request({ method: "POST", path: "/api/v1/pods", body: { a: 1 } }, never);
    const headers = { "content-type": "application/merge-patch+json" };
    await transport.request({ method: "PATCH", path: "/api/v1/pods", headers, body: { b: 2 } }, never);
    expect(seen).toEqual([
      { type: "application/json", body: '{"a":1}' },
      { type: "application/merge-patch+json", body: '{"b":2}' },
    ]);
  });

  it("resolve for refusals, in JSON or in the words of a proxy", async () => {
    const { transport } = await plain((request, response) => {
      if (request.url === "/api/v1/pods") json(response, 404, { kind: "Status", reason: "NotFound" });
      else response.writeHead(502, { "content-type": "text/html" }).end("<html>bad gateway</html>");
    });
    expect(await transport.request(pods, never)).toMatchObject({ status: 404, body: { reason: "NotFound" } });
    expect(await transport.request({ method: "GET", path: "/x" }, never)).toMatchObject({
      status: 502,
      body: "<html>bad gateway</html>",
    });
  });

  it("end after the time limit, headers sent or not", async () => {
    const { transport } = await plain(
      (request, response) => {
        if (request.url === "/slow-body") response.writeHead(200).write("{");
      },
      { timeoutMs: 80 },
    );
    await expect(transport.request(pods, never)).rejects.toMatchObject({ category: "transient" });
    await expect(transport.request({ method: "GET", path: "/slow-body" }, never)).rejects.toMatchObject({
      reason: "APIServerTimeout",
    });
  });

  it("pass an abort through as AbortError", async () => {
    const { transport } = await plain(() => undefined);
    const abort = new AbortController();
    const outcome = transport.request(pods, abort.signal).catch((error: unknown) => error);
    setTimeout(() => abort.abort(), 20);
    expect(isAbort(await outcome)).toBe(true);
    expect(isAbort(await transport.request(pods, abort.signal).catch((error: unknown) => error))).toBe(true);
  });

  it("turn a reset connection into a transient error that names the request", async () => {
    const { transport } = await plain((request) => request.socket.destroy());
    await expect(transport.request(pods, never)).rejects.toMatchObject({
      reason: "APIServerUnreachable",
      message: expect.stringContaining("GET /api/v1/pods"),
    });
  });

  it("read the credentials again after 401 and repeat once", async () => {
    const { transport } = await plain(
      (request, response) => json(response, request.headers.authorization === "Bearer second" ? 200 : 401, {}),
      {},
      // An expired credential is not cached by the plugin's caller, so every reading runs the plugin again.
      { exec: { apiVersion: "client.authentication.k8s.io/v1", command: "cat", args: [join(folder, "credential")] } },
    );
    const credential = (token: string) =>
      JSON.stringify({ status: { token, expirationTimestamp: "2001-01-01T00:00:00Z" } });
    await writeFile(join(folder, "credential"), credential("first"));
    expect((await transport.request(pods, never)).status).toBe(401);
    await writeFile(join(folder, "credential"), credential("second"));
    expect((await transport.request(pods, never)).status).toBe(200);
  });

  it("end in time when the credential plugin hangs", async () => {
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "sleep", args: ["0.5"] };
    const { transport } = await plain((_, response) => json(response, 200, {}), { timeoutMs: 50 }, { exec });
    await expect(transport.request(pods, never)).rejects.toMatchObject({ reason: "APIServerTimeout" });
  });

  it("take the token of a token file beside the kubeconfig", async () => {
    const seen: (string | undefined)[] = [];
    const { transport } = await plain(
      (request, response) => {
        seen.push(request.headers.authorization);
        json(response, 200, {});
      },
      {},
      { tokenFile: "token" },
    );
    await writeFile(join(folder, "token"), "from-file\n");
    await transport.request(pods, never);
    expect(seen).toEqual(["Bearer from-file"]);
  });

  it("are limited per kind, leases excepted, and are observed", async () => {
    const observed: RequestObservation[] = [];
    const options = { qps: 20, burst: 1, onRequest: (observation: RequestObservation) => observed.push(observation) };
    const { transport } = await plain((_, response) => json(response, 200, {}), options);
    await Promise.all([
      transport.request(pods, never),
      transport.request(pods, never),
      transport.request({ method: "GET", path: "/api/v1/nodes/n" }, never),
      transport.request(lease, never),
      transport.request(lease, never),
    ]);
    const waits = observed.map(({ limiterWaitMs }) => limiterWaitMs).sort((a, b) => a - b);
    expect(waits.slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect(waits[4]).toBeGreaterThan(30);
    expect(observed[0]).toMatchObject({ method: "GET", code: "200", host: transport.host });
  });

  it("do not leave when the fence falls while they wait", async () => {
    let requests = 0;
    const { transport } = await plain((_, response) => {
      requests += 1;
      json(response, 200, {});
    });
    const beforeSend = () => {
      throw new FencedError();
    };
    await expect(transport.request({ ...pods, beforeSend }, never)).rejects.toThrow(FencedError);
    expect(requests).toBe(0);
  });
});

describe("requests that wait for a connection", () => {
  it("do not leave when the fence falls while it is made", async () => {
    let requests = 0;
    const { transport, server } = await plain((_, response) => {
      requests += 1;
      json(response, 200, {});
    });
    const beforeSend = () => {
      if (server.connections() > 0) throw new FencedError();
    };
    await expect(transport.request({ ...pods, beforeSend }, never)).rejects.toThrow(FencedError);
    expect(requests).toBe(0);
    await expect(transport.request(pods, never)).resolves.toMatchObject({ status: 200 });
  });
});

describe("watches", () => {
  const watch = { method: "GET", path: "/api/v1/pods?watch=true" } as const;

  it("deliver lines of any length, whatever the chunks", async () => {
    const long = "ü".repeat(750_000);
    const text = `{"type":"ADDED","object":"${long}"}\n{"type":"BOOKMARK"}\n`;
    const { transport } = await plain((_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const bytes = Buffer.from(text);
      // An odd size, so that characters of two bytes are cut.
      for (let at = 0; at < bytes.length; at += 40_001) response.write(bytes.subarray(at, at + 40_001));
      response.end();
    });
    const events: unknown[] = [];
    const answer = await transport.stream(watch, (event) => events.push(event), never);
    expect(answer.status).toBe(200);
    expect(events).toEqual([{ type: "ADDED", object: long }, { type: "BOOKMARK" }]);
  });

  it("outlive the time limit of requests", async () => {
    const { transport } = await plain(
      (_, response) => {
        response.writeHead(200).flushHeaders();
        setTimeout(() => response.end('{"type":"BOOKMARK"}\n'), 150);
      },
      { timeoutMs: 50 },
    );
    const events: unknown[] = [];
    await transport.stream(watch, (event) => events.push(event), never);
    expect(events).toEqual([{ type: "BOOKMARK" }]);
  });

  it("resolve with the refusal", async () => {
    const { transport } = await plain((_, response) => json(response, 410, { kind: "Status", reason: "Expired" }));
    const answer = await transport.stream(watch, () => undefined, never);
    expect(answer).toMatchObject({ status: 410, body: { reason: "Expired" } });
  });

  it("reject when the connection breaks, a line is no JSON, or the caller aborts", async () => {
    const { transport } = await plain((request, response) => {
      response.writeHead(200).write('{"type":"ADDED"}\n');
      if (request.url === "/break") setTimeout(() => request.socket.destroy(), 20);
      if (request.url === "/garbage") response.end("<html>\n");
    });
    const open = (path: string, signal: AbortSignal) =>
      transport.stream({ method: "GET", path }, () => undefined, signal).catch((error: unknown) => error);
    expect(await open("/break", never)).toMatchObject({ reason: "APIServerUnreachable" });
    expect(await open("/garbage", never)).toMatchObject({ reason: "MalformedWatchEvent" });
    const abort = new AbortController();
    const outcome = open("/quiet", abort.signal);
    setTimeout(() => abort.abort(), 20);
    expect(isAbort(await outcome)).toBe(true);
  });
});

describe("configuration", () => {
  const rest = { userAgent: "t", qps: 1, burst: 1, clock: systemClock };

  it("that is missing is named", async () => {
    const source = { type: "kubeconfig", path: join(folder, "absent") } as const;
    await expect(createTransport({ source, ...rest })).rejects.toThrow(/absent.*does not exist/);
  });

  it("that is no kubeconfig is a terminal error", async () => {
    const path = join(folder, "broken");
    await writeFile(path, "a: [");
    await expect(createTransport({ source: { type: "kubeconfig", path }, ...rest })).rejects.toThrow(TerminalError);
  });

  it("outside a cluster is explained", async () => {
    await expect(createTransport({ source: { type: "in-cluster" }, ...rest })).rejects.toThrow(/set KUBECONFIG/);
  });
});
