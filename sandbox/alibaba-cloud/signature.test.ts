import { createHash, createHmac } from "node:crypto";
import { beforeEach, describe, expect, it } from "@jest/globals";
import type { Account } from "./options.ts";
import { Refusal } from "./refusal.ts";
import { type SignedRequest, SignatureVerifier } from "./signature.ts";

const account: Account = { accessKeyId: "key", accessKeySecret: "secret" };
const nowMs = Date.UTC(2026, 10, 21, 1, 25, 58);
let verifier: SignatureVerifier;
beforeEach(() => {
  verifier = new SignatureVerifier(new Map([[account.accessKeyId, account]]));
});

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Signs by the algorithm's own words, apart from the verifier's code. Only for queries without special characters. */
function signed(given: { nonce?: string; date?: string; unsigned?: Record<string, string> } = {}): SignedRequest {
  const headers: Record<string, string> = {
    host: "127.0.0.1:1",
    "x-acs-action": "DescribeVSwitches",
    "x-acs-content-sha256": sha256(""),
    "x-acs-date": given.date ?? "2026-11-21T01:25:58Z",
    "x-acs-signature-nonce": given.nonce ?? "nonce-1",
    "x-acs-version": "2016-04-28",
  };
  const names = Object.keys(headers).join(";");
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const canonical = `POST\n/\nRegionId=cn-hangzhou\n${lines.join("")}\n${names}\n${sha256("")}`;
  const signature = createHmac("sha256", "secret")
    .update(`ACS3-HMAC-SHA256\n${sha256(canonical)}`)
    .digest("hex");
  const authorization = `ACS3-HMAC-SHA256 Credential=key,SignedHeaders=${names},Signature=${signature}`;
  return {
    method: "POST",
    path: "/",
    query: new Map([["RegionId", "cn-hangzhou"]]),
    headers: { ...headers, ...given.unsigned, authorization },
    body: Buffer.alloc(0),
  };
}

function codeOf(request: SignedRequest, atMs = nowMs): string {
  try {
    return verifier.verify(request, atMs).accessKeyId;
  } catch (error: unknown) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

describe("a signature", () => {
  it("that is right is taken", () => {
    expect(codeOf(signed())).toBe("key");
  });
  it("does not cover another query, body or header value", () => {
    expect(codeOf({ ...signed(), query: new Map([["RegionId", "cn-beijing"]]) })).toBe("SignatureDoesNotMatch");
    expect(codeOf({ ...signed(), body: Buffer.from("A=1") })).toBe("SignatureDoesNotMatch");
    const request = signed();
    const headers = { ...request.headers, "x-acs-action": "DescribeVSwitchAttributes" };
    expect(codeOf({ ...request, headers })).toBe("SignatureDoesNotMatch");
  });
  it("must cover every x-acs header", () => {
    expect(codeOf(signed({ unsigned: { "x-acs-security-token": "slipped in" } }))).toBe("IncompleteSignature");
  });
  it("is refused when its nonce was used within a quarter of an hour", () => {
    expect(codeOf(signed())).toBe("key");
    expect(codeOf(signed())).toBe("SignatureNonceUsed");
    expect(codeOf(signed(), nowMs + 14 * 60_000)).toBe("SignatureNonceUsed");
    expect(codeOf(signed({ nonce: "nonce-2" }))).toBe("key");
  });
  it("does not spend its nonce when it is wrong", () => {
    expect(codeOf({ ...signed(), query: new Map() })).toBe("SignatureDoesNotMatch");
    expect(codeOf(signed())).toBe("key");
  });
  it.each(["2026-11-21T01:10:57Z", "2026-11-21T01:40:59Z", "yesterday"])("of %s is expired", (date) => {
    expect(codeOf(signed({ date }))).toBe("InvalidTimeStamp.Expired");
  });
});
