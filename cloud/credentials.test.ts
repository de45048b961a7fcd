import { createCipheriv } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import {
  createCredentialProvider,
  staticSource,
  type CredentialSource,
  type FetchedCredential,
} from "./credentials.ts";
import { installVirtualTime, minuteStartMs, silentLogger, type VirtualTime } from "./fixtures/virtual-time.ts";
import { decryptTokenFile, tokenFileSource } from "./token-file.ts";

describe("credentials", () => {
  let time: VirtualTime;
  beforeEach(() => {
    time = installVirtualTime();
  });
  afterEach(() => time.timers.uninstall());

  const numbered = (fetched: (n: number) => Partial<FetchedCredential> | Error) => {
    let fetches = 0;
    const source: CredentialSource = {
      name: "numbered",
      fetch: async () => {
        const n = (fetches += 1);
        await time.clock.sleep(50);
        const result = fetched(n);
        if (result instanceof Error) throw result;
        return { credential: { accessKeyId: `id-${n}`, accessKeySecret: "secret" }, ...result };
      },
    };
    return { source, fetches: () => fetches };
  };
  const provider = (...sources: CredentialSource[]) =>
    createCredentialProvider({ sources, clock: time.clock, logger: silentLogger });

  it("fetches once for a hundred first users", async () => {
    const { source, fetches } = numbered(() => ({}));
    const credentials = provider(source);
    const users = Array.from({ length: 100 }, () => credentials.get());
    await time.timers.tickAsync(100);
    expect(new Set((await Promise.all(users)).map((user) => user.accessKeyId))).toEqual(new Set(["id-1"]));
    expect(fetches()).toBe(1);
  });

  it("renews in the background before the expiry, with the old one in use meanwhile", async () => {
    const { source, fetches } = numbered(() => ({
      refreshAtMs: time.clock.now() + 600_000,
      expiresAtMs: time.clock.now() + 900_000,
    }));
    const credentials = provider(source);
    const first = credentials.get();
    await time.timers.tickAsync(600_100);
    await first;
    expect((await credentials.get()).accessKeyId).toBe("id-1");
    await time.timers.tickAsync(100);
    expect((await credentials.get()).accessKeyId).toBe("id-2");
    expect(fetches()).toBe(2);
  });

  it("keeps a good credential when its renewal fails, tries again after 30 s, and not after its expiry", async () => {
    const { source, fetches } = numbered((n) => {
      if (n > 1) return new Error("no route");
      return { refreshAtMs: minuteStartMs + 10_000, expiresAtMs: minuteStartMs + 60_000 };
    });
    const credentials = provider(source);
    const first = credentials.get();
    await time.timers.tickAsync(11_000);
    await first;
    for (let n = 0; n < 10; n += 1) {
      await credentials.get();
      await time.timers.tickAsync(1_000);
    }
    expect(fetches()).toBe(2);
    await time.timers.tickAsync(60_000);
    const expired = expect(credentials.get()).rejects.toMatchObject({ name: "CallFailed", code: "NoCredential" });
    await time.timers.tickAsync(100);
    await expired;
  });

  it("takes the first source that has one and names all when none has", async () => {
    const empty: CredentialSource = { name: "token file", fetch: () => Promise.reject(new Error("cannot be read")) };
    const key = staticSource({ accessKeyId: "a", accessKeySecret: "b" });
    await expect(provider(empty, key).get()).resolves.toEqual({ accessKeyId: "a", accessKeySecret: "b" });
    await expect(provider(empty, empty).get()).rejects.toMatchObject({
      code: "NoCredential",
      message: "token file: cannot be read; token file: cannot be read",
    });
    await expect(provider().get()).rejects.toMatchObject({ message: "no credential is configured" });
  });

  it("fetches again after the cloud refused the credential", async () => {
    const { source } = numbered(() => ({}));
    const credentials = provider(source);
    const first = credentials.get();
    await time.timers.tickAsync(100);
    await first;
    credentials.invalidate();
    const second = credentials.get();
    await time.timers.tickAsync(100);
    expect((await second).accessKeyId).toBe("id-2");
  });
});

describe("the encrypted token file", () => {
  const nowMs = Date.parse("2026-11-21T10:00:00Z");
  const keyring = "0123456789abcdef0123456789abcdef";
  const encrypt = (text: string, key = keyring) => {
    const iv = Buffer.alloc(16, 7);
    const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv);
    return Buffer.concat([iv, cipher.update(text, "utf8"), cipher.final()]).toString("base64");
  };
  const file = (overrides: Record<string, unknown> = {}) =>
    JSON.stringify({
      "access.key.id": encrypt("STS.id"),
      "access.key.secret": encrypt("secret"),
      "security.token": encrypt("token"),
      expiration: "2026-11-21T11:00:00Z",
      keyring,
      ...overrides,
    });

  it("is decrypted, read again after 30 minutes and 5 minutes before its expiry", () => {
    expect(decryptTokenFile(file(), nowMs)).toEqual({
      credential: { accessKeyId: "STS.id", accessKeySecret: "secret", securityToken: "token" },
      expiresAtMs: nowMs + 3_600_000,
      refreshAtMs: nowMs + 1_800_000,
    });
    expect(decryptTokenFile(file(), nowMs + 1_900_000).refreshAtMs).toBe(nowMs + 3_300_000);
  });

  it("takes keys of 16 bytes too", () => {
    const key = keyring.slice(0, 16);
    const names = ["access.key.id", "access.key.secret", "security.token"];
    const fields: Record<string, string> = Object.fromEntries(names.map((name) => [name, encrypt(name, key)]));
    const { credential } = decryptTokenFile(file({ ...fields, keyring: key }), nowMs);
    expect(credential.accessKeyId).toBe("access.key.id");
  });

  const rows: readonly { name: string; given: string; want: string }[] = [
    { name: "no JSON", given: "secret!", want: "is no JSON" },
    { name: "no object", given: "[]", want: "is no JSON object" },
    { name: "no token", given: file({ "security.token": "" }), want: 'has no "security.token"' },
    { name: "a bad time", given: file({ expiration: "soon" }), want: 'has an "expiration" that is no RFC 3339 time' },
    {
      name: "an old time",
      given: file({ expiration: "2026-11-21T09:00:00Z" }),
      want: "expired at 2026-11-21T09:00:00.000Z",
    },
    { name: "another key", given: file({ keyring: "x".repeat(32) }), want: "cannot be decrypted with its keyring" },
    { name: "a key of no AES length", given: file({ keyring: "x" }), want: "cannot be decrypted with its keyring" },
  ];
  it.each(rows)("with $name says so and quotes nothing", ({ given, want }) => {
    expect(() => decryptTokenFile(given, nowMs)).toThrow(new Error(want));
  });

  it("that is absent says so", async () => {
    const source = tokenFileSource("/nonexistent/token-config", {
      now: () => nowMs,
      monotonic: () => 0,
      sleep: () => Promise.resolve(),
    });
    await expect(source.fetch()).rejects.toThrow("cannot be read");
    expect(source.name).toBe("token file /nonexistent/token-config");
  });
});
