import { X509Certificate } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { TerminalError } from "../runtime/errors.ts";
import { names, WebhookWorld, type WebhookReplica } from "../test/fixtures/webhook-world.ts";
import { bundleContains, findCertificateFault, generateCertificate, type CertificateBundle } from "./certificate.ts";

const dayMs = 86_400_000;
const minuteMs = 60_000;
const signal = new AbortController().signal;

let world: WebhookWorld;
beforeEach(async () => {
  world = new WebhookWorld();
  await world.install();
});
afterEach(() => world.close());

async function started(given: Parameters<WebhookWorld["addReplica"]>[0] = {}) {
  const replica = world.addReplica(given);
  const { bundle, settleMs } = await replica.certificates.start(signal);
  return { ...replica, bundle, settleMs };
}

const check = ({ certificates }: WebhookReplica): Promise<CertificateBundle> => certificates.check(signal);

/** Every webhook of both configurations trusts what the bundle is signed with. */
async function isTrusted({ caPem }: CertificateBundle): Promise<boolean> {
  const [own = ""] = caPem.split(/(?<=-----END CERTIFICATE-----\n)/);
  return (await world.trusted()).every((trusted) => bundleContains(trusted, own));
}

describe("a first start", () => {
  it("makes the Secret, the files and the trust of every webhook; another replica takes the same and writes nothing", async () => {
    const { bundle, certDir, settleMs } = await started();
    expect(await world.trusted()).toEqual([bundle.caPem, bundle.caPem, bundle.caPem]);
    expect(await world.secret()).toEqual(bundle);
    expect(readFileSync(join(certDir, "tls.key"), "utf8")).toBe(bundle.keyPem);
    expect(settleMs).toBe(0);
    const { revision } = world.apiServer.stats();
    expect(await started()).toMatchObject({ bundle, settleMs: 0 });
    expect(world.apiServer.writesSince(revision)).toBe(0);
  });

  it("of two replicas at the same moment ends with one certificate", async () => {
    const [one, other] = await Promise.all([started(), started()]);
    expect(one.bundle).toEqual(other.bundle);
    expect(await isTrusted(one.bundle)).toBe(true);
  });

  it("leaves files that nobody else may read, in a folder that nobody else may enter, whatever was there", async () => {
    const { certDir } = world.addReplica();
    mkdirSync(certDir, { mode: 0o777 });
    chmodSync(certDir, 0o777);
    writeFileSync(join(certDir, "tls.key"), "old", { mode: 0o666 });
    writeFileSync(join(certDir, "tls.key.new"), "of a killed process", { mode: 0o666 });
    chmodSync(join(certDir, "tls.key.new"), 0o666);
    await started({ certDir });
    expect(
      [".", "ca.crt", "tls.crt", "tls.key"].map((file) => (statSync(join(certDir, file)).mode & 0o777).toString(8)),
    ).toEqual(["700", "600", "600", "600"]);
  });

  it.each([
    {
      name: "the mutating configuration is missing",
      kind: "mutating",
      want: /MutatingWebhookConfiguration .* does not exist/,
    },
    {
      name: "the validating configuration is missing",
      kind: "validating",
      want: /ValidatingWebhookConfiguration .* does not/,
    },
  ] as const)("ends with the remedy when $name", async ({ kind, want }) => {
    await world.removeConfiguration(kind);
    const failed = started();
    await expect(failed).rejects.toThrow(TerminalError);
    await expect(failed).rejects.toThrow(want);
    await expect(failed).rejects.toThrow(/install it .*disableWebhook/);
  });

  it("ends with the remedy when a configuration has no webhook", async () => {
    const path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/terway-controlplane";
    await world.send("PATCH", path, { webhooks: [] });
    await expect(started()).rejects.toThrow(/has no webhook.*disableWebhook/);
  });
});

