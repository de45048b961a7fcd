import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { makeServingCertificate } from "../../sandbox/kube-apiserver/serving-certificate.ts";
import { AdmissionWorld, configurations } from "./admission-world.ts";
import { describeApi } from "./api.ts";
import { uniqueName, type Client } from "./client.ts";

describeApi("admission that fails", (api) => {
  let client: Client;
  let world: AdmissionWorld;
  beforeAll(async () => {
    client = api.client;
    world = await AdmissionWorld.start(client);
  });
  afterAll(() => world.server.stop());
  beforeEach(() => world.beginTest());
  afterEach(() => world.endTest());

  describe("of a webhook that does not answer", () => {
    const failing = [
      { name: "that is down", more: () => ({ clientConfig: { url: "https://127.0.0.1:9/x" } }), why: /connect/ },
      { name: "that is slow", hang: true, more: () => ({ timeoutSeconds: 1 }), why: /context deadline exceeded/ },
      {
        name: "that breaks",
        status: 500,
        more: () => ({}),
        why: /the server could not find|an error on the server|500|unknown/i,
      },
      { name: "that talks nonsense", text: "{}", more: () => ({}), why: /./ },
      {
        name: "that has another certificate",
        more: () => ({ clientConfig: { url: world.server.url("/validating"), caBundle: anotherCa() } }),
        why: /certificate/,
      },
    ];
    const answerOf =
      ({ hang = false, status, text }: { hang?: boolean; status?: number; text?: string }) =>
      () =>
        hang
          ? { hang }
          : {
              ...(status === undefined ? {} : { status }),
              ...(text === undefined ? {} : { text }),
              response: { allowed: true },
            };

    it.each(failing)("$name refuses by failurePolicy Fail", async ({ more, why, ...answer }) => {
      await world.register("validating", { failurePolicy: "Fail", ...more() });
      world.server.decide = answerOf(answer);
      const { status, body } = await world.create();
      expect({ status, reason: body.reason }).toEqual({ status: 500, reason: "InternalError" });
      expect(body.message).toMatch(/^Internal error occurred: failed calling webhook "hook\.example\.com": /);
      expect(body.message).toMatch(why);
      expect((await client.get(`${world.maps}/a`)).status).toBe(404);
    });

    it.each(failing)("$name is passed over by failurePolicy Ignore", async ({ more, why: _, ...answer }) => {
      await world.register("validating", { failurePolicy: "Ignore", ...more() });
      world.server.decide = answerOf(answer);
      expect((await world.create()).status).toBe(201);
    });

    it("that is slow is named with its address and time", async () => {
      await world.register("validating", { timeoutSeconds: 1 });
      world.server.decide = () => ({ hang: true });
      const { body } = await world.create();
      expect(body.message).toBe(
        `Internal error occurred: failed calling webhook "hook.example.com": failed to call webhook: Post "${world.server.url("/validating")}?timeout=1s": context deadline exceeded`,
      );
    });

    it("is refused by failurePolicy Fail for a service that is not there", async () => {
      const service = { namespace: world.namespace.name, name: "nobody" };
      await world.register("validating", { clientConfig: { service, caBundle: world.server.caBundle } });
      const { body } = await world.create();
      expect(body.message).toBe(
        'Internal error occurred: failed calling webhook "hook.example.com": failed to call webhook: Post "https://nobody.' +
          `${world.namespace.name}.svc:443/?timeout=5s": service "nobody" not found`,
      );
    });
  });

  describe("configurations", () => {
    it("are given defaults", async () => {
      await world.register("mutating", { timeoutSeconds: undefined });
      const { body } = await client.get(world.registered[0] ?? "");
      expect((body as unknown as { webhooks: object[] }).webhooks[0]).toMatchObject({
        failurePolicy: "Fail",
        matchPolicy: "Equivalent",
        reinvocationPolicy: "Never",
        timeoutSeconds: 10,
        objectSelector: {},
        rules: [{ scope: "*" }],
      });
    });

    it.each([
      { name: "a short name", change: { name: "hook" }, field: "webhooks[0].name" },
      { name: "no side effects", change: { sideEffects: undefined }, field: "webhooks[0].sideEffects" },
      {
        name: "no review versions",
        change: { admissionReviewVersions: [] },
        field: "webhooks[0].admissionReviewVersions",
      },
      { name: "a time of nothing", change: { timeoutSeconds: 0 }, field: "webhooks[0].timeoutSeconds" },
      { name: "too long a time", change: { timeoutSeconds: 31 }, field: "webhooks[0].timeoutSeconds" },
      { name: "no address", change: { clientConfig: {} }, field: "webhooks[0].clientConfig" },
      {
        name: "an address without TLS",
        change: { clientConfig: { url: "http://127.0.0.1" } },
        field: "webhooks[0].clientConfig.url",
      },
      { name: "a policy that is none", change: { failurePolicy: "Maybe" }, field: "webhooks[0].failurePolicy" },
    ])("are refused for $name", async ({ change, field }) => {
      const webhook = {
        name: "hook.example.com",
        clientConfig: { url: "https://127.0.0.1" },
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
        ...change,
      };
      const { body } = await client.post(`${configurations}/validatingwebhookconfigurations?dryRun=All`, {
        apiVersion: "admissionregistration.k8s.io/v1",
        kind: "ValidatingWebhookConfiguration",
        metadata: { name: uniqueName("bad") },
        webhooks: [webhook],
      });
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.details?.causes?.map((cause) => cause.field)).toContain(field);
    });
  });
});

function anotherCa(): string {
  return Buffer.from(makeServingCertificate(Date.now()).certPem).toString("base64");
}
