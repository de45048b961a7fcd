/** Reads the cluster's defaults from ConfigMap `kube-system/eni-config`, not more often than every ten seconds. */
import { eniConfig } from "../crds/v1beta1/names.ts";
import { parseEniConfig } from "../domain/pod-network/eni-config.ts";
import type { EniConfig } from "../domain/pod-network/eni-config.ts";
import type { Clock } from "../runtime/ports.ts";

/** The part of a ConfigMap that is read. */
export interface ConfigMapData {
  readonly data?: Readonly<Record<string, string>>;
}

export interface EniConfigSourceDeps {
  /** Undefined when the ConfigMap does not exist. @throws OperatorError when it cannot be read */
  readonly getConfigMap: (namespace: string, name: string, signal: AbortSignal) => Promise<ConfigMapData | undefined>;
  readonly clock: Pick<Clock, "monotonic">;
}

/** Defaults that are up to ten seconds old. Admission must not cost the API server a read per pod of a burst. */
const maxAgeMs = 10_000;

/** A live read with a short memory: an informer for one ConfigMap would need list and watch on all of the namespace. */
export class EniConfigSource {
  readonly #deps: EniConfigSourceDeps;
  #last: { readonly atMs: number; readonly config: EniConfig | undefined } | undefined;

  constructor(deps: EniConfigSourceDeps) {
    this.#deps = deps;
  }

  /** Undefined when the ConfigMap does not exist. @throws Error when it cannot be read or does not parse */
  async get(signal: AbortSignal): Promise<EniConfig | undefined> {
    const nowMs = this.#deps.clock.monotonic();
    if (this.#last !== undefined && nowMs - this.#last.atMs < maxAgeMs) return this.#last.config;
    const { namespace, name, key } = eniConfig;
    const configMap = await this.#deps.getConfigMap(namespace, name, signal);
    const config = configMap === undefined ? undefined : parseEniConfig(configMap.data?.[key] ?? "");
    // Absence is not remembered: it is rare, and the next pod should see the ConfigMap that was just made.
    if (config !== undefined) this.#last = { atMs: nowMs, config };
    return config;
  }
}