describe("a check", () => {
  it("of what is in order costs three reads and no write", async () => {
    const replica = await started();
    const before = world.apiServer.stats();
    expect(await check(replica)).toEqual(replica.bundle);
    const after = world.apiServer.stats();
    const reads = (stats: typeof before) => Object.values(stats.requests).reduce((sum, count) => sum + count, 0);
    expect([reads(after) - reads(before), world.apiServer.writesSince(before.revision)]).toEqual([3, 0]);
  });

  it("renews at two thirds of the life, and serves the new certificate only after it has long been trusted", async () => {
    const one = await started();
    const other = await started();
    const old = one.bundle;
    await world.clock.advance(250 * dayMs);
    expect(await check(one)).toEqual(old);
    const { certPem: fresh } = (await world.secret("next"))!;
    expect(fresh).not.toBe(old.certPem);
    expect([await isTrusted(old), await isTrusted((await world.secret("next"))!)]).toEqual([true, true]);
    expect(await world.secret()).toEqual(old);
    await world.clock.advance(10_000);
    expect([await check(one), await check(other)]).toEqual([old, old]);
    await world.clock.advance(25_000);
    // The first one has seen the trust for 35 s, the other one for 25 s.
    expect([await check(one), await check(other)]).toMatchObject([{ certPem: fresh }, old]);
    await world.clock.advance(minuteMs);
    expect([await check(one), await check(other)]).toMatchObject([{ certPem: fresh }, { certPem: fresh }]);
    expect([await isTrusted(old), await world.secret("next")]).toEqual([true, undefined]);
    expect(readFileSync(join(one.certDir, "tls.crt"), "utf8")).toBe(fresh);
    expect(statSync(join(one.certDir, "tls.key")).mode & 0o777).toBe(0o600);
    expect(await world.secret()).toMatchObject({ certPem: fresh });
  });

  it("serves the new certificate at once when the old one cannot be trusted any more", async () => {
    const replica = await started();
    await world.clock.advance(370 * dayMs);
    const served = await check(replica);
    expect(served.certPem).not.toBe(replica.bundle.certPem);
    expect(findCertificateFault(served, names, world.clock.now())).toBeUndefined();
    expect(await isTrusted(served)).toBe(true);
    expect((await world.trusted()).some((trusted) => bundleContains(trusted, replica.bundle.caPem))).toBe(false);
  });

  it("starts the waiting anew when somebody takes the trust away in between", async () => {
    const replica = await started();
    await world.clock.advance(250 * dayMs);
    await check(replica);
    await world.clock.advance(minuteMs);
    await world.putTrust("mutating", replica.bundle.caPem);
    expect(await check(replica)).toEqual(replica.bundle);
    await world.clock.advance(minuteMs);
    expect((await check(replica)).certPem).not.toBe(replica.bundle.certPem);
    expect((await check(replica)).certPem).toBe((await world.secret())!.certPem);
  });

  it("of replicas whose clocks differ by ten minutes renews once", async () => {
    const replicas = [await started({ skewMs: 5 * minuteMs }), await started({ skewMs: -5 * minuteMs })];
    await world.clock.advance((365 * dayMs * 2) / 3 - 80 * minuteMs);
    const stored = new Set<string>();
    for (let minute = 0; minute < 40; minute++) {
      for (const replica of replicas) {
        await check(replica);
        for (const which of ["current", "next"] as const) stored.add((await world.secret(which))?.certPem ?? "");
      }
      await world.clock.advance(minuteMs);
    }
    stored.delete("");
    const [, renewed] = [...stored];
    expect(stored.size).toBe(2);
    expect((await Promise.all(replicas.map(check))).map(({ certPem }) => certPem)).toEqual([renewed, renewed]);
  });

  it("goes on serving when certDir cannot be written any more", async () => {
    const replica = await started();
    await world.clock.advance(250 * dayMs);
    await check(replica);
    // A folder in place of the file: nothing can be renamed onto it.
    mkdirSync(join(replica.certDir, "ca.crt.new", "x"), { recursive: true });
    await world.clock.advance(minuteMs);
    expect(await check(replica)).toEqual(await world.secret());
    expect(replica.lines.at(-1)).toMatchObject({ level: "warn", message: expect.stringContaining("certDir") });
  });
});

describe("a Secret that was changed by hand", () => {
  const broken: readonly {
    readonly name: string;
    readonly change: (good: CertificateBundle) => CertificateBundle | undefined;
  }[] = [
    { name: "deleted", change: () => undefined },
    { name: "emptied", change: () => ({ caPem: "", certPem: "", keyPem: "" }) },
    { name: "given another authority", change: (good) => ({ ...good, caPem: good.certPem }) },
    { name: "given a key that is cut off", change: (good) => ({ ...good, keyPem: good.keyPem.slice(0, 60) }) },
  ];
  it.each(broken)("and $name gets the certificate in use back", async ({ change }) => {
    const [one, other] = [await started(), await started()];
    await world.putSecret(change(one.bundle));
    expect([await check(one), await check(other)]).toEqual([one.bundle, one.bundle]);
    expect(await world.secret()).toEqual(one.bundle);
    expect(one.lines.at(-1)).toMatchObject({ level: "warn", message: expect.stringContaining("the one in use") });
  });

  it("is made by a starting replica when that is first, and what the others serve stays trusted until they follow", async () => {
    const one = await started();
    await world.putSecret(undefined);
    const two = await started();
    expect(two.bundle.certPem).not.toBe(one.bundle.certPem);
    expect(two.settleMs).toBeGreaterThan(0);
    expect([await isTrusted(one.bundle), await isTrusted(two.bundle)]).toEqual([true, true]);
    expect(await check(one)).toEqual(one.bundle);
    await world.clock.advance(minuteMs);
    expect(await check(one)).toEqual(two.bundle);
  });

  it("to a certificate of somebody else is taken over, after it is trusted", async () => {
    const replica = await started();
    const theirs = await generateCertificate({ ...names, clusterDomain: "example.com" }, world.clock.now());
    await world.putSecret(theirs);
    expect(await check(replica)).toEqual(replica.bundle);
    expect([await isTrusted(replica.bundle), await isTrusted(theirs)]).toEqual([true, true]);
    await world.clock.advance(minuteMs);
    expect(await check(replica)).toEqual(theirs);
  });

  it("to have a next certificate of somebody else is followed in the same steps; a broken one is left alone", async () => {
    const replica = await started();
    const theirs = await generateCertificate({ ...names, clusterDomain: "example.com" }, world.clock.now());
    await world.putSecret({ ...theirs, keyPem: "" }, "next");
    await check(replica);
    await world.clock.advance(minuteMs);
    expect(await check(replica)).toEqual(replica.bundle);
    await world.putSecret(theirs, "next");
    await check(replica);
    expect([await isTrusted(replica.bundle), await isTrusted(theirs)]).toEqual([true, true]);
    await world.clock.advance(minuteMs);
    expect(await check(replica)).toMatchObject({ certPem: theirs.certPem });
  });

  it("to a certificate of a clock that is a day ahead is replaced", async () => {
    await started();
    await world.putSecret(await generateCertificate(names, world.clock.now() + dayMs));
    const { bundle } = await started();
    expect(new X509Certificate(bundle.certPem).validFromDate.getTime()).toBeLessThanOrEqual(world.clock.now());
  });
});

