/** Looks after the certificate while the server serves. */
import { withTimeout } from "../runtime/clock.ts";
import { isAbort, TransientError } from "../runtime/errors.ts";
import type { Clock, Logger, Random } from "../runtime/ports.ts";
import type { CertificateBundle } from "./certificate.ts";
import type { WebhookCertificates } from "./certificates.ts";
import type { WebhookServer } from "./server.ts";

/** How often Secret and configurations are looked at, three reads each time; a tenth more or less, so replicas spread. */
const checkEveryMs = 60_000;
/** A check that takes longer has read what is no longer so; what it would write is better decided anew. */
const checkLimitMs = 30_000;

export interface CertificateKeeperDeps {
  readonly certificates: Pick<WebhookCertificates, "check">;
  readonly server: Pick<WebhookServer, "setCertificate">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Checks once a minute until `signal` aborts, and hands a new certificate to the server. No failed check ends it. */
export async function keepCertificate(deps: CertificateKeeperDeps, signal: AbortSignal): Promise<void> {
  const { clock, log, random } = deps;
  let presented: CertificateBundle | undefined;
  for (;;) {
    try {
      await clock.sleep(checkEveryMs * (0.9 + 0.2 * random()), signal);
      const bundle = await checkInTime(deps, signal);
      if (bundle !== presented) deps.server.setCertificate({ cert: bundle.certPem, key: bundle.keyPem });
      presented = bundle;
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      // The certificate is good for months yet when its renewal is first tried.
      log.warn("webhook certificate could not be looked after; trying again in a minute", { error });
    }
  }
}

function checkInTime({ certificates, clock }: CertificateKeeperDeps, signal: AbortSignal): Promise<CertificateBundle> {
  return withTimeout(
    clock,
    checkLimitMs,
    signal,
    (limited) => certificates.check(limited),
    () => new TransientError("Timeout", `the check took more than ${checkLimitMs / 1_000} s`),
  );
}
