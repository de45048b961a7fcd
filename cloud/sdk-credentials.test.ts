import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent as HttpAgent, createServer as createHttpServer, type IncomingHttpHeaders, type Server } from "node:http";
import { Agent as HttpsAgent, createServer as createHttpsServer } from "node:https";
import { connect, type AddressInfo, type NetConnectOpts } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { makeServingCertificate } from "../sandbox/kube-apiserver/serving-certificate.ts";
import type { CredentialSource } from "./credentials.ts";
import { ramRoleSource, rrsaSource } from "./sdk.ts";

interface Asked {
  /** Method, host and path without its query. */
  readonly what: string;
  readonly headers: IncomingHttpHeaders;
  /** Members of query and form. */
  readonly given: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status?: number;
  readonly body: string;
}

const nowMs = Date.parse("2026-11-21T10:00:00Z");
const now = (): number => nowMs;
const session = {
  AccessKeyId: "STS.id",
  AccessKeySecret: "STS.secret",
  SecurityToken: "STS.token",
  Expiration: "2099-11-21T10:00:00Z",
};
const fetched = {
  credential: { accessKeyId: "STS.id", accessKeySecret: "STS.secret", securityToken: "STS.token" },
  refreshAtMs: nowMs + 300_000,
};

/** The SDK has these addresses built in, so what is exchanged is where its connections lead: to a server of this test. */
describe("a credential from the SDK's own providers", () => {
  const certificate = makeServingCertificate(Date.now());
  const asked: Asked[] = [];
  let answers: (what: string) => Answer = () => ({ status: 500, body: "" });
  let servers: readonly Server[] = [];
  let folder = "";

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "terway-credentials-"));
    writeFileSync(join(folder, "token"), "token of the service account");
    const http = createHttpServer();
    const https = createHttpsServer({ cert: certificate.certPem, key: certificate.keyPem });
    servers = [http, https];
    for (const server of servers) {
      server.on("request", (request, response) => {
        void text(request).then((form) => {
          const { method = "", url = "/", headers } = request;
          const { pathname, searchParams } = new URL(url, "http://any");
          const what = `${method} ${headers.host ?? ""}${pathname}`;
          asked.push({ what, headers, given: Object.fromEntries([...searchParams, ...new URLSearchParams(form)]) });
          const { status = 200, body } = answers(what);
          response.writeHead(status).end(body);
        });
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    }
    const here = (server: Server) => ({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
    const toHttp = (given: object) => connect({ ...given, ...here(http) } as NetConnectOpts);
    const toHttps = (given: object) =>
      connectTls({ ...given, ...here(https), ca: certificate.certPem, checkServerIdentity: () => undefined });
    jest.spyOn(HttpAgent.prototype, "createConnection").mockImplementation(toHttp);
    jest.spyOn(HttpsAgent.prototype, "createConnection").mockImplementation(toHttps);
  });

  afterAll(() => {
    jest.restoreAllMocks();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(folder, { recursive: true, force: true });
  });

  beforeEach(() => void asked.splice(0));

  const rrsa = (
    changes: { readonly isVpcEndpoint?: boolean; readonly oidcTokenFile?: string } = {},
  ): CredentialSource =>
    rrsaSource({
      roleArn: "acs:ram::1:role/controlplane",
      oidcProviderArn: "acs:ram::1:oidc-provider/ack",
      oidcTokenFile: join(folder, "token"),
      regionId: "cn-hangzhou",
      isVpcEndpoint: true,
      now,
      ...changes,
    });

  describe("of the role of the machine", () => {
    const metadata = "100.100.100.200/latest/meta-data/ram/security-credentials/";
    const metadataService = (credential: object) => (what: string) => {
      if (what.endsWith("/api/token")) return { body: "metadata-token" };
      if (what === `GET ${metadata}`) return { body: "KubernetesWorkerRole\n" };
      return { body: JSON.stringify(credential) };
    };

    it("asks the metadata service for the role and its session, with a token, and again after five minutes", async () => {
      answers = metadataService({ ...session, Code: "Success" });
      expect(await ramRoleSource(now).fetch()).toEqual(fetched);
      expect(asked.map(({ what }) => what)).toEqual([
        "PUT 100.100.100.200/latest/api/token",
        `GET ${metadata}`,
        "PUT 100.100.100.200/latest/api/token",
        `GET ${metadata}KubernetesWorkerRole`,
      ]);
      expect(asked.at(-1)?.headers["x-aliyun-ecs-metadata-token"]).toBe("metadata-token");
    });

    it("has none, and says why, when the machine has no role", async () => {
      answers = (what) => (what.endsWith("/api/token") ? { body: "t" } : { status: 404, body: "" });
      await expect(ramRoleSource(now).fetch()).rejects.toThrow("get role name failed");
    });

    it("has none when the session is incomplete", async () => {
      answers = metadataService({ Code: "Success", AccessKeyId: "STS.id" });
      await expect(ramRoleSource(now).fetch()).rejects.toThrow("get sts token failed");
    });
  });

  describe("of RRSA", () => {
    it.each([
      { where: "inside the VPC", isVpcEndpoint: true, host: "sts-vpc.cn-hangzhou.aliyuncs.com" },
      { where: "on its public endpoint", isVpcEndpoint: false, host: "sts.cn-hangzhou.aliyuncs.com" },
    ])("exchanges the service account's token at STS $where", async ({ isVpcEndpoint, host }) => {
      answers = () => ({ body: JSON.stringify({ Credentials: session }) });
      expect(await rrsa({ isVpcEndpoint }).fetch()).toEqual(fetched);
      expect(asked.map(({ what }) => what)).toEqual([`POST ${host}/`]);
      expect(asked[0]?.given).toMatchObject({
        Action: "AssumeRoleWithOIDC",
        RoleArn: "acs:ram::1:role/controlplane",
        OIDCProviderArn: "acs:ram::1:oidc-provider/ack",
        OIDCToken: "token of the service account",
        RoleSessionName: "terway-controlplane",
        DurationSeconds: "3600",
      });
    });

    it("asks STS once while the session is good", async () => {
      answers = () => ({ body: JSON.stringify({ Credentials: session }) });
      const source = rrsa();
      await source.fetch();
      await source.fetch();
      expect(asked).toHaveLength(1);
    });

    it("has none, and says why, when STS refuses", async () => {
      answers = () => ({ status: 403, body: JSON.stringify({ Code: "AuthenticationFail.OIDCToken.Expired" }) });
      await expect(rrsa().fetch()).rejects.toThrow("AuthenticationFail.OIDCToken.Expired");
    });

    it("has none when the token of the service account is not there", async () => {
      await expect(rrsa({ oidcTokenFile: join(folder, "absent") }).fetch()).rejects.toThrow("ENOENT");
    });
  });
});
