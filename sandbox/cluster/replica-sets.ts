/** The ReplicaSet controller: keeps as many pods as asked for. */
import type { Cache } from "./cache.ts";
import { isStale } from "./api.ts";
import type { ComponentContext } from "./component.ts";
import { KeyedWork } from "./keyed-work.ts";
import { keyOfObject, podIsFinished, podIsReady, resources, type Pod, type ReplicaSet } from "./kinds.ts";
import { createPod, isWritten, Owned, runAll } from "./workload-pods.ts";

/** Changes of pods are gathered this long, milliseconds: a burst costs a handful of looks at the whole set, not one per change. */
const gatherMs = 20;

export class ReplicaSets {
  readonly #context: ComponentContext;
  readonly #sets: Cache<ReplicaSet>;
  readonly #pods: Cache<Pod>;
  readonly #owned: Owned<Pod>;
  readonly #work: KeyedWork;
  /** Uids of pods whose deletion was asked for and not seen yet, so that no second victim is chosen for it. */
  readonly #deleting = new Set<string>();

  constructor(context: ComponentContext, sets: Cache<ReplicaSet>, pods: Cache<Pod>) {
    this.#context = context;
    this.#sets = sets;
    this.#pods = pods;
    this.#work = new KeyedWork({ ...context, name: "replica set", concurrency: 8, work: (key) => this.#sync(key) });
    this.#owned = new Owned(pods, "ReplicaSet", (key) => this.#work.addAfter(key, gatherMs));
    pods.onChange(({ before, after }) => {
      const seen = after === undefined || after.metadata.deletionTimestamp !== undefined;
      if (seen) this.#deleting.delete((after ?? before)?.metadata.uid ?? "");
    });
    sets.onChange(({ after }) => {
      if (after !== undefined) this.#work.add(keyOfObject(after));
    });
  }

  /** Resolves when no call is in flight. */
  async idle(): Promise<void> {
    await this.#work.idle();
  }

  async #sync(key: string): Promise<number | undefined> {
    // Before the first list of pods every pod looks missing.
    if (!this.#pods.hasSynced) return 50;
    const set = this.#sets.get(key);
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) return undefined;
    const pods = this.#activePods(set);
    const missing = (set.spec.replicas ?? 1) - pods.length;
    try {
      if (missing > 0) await this.#createPods(set, missing);
      else if (missing < 0) await this.#deletePods(pods.sort(victimFirst).slice(0, -missing));
    } finally {
      await this.#reportStatus(set);
    }
    return undefined;
  }

  #activePods(set: ReplicaSet): Pod[] {
    return this.#owned.of(set).filter((pod) => {
      const isGoing = pod.metadata.deletionTimestamp !== undefined || this.#deleting.has(pod.metadata.uid ?? "");
      return !isGoing && !podIsFinished(pod);
    });
  }

  async #createPods(set: ReplicaSet, count: number): Promise<void> {
    const template = set.spec.template ?? {};
    const input = { resource: resources.replicaSets, owner: set, template, name: `${set.metadata.name}-`, labels: {} };
    await runAll(new Array<typeof input>(count).fill(input), (each) => createPod(this.#context, this.#pods, each));
  }

  async #deletePods(pods: readonly Pod[]): Promise<void> {
    await runAll(pods, async (pod) => {
      const { uid = "" } = pod.metadata;
      this.#deleting.add(uid);
      try {
        await this.#context.api.delete(resources.pods, pod);
      } catch (error) {
        this.#deleting.delete(uid);
        throw error;
      }
    });
  }

  async #reportStatus(set: ReplicaSet): Promise<void> {
    const pods = this.#activePods(set);
    const ready = pods.filter(podIsReady).length;
    const status = {
      observedGeneration: set.metadata.generation ?? 1,
      replicas: pods.length,
      fullyLabeledReplicas: pods.length,
      readyReplicas: ready,
      availableReplicas: ready,
    };
    if (isWritten(status, this.#sets.get(keyOfObject(set))?.status)) return;
    try {
      this.#sets.observe(await this.#context.api.patch(resources.replicaSets, set, { status }, "status"));
    } catch (error) {
      if (!isStale(error)) throw error;
    }
  }
}

/** Unscheduled pods go first, then pods that are not ready, then the youngest. */
function victimFirst(a: Pod, b: Pod): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0) return rank;
  return (a.metadata.creationTimestamp ?? "") > (b.metadata.creationTimestamp ?? "") ? -1 : 1;
}

function rankOf(pod: Pod): number {
  if (!pod.spec.nodeName) return 0;
  return podIsReady(pod) ? 2 : 1;
}
