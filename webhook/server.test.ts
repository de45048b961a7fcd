import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Registry } from "prom-client";
import type { Logger } from "../runtime/ports.ts";
import { allowed, denied } from "./admission.ts";
import type { AdmissionHandler } from "./admission.ts";
import { generateCertificate } from "./certificate.ts";
import { webhookConfigurations } from "./configurations.ts";
import { createWebhookMetrics } from "./metrics.ts";
import { WebhookServer } from "./server.ts";

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

const bundle = await generateCertificate(
  { controllerName: "c", controllerNamespace: "n", clusterDomain: "d", extraNames: ["127.0.0.1"] },
  Date.now(),
);

let running: WebhookServer | undefined;
afterEach(() => running?.close());

async function aServer(handler: AdmissionHandler) {
  const registry = new Registry();
  const server = new WebhookServer({
    port: 0,
    host: "127.0.0.1",
    tls: { cert: bundle.certPem, key: bundle.keyPem },
    routes: { "/mutating": handler },
    log: silent,
    metrics: createWebhookMetrics(registry),
  });
  running = server;
  expect(server.ready()).toBe("the webhook server does not listen yet");
  await server.listen();
  return { server, registry };
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly json: { readonly apiVersion?: string; readonly response?: Readonly<Record<string, unknown>> };
}

/** One request over TLS, verified against the authority. */
function ask(
  server: WebhookServer,
  body: string | Buffer,
  options: { path?: string; method?: string; contentType?: string | undefined } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { path = "/mutating", method = "POST" } = options;
    const contentType = "contentType" in options ? options.contentType : "application/json";
    const headers = contentType === undefined ? {} : { "content-type": contentType };
    const sent = httpsRequest(
      { host: "127.0.0.1", port: server.port, path, method, headers, ca: bundle.caPem, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const json = text.startsWith("{") ? (JSON.parse(text) as Answer["json"]) : {};
          resolve({ status: response.statusCode ?? 0, text, json });
        });
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

/** A connection for bytes that no client library would send. */
async function connected(server: WebhookServer) {
  const socket = connectTls({ host: "127.0.0.1", port: server.port, ca: bundle.caPem });
  await once(socket, "secureConnect");
  return socket;
}

function review(given: { apiVersion?: string; object?: unknown } = {}): string {
  return JSON.stringify({
    apiVersion: given.apiVersion ?? "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: "u-1",
      kind: { group: "", version: "v1", kind: "Pod" },
      operation: "CREATE",
      object: given.object ?? {},
    },
  });
}