describe("a replica that starts in the middle of a renewal", () => {
  it("serves the certificate that is trusted already, and carries the renewal on when the other one has died", async () => {
    const one = await started();
    await world.clock.advance(250 * dayMs);
    await check(one);
    const two = await started();
    expect(two).toMatchObject({ bundle: one.bundle, settleMs: 0 });
    const next = (await world.secret("next"))!;
    await check(two);
    await world.clock.advance(minuteMs);
    expect(await check(two)).toMatchObject({ certPem: next.certPem });
  });

  it("keeps the next certificate when the Secret is deleted meanwhile", async () => {
    const one = await started();
    await world.clock.advance(250 * dayMs);
    await check(one);
    const next = await world.secret("next");
    await world.putSecret(undefined);
    await check(one);
    expect([await world.secret(), await world.secret("next")]).toEqual([one.bundle, next]);
  });

  it("waits a moment before it listens when it had to make a certificate that nobody trusted yet", async () => {
    const one = await started();
    await world.putSecret(await generateCertificate(names, world.clock.now()));
    const two = await started();
    expect(two.settleMs).toBeGreaterThanOrEqual(1_000);
    expect([await isTrusted(one.bundle), await isTrusted(two.bundle)]).toEqual([true, true]);
  });
});

describe("a caBundle that was changed by hand", () => {
  const foreign = generateCertificate({ ...names, controllerName: "somebody" }, Date.parse("2026-01-01T00:00:00Z"));
  it.each([
    { name: "emptied everywhere", kind: "mutating", pem: () => "", index: undefined },
    { name: "emptied in the last webhook", kind: "validating", pem: () => "", index: 1 },
    { name: "replaced", kind: "mutating", pem: (ca: string) => ca, index: undefined },
    { name: "cut off", kind: "validating", pem: (ca: string) => ca.slice(0, 100), index: 0 },
  ] as const)("and $name is repaired by the next check", async ({ kind, pem, index }) => {
    const replica = await started();
    await world.putTrust(kind, pem((await foreign).caPem), index);
    expect(await isTrusted(replica.bundle)).toBe(false);
    expect(await check(replica)).toEqual(replica.bundle);
    expect(await world.trusted()).toEqual([replica.bundle.caPem, replica.bundle.caPem, replica.bundle.caPem]);
  });

  it("and added to is left alone", async () => {
    const replica = await started();
    await world.putTrust("mutating", (await foreign).caPem + replica.bundle.caPem);
    const { revision } = world.apiServer.stats();
    await check(replica);
    expect(world.apiServer.writesSince(revision)).toBe(0);
  });
});

describe("a webhook configuration that is deleted at run time", () => {
  it("is a logged error with the remedy, and the other one is looked after", async () => {
    const replica = await started();
    await world.removeConfiguration("mutating");
    await world.putTrust("validating", "");
    const { lines } = replica;
    expect(await check(replica)).toEqual(replica.bundle);
    expect(lines.filter(({ level }) => level === "error")).toMatchObject([
      { fields: { error: { message: expect.stringMatching(/MutatingWebhookConfiguration .* install it/) } } },
    ]);
    await world.install().catch(() => undefined);
    await check(replica);
    expect(await world.trusted()).toEqual([replica.bundle.caPem, replica.bundle.caPem, replica.bundle.caPem]);
  });
});
