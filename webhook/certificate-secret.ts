/** The Secret through which all replicas share one certificate. */
import { OperatorError } from "../runtime/errors.ts";
import type { Clock, KubeObject, Logger, ObjectClient } from "../runtime/ports.ts";
import { findCertificateFault, generateCertificate, mergeAuthorities, splitPem } from "./certificate.ts";
import type { CertificateBundle, CertificateFault, CertificateNames } from "./certificate.ts";

/** Source: `v1/Secret`; values are base64. */
export interface Secret extends KubeObject {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
}

export interface CertificateSecretDeps {
  readonly secrets: Pick<ObjectClient<Secret>, "getLive" | "create" | "update">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
}

export interface CertificateSecretOptions extends CertificateNames {
  /** Milliseconds that a new certificate is valid. @default a year */
  readonly lifeMs?: number;
}

/** What all replicas agree on. */
export interface AgreedCertificates {
  /** To be served. */
  readonly current: CertificateBundle;
  /** To be served once it has been trusted for a while: for now it is only to be trusted. */
  readonly next: CertificateBundle | undefined;
}

/** Rounds of read and write against other replicas that do the same. Each round lost means that another one won. */
const maxRounds = 5;

/**
 * Secret `<controllerName>-webhook-cert`: the current certificate under the published keys, the next one under the same
 * with `next-` before them. Whoever writes first wins, guarded by resourceVersion; the others take what they then read.
 * Nothing is compared between the clocks of two replicas: whoever finds the certificate due first makes the next one, and
 * that is not due for anybody for months.
 */
export class CertificateSecret {
  readonly #options: CertificateSecretOptions;
  readonly #deps: CertificateSecretDeps;

