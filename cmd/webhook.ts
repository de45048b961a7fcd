import type { Registry } from "prom-client";
import { createObjectClient } from "../kube/object-client.ts";
import { resourceTypes } from "../kube/resources.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Runnable } from "../runtime/manager.ts";
import type { Logger } from "../runtime/ports.ts";
import type { Transport } from "../runtime/transport.ts";
import type { AdmissionHandler } from "../webhook/admission.ts";
import { keepCertificate } from "../webhook/certificate-keeper.ts";
import type { Secret } from "../webhook/certificate-secret.ts";
import type { StoredWebhookConfiguration } from "../webhook/certificate-trust.ts";
import { WebhookCertificates } from "../webhook/certificates.ts";
import { createWebhookMetrics } from "../webhook/metrics.ts";
import { WebhookServer } from "../webhook/server.ts";
import type { ControlplaneConfig } from "./config.ts";

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
  const { bundle, settleMs } = await certificates.start(options.signal);
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
      if (!(await slept(settleMs, signal))) return;
      await server.listen();
      try {
        await keepCertificate({ certificates, server, clock: systemClock, random: Math.random, log }, signal);
      } finally {
        await server.close();
      }
    },
  };
}

/** False when `signal` aborted first. */
async function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  await systemClock.sleep(ms, signal).catch(() => undefined);
  return !signal.aborted;
}
