import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import {
  authoritiesLike,
  findCertificateFault,
  generateCertificate,
  mergeAuthorities,
  splitPem,
  type CertificateBundle,
} from "./certificate.ts";

const names = {
  controllerName: "terway-controlplane",
  controllerNamespace: "kube-system",
  clusterDomain: "cluster.local",
};
const nowMs = Date.parse("2026-01-01T00:00:00Z");
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const bundle = await generateCertificate(names, nowMs);
const other = await generateCertificate(names, nowMs);

describe("generateCertificate", () => {
  it("makes a P-256 server certificate for the Service, signed by its own authority", async () => {
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
    expect(keyPem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    expect(new X509Certificate(caPem).serialNumber).not.toBe(cert.serialNumber);
  });

  it.each([
    { name: "the server's certificate", pem: bundle.certPem },
    { name: "its authority", pem: bundle.caPem },
  ])("makes $name valid from an hour ago, for a year at most", ({ pem }) => {
    const { validFromDate, validToDate } = new X509Certificate(pem);
    expect(validFromDate.getTime()).toBe(nowMs - hourMs);
    expect(validToDate.getTime() - validFromDate.getTime()).toBe(365 * dayMs);
  });
});

describe("findCertificateFault", () => {
  const dueMs = nowMs - hourMs + (365 * dayMs * 2) / 3;
  const usable = { isUsable: true, why: expect.stringContaining("due for renewal") };
  const unusable = (why: string) => ({ isUsable: false, why: expect.stringContaining(why) });
  const cases: {
    readonly name: string;
    readonly given?: Partial<CertificateBundle>;
    readonly extraNames?: readonly string[];
    readonly atMs?: number;
    readonly want: unknown;
  }[] = [
    { name: "a fresh one", want: undefined },
    { name: "a moment before two thirds of its life", atMs: dueMs - 1, want: undefined },
    { name: "two thirds of its life", atMs: dueMs, want: usable },
    { name: "the last moment", atMs: nowMs - hourMs + 365 * dayMs - 1, want: usable },
    { name: "the end of its life", atMs: nowMs - hourMs + 365 * dayMs, want: unusable("expired") },
    { name: "a clock five minutes behind the maker's", atMs: nowMs - 5 * 60_000, want: undefined },
    { name: "a clock two hours behind the maker's", atMs: nowMs - 2 * hourMs, want: unusable("not valid before") },
    { name: "another name", extraNames: ["10.0.0.1"], want: unusable("it does not cover 10.0.0.1") },
    { name: "another authority", given: { caPem: other.caPem }, want: unusable("not signed") },
    { name: "no authority", given: { caPem: "" }, want: unusable("not signed") },
    { name: "another key", given: { keyPem: other.keyPem }, want: unusable("tls.key") },
    { name: "no key", given: { keyPem: "" }, want: unusable("cannot be read") },
    { name: "nothing", given: { caPem: "", certPem: "", keyPem: "" }, want: unusable("cannot be read") },
  ];
  it.each(cases)("judges $name", ({ given, extraNames = [], atMs = nowMs, want }) => {
    expect(findCertificateFault({ ...bundle, ...given }, { ...names, extraNames }, atMs)).toEqual(want);
  });
});

describe("authorities", () => {
  it("are merged in order, each once, without the expired and the unreadable", async () => {
    const old = await generateCertificate(names, nowMs - 400 * dayMs);
    const damaged = bundle.caPem.replace("MII", "AAA");
    const texts = [bundle.caPem, `# note\n${other.caPem}${old.caPem}`, damaged, bundle.caPem, "nonsense"];
    expect(mergeAuthorities(texts, nowMs)).toBe(bundle.caPem + other.caPem);
  });

  it("are alike when their holders have one name, and taken from the front", async () => {
    const foreign = await generateCertificate({ ...names, controllerName: "somebody" }, nowMs);
    const text = foreign.caPem + other.caPem + bundle.caPem;
    expect(splitPem(authoritiesLike(bundle.caPem, text, 9))).toEqual(splitPem(other.caPem + bundle.caPem));
    expect(splitPem(authoritiesLike(bundle.caPem, text, 1))).toEqual(splitPem(other.caPem));
  });
});
