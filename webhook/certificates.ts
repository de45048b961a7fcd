/** Sees to it that the webhook server has a certificate that the API server trusts: Secret, files, webhook configurations. */
import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConflictError, TerminalError } from "../runtime/errors.ts";
import type { Clock, KubeObject, Logger, ObjectClient } from "../runtime/ports.ts";
import { bundleContains, findCertificateFault, generateCertificate, splitPem } from "./certificate.ts";
import type { CertificateBundle, CertificateNames } from "./certificate.ts";

/** Source: `v1/Secret`; values are base64. */
export interface Secret extends KubeObject {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
}

/** Source: `admissionregistration.k8s.io/v1`, both kinds. */
export interface StoredWebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly StoredWebhook[];
}

export interface StoredWebhook {
  readonly name?: string;
  readonly clientConfig?: { /** Base64 of PEM. */ readonly caBundle?: string };
}

export interface WebhookCertificatesDeps {
  readonly secrets: Pick<ObjectClient<Secret>, "getLive" | "create" | "update">;
  readonly mutating: Pick<ObjectClient<StoredWebhookConfiguration>, "getLive" | "patch">;
  readonly validating: Pick<ObjectClient<StoredWebhookConfiguration>, "getLive" | "patch">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
}

export interface WebhookCertificatesOptions extends CertificateNames {
  /** Folder for the three files. Source: configuration `certDir`. */
  readonly certDir: string;
}

/** Rounds of read and write against other replicas that do the same. Each round lost means that another one won. */
const maxRounds = 5;

/**
 * All replicas share one certificate through the Secret `<controllerName>-webhook-cert`: whoever creates it first wins, and
 * whoever finds it unusable or past two thirds of its life replaces it, guarded by resourceVersion. Idempotent.
 */
export class WebhookCertificates {
  readonly #options: WebhookCertificatesOptions;
  readonly #deps: WebhookCertificatesDeps;

  constructor(options: WebhookCertificatesOptions, deps: WebhookCertificatesDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /**
   * Agrees on the certificate, writes it to disk, and makes both webhook configurations trust it. Run before the server
   * starts; running it again renews what is due and repairs what was changed.
   * @throws TerminalError when a webhook configuration does not exist or has no webhook; the errors of the API server
   */
  async ensure(signal: AbortSignal): Promise<CertificateBundle> {
    const bundle = await this.#agree(signal);
    await writeFiles(this.#options.certDir, bundle);
    const { mutating, validating } = this.#deps;
    await this.#trust("MutatingWebhookConfiguration", mutating, bundle.caPem, signal);
    await this.#trust("ValidatingWebhookConfiguration", validating, bundle.caPem, signal);
    return bundle;
  }

  async #agree(signal: AbortSignal): Promise<CertificateBundle> {
    for (let round = 1; ; round++) {
      try {
        return await this.#agreeOnce(signal);
      } catch (error) {
        if (!(error instanceof ConflictError) || round === maxRounds) throw error;
      }
    }
  }

  /** @throws ConflictError when another replica was faster: read what it wrote */
  async #agreeOnce(signal: AbortSignal): Promise<CertificateBundle> {
    const { secrets, clock, log } = this.#deps;
    const { controllerNamespace: namespace } = this.#options;
    const name = `${this.#options.controllerName}-webhook-cert`;
    const secret = await secrets.getLive(namespace, name, signal);
    if (secret === undefined) {
      const bundle = await generateCertificate(this.#options, clock.now());
      await secrets.create(toSecret({ namespace, name }, bundle), signal);
      log.info("webhook certificate made", { namespace, name });
      return bundle;
    }
    const current = toBundle(secret);
    const fault = findCertificateFault(current, this.#options, clock.now());
    if (fault === undefined) return current;
    const fresh = await generateCertificate(this.#options, clock.now());
    // The former authority stays trusted: other replicas serve with its certificate until they read the Secret again.
    const bundle = { ...fresh, caPem: [fresh.caPem, ...splitPem(current.caPem).slice(0, 1)].join("").trimEnd() + "\n" };
    await secrets.update({ ...secret, data: { ...secret.data, ...toSecret(secret.metadata, bundle).data } }, signal);
    log.warn("webhook certificate replaced", { namespace, name, reason: fault });
    return bundle;
  }

  /** Puts our authority into every webhook that does not trust it. Others' entries of a good bundle are left alone. */
  async #trust(
    kind: string,
    client: WebhookCertificatesDeps["mutating"],
    caPem: string,
    signal: AbortSignal,
  ): Promise<void> {
    const name = this.#options.controllerName;
    for (let round = 1; ; round++) {
      const configuration = await client.getLive("", name, signal);
      const webhooks = configuration?.webhooks ?? [];
      if (configuration === undefined || webhooks.length === 0) throw missing(kind, name, configuration !== undefined);
      const repaired = webhooks.map((webhook) => withTrust(webhook, caPem));
      if (repaired.every((webhook, index) => webhook === webhooks[index])) return;
      try {
        // A merge patch replaces the list, so it is guarded by the version that was read.
        const { resourceVersion } = configuration.metadata;
        await client.patch("", name, { metadata: { resourceVersion }, webhooks: repaired }, signal);
        this.#deps.log.info("webhook configuration trusts our certificate", { kind, name });
        return;
      } catch (error) {
        if (!(error instanceof ConflictError) || round === maxRounds) throw error;
      }
    }
  }
}

function missing(kind: string, name: string, exists: boolean): TerminalError {
  return new TerminalError(
    "WebhookConfigurationMissing",
    `${kind} ${name} ${exists ? "has no webhook" : "does not exist"}: install it (config/webhook), name it as ` +
      "controllerName does, or set disableWebhook: true",
  );
}

function withTrust(webhook: StoredWebhook, caPem: string): StoredWebhook {
  const present = Buffer.from(webhook.clientConfig?.caBundle ?? "", "base64").toString("utf8");
  if (bundleContains(present, caPem)) return webhook;
  return { ...webhook, clientConfig: { ...webhook.clientConfig, caBundle: Buffer.from(caPem).toString("base64") } };
}

function toSecret(metadata: { readonly namespace?: string; readonly name: string }, bundle: CertificateBundle): Secret {
  const encode = (text: string): string => Buffer.from(text).toString("base64");
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata,
    type: "kubernetes.io/tls",
    data: { "ca.crt": encode(bundle.caPem), "tls.crt": encode(bundle.certPem), "tls.key": encode(bundle.keyPem) },
  };
}

/** Missing keys become empty texts, which {@link findCertificateFault} reports. */
function toBundle({ data = {} }: Secret): CertificateBundle {
  const decode = (key: string): string => Buffer.from(data[key] ?? "", "base64").toString("utf8");
  return { caPem: decode("ca.crt"), certPem: decode("tls.crt"), keyPem: decode("tls.key") };
}

/** Only this user may read them; each is replaced at once, so a reader never sees half a key. */
async function writeFiles(folder: string, bundle: CertificateBundle): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // mkdir leaves the mode of a folder that exists; a mounted volume may refuse the change and is protected by its mount.
  await chmod(folder, 0o700).catch(() => undefined);
  const files = { "ca.crt": bundle.caPem, "tls.crt": bundle.certPem, "tls.key": bundle.keyPem };
  for (const [file, text] of Object.entries(files)) {
    const path = join(folder, file);
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
}
