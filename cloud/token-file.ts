/** Reads the encrypted token file that ACK mounts for its add-ons (`addon.token.config`). */
import { createDecipheriv } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Clock } from "../runtime/ports.ts";
import { isRecord, textOf } from "./call.ts";
import type { CredentialSource, FetchedCredential } from "./credentials.ts";

/** The published program reads the file again after this, whatever it says about its expiry. */
const rereadMs = 30 * 60_000;
/** The file is replaced well before the token expires; from here on each use looks for the new one. */
const beforeExpiryMs = 5 * 60_000;

/** Source: configuration `credentialPath`, for instance `/var/addon/token-config`. */
export function tokenFileSource(path: string, clock: Clock): CredentialSource {
  return {
    name: `token file ${path}`,
    fetch: async () => {
      let text: string;
      try {
        text = await readFile(path, "utf8");
      } catch (error) {
        throw new Error("cannot be read", { cause: error });
      }
      return decryptTokenFile(text, clock.now());
    },
  };
}

/**
 * Format: JSON `{"access.key.id", "access.key.secret", "security.token", "expiration", "keyring"}`. Id, secret and token
 * are base64 of a 16-byte initialisation vector and an AES-CBC cipher text with PKCS #7 padding; `keyring` is the key
 * (16, 24 or 32 bytes); `expiration` is RFC 3339.
 * @throws Error naming what is wrong, never quoting the file
 */
export function decryptTokenFile(text: string, nowMs: number): FetchedCredential {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which holds the key.
    throw new Error("is no JSON");
  }
  if (!isRecord(file)) throw new Error("is no JSON object");
  const field = (name: string) => {
    const value = textOf(file[name]);
    if (value === undefined) throw new Error(`has no "${name}"`);
    return value;
  };
  const keyring = field("keyring");
  const expiresAtMs = Date.parse(field("expiration"));
  if (Number.isNaN(expiresAtMs)) throw new Error('has an "expiration" that is no RFC 3339 time');
  if (expiresAtMs <= nowMs) throw new Error(`expired at ${new Date(expiresAtMs).toISOString()}`);
  const credential = {
    accessKeyId: decrypt(field("access.key.id"), keyring),
    accessKeySecret: decrypt(field("access.key.secret"), keyring),
    securityToken: decrypt(field("security.token"), keyring),
  };
  return { credential, expiresAtMs, refreshAtMs: Math.min(nowMs + rereadMs, expiresAtMs - beforeExpiryMs) };
}

function decrypt(cipherText: string, keyring: string): string {
  const key = Buffer.from(keyring);
  const bytes = Buffer.from(cipherText, "base64");
  try {
    const decipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, bytes.subarray(0, 16));
    return Buffer.concat([decipher.update(bytes.subarray(16)), decipher.final()]).toString("utf8");
  } catch {
    throw new Error("cannot be decrypted with its keyring");
  }
}