  constructor(options: CertificateSecretOptions, deps: CertificateSecretDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /**
   * The certificates of all replicas; a next one is made when the current one is due.
   * @param known what this replica read before: a Secret that was deleted or broken by hand gets it back, because a fresh
   * certificate would be trusted by nobody yet
   * @throws the errors of the API server
   */
  agree(known: AgreedCertificates | undefined, signal: AbortSignal): Promise<AgreedCertificates> {
    return repeatLost(() => this.#agreeOnce(known, signal));
  }

  /** Makes `next` the current one. @throws the errors of the API server */
  promote(next: CertificateBundle, signal: AbortSignal): Promise<AgreedCertificates> {
    return repeatLost(async () => {
      const secret = await this.#read(signal);
      const stored = secret === undefined ? undefined : toAgreed(secret);
      // Somebody else was faster, or has changed it by hand.
      if (secret === undefined || stored?.next?.certPem !== next.certPem) return await this.#agreeOnce(stored, signal);
      const caPem = joinAuthorities(next.caPem, stored.current.caPem, this.#deps.clock.now());
      const promoted = { current: { ...next, caPem }, next: undefined };
      await this.#write(secret, promoted, signal);
      this.#deps.log.info("webhook certificate is now the new one", this.#name);
      return promoted;
    });
  }

  get #name(): { readonly namespace: string; readonly name: string } {
    const { controllerNamespace, controllerName } = this.#options;
    return { namespace: controllerNamespace, name: `${controllerName}-webhook-cert` };
  }

  #read(signal: AbortSignal): Promise<Secret | undefined> {
    const { namespace, name } = this.#name;
    return this.#deps.secrets.getLive(namespace, name, signal);
  }

  /** @throws ConflictError, NotFoundError when somebody else was faster: read what it wrote */
  async #agreeOnce(known: AgreedCertificates | undefined, signal: AbortSignal): Promise<AgreedCertificates> {
    const secret = await this.#read(signal);
    if (secret === undefined) return await this.#create(known, signal);
    const stored = toAgreed(secret);
    const fault = this.#faultOf(stored.current);
    if (fault?.isUsable === false) return await this.#replaceBroken(secret, known, fault.why, signal);
    if (stored.next !== undefined && this.#faultOf(stored.next) === undefined) return stored;
    if (fault === undefined) return { ...stored, next: undefined };
    const renewed = { ...stored, next: await this.#generate("") };
    await this.#write(secret, renewed, signal);
    this.#deps.log.info("next webhook certificate made", { ...this.#name, reason: fault.why });
    return renewed;
  }

  async #create(known: AgreedCertificates | undefined, signal: AbortSignal): Promise<AgreedCertificates> {
    const { secrets, log } = this.#deps;
    const restored = this.#restorable(known);
    const agreed = restored ?? { current: await this.#generate(""), next: undefined };
    await secrets.create(toSecret({ metadata: this.#name }, agreed), signal);
    if (restored !== undefined) log.warn("webhook certificate was deleted; stored the one in use", this.#name);
    else log.info("webhook certificate made", this.#name);
    return agreed;
  }

  /** No time for a next one: with the current one nobody can be trusted. */
  async #replaceBroken(
    secret: Secret,
    known: AgreedCertificates | undefined,
    reason: string,
    signal: AbortSignal,
  ): Promise<AgreedCertificates> {
    const restored = this.#restorable(known);
    const former = toAgreed(secret).current.caPem;
    const agreed = restored ?? { current: await this.#generate(former), next: undefined };
    await this.#write(secret, agreed, signal);
    const done = restored === undefined ? "replaced" : "restored to the one in use";
    this.#deps.log.warn(`webhook certificate ${done}`, { ...this.#name, reason });
    return agreed;
  }

  #restorable(known: AgreedCertificates | undefined): AgreedCertificates | undefined {
    return known === undefined || this.#faultOf(known.current)?.isUsable === false ? undefined : known;
  }

  #faultOf(bundle: CertificateBundle): CertificateFault | undefined {
    return findCertificateFault(bundle, this.#options, this.#deps.clock.now());
  }

  async #write(secret: Secret, agreed: AgreedCertificates, signal: AbortSignal): Promise<void> {
    await this.#deps.secrets.update(toSecret(secret, agreed), signal);
  }

  /** The former authorities stay trusted: other replicas serve with their certificates until they have read the Secret. */
  async #generate(formerCaPem: string): Promise<CertificateBundle> {
    const nowMs = this.#deps.clock.now();
    const fresh = await generateCertificate(this.#options, nowMs, this.#options.lifeMs);
    return { ...fresh, caPem: joinAuthorities(fresh.caPem, formerCaPem, nowMs) };
  }
}

/** Of the former authorities the latest only: who serves with an older certificate sees to its trust itself. */
function joinAuthorities(caPem: string, formerCaPem: string, nowMs: number): string {
  return mergeAuthorities([caPem, ...splitPem(formerCaPem).slice(0, 1)], nowMs);
}

async function repeatLost<T>(attempt: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round++) {
    try {
      return await attempt();
    } catch (error) {
      const wasFaster = error instanceof OperatorError && error.category === "conflict";
      if (!wasFaster || round === maxRounds) throw error;
    }
  }
}

/** The Secret with these certificates; what else is in it stays. */
function toSecret({ data, ...secret }: Secret, { current, next }: AgreedCertificates): Secret {
  const others = Object.entries(data ?? {}).filter(([key]) => !key.startsWith("next-"));
  return {
    apiVersion: "v1",
    kind: "Secret",
    type: "kubernetes.io/tls",
    ...secret,
    data: {
      ...Object.fromEntries(others),
      ...encode("", current),
      ...(next === undefined ? {} : encode("next-", next)),
    },
  };
}

function encode(prefix: string, { caPem, certPem, keyPem }: CertificateBundle): Readonly<Record<string, string>> {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  return {
    [`${prefix}ca.crt`]: base64(caPem),
    [`${prefix}tls.crt`]: base64(certPem),
    [`${prefix}tls.key`]: base64(keyPem),
  };
}

/** Missing keys become empty texts, which {@link findCertificateFault} reports. */
function toAgreed({ data = {} }: Secret): AgreedCertificates {
  const text = (key: string): string => Buffer.from(data[key] ?? "", "base64").toString("utf8");
  const bundle = (prefix: string): CertificateBundle => ({
    caPem: text(`${prefix}ca.crt`),
    certPem: text(`${prefix}tls.crt`),
    keyPem: text(`${prefix}tls.key`),
  });
  return { current: bundle(""), next: data["next-tls.crt"] === undefined ? undefined : bundle("next-") };
}
