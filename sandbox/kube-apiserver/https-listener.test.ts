import { once } from "node:events";
import { Agent, request, type RequestOptions } from "node:https";
import type { IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import type { Listening } from "./https-listener.ts";
import { toKubeconfig } from "./kubeconfig.ts";
import { aConfigMap, TestClient } from "./test-client.ts";

const maps = "/api/v1/namespaces/default/configmaps";
let client: TestClient;
let listening: Listening;
let agent: Agent;

beforeEach(async () => {
  client = new TestClient();
  const tokens = { secret: { name: "alice", groups: ["system:masters"] } };
  listening = await client.server.listen({ host: "127.0.0.1", tokens });
  agent = new Agent({ ca: listening.caPem, keepAlive: true, maxSockets: 2 });
});
afterEach(async () => {
  agent.destroy();
  await listening.close();
  client.server.close();
});

async function open(path: string, options: RequestOptions = {}, body = ""): Promise<IncomingMessage> {
  const headers = { authorization: "Bearer secret", ...(options.headers as Record<string, string> | undefined) };
  const call = request(`${listening.url}${path}`, { agent, ...options, headers });
  call.end(body);
  const [answer] = (await once(call, "response")) as [IncomingMessage];
  return answer;
}

async function ask(path: string, options: RequestOptions = {}, body = ""): Promise<{ status: number; body: unknown }> {
  const answer = await open(path, options, body);
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const isJson = answer.headers["content-type"]?.startsWith("application/json") === true;
  return { status: answer.statusCode ?? 0, body: isJson ? (JSON.parse(text) as unknown) : text };
}

describe("HTTPS", () => {
  it.each([
    { name: "no token", authorization: "" },
    { name: "another token", authorization: "Bearer wrong" },
  ])("refuses $name with 401", async ({ authorization }) => {
    const answer = await ask(maps, { headers: { authorization } });
    expect(answer).toMatchObject({ status: 401, body: { kind: "Status", reason: "Unauthorized", code: 401 } });
  });

  it("needs no token for health", async () => {
    expect(await ask("/readyz", { headers: { authorization: "" } })).toEqual({ status: 200, body: "ok" });
  });

  it("takes JSON and YAML, and says which user asked", async () => {
    const json = { method: "POST", headers: { "content-type": "application/json" } };
    expect((await ask(maps, json, JSON.stringify(aConfigMap("a")))).status).toBe(201);
    const apply = { method: "PATCH", headers: { "content-type": "application/apply-patch+yaml" } };
    const yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n";
    expect((await ask(`${maps}/b?fieldManager=me`, apply, yaml)).status).toBe(201);
    const review = await ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", json, "{}");
    expect(review.body).toMatchObject({ status: { userInfo: { username: "alice" } } });
  });

  it.each([
    { name: "text that is no JSON", type: "application/json", body: "{", status: 400 },
    { name: "protobuf", type: "application/vnd.kubernetes.protobuf", body: "k8s", status: 415 },
    { name: "more than 3 MiB", type: "application/json", body: " ".repeat(3 * 1024 * 1024 + 1), status: 413 },
  ])("refuses $name with $status", async ({ type, body, status }) => {
    const answer = await ask(maps, { method: "POST", headers: { "content-type": type } }, body);
    expect(answer).toMatchObject({ status, body: { kind: "Status" } });
  });

  it("streams a watch line by line, and ends it when the server closes", async () => {
    const answer = await open(`${maps}?watch=1&resourceVersion=0`);
    const lines = createInterface(answer);
    await client.post(maps, aConfigMap("a"));
    const [first] = (await once(lines, "line")) as [string];
    expect(JSON.parse(first)).toMatchObject({ type: "ADDED", object: { metadata: { name: "a" } } });
    // The stream breaks off, which Node tells as an error before the close.
    lines.on("error", () => undefined);
    answer.on("error", () => undefined);
    const closed = new Promise<void>((resolve) => {
      answer.on("close", () => {
        resolve();
      });
    });
    await listening.close();
    await closed;
  });

  it("answers a watch that is refused with a plain status", async () => {
    const answer = await ask(`${maps}?watch=1&fieldSelector=no.such%3Dfield`);
    expect(answer).toMatchObject({ status: 400, body: { kind: "Status" } });
  });

  it("writes a kubeconfig that names the server, its certificate and the token", () => {
    const config: unknown = parse(toKubeconfig({ url: listening.url, caPem: listening.caPem, token: "secret" }));
    expect(config).toMatchObject({
      "current-context": "sandbox",
      clusters: [
        {
          cluster: {
            server: listening.url,
            "certificate-authority-data": Buffer.from(listening.caPem).toString("base64"),
          },
        },
      ],
      users: [{ user: { token: "secret" } }],
    });
  });
});
