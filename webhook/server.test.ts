import { request as httpsRequest } from "node:https";
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
  options: { path?: string; method?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { path = "/mutating", method = "POST" } = options;
    const sent = httpsRequest(
      { host: "127.0.0.1", port: server.port, path, method, ca: bundle.caPem, agent: false },
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

  it.each([
    { name: "no JSON", body: "{", status: 400 },
    { name: "another kind", body: '{"kind":"Pod"}', status: 400 },
    { name: "another version", body: review({ apiVersion: "admission.k8s.io/v2" }), status: 400 },
    { name: "no request", body: '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}', status: 400 },
    { name: "GET", body: "", method: "GET", status: 405 },
    { name: "an unknown path", body: review(), path: "/constructor", status: 404 },
    { name: "a body above 3 MB", body: Buffer.alloc(3 * 1024 * 1024 + 1, 32), status: 413 },
  ])("answers $name with $status", async ({ body, status, ...options }) => {
    const { server } = await aServer(() => Promise.resolve(allowed()));
    expect((await ask(server, body, options)).status).toBe(status);
  });

  it("takes a body of 1 MB", async () => {
    const { server } = await aServer(() => Promise.resolve(allowed()));
    expect((await ask(server, review({ object: { text: "x".repeat(1024 * 1024) } }))).status).toBe(200);
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
    expect(validating.webhooks).toMatchObject([{ name: "terway.validate.k8s.io", failurePolicy: "Fail" }]);
  });

  it("points at a URL outside of a cluster", () => {
    const { validating } = webhookConfigurations({
      controllerName: "c",
      target: { type: "url", url: "https://127.0.0.1:4443/" },
      caPem: "PEM",
    });
    expect(validating.webhooks).toMatchObject([
      { clientConfig: { url: "https://127.0.0.1:4443/validate", caBundle: "UEVN" } },
    ]);
  });
});
