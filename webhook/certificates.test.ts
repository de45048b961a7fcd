import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AlreadyExistsError, ConflictError, TerminalError } from "../runtime/errors.ts";
import type { Logger } from "../runtime/ports.ts";
import { bundleContains, findCertificateFault, generateCertificate } from "./certificate.ts";
import { WebhookCertificates } from "./certificates.ts";
import type { Secret, StoredWebhook, StoredWebhookConfiguration } from "./certificates.ts";

const names = {
  controllerName: "terway-controlplane",
  controllerNamespace: "kube-system",
  clusterDomain: "cluster.local",
};
const nowMs = Date.parse("2026-01-01T00:00:00Z");
const dayMs = 86_400_000;
const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "webhook-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An API server's Secret and two configurations, strict about versions. */
function aStore(given: { caBundle?: string; configurations?: boolean; webhooks?: readonly StoredWebhook[] } = {}) {
  let version = 1;
  let secret: Secret | undefined;
  const next = () => String(version++);
  const configurations = new Map<string, StoredWebhookConfiguration>();
  const webhooks = given.webhooks ?? [{ name: "w", clientConfig: { caBundle: given.caBundle ?? "" } }];
  const writes: string[] = [];
  const clientOf = (kind: string) => ({
    getLive: () => Promise.resolve(configurations.get(kind)),
    patch: (_namespace: string, name: string, patch: object) => {
      writes.push(kind);
      const { metadata, webhooks: list } = patch as StoredWebhookConfiguration;
      const stored = configurations.get(kind);
      if (metadata.resourceVersion !== stored?.metadata.resourceVersion) {
        return Promise.reject(new ConflictError("Conflict", "stale"));
      }
      const object = { ...stored, metadata: { name, resourceVersion: next() }, webhooks: list ?? [] };
      configurations.set(kind, object);
      return Promise.resolve(object);
    },
  });
  for (const kind of given.configurations === false ? [] : ["mutating", "validating"]) {
    configurations.set(kind, { metadata: { name: names.controllerName, resourceVersion: next() }, webhooks });
  }
  const secrets = {
    getLive: () => Promise.resolve(secret),
    create: (object: Secret) => {
      if (secret !== undefined) return Promise.reject(new AlreadyExistsError("AlreadyExists", "there"));
      writes.push("create");
      secret = { ...object, metadata: { ...object.metadata, resourceVersion: next() } };
      return Promise.resolve(secret);
    },
    update: (object: Secret) => {
      if (object.metadata.resourceVersion !== secret?.metadata.resourceVersion) {
        return Promise.reject(new ConflictError("Conflict", "stale"));
      }
      writes.push("update");
      secret = { ...object, metadata: { ...object.metadata, resourceVersion: next() } };
      return Promise.resolve(secret);
    },
  };
  let clockMs = nowMs;
  const certificates = (certDir = folder) =>
    new WebhookCertificates(
      { ...names, certDir },
      {
        secrets,
        mutating: clientOf("mutating"),
        validating: clientOf("validating"),
        clock: { now: () => clockMs },
        log: silent,
      },
    );
  const bundles = () =>
    [...configurations.values()].flatMap(({ webhooks: list = [] }) =>
      list.map(({ clientConfig }) => Buffer.from(clientConfig?.caBundle ?? "", "base64").toString()),
    );
  return {
    certificates,
    writes,
    bundles,
    pass: (ms: number) => (clockMs += ms),
    put: (data: Record<string, string>) => {
      secret = { metadata: { name: "s", namespace: "kube-system", resourceVersion: next() }, data };
    },
    secret: () => secret,
  };
}

const signal = new AbortController().signal;

