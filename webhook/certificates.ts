/** Sees to it that the webhook server has a certificate that the API server trusts: Secret, webhook configurations, files. */
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Logger } from "../runtime/ports.ts";
import { CertificateSecret } from "./certificate-secret.ts";
import type { AgreedCertificates, CertificateSecretDeps, CertificateSecretOptions } from "./certificate-secret.ts";
import { CertificateTrust } from "./certificate-trust.ts";
import type { CertificateTrustDeps } from "./certificate-trust.ts";
import { findCertificateFault, mergeAuthorities } from "./certificate.ts";
import type { CertificateBundle } from "./certificate.ts";

export interface WebhookCertificatesDeps extends CertificateSecretDeps, CertificateTrustDeps {
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly log: Logger;
}

export interface WebhookCertificatesOptions extends CertificateSecretOptions {
  /** Folder for the three files. Source: configuration `certDir`. */
  readonly certDir: string;
}

/**
 * How long both configurations must have trusted an authority before its certificate is served. API servers see a change
 * of a webhook configuration through a watch, within about a second; this is a wide margin and less than one check.
 */
const settleMs = 30_000;
/** The same at start, where nothing else can be served: about as long as endpoints take to send anybody here. */
const startSettleMs = 2_000;

/**
 * One certificate for all replicas, changed without a failed admission and without the replicas talking to each other:
 *
 * 1. **Make.** The replica that finds the current certificate due adds the next one to the Secret. Nobody serves it.
 * 2. **Trust.** Every replica, at every check, makes both configurations trust the authorities of the current certificate,
 *    of the next one, of the one that it serves itself, and those of the same name that are there.
 * 3. **Promote.** The first replica that knows, on its own monotonic clock, that this trust has been in place for
 *    {@link settleMs} makes the next certificate the current one and serves it. So whoever starts at any moment finds a
 *    current certificate that has long been trusted.
 * 4. **Follow.** The others serve it from their next check on; one that never saw it as the next one waits in the same way.
 *
 * A former authority is trusted until it expires, which is the only moment at which surely nobody serves its certificate;
 * its key was never stored, so it cannot vouch for anybody new. Only when the current certificate cannot be used at all,
 * and nobody has a good one to put back, is it replaced in one step.
 *
 * Clocks of replicas are compared nowhere. Certificates begin an hour in the past.
 */
export class WebhookCertificates {
  readonly #options: WebhookCertificatesOptions;
  readonly #deps: WebhookCertificatesDeps;
  readonly #secret: CertificateSecret;
  readonly #trust: CertificateTrust;
  /** What the server presents. */
  #serving: CertificateBundle | undefined;
  /** What the Secret held at the last check. */
  #agreed: AgreedCertificates | undefined;
  /** Since when a certificate is known to be trusted everywhere: PEM to monotonic time, of the agreed ones. */
  #trustedSinceMs: ReadonlyMap<string, number> = new Map();

  constructor(options: WebhookCertificatesOptions, deps: WebhookCertificatesDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#secret = new CertificateSecret(options, deps);
    this.#trust = new CertificateTrust(options.controllerName, deps);
  }

  /**
   * The certificate to begin with, trusted and on disk. `settleMs` is how long to wait before the server listens.
   * @throws TerminalError when a webhook configuration does not exist or has no webhook; the errors of the API server and
   * of the file system
   */
  async start(signal: AbortSignal): Promise<{ readonly bundle: CertificateBundle; readonly settleMs: number }> {
    const agreed = await this.#secret.agree(undefined, signal);
    const { current } = agreed;
    await writeFiles(this.#options.certDir, current);
    const { hadOther, missing } = await this.#trust.ensure(current.caPem, signal);
    if (missing[0] !== undefined) throw missing[0];
    this.#agreed = agreed;
    this.#serving = current;
    return { bundle: current, settleMs: hadOther ? startSettleMs : 0 };
  }

  /**
   * Renews what is due, repairs what was changed by hand, takes over what another replica made. Three reads when all is
   * well. Only after {@link start}.
   * @returns the certificate to present from now on
   * @throws the errors of the API server; nothing that was reached is lost by them
   */
  async check(signal: AbortSignal): Promise<CertificateBundle> {
    const serving = this.#serving;
    if (serving === undefined) throw new Error("check before start");
    const agreed = await this.#secret.agree(this.#agreed, signal);
    this.#agreed = agreed;
    await this.#ensureTrust(agreed, serving, signal);
    if (agreed.next !== undefined && this.#hasSettled(agreed.next)) {
      this.#agreed = await this.#secret.promote(agreed.next, signal);
    }
    const { current } = this.#agreed;
    if (current.certPem === serving.certPem) return serving;
    return this.#hasSettled(current) || this.#isUnusable(serving) ? await this.#changeOver(current) : serving;
  }

  async #ensureTrust(
    { current, next }: AgreedCertificates,
    serving: CertificateBundle,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, log } = this.#deps;
    const agreed = next === undefined ? [current] : [current, next];
    const wanted = [...agreed, serving].map(({ caPem }) => caPem);
    const { isChanged, missing } = await this.#trust.ensure(mergeAuthorities(wanted, clock.now()), signal);
    // Without the configuration nobody is asked, and nobody waits for an answer: it is no reason to stop, or to wait.
    for (const error of missing) log.error("the webhook is not asked", { error });
    const nowMs = clock.monotonic();
    const since = ({ certPem }: CertificateBundle): number =>
      isChanged ? nowMs : (this.#trustedSinceMs.get(certPem) ?? nowMs);
    this.#trustedSinceMs = new Map(agreed.map((bundle) => [bundle.certPem, since(bundle)]));
  }

  #hasSettled({ certPem }: CertificateBundle): boolean {
    const sinceMs = this.#trustedSinceMs.get(certPem);
    return sinceMs !== undefined && this.#deps.clock.monotonic() - sinceMs >= settleMs;
  }

  /** Nothing is lost by a certificate that is not trusted yet when the other one never will be again. */
  #isUnusable(bundle: CertificateBundle): boolean {
    return findCertificateFault(bundle, this.#options, this.#deps.clock.now())?.isUsable === false;
  }

  async #changeOver(bundle: CertificateBundle): Promise<CertificateBundle> {
    const { log } = this.#deps;
    this.#serving = bundle;
    log.info("webhook serves the new certificate");
    try {
      await writeFiles(this.#options.certDir, bundle);
    } catch (error) {
      // The server has it from memory; a disk that is full must not keep it from being served.
      log.warn("webhook certificate could not be written to certDir", { error });
    }
    return bundle;
  }
}

/** Only this user may read them; each is replaced at once, so a reader never sees half a key. */
async function writeFiles(folder: string, bundle: CertificateBundle): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // mkdir leaves the mode of a folder that exists; a mounted volume may refuse the change and is protected by its mount.
  await chmod(folder, 0o700).catch(() => undefined);
  const files = { "ca.crt": bundle.caPem, "tls.crt": bundle.certPem, "tls.key": bundle.keyPem };
  for (const [file, text] of Object.entries(files)) {
    const path = join(folder, file);
    // The mode below is given to a new file only; what a killed process left would keep its own.
    await rm(`${path}.new`, { force: true });
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
}
