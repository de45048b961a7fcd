/** Makes and judges the certificates of the webhook server. */
import "reflect-metadata";
import { createPrivateKey, randomBytes, X509Certificate as NodeCertificate } from "node:crypto";

/** PEM texts. Source: Secret `<controllerName>-webhook-cert`, keys `ca.crt`, `tls.crt`, `tls.key`. */
export interface CertificateBundle {
  /** What a client trusts: our authority, preceded by nothing and followed by the one before it, if that still serves. */
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

export interface CertificateNames {
  /** Source: configuration `controllerName`. */
  readonly controllerName: string;
  /** Source: configuration `controllerNamespace`. */
  readonly controllerNamespace: string;
  /** Organisation in the authority's name. Source: configuration `clusterDomain`. */
  readonly clusterDomain: string;
  /** Further DNS names or addresses, for a server that is reached by URL. @default none */
  readonly extraNames?: readonly string[];
}

/** What is wrong with a bundle. */
export interface CertificateFault {
  /** True: it serves well, and should be replaced without haste. False: nobody who is asked to trust it can. */
  readonly isUsable: boolean;
  /** In words. */
  readonly why: string;
}

const hourMs = 3_600_000;
/** A year, the most that is asked for anywhere, so that a leaked key ages out. */
const yearMs = 365 * 24 * hourMs;
/** Renewed at two thirds of its life: four months to notice a renewal that does not work. */
const renewShare = 2 / 3;

/** DNS names under which the Service is called, then the extra ones. */
export function serverNames({
  controllerName,
  controllerNamespace,
  extraNames = [],
}: CertificateNames): readonly string[] {
  const name = `${controllerName}.${controllerNamespace}`;
  return [controllerName, name, `${name}.svc`, ...extraNames];
}

/**
 * A fresh authority and a server certificate signed by it: ECDSA P-256, valid from one hour ago (clocks differ).
 * The authority's key is thrown away, so nobody can ever sign with it again; a renewal makes another authority.
 * @param lifeMs from the beginning of its validity to the end
 */
export async function generateCertificate(
  names: CertificateNames,
  nowMs: number,
  lifeMs = yearMs,
): Promise<CertificateBundle> {
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const validity = { notBefore: new Date(nowMs - hourMs), notAfter: new Date(nowMs - hourMs + lifeMs) };
  const caKeys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const { KeyUsageFlags, ExtendedKeyUsage } = x509;
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: [{ CN: [`${names.controllerName}-ca`] }, { O: [names.clusterDomain] }],
    ...validity,
    signingAlgorithm: algorithm,
    keys: caKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: [{ CN: [`${names.controllerName}.${names.controllerNamespace}.svc`] }],
    issuer: ca.subject,
    ...validity,
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(serverNames(names).map(toAlternativeName)),
      await x509.AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  return {
    caPem: `${ca.toString("pem")}\n`,
    certPem: `${cert.toString("pem")}\n`,
    keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/(.{64})(?=.)/g, "$1\n")}\n-----END PRIVATE KEY-----\n`,
  };
}

function toAlternativeName(value: string): { readonly type: "dns" | "ip"; readonly value: string } {
  return { type: /^[\d.]+$|:/.test(value) ? "ip" : "dns", value };
}

/** 16 bytes, positive: two authorities of one name must not share a serial number. */
function randomSerial(): string {
  return `01${randomBytes(15).toString("hex")}`;
}

/**
 * Why the bundle cannot serve, or should be replaced; undefined while it is good. A certificate of the published program
 * (RSA, 100 years) is good.
 */
export function findCertificateFault(
  bundle: CertificateBundle,
  names: CertificateNames,
  nowMs: number,
): CertificateFault | undefined {
  try {
    const cert = new NodeCertificate(bundle.certPem);
    const why =
      findDefect(bundle, cert, names) ?? findAuthorityFault(bundle, cert, nowMs) ?? findValidityFault(cert, nowMs);
    if (why !== undefined) return { isUsable: false, why };
    return nowMs < renewAtMs(bundle)
      ? undefined
      : { isUsable: true, why: `it is due for renewal: valid to ${cert.validTo}` };
  } catch (error) {
    return { isUsable: false, why: `it cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function findDefect(bundle: CertificateBundle, cert: NodeCertificate, names: CertificateNames): string | undefined {
  const missing = serverNames(names).filter((name) => !isNamed(cert, name));
  if (missing.length > 0) return `it does not cover ${missing.join(", ")}`;
  return cert.checkPrivateKey(createPrivateKey(bundle.keyPem)) ? undefined : "tls.key is not its key";
}

function findAuthorityFault({ caPem }: CertificateBundle, cert: NodeCertificate, nowMs: number): string | undefined {
  const signer = splitPem(caPem)
    .map((pem) => new NodeCertificate(pem))
    .find((authority) => cert.verify(authority.publicKey));
  if (signer === undefined) return "it is not signed by the authority in ca.crt";
  return nowMs < signer.validToDate.getTime() ? undefined : `its authority has expired: valid to ${signer.validTo}`;
}

/** Of a replica whose clock is an hour ahead at most, the certificates are valid here at once: they begin an hour ago. */
function findValidityFault(
  { validFromDate, validToDate, validFrom, validTo }: NodeCertificate,
  nowMs: number,
): string | undefined {
  if (nowMs < validFromDate.getTime()) return `it is not valid before ${validFrom}`;
  return nowMs < validToDate.getTime() ? undefined : `it has expired: valid to ${validTo}`;
}

function isNamed(cert: NodeCertificate, name: string): boolean {
  return (cert.checkHost(name) ?? cert.checkIP(name)) !== undefined;
}

/** When the certificate is to be replaced, milliseconds since the epoch. @throws Error when it is none */
export function renewAtMs({ certPem }: CertificateBundle): number {
  const { validFromDate, validToDate } = new NodeCertificate(certPem);
  return validFromDate.getTime() + (validToDate.getTime() - validFromDate.getTime()) * renewShare;
}

/** Each certificate of a PEM text by itself. */
export function splitPem(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** True when every certificate of `wanted` is in `bundle`, whatever stands between and around them. */
export function bundleContains(bundle: string, wanted: string): boolean {
  const present = new Set(splitPem(bundle).map(withoutSpace));
  const required = splitPem(wanted).map(withoutSpace);
  return required.length > 0 && required.every((pem) => present.has(pem));
}

function withoutSpace(pem: string): string {
  return pem.replace(/\s/g, "");
}

/** One text of all certificates in order, each once, without those that have expired or cannot be read. */
export function mergeAuthorities(texts: readonly string[], nowMs: number): string {
  const merged = new Map<string, string>();
  for (const pem of texts.flatMap(splitPem)) {
    const cert = readCertificate(pem);
    if (cert !== undefined && cert.validToDate.getTime() > nowMs && !merged.has(cert.fingerprint256)) {
      merged.set(cert.fingerprint256, pem);
    }
  }
  return [...merged.values()].map((pem) => `${pem}\n`).join("");
}

/** The first `limit` certificates of `bundle` whose holder has the name of one in `like`. */
export function authoritiesLike(like: string, bundle: string, limit: number): string {
  const names = new Set(splitPem(like).map((pem) => readCertificate(pem)?.subject));
  return splitPem(bundle)
    .filter((pem) => {
      const cert = readCertificate(pem);
      return cert !== undefined && names.has(cert.subject);
    })
    .slice(0, limit)
    .map((pem) => `${pem}\n`)
    .join("");
}

function readCertificate(pem: string): NodeCertificate | undefined {
  try {
    return new NodeCertificate(pem);
  } catch {
    return undefined;
  }
}
