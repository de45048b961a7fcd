/** Reads eni-config, and the ConfigMaps of single machines, not more often than every ten seconds each. */
import { eniConfig } from "../crds/v1beta1/names.ts";
import { parseEniConfig } from "../domain/pod-network/eni-config.ts";
import type { ConfigLookup, EniConfig } from "../domain/pod-network/eni-config.ts";
import { parseNodePoolConfig, type NodePoolConfigLookup } from "../domain/pod-network/node-pool-config.ts";
import type { Clock } from "../runtime/ports.ts";

/** The part of a ConfigMap that is read. */
export interface ConfigMapData {
  readonly data?: Readonly<Record<string, string>>;
}

export interface EniConfigSourceDeps {
  /** Undefined when the ConfigMap does not exist. @throws OperatorError when it cannot be read */
  readonly getConfigMap: (namespace: string, name: string, signal: AbortSignal) => Promise<ConfigMapData | undefined>;
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
}

/** Age of what is given out. Neither a burst of pods nor one of machines may cost the API server a read each. */
const maxAgeMs = 10_000;
/** So long after a change, at most, who is told of changes is told of it. */
const watchEveryMs = 10_000;

/** Text of key `eni_conf`: empty without the key; undefined when the ConfigMap does not exist. */
type Text = string | undefined;

/**
 * Live reads with a short memory: an informer would need list and watch on all ConfigMaps of the namespace, for a machine
 * may name any of them.
 */
export class EniConfigSource {
  readonly #deps: EniConfigSourceDeps;
  /** By name of the ConfigMap. */
  readonly #memory = new Map<string, { readonly atMs: number; readonly text: Text }>();
  readonly #listeners: (() => void)[] = [];
  /** Some read, by whomever, found another text than the one before, and the listeners were not told yet. */
  #hasNews = false;

  constructor(deps: EniConfigSourceDeps) {
    this.#deps = deps;
  }

  /** The cluster's defaults. Undefined when the ConfigMap does not exist. @throws Error when it cannot be read or does not parse */
  async get(signal: AbortSignal): Promise<EniConfig | undefined> {
    const text = await this.#text(eniConfig.name, signal, false);
    return text === undefined ? undefined : parseEniConfig(text);
  }

  /**
   * What holds for the record of one machine.
   * @param configMap name of its own ConfigMap, merged over the cluster's; empty for none
   * @throws OperatorError when the API server does not answer
   */
  getForNode(configMap: string, signal: AbortSignal): Promise<NodePoolConfigLookup> {
    return this.#lookUp({ configMap, remembersAbsence: true, parse: parseNodePoolConfig }, signal);
  }

  /** The defaults of a pod on one machine; otherwise as {@link getForNode}. */
  getForPodOn(configMap: string, signal: AbortSignal): Promise<ConfigLookup<EniConfig>> {
    return this.#lookUp({ configMap, remembersAbsence: false, parse: parseEniConfig }, signal);
  }

  /** `listener` is called when a ConfigMap that was asked for has another text, while {@link watch} runs. */
  onChanged(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Looks every 10 s at what was asked for. Rejects with AbortError when the signal aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#deps.clock.sleep(watchEveryMs, signal);
      await this.#look(signal);
      if (!this.#hasNews) continue;
      this.#hasNews = false;
      for (const listener of this.#listeners) listener();
    }
  }

  async #lookUp<T>(
    given: {
      readonly configMap: string;
      /** As of `#text`. */
      readonly remembersAbsence: boolean;
      readonly parse: (text: string, overlay?: string) => T;
    },
    signal: AbortSignal,
  ): Promise<ConfigLookup<T>> {
    const { configMap, remembersAbsence, parse } = given;
    const text = await this.#text(eniConfig.name, signal, remembersAbsence);
    if (text === undefined) return { type: "missing", configMap: eniConfig.name };
    const overlay = configMap === "" ? undefined : await this.#text(configMap, signal, remembersAbsence);
    if (configMap !== "" && overlay === undefined) return { type: "missing", configMap };
    try {
      return { type: "found", config: parse(text, overlay) };
    } catch (error) {
      return { type: "faulty", message: `${configMap || eniConfig.name}: ${messageOf(error)}` };
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    await Promise.all(
      [...this.#memory.keys()].map(async (name) => {
        try {
          await this.#read(name, signal);
        } catch (error) {
          // The next look is soon, and who needs the text meets the same error and reports it.
          if (signal.aborted) throw error;
        }
      }),
    );
  }

  /** @param remembersAbsence false: what does not exist is asked for anew, for the next pod should see what was just made */
  async #text(name: string, signal: AbortSignal, remembersAbsence: boolean): Promise<Text> {
    const known = this.#memory.get(name);
    if (known === undefined || this.#deps.clock.monotonic() - known.atMs >= maxAgeMs) return this.#read(name, signal);
    return known.text === undefined && !remembersAbsence ? this.#read(name, signal) : known.text;
  }

  async #read(name: string, signal: AbortSignal): Promise<Text> {
    const configMap = await this.#deps.getConfigMap(eniConfig.namespace, name, signal);
    const text = configMap === undefined ? undefined : (configMap.data?.[eniConfig.key] ?? "");
    const known = this.#memory.get(name);
    if (known !== undefined && known.text !== text) this.#hasNews = true;
    this.#memory.set(name, { atMs: this.#deps.clock.monotonic(), text });
    return text;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
