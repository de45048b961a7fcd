import type { Registry } from "prom-client";
import { createObjectClient } from "../kube/object-client.ts";
import { resourceTypes } from "../kube/resources.ts";
import { systemClock } from "../runtime/clock.ts";
import { isAbort } from "../runtime/errors.ts";
import type { Runnable } from "../runtime/manager.ts";
import type { Logger } from "../runtime/ports.ts";
import type { Transport } from "../runtime/transport.ts";
import type { AdmissionHandler } from "../webhook/admission.ts";
import { WebhookCertificates, type Secret, type StoredWebhookConfiguration } from "../webhook/certificates.ts";
import { createWebhookMetrics } from "../webhook/metrics.ts";
import { WebhookServer } from "../webhook/server.ts";
import type { ControlplaneConfig } from "./config.ts";

/** How often the certificate's age and the trust in it are looked at: three reads an hour. */
const checkEveryMs = 3_600_000;

/**
 * The webhook server with a certificate that the API server trusts, as a part of every replica.
 * @throws TerminalError when a webhook configuration does not exist; the errors of the API server
 */
export async function createWebhook(options: {
  readonly config: ControlplaneConfig;
  readonly transport: Transport;
  readonly routes: Readonly<Record<string, AdmissionHandler>>;
  readonly registry: Registry;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): Promise<Runnable> {
  const { config, transport, log } = options;
  const certificates = new WebhookCertificates(config, {
    secrets: createObjectClient<Secret>({ transport, resource: resourceTypes.secrets }),
    mutating: createObjectClient<StoredWebhookConfiguration>({
      transport,
      resource: resourceTypes.mutatingWebhookConfigurations,
    }),
    validating: createObjectClient<StoredWebhookConfiguration>({
      transport,
      resource: resourceTypes.validatingWebhookConfigurations,
    }),
    clock: systemClock,
    log,
  });
  const bundle = await certificates.ensure(options.signal);
  const server = new WebhookServer({
    port: config.webhookPort,
    tls: { cert: bundle.certPem, key: bundle.keyPem },
    routes: options.routes,
    log,
    metrics: createWebhookMetrics(options.registry),
  });
  return {
    name: server.name,
    needsLeader: false,
    ready: () => server.ready(),
    async start(signal) {
      await server.listen();
      try {
        await renewUntilAborted(certificates, server, log, signal);
      } finally {
        await server.close();
      }
    },
  };
}

async function renewUntilAborted(
  certificates: WebhookCertificates,
  server: WebhookServer,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      await systemClock.sleep(checkEveryMs, signal);
      const { certPem, keyPem } = await certificates.ensure(signal);
      server.setCertificate({ cert: certPem, key: keyPem });
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      // The certificate is good for months yet when its renewal is first tried.
      log.warn("webhook certificate could not be looked after; trying again in an hour", { error });
    }
  }
}