describe("WebhookServer", () => {
  it.each(["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])(
    "answers %s in the same version, with a JSON patch",
    async (apiVersion) => {
      const patch = [{ op: "add" as const, path: "/a", value: 1 }];
      const { server } = await aServer(() => Promise.resolve({ ...allowed("ok"), patch, warnings: ["look"] }));
      const { status, json } = await ask(server, review({ apiVersion }));
      expect([status, json.apiVersion]).toEqual([200, apiVersion]);
      expect(json.response).toEqual({
        uid: "u-1",
        allowed: true,
        status: { code: 200, message: "ok" },
        patchType: "JSONPatch",
        patch: Buffer.from(JSON.stringify(patch)).toString("base64"),
        warnings: ["look"],
      });
      expect(server.ready()).toBeUndefined();
    },
  );

  it("answers a refusal with code 403 and reason Forbidden, and leaves an empty patch out", async () => {
    const { server } = await aServer(() => Promise.resolve({ ...denied("no"), patch: [], warnings: [] }));
    expect((await ask(server, review())).json.response).toEqual({
      uid: "u-1",
      allowed: false,
      status: { code: 403, message: "no", reason: "Forbidden" },
    });
  });

  it("fails the HTTP answer when the handler cannot tell, so that the failure policy decides", async () => {
    const { server, registry } = await aServer(() => Promise.reject(new Error("eni-config is not readable")));
    expect(await ask(server, review())).toMatchObject({ status: 500, text: "eni-config is not readable\n" });
    expect(await registry.metrics()).toContain(
      'controller_runtime_webhook_requests_total{webhook="/mutating",code="500"} 1',
    );
  });

  const mebibyte = 1024 * 1024;
  const refused: {
    readonly name: string;
    readonly body?: string | Buffer;
    readonly options?: Parameters<typeof ask>[2];
    readonly status: number;
    readonly says: string;
  }[] = [
    { name: "an empty body", body: "", status: 400, says: "the body is empty: an AdmissionReview is expected" },
    { name: "no JSON", body: '{"a": secret', status: 400, says: "the body is no JSON (12 characters)" },
    {
      name: "JSON that is cut off",
      body: '{"a":',
      status: 400,
      says: "the body is no JSON (5 characters)",
    },
    { name: "bytes that are no text", body: Buffer.from([0xff, 0x00]), status: 400, says: "the body is no JSON" },
    { name: "null", body: "null", status: 400, says: "the body is no AdmissionReview" },
    { name: "another kind", body: '{"kind":"Pod"}', status: 400, says: "the body is no AdmissionReview" },
    {
      name: "another version",
      body: review({ apiVersion: "admission.k8s.io/v2" }),
      status: 400,
      says: "apiVersion must be one of admission.k8s.io/v1, admission.k8s.io/v1beta1",
    },
    {
      name: "no request",
      body: '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}',
      status: 400,
      says: "the AdmissionReview has no request",
    },
    {
      name: "a body that is nested without end",
      body: review({ object: { text: '["\\\\' } }).replace(
        '"object":',
        `"object":${"[".repeat(5_000)}1${"]".repeat(5_000)},"x":`,
      ),
      status: 400,
      says: "the body is nested more than 1000 deep",
    },
    { name: "GET", body: "", options: { method: "GET" }, status: 405, says: "admission requests are POST" },
    {
      name: "YAML",
      options: { contentType: "application/yaml" },
      status: 415,
      says: 'content-type must be application/json, not "application/yaml"',
    },
    { name: "no content type", options: { contentType: undefined }, status: 415, says: "content-type must be" },
    { name: "an unknown path", options: { path: "/constructor" }, status: 404, says: "no webhook at /constructor" },
    { name: "a path that is no URL", options: { path: "//" }, status: 404, says: "no webhook at //" },
    { name: "a body above 7 MiB", body: Buffer.alloc(7 * mebibyte + 1, 32), status: 413, says: "larger than 7 MiB" },
    { name: "a body of 20 MiB", body: Buffer.alloc(20 * mebibyte, 32), status: 413, says: "larger than 7 MiB" },
  ];
  it.each(refused)("answers $name with $status, and lives on", async ({ body = review(), options, status, says }) => {
    const { server } = await aServer(() => Promise.resolve(allowed()));
    const answer = await ask(server, body, options);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(says)]);
    expect((await ask(server, review())).status).toBe(200);
  });

  it.each([
    { name: "of 1 MB", size: mebibyte, contentType: "application/json" },
    { name: "as large as the API server takes", size: 3 * mebibyte, contentType: "application/json; charset=utf-8" },
  ])("takes a pod $name", async ({ size, contentType }) => {
    const { server } = await aServer(() => Promise.resolve(allowed()));
    const object = { metadata: { annotations: { text: "x".repeat(size) } } };
    expect((await ask(server, review({ object }), { contentType })).status).toBe(200);
  });

  it("ends a body without end, and lives on", async () => {
    const { server } = await aServer(() => Promise.resolve(allowed()));
    const socket = await connected(server);
    socket.write(
      "POST /mutating HTTP/1.1\r\nhost: w\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    const chunk = Buffer.concat([Buffer.from("100000\r\n"), Buffer.alloc(mebibyte, 32), Buffer.from("\r\n")]);
    const send = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on("drain", send);
    socket.on("error", () => undefined);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    send();
    await closed;
    expect((await ask(server, review())).status).toBe(200);
  });

  it("tells a client that sends its body too slowly, and closes its connection", async () => {
    const { server } = await aServer(() => Promise.resolve(allowed()));
    const socket = await connected(server);
    const text: string[] = [];
    socket.on("data", (chunk: Buffer) => text.push(chunk.toString()));
    socket.write(
      "POST /mutating?timeout=100ms HTTP/1.1\r\nhost: w\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
    );
    await once(socket, "close");
    expect(text.join("")).toMatch(/^HTTP\/1.1 408 [^]*connection: close[^]*no whole body within 90 ms/i);
    expect((await ask(server, review())).status).toBe(200);
  });

  it("outlives clients that go away in the middle, or speak no TLS", async () => {
    const { server, registry } = await aServer(() => Promise.resolve(allowed()));
    const half = await connected(server);
    half.write("POST /mutating HTTP/1.1\r\nhost: w\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{");
    half.destroy();
    const plain = connectTcp({ host: "127.0.0.1", port: server.port });
    plain.on("error", () => undefined);
    const closed = new Promise((resolve) => plain.once("close", resolve));
    plain.end("GET / HTTP/1.1\r\n\r\n");
    await closed;
    expect((await ask(server, review())).status).toBe(200);
    expect(await registry.metrics()).toContain('controller_runtime_webhook_requests_in_flight{webhook="/mutating"} 0');
  });

  it("gives up within the time that the API server waits, and tells the handler", async () => {
    let aborted = false;
    const { server } = await aServer((_request, signal) => {
      signal.addEventListener("abort", () => (aborted = true));
      return new Promise(() => undefined);
    });
    expect((await ask(server, review(), { path: "/mutating?timeout=50ms" })).status).toBe(504);
    expect(aborted).toBe(true);
  });

  it("finishes what it has begun when it closes, and serves a new certificate without a restart", async () => {
    let finish: () => void = () => undefined;
    const { server } = await aServer(() => new Promise((resolve) => (finish = () => resolve(allowed("late")))));
    server.setCertificate({ cert: bundle.certPem, key: bundle.keyPem });
    const asked = ask(server, review());
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closed = server.close();
    expect(server.ready()).toBe("the webhook server is closed");
    finish();
    expect((await asked).json.response).toMatchObject({ allowed: true });
    await closed;
    await expect(ask(server, review())).rejects.toThrow();
  });

  it("closes soon although a client keeps a connection that it has never used", async () => {
    const { server } = await aServer(() => Promise.resolve(allowed("unused")));
    const spare = connectTcp({ host: "127.0.0.1", port: server.port });
    await once(spare, "connect");
    const startedAt = performance.now();
    const closed = once(spare, "close");
    await server.close();
    await closed;
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

describe("webhookConfigurations", () => {
  it("has the published names, rules and policies, and intercepts updates of PodNetworkings", () => {
    const { mutating, validating } = webhookConfigurations({
      controllerName: "terway-controlplane",
      target: { type: "service", namespace: "kube-system" },
    });
    expect(mutating.webhooks).toMatchObject([
      {
        name: "terway.mutating.k8s.io",
        clientConfig: {
          service: { namespace: "kube-system", name: "terway-controlplane", path: "/mutating", port: 443 },
        },
        rules: [
          { operations: ["CREATE"], resources: ["pods"], scope: "Namespaced" },
          { operations: ["CREATE", "UPDATE"], resources: ["podnetworkings"], scope: "Cluster" },
        ],
        namespaceSelector: {
          matchExpressions: [{ key: "k8s.aliyun.com/pod-eni", operator: "NotIn", values: ["false"] }],
        },
        failurePolicy: "Ignore",
        timeoutSeconds: 10,
      },
    ]);
    expect(validating.webhooks).toMatchObject([
      {
        name: "terway.validate.k8s.io",
        rules: [{ operations: ["CREATE", "UPDATE"], resources: ["podnetworkings"] }],
        failurePolicy: "Fail",
        timeoutSeconds: 10,
      },
      {
        name: "terway.deletion.k8s.io",
        clientConfig: { service: { path: "/validate" } },
        rules: [{ operations: ["DELETE"], resources: ["podnetworkings"] }],
        failurePolicy: "Ignore",
        timeoutSeconds: 3,
      },
    ]);
  });

  it("points at a URL outside of a cluster", () => {
    const { validating } = webhookConfigurations({
      controllerName: "c",
      target: { type: "url", url: "https://127.0.0.1:4443/" },
      caPem: "PEM",
    });
    expect(validating.webhooks).toMatchObject([
      { clientConfig: { url: "https://127.0.0.1:4443/validate", caBundle: "UEVN" } },
      { clientConfig: { url: "https://127.0.0.1:4443/validate", caBundle: "UEVN" } },
    ]);
  });
});
