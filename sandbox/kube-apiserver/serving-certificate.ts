import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** A certificate that signs itself, and its key, both PEM. */
export interface ServingCertificate {
  readonly certPem: string;
  readonly keyPem: string;
}

const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;

/**
 * Makes a certificate (X.509 v3, RFC 5280; P-256, ecdsa-with-SHA256) for 127.0.0.1, localhost and the name that an API
 * server has inside its cluster. Clients trust it as its own authority. Written out in DER here, because it is one
 * fixed shape and needs no library.
 */
export function makeServingCertificate(nowMs: number): ServingCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = sequence(set(sequence(commonNameOid, utf8String("kube-apiserver-sandbox"))));
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(positive(randomBytes(12))),
    sequence(ecdsaWithSha256Oid),
    name,
    // An hour in the past, for clocks that differ a little.
    sequence(generalizedTime(nowMs - hourMs), generalizedTime(nowMs + yearMs)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    explicit(3, sequence(...extensions())),
  );
  const signature = sign("sha256", toBeSigned, privateKey);
  const certificate = sequence(toBeSigned, sequence(ecdsaWithSha256Oid), bitString(signature));
  return {
    certPem: toPem("CERTIFICATE", certificate),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function extensions(): Buffer[] {
  const isAuthority = sequence(tagged(0x01, Buffer.from([0xff])));
  // digitalSignature and keyCertSign: bits 0 and 5 of two unused bits at the end.
  const usage = tagged(0x03, Buffer.from([2, 0b1000_0100]));
  const names = sequence(
    tagged(0x87, Buffer.from([127, 0, 0, 1])),
    tagged(0x82, Buffer.from("localhost")),
    tagged(0x82, Buffer.from("kubernetes.default.svc")),
  );
  const critical = tagged(0x01, Buffer.from([0xff]));
  return [
    sequence(basicConstraintsOid, critical, octetString(isAuthority)),
    sequence(keyUsageOid, critical, octetString(usage)),
    sequence(subjectAltNameOid, octetString(names)),
  ];
}

const commonNameOid = tagged(0x06, Buffer.from([0x55, 4, 3]));
const basicConstraintsOid = tagged(0x06, Buffer.from([0x55, 0x1d, 19]));
const keyUsageOid = tagged(0x06, Buffer.from([0x55, 0x1d, 15]));
const subjectAltNameOid = tagged(0x06, Buffer.from([0x55, 0x1d, 17]));
const ecdsaWithSha256Oid = tagged(0x06, Buffer.from([0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]));

/** One DER element: tag, length, content. */
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  if (length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content]);
}

function sequence(...elements: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(elements));
}

function set(element: Buffer): Buffer {
  return tagged(0x31, element);
}

function explicit(number: number, element: Buffer): Buffer {
  return tagged(0xa0 | number, element);
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

/** A serial number is positive and has no leading zeros. */
function positive(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8((copy.readUInt8(0) & 0x7f) | 0x40, 0);
  return copy;
}

function utf8String(text: string): Buffer {
  return tagged(0x0c, Buffer.from(text));
}

function octetString(content: Buffer): Buffer {
  return tagged(0x04, content);
}

function bitString(content: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([0]), content]));
}

function generalizedTime(ms: number): Buffer {
  return tagged(0x18, Buffer.from(`${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`));
}

function toPem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
