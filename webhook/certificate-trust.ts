/** Makes the two webhook configurations trust the authorities of our certificates. */
import { ConflictError, NotFoundError, TerminalError } from "../runtime/errors.ts";
import type { Clock, KubeObject, Logger, ObjectClient } from "../runtime/ports.ts";
import { authoritiesLike, bundleContains, mergeAuthorities } from "./certificate.ts";

/** Source: `admissionregistration.k8s.io/v1`, both kinds. */
export interface StoredWebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly StoredWebhook[];
}

export interface StoredWebhook {
  readonly name?: string;
  readonly clientConfig?: { /** Base64 of PEM. */ readonly caBundle?: string };
}

type ConfigurationClient = Pick<ObjectClient<StoredWebhookConfiguration>, "getLive" | "patch">;

export interface CertificateTrustDeps {
  readonly mutating: ConfigurationClient;
  readonly validating: ConfigurationClient;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
}

/** What was found and done about both configurations. */
export interface TrustOutcome {
  /** False when every webhook trusted the authorities before: nothing was written. */
  readonly isChanged: boolean;
  /** True when a webhook that was changed trusted somebody else: a server that is called now, perhaps one of ours. */
  readonly hadOther: boolean;
  /** One for each configuration that does not exist or has no webhook: it names the remedy. */
  readonly missing: readonly TerminalError[];
}

/** Attempts against others who write the same object. */
const maxRounds = 5;

/** Authorities beside the wanted ones: of the last renewals, or of replicas that each made one. The newest are in front. */
const maxFormer = 6;

export class CertificateTrust {
  readonly #name: string;
  readonly #deps: CertificateTrustDeps;

  /** @param name of both configurations */
  constructor(name: string, deps: CertificateTrustDeps) {
    this.#name = name;
    this.#deps = deps;
  }

  /**
   * Puts the authorities into every webhook of both configurations that lacks one of them. Authorities of the same name
   * that a webhook trusts already stay until they expire: another replica may serve with the certificate of one. A
   * configuration that is missing does not keep the other from being repaired.
   * @throws the errors of the API server
   */
  async ensure(caPem: string, signal: AbortSignal): Promise<TrustOutcome> {
    const { mutating, validating } = this.#deps;
    const outcomes = [
      await this.#ensureIn("MutatingWebhookConfiguration", mutating, caPem, signal),
      await this.#ensureIn("ValidatingWebhookConfiguration", validating, caPem, signal),
    ];
    return {
      isChanged: outcomes.some(({ isChanged }) => isChanged),
      hadOther: outcomes.some(({ hadOther }) => hadOther),
      missing: outcomes.flatMap(({ missing }) => missing),
    };
  }

  async #ensureIn(
    kind: string,
    client: ConfigurationClient,
    caPem: string,
    signal: AbortSignal,
  ): Promise<TrustOutcome> {
    for (let round = 1; ; round++) {
      const configuration = await client.getLive("", this.#name, signal);
      if (configuration === undefined || (configuration.webhooks ?? []).length === 0) {
        return { isChanged: false, hadOther: false, missing: [missing(kind, this.#name, configuration !== undefined)] };
      }
      try {
        return await this.#repair(kind, client, configuration, { caPem, signal });
      } catch (error) {
        const hasChanged = error instanceof ConflictError || error instanceof NotFoundError;
        if (!hasChanged || round === maxRounds) throw error;
      }
    }
  }

  /** @throws ConflictError, NotFoundError when the configuration has changed since it was read */
  async #repair(
    kind: string,
    client: ConfigurationClient,
    { metadata, webhooks = [] }: StoredWebhookConfiguration,
    { caPem, signal }: { readonly caPem: string; readonly signal: AbortSignal },
  ): Promise<TrustOutcome> {
    const { clock, log } = this.#deps;
    const lacking = webhooks.filter((webhook) => !bundleContains(bundleOf(webhook), caPem));
    if (lacking.length === 0) return { isChanged: false, hadOther: false, missing: [] };
    const repaired = webhooks.map((webhook) =>
      lacking.includes(webhook) ? withTrust(webhook, caPem, clock.now()) : webhook,
    );
    // A merge patch replaces the list, so it is guarded by the version that was read.
    const patch = { metadata: { resourceVersion: metadata.resourceVersion }, webhooks: repaired };
    await client.patch("", this.#name, patch, signal);
    log.info("webhook configuration trusts our certificate", { kind, name: this.#name });
    return { isChanged: true, hadOther: lacking.some((webhook) => bundleOf(webhook).trim() !== ""), missing: [] };
  }
}

function missing(kind: string, name: string, exists: boolean): TerminalError {
  return new TerminalError(
    "WebhookConfigurationMissing",
    `${kind} ${name} ${exists ? "has no webhook" : "does not exist"}: install it (config/webhook), name it as ` +
      "controllerName does, or set disableWebhook: true",
  );
}

/** PEM; empty when there is none. */
function bundleOf({ clientConfig }: StoredWebhook): string {
  return Buffer.from(clientConfig?.caBundle ?? "", "base64").toString("utf8");
}

function withTrust(webhook: StoredWebhook, caPem: string, nowMs: number): StoredWebhook {
  const bundle = mergeAuthorities([caPem, authoritiesLike(caPem, bundleOf(webhook), maxFormer)], nowMs);
  return { ...webhook, clientConfig: { ...webhook.clientConfig, caBundle: Buffer.from(bundle).toString("base64") } };
}
