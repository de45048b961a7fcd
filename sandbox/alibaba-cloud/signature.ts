import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Account } from "./options.ts";
import { Refusal } from "./refusal.ts";

/** A request as it came over HTTP. */
export interface SignedRequest {
  readonly method: string;
  readonly path: string;
  /** Decoded query parameters. */
  readonly query: ReadonlyMap<string, string>;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const algorithm = "ACS3-HMAC-SHA256";
// The cloud accepts a clock that is up to this far off, and remembers nonces at least as long.
const maxClockSkewMs = 15 * 60_000;
const mandatoryHeaders = [
  "host",
  "x-acs-action",
  "x-acs-content-sha256",
  "x-acs-date",
  "x-acs-signature-nonce",
  "x-acs-version",
];

/** Verifies ACS3-HMAC-SHA256 signatures (cloud-api §B2), clock skew, and that no nonce is used twice. */
export class SignatureVerifier {
  readonly #accounts: ReadonlyMap<string, Account>;
  // Two generations: dropping the older one when the newer is 15 min old keeps every nonce for at least 15 min.
  #nonces = new Set<string>();
  #olderNonces = new Set<string>();
  #generationStartMs = -Infinity;

  constructor(accounts: ReadonlyMap<string, Account>) {
    this.#accounts = accounts;
  }

  /**
   * The account that signed the request.
   * @throws Refusal InvalidAccessKeyId.NotFound, SignatureDoesNotMatch, InvalidTimeStamp.Expired, SignatureNonceUsed,
   * InvalidSecurityToken.Expired, IncompleteSignature (HTTP statuses: the gateway's, from memory)
   */
  verify(request: SignedRequest, nowMs: number): Account {
    const { headers } = request;
    const { accessKeyId, signedHeaders, signature } = parseAuthorization(headers["authorization"] ?? "");
    const account = this.#accounts.get(accessKeyId);
    if (account === undefined) {
      throw new Refusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.");
    }
    const signedAtMs = Date.parse(headers["x-acs-date"] ?? "");
    if (!(Math.abs(nowMs - signedAtMs) <= maxClockSkewMs)) {
      throw new Refusal(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.");
    }
    refuseUnsigned(headers, signedHeaders);
    refuseWrongSignature(request, { signedHeaders, signature, secret: account.accessKeySecret });
    checkSecurityToken(account, headers["x-acs-security-token"], nowMs);
    this.#useNonce(headers["x-acs-signature-nonce"] ?? "", nowMs);
    return account;
  }

  #useNonce(nonce: string, nowMs: number): void {
    if (nowMs - this.#generationStartMs > maxClockSkewMs * 2) {
      this.#olderNonces = this.#nonces;
      this.#nonces = new Set();
      this.#generationStartMs = nowMs;
    }
    if (this.#nonces.has(nonce) || this.#olderNonces.has(nonce)) {
      throw new Refusal(400, "SignatureNonceUsed", "Specified signature nonce was used already.");
    }
    this.#nonces.add(nonce);
  }
}

/** A temporary key works only with its token. @throws Refusal InvalidSecurityToken.Expired, InvalidSecurityToken.MismatchWithAccessKey */
export function checkSecurityToken(account: Account, token: string | undefined, nowMs: number): void {
  if (token !== account.securityToken) {
    const message = "Specified SecurityToken mismatch with the AccessKey.";
    throw new Refusal(400, "InvalidSecurityToken.MismatchWithAccessKey", message);
  }
  if (nowMs >= (account.expiresAtMs ?? Infinity)) {
    throw new Refusal(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.");
  }
}

interface Authorization {
  readonly accessKeyId: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

function parseAuthorization(value: string): Authorization {
  const match = /^ACS3-HMAC-SHA256 Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/.exec(
    value,
  );
  const [, accessKeyId, names, signature] = match ?? [];
  if (accessKeyId === undefined || names === undefined || signature === undefined) {
    throw new Refusal(
      400,
      "IncompleteSignature",
      `The Authorization header is not of the form ${algorithm} Credential=….`,
    );
  }
  return { accessKeyId, signedHeaders: names.split(";"), signature };
}

/** Whatever `x-acs-*` is sent must be signed, or somebody on the way could have added it. */
function refuseUnsigned(headers: Readonly<Record<string, string>>, signedHeaders: readonly string[]): void {
  const sent = Object.keys(headers).filter((name) => name.startsWith("x-acs-"));
  const missing = [...mandatoryHeaders, ...sent].find((name) => !signedHeaders.includes(name));
  if (missing !== undefined) {
    throw new Refusal(400, "IncompleteSignature", `The header ${missing} is not signed.`);
  }
}

function refuseWrongSignature(
  request: SignedRequest,
  given: { readonly signedHeaders: readonly string[]; readonly signature: string; readonly secret: string },
): void {
  const bodyHash = sha256(request.body);
  const canonical = [
    request.method,
    request.path,
    toCanonicalQuery(request.query),
    given.signedHeaders.map((name) => `${name}:${(request.headers[name] ?? "").trim()}\n`).join(""),
    given.signedHeaders.join(";"),
    bodyHash,
  ].join("\n");
  const toSign = `${algorithm}\n${sha256(canonical)}`;
  const expected = createHmac("sha256", given.secret).update(toSign).digest();
  const isRight = timingSafeEqual(expected, Buffer.from(given.signature, "hex"));
  if (!isRight || request.headers["x-acs-content-sha256"] !== bodyHash) {
    const message = "Specified signature is not matched with our calculation.";
    throw new Refusal(400, "SignatureDoesNotMatch", message);
  }
}

// Decoded and encoded again, because `*` travels bare but is signed as %2A. Source: cloud-api §B2.
function toCanonicalQuery(query: ReadonlyMap<string, string>): string {
  const names = [...query.keys()].sort();
  return names.map((name) => `${encode(name)}=${encode(query.get(name) ?? "")}`).join("&");
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

const sha256 = (data: Buffer | string): string => createHash("sha256").update(data).digest("hex");
