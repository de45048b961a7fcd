import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { makeServingCertificate } from "./serving-certificate.ts";
import { aConfigMap, aPod, TestClient } from "./test-client.ts";

const maps = "/api/v1/namespaces/default/configmaps";
const configurations = "/apis/admissionregistration.k8s.io/v1";

interface Review {
  readonly request: {
    readonly uid: string;
    readonly operation: string;
    readonly name?: string;
    readonly [field: string]: unknown;
  };
}
type Decide = (request: Review["request"]) => { status?: number; response: Record<string, unknown> };

let client: TestClient;
let server: Server;
let base: string;
let caBundle: string;
let reviews: Review["request"][];
let decide: Decide;

beforeEach(async () => {
  const { certPem, keyPem } = makeServingCertificate(Date.now());
  caBundle = Buffer.from(certPem).toString("base64");
  reviews = [];
  decide = () => ({ response: { allowed: true } });
  server = createServer({ cert: certPem, key: keyPem }, (request, answer) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as Review;
      reviews.push(review.request);
      const { status = 200, response } = decide(review.request);
      answer.writeHead(status, { "content-type": "application/json" });
      const { uid } = review.request;
      answer.end(
        JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: { uid, ...response } }),
      );
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  base = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new TestClient();
});
afterEach(async () => {
  client.server.close();
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

async function register(type: "mutating" | "validating", more: Record<string, unknown> = {}): Promise<void> {
  const kind = type === "mutating" ? "MutatingWebhookConfiguration" : "ValidatingWebhookConfiguration";
  const webhook = {
    name: "hook.example.com",
    clientConfig: { url: `${base}/${type}`, caBundle },
    rules: [{ operations: ["*"], apiGroups: [""], apiVersions: ["v1"], resources: ["configmaps"] }],
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
    ...more,
  };
  const body = { apiVersion: "admissionregistration.k8s.io/v1", kind, metadata: { name: type }, webhooks: [webhook] };
  const answer = await client.post(`${configurations}/${kind.toLowerCase()}s`, body);
  expect(answer.status).toBe(201);
}

const patchOf = (operations: unknown) => Buffer.from(JSON.stringify(operations)).toString("base64");

describe("admission webhooks over HTTPS", () => {
  it("change an object and warn, before others validate what came out", async () => {
    await register("mutating");
    await register("validating");
    const patch = patchOf([{ op: "add", path: "/data", value: { x: "1" } }]);
    decide = () => ({ response: { allowed: true, patch, patchType: "JSONPatch", warnings: ["take care"] } });
    const { status, headers, body } = await client.post(maps, aConfigMap("a"));
    expect(status).toBe(201);
    expect(body["data"]).toEqual({ x: "1" });
    expect(headers["warning"]).toBe('299 - "take care"');
    expect(reviews).toMatchObject([
      {
        operation: "CREATE",
        namespace: "default",
        name: "a",
        kind: { group: "", version: "v1", kind: "ConfigMap" },
        resource: { group: "", version: "v1", resource: "configmaps" },
        userInfo: { username: "system:admin" },
        oldObject: null,
        dryRun: false,
      },
      { object: { data: { x: "1" } } },
    ]);
  });

  it("give the client nothing of what they add, on creation and on update", async () => {
    await register("mutating");
    const patch = patchOf([{ op: "add", path: "/metadata/annotations", value: { a: "1" } }]);
    decide = () => ({ response: { allowed: true, patch, patchType: "JSONPatch" } });
    const created = await client.post(maps, aConfigMap("a", { data: { x: "1" } }));
    expect(created.body.metadata?.annotations).toEqual({ a: "1" });
    const { body } = await client.merge(`${maps}/a`, { data: { y: "1" } });
    expect(body.metadata?.managedFields).toMatchObject([
      { manager: "test", fieldsV1: { "f:data": { ".": {}, "f:x": {}, "f:y": {} } } },
    ]);
  });

  it.each([
    {
      name: "message and code",
      given: { code: 403, reason: "Forbidden", message: "no way" },
      code: 403,
      message: 'admission webhook "hook.example.com" denied the request: no way',
    },
    {
      name: "reason alone",
      given: { reason: "BadThing" },
      code: 400,
      message: 'admission webhook "hook.example.com" denied the request: BadThing',
    },
    {
      name: "nothing",
      given: {},
      code: 400,
      message: 'admission webhook "hook.example.com" denied the request without explanation',
    },
  ])("refuse with $name", async ({ given, code, message }) => {
    await register("validating");
    decide = () => ({ response: { allowed: false, status: given } });
    expect((await client.post(maps, aConfigMap("a"))).body).toMatchObject({
      kind: "Status",
      status: "Failure",
      code,
      message,
    });
    expect((await client.get(`${maps}/a`)).status).toBe(404);
  });

  it("see updates and deletions with the old object", async () => {
    await client.post(maps, aConfigMap("a"));
    await register("validating");
    await client.merge(`${maps}/a`, { data: { x: "1" } });
    await client.delete(`${maps}/a`);
    expect(reviews).toMatchObject([
      { operation: "UPDATE", object: { data: { x: "1" } }, oldObject: { metadata: { name: "a" } } },
      { operation: "DELETE", object: null, oldObject: { data: { x: "1" } } },
    ]);
  });

  it.each([
    {
      name: "another resource",
      more: { rules: [{ operations: ["*"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"] }] },
    },
    {
      name: "another operation",
      more: { rules: [{ operations: ["DELETE"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*"] }] },
    },
    {
      name: "another scope",
      more: {
        rules: [{ operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*"], scope: "Cluster" }],
      },
    },
    {
      name: "another namespace",
      more: { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "other" } } },
    },
    { name: "other labels", more: { objectSelector: { matchExpressions: [{ key: "x", operator: "Exists" }] } } },
  ])("are not asked about $name", async ({ more }) => {
    await register("validating", more);
    expect((await client.post(maps, aConfigMap("a"))).status).toBe(201);
    expect(reviews).toEqual([]);
  });

  it("are asked about pods/binding only when the rule says so", async () => {
    const rule = { operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["pods"] };
    await register("validating", { rules: [rule] });
    await client.post("/api/v1/namespaces/default/pods", aPod("a"));
    await client.post("/api/v1/namespaces/default/pods/a/binding", { target: { name: "n" } });
    expect(reviews).toMatchObject([{ operation: "CREATE" }]);
  });

  it.each([
    {
      failurePolicy: "Fail",
      code: 500,
      message:
        /^Internal error occurred: failed calling webhook "hook\.example\.com": failed to call webhook: Post "https:\/\/127\.0\.0\.1:\d+\/validating\?timeout=10s": /,
    },
    { failurePolicy: "Ignore", code: 201, message: /^$/ },
  ])("that fail are answered by failurePolicy $failurePolicy", async ({ failurePolicy, code, message }) => {
    await register("validating", { failurePolicy });
    decide = () => ({ status: 500, response: {} });
    const { status, body } = await client.post(maps, aConfigMap("a"));
    expect(status).toBe(code);
    expect(body.message ?? "").toMatch(message);
  });

  it("must show a certificate of the caBundle", async () => {
    const other = makeServingCertificate(Date.now()).certPem;
    await register("validating", { clientConfig: { url: base, caBundle: Buffer.from(other).toString("base64") } });
    expect((await client.post(maps, aConfigMap("a"))).status).toBe(500);
    expect(reviews).toEqual([]);
  });

  it("can be services, found by the given resolver under their cluster name", async () => {
    client.server.close();
    const asked: unknown[] = [];
    client = new TestClient({ resolveService: (...service) => (asked.push(service), base) });
    await register("validating", {
      clientConfig: { service: { namespace: "default", name: "kubernetes", path: "/x" }, caBundle },
    });
    expect((await client.post(maps, aConfigMap("a"))).status).toBe(201);
    expect(asked).toEqual([["default", "kubernetes", 443]]);
  });

  it("lose no concurrent patch while they are slow", async () => {
    await client.post(maps, aConfigMap("a"));
    await register("validating");
    await Promise.all([...Array(5).keys()].map((key) => client.merge(`${maps}/a`, { data: { [`k${key}`]: "1" } })));
    expect(Object.keys((await client.get(`${maps}/a`)).body["data"] as object)).toHaveLength(5);
  });
});
