/** Watches pods and their PodENIs from outside and keeps when each came to what; for the live view and the figures. */
import { systemClock } from "../runtime/clock.ts";
import { createLogger } from "../runtime/log.ts";
import type { Transport } from "../runtime/transport.ts";
import { Cache, type Change } from "./cluster/cache.ts";
import { resources, type Pod, type PodEni } from "./cluster/kinds.ts";

/** What was seen of one pod. All instants are epoch milliseconds of this process. */
export interface PodStory {
  readonly key: string;
  readonly uid: string;
  readonly createdAtMs: number;
  readonly boundAtMs?: number;
  readonly runningAtMs?: number;
  readonly isGone: boolean;
  readonly eniIds: readonly string[];
  readonly ipv4?: string;
}

interface Source<T> {
  onChange(listener: (change: Change<T>) => void): void;
}

export class BindWatch {
  readonly #now: () => number;
  readonly #stories = new Map<string, PodStory>();
  readonly #listeners: (() => void)[] = [];

  constructor(pods: Source<Pod>, podEnis: Source<PodEni>, now: () => number) {
    this.#now = now;
    pods.onChange((change) => this.#onPod(change));
    podEnis.onChange((change) => this.#onPodEni(change));
  }

  /** Every pod that was ever seen, in order of creation. */
  stories(): readonly PodStory[] {
    return [...this.#stories.values()];
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  // eslint-disable-next-line complexity -- counts the optional fields that it takes apart; it decides little
  #onPod({ before, after }: Change<Pod>): void {
    const pod = after ?? before;
    if (pod === undefined) return;
    const uid = pod.metadata.uid ?? "";
    const key = `${pod.metadata.namespace ?? ""}/${pod.metadata.name}`;
    const story = this.#stories.get(uid) ?? { key, uid, createdAtMs: this.#now(), isGone: false, eniIds: [] };
    const isRunning = after?.status?.phase === "Running";
    this.#stories.set(uid, {
      ...story,
      isGone: after === undefined,
      ...(isRunning && story.runningAtMs === undefined && { runningAtMs: this.#now() }),
      ...(after?.status?.podIP !== undefined && { ipv4: after.status.podIP }),
    });
    this.#changed();
  }

  #onPodEni({ after }: Change<PodEni>): void {
    if (after?.status?.phase !== "Bind") return;
    const story = this.#stories.get(after.metadata.annotations?.["k8s.aliyun.com/pod-uid"] ?? "");
    if (story === undefined || story.boundAtMs !== undefined) return;
    const eniIds = (after.spec?.allocations ?? []).flatMap(({ eni }) => eni?.id ?? []);
    this.#stories.set(story.uid, { ...story, boundAtMs: this.#now(), eniIds });
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Watches the pods and PodENIs of an API server until `signal` aborts. */
export function startBindWatch(transport: Transport, signal: AbortSignal): BindWatch {
  const common = { transport, clock: systemClock, random: Math.random, log: createLogger({ level: "error" }) };
  const pods = new Cache<Pod>({ ...common, resource: resources.pods });
  const podEnis = new Cache<PodEni>({ ...common, resource: resources.podEnis });
  const watch = new BindWatch(pods, podEnis, () => systemClock.now());
  void pods.run(signal);
  void podEnis.run(signal);
  return watch;
}