describe("generateCertificate", () => {
  it("makes a P-256 server certificate for the Service, good for at most a year, signed by its own authority", async () => {
    const { caPem, certPem, keyPem } = await generateCertificate(
      { ...names, extraNames: ["localhost", "127.0.0.1"] },
      nowMs,
    );
    const cert = new X509Certificate(certPem);
    expect(cert.subject).toBe("CN=terway-controlplane.kube-system.svc");
    expect(cert.subjectAltName).toBe(
      "DNS:terway-controlplane, DNS:terway-controlplane.kube-system, DNS:terway-controlplane.kube-system.svc, DNS:localhost, IP Address:127.0.0.1",
    );
    expect(cert.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
    expect(cert.verify(new X509Certificate(caPem).publicKey)).toBe(true);
    expect(new X509Certificate(caPem).ca).toBe(true);
    expect(cert.validToDate.getTime() - cert.validFromDate.getTime()).toBeLessThanOrEqual(365 * dayMs);
    expect(keyPem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    expect(new X509Certificate(caPem).serialNumber).not.toBe(cert.serialNumber);
  });

  it("is found good until two thirds of its life, and for its names only", async () => {
    const bundle = await generateCertificate(names, nowMs);
    expect(findCertificateFault(bundle, names, nowMs + 240 * dayMs)).toBeUndefined();
    expect(findCertificateFault(bundle, names, nowMs + 250 * dayMs)).toContain("due for renewal");
    expect(findCertificateFault(bundle, { ...names, extraNames: ["10.0.0.1"] }, nowMs)).toBe(
      "it does not cover 10.0.0.1",
    );
    const other = await generateCertificate(names, nowMs);
    expect(findCertificateFault({ ...bundle, caPem: other.caPem }, names, nowMs)).toContain("not signed");
    expect(findCertificateFault({ ...bundle, keyPem: other.keyPem }, names, nowMs)).toContain("tls.key");
    expect(findCertificateFault({ caPem: "", certPem: "", keyPem: "" }, names, nowMs)).toContain("cannot be read");
  });
});

describe("WebhookCertificates", () => {
  it("makes the Secret, the files and the trust once, and writes nothing the second time", async () => {
    const store = aStore();
    const bundle = await store.certificates().ensure(signal);
    expect(store.writes).toEqual(["create", "mutating", "validating"]);
    expect(store.bundles()).toEqual([bundle.caPem, bundle.caPem]);
    expect(store.secret()).toMatchObject({
      type: "kubernetes.io/tls",
      metadata: { name: "terway-controlplane-webhook-cert" },
    });
    expect(readFileSync(join(folder, "tls.key"), "utf8")).toBe(bundle.keyPem);
    expect(["ca.crt", "tls.crt", "tls.key"].map((file) => statSync(join(folder, file)).mode & 0o777)).toEqual([
      0o600, 0o600, 0o600,
    ]);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(await store.certificates().ensure(signal)).toEqual(bundle);
    expect(store.writes).toHaveLength(3);
  });

  it("two replicas that start together end with one certificate", async () => {
    const store = aStore();
    const [one, other] = await Promise.all([
      store.certificates(join(folder, "a")).ensure(signal),
      store.certificates(join(folder, "b")).ensure(signal),
    ]);
    expect(one).toEqual(other);
    expect(store.writes.filter((write) => write === "create")).toHaveLength(1);
    expect(store.bundles()).toEqual([one.caPem, one.caPem]);
  });

  it("repairs a caBundle that does not contain the authority", async () => {
    const stale = await generateCertificate(names, nowMs);
    const store = aStore({ caBundle: Buffer.from(stale.caPem).toString("base64") });
    const bundle = await store.certificates().ensure(signal);
    expect(store.bundles()).toEqual([bundle.caPem, bundle.caPem]);
  });

  it("renews what is past two thirds of its life and keeps the former authority trusted", async () => {
    const store = aStore();
    const first = await store.certificates().ensure(signal);
    store.pass(250 * dayMs);
    const second = await store.certificates().ensure(signal);
    expect(second.certPem).not.toBe(first.certPem);
    expect(bundleContains(second.caPem, first.caPem)).toBe(true);
    expect(store.bundles()).toEqual([second.caPem, second.caPem]);
  });

  it("replaces a Secret with an empty value", async () => {
    const store = aStore();
    store.put({ "ca.crt": "", "tls.crt": "", "tls.key": "" });
    const bundle = await store.certificates().ensure(signal);
    expect(findCertificateFault(bundle, names, nowMs)).toBeUndefined();
  });

  it.each([
    {
      name: "does not exist",
      given: { configurations: false },
      want: /MutatingWebhookConfiguration terway-controlplane does not exist/,
    },
    { name: "has no webhook", given: { webhooks: [] }, want: /has no webhook.*disableWebhook/ },
  ])("a webhook configuration that $name is an error that names it and the remedy", async ({ given, want }) => {
    const failed = aStore(given).certificates().ensure(signal);
    await expect(failed).rejects.toThrow(TerminalError);
    await expect(failed).rejects.toThrow(want);
  });
});
