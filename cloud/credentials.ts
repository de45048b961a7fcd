/** Chooses the credential by configuration, fetches it once for everybody, and renews it before it expires. */
import type { Clock, Logger } from "../runtime/ports.ts";
import { CallFailed } from "./call.ts";

export interface Credential {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  /** Of a temporary credential. */
  readonly securityToken?: string | undefined;
}

/** A credential and how long it is good. Both milliseconds since the epoch; absent: for ever. */
export interface FetchedCredential {
  readonly credential: Credential;
  /** From then on the source is asked again; this one is used until the answer comes. */
  readonly refreshAtMs?: number | undefined;
  /** From then on this one is not used any more. */
  readonly expiresAtMs?: number | undefined;
}

/** One place where a credential can come from. */
export interface CredentialSource {
  /** For log lines: `token file /var/addon/token-config`. */
  readonly name: string;
  /** @throws Error saying in plain words, without the secret, why there is none */
  fetch(): Promise<FetchedCredential>;
}

export interface CredentialProvider {
  /** The credential of the first source that has one. @throws CallFailed with code `NoCredential`, naming every source and its reason */
  get(): Promise<Credential>;
  /** The cloud refused this credential as expired or unknown: fetch again at the next use. */
  invalidate(): void;
}

/** The key of the credential file, or of the configuration. */
export function staticSource(credential: Credential): CredentialSource {
  return { name: "access key", fetch: () => Promise.resolve({ credential }) };
}

/** After a failed renewal of a credential that is still good. */
const retryMs = 30_000;

/** Concurrent users share one fetch; a static key is fetched once. The sources are asked in their order. */
export function createCredentialProvider(options: {
  readonly sources: readonly CredentialSource[];
  readonly clock: Clock;
  readonly logger: Logger;
}): CredentialProvider {
  const { clock, logger } = options;
  let current: FetchedCredential | undefined;
  let fetching: Promise<FetchedCredential> | undefined;

  const renew = () => {
    fetching ??= fetchFirst(options.sources)
      .then((fetched) => (current = fetched))
      .finally(() => (fetching = undefined));
    return fetching;
  };
  return {
    get: async () => {
      const nowMs = clock.now();
      if (current === undefined || nowMs >= (current.expiresAtMs ?? Infinity)) return (await renew()).credential;
      if (nowMs >= (current.refreshAtMs ?? Infinity)) {
        const old = current;
        // Postponed first, so that a failure is not repeated with every call.
        current = { ...old, refreshAtMs: nowMs + retryMs };
        renew().catch((error: unknown) => {
          logger.warn("credential could not be renewed; the old one is used until it expires", { error });
        });
        return old.credential;
      }
      return current.credential;
    },
    invalidate: () => (current = undefined),
  };
}

async function fetchFirst(sources: readonly CredentialSource[]): Promise<FetchedCredential> {
  const reasons: string[] = [];
  for (const source of sources) {
    try {
      return await source.fetch();
    } catch (error) {
      reasons.push(`${source.name}: ${error instanceof Error ? error.message : "failed"}`);
    }
  }
  const message = reasons.length === 0 ? "no credential is configured" : reasons.join("; ");
  throw new CallFailed({ kind: "notSent", code: "NoCredential", message });
}
