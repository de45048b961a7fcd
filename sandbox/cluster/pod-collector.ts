/** The pod garbage collector: removes pods whose node is gone, and terminating pods that never got one. */
import { isStale } from "./api.ts";
import type { Cache } from "./cache.ts";
import { isoSeconds, type ComponentContext } from "./component.ts";
import { KeyedWork } from "./keyed-work.ts";
import { keyOfObject, podIsFinished, resources, type Node, type Pod } from "./kinds.ts";

/** Milliseconds for which a node must stay away; the real collector waits 40 s, which is long for a demonstration. */
const quarantineMs = 2000;

export class PodCollector {
  readonly #context: ComponentContext;
  readonly #pods: Cache<Pod>;
  readonly #nodes: Cache<Node>;
  readonly #work: KeyedWork;

  constructor(context: ComponentContext, pods: Cache<Pod>, nodes: Cache<Node>) {
    this.#context = context;
    this.#pods = pods;
    this.#nodes = nodes;
    this.#work = new KeyedWork({
      ...context,
      name: "pod collector",
      concurrency: 16,
      work: (key) => this.#collect(key),
    });
    const look = (pod: Pod): void => {
      if (this.#isOrphan(pod)) this.#work.addAfter(keyOfObject(pod), quarantineMs);
    };
    pods.onChange(({ after }) => {
      if (after !== undefined) look(after);
    });
    nodes.onChange(({ before, after }) => {
      if (after !== undefined) return;
      for (const pod of pods.values()) if (pod.spec.nodeName === before?.metadata.name) look(pod);
    });
  }

  /** Resolves when no call is in flight. */
  async idle(): Promise<void> {
    await this.#work.idle();
  }

  #isOrphan(pod: Pod): boolean {
    const { nodeName } = pod.spec;
    if (!nodeName) return pod.metadata.deletionTimestamp !== undefined;
    return this.#nodes.get(nodeName) === undefined;
  }

  async #collect(key: string): Promise<number | undefined> {
    const { api, clock } = this.#context;
    // Before the first list of nodes every node looks gone.
    if (!this.#nodes.hasSynced) return quarantineMs;
    const pod = this.#pods.get(key);
    if (pod === undefined || !this.#isOrphan(pod)) return undefined;
    const { nodeName } = pod.spec;
    // The cache may lag behind a node that has just joined.
    if (nodeName && (await api.get(resources.nodes, "", nodeName)) !== undefined) return undefined;
    if (!podIsFinished(pod)) await this.#markFailed(pod, isoSeconds(clock.now()));
    await api.delete(resources.pods, pod, 0);
    return undefined;
  }

  /** Controllers must see the pod end before it disappears, as with the real collector. */
  async #markFailed(pod: Pod, nowIso: string): Promise<void> {
    const condition = {
      type: "DisruptionTarget",
      status: "True",
      reason: "DeletionByPodGC",
      message: "PodGC: node no longer exists",
      lastTransitionTime: nowIso,
    };
    const patch = { metadata: { uid: pod.metadata.uid }, status: { phase: "Failed", conditions: [condition] } };
    try {
      await this.#context.api.patch(resources.pods, pod, patch, "status");
    } catch (error) {
      if (!isStale(error)) throw error;
    }
  }
}
