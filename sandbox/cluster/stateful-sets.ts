/** The StatefulSet controller: stable names, order, rolling updates. Volume claims are not made. */
import type { PodTemplateSpec } from "kubernetes-types/core/v1.d.ts";
import { isRecord, isStale } from "./api.ts";
import type { Cache } from "./cache.ts";
import type { ComponentContext } from "./component.ts";
import { KeyedWork } from "./keyed-work.ts";
import {
  keyOfObject,
  podIsFinished,
  podIsReady,
  resources,
  type ControllerRevision,
  type Pod,
  type StatefulSet,
} from "./kinds.ts";
import { planStatefulSet, type StatefulPod, type StatefulSetAction } from "./stateful-set-plan.ts";
import { createPod, hashOf, isWritten, Owned, runAll, toControllerReference } from "./workload-pods.ts";

const revisionLabel = "controller-revision-hash";

/** Changes of pods are gathered this long, milliseconds: a burst costs a handful of looks at the whole set, not one per change. */
const gatherMs = 20;

export class StatefulSets {
  readonly #context: ComponentContext;
  readonly #sets: Cache<StatefulSet>;
  readonly #pods: Cache<Pod>;
  readonly #owned: Owned<Pod>;
  readonly #work: KeyedWork;
  /** Uid of a set and revision name → the template of that revision. */
  readonly #templates = new Map<string, PodTemplateSpec>();

  constructor(context: ComponentContext, sets: Cache<StatefulSet>, pods: Cache<Pod>) {
    this.#context = context;
    this.#sets = sets;
    this.#pods = pods;
    this.#work = new KeyedWork({ ...context, name: "stateful set", concurrency: 8, work: (key) => this.#sync(key) });
    this.#owned = new Owned(pods, "StatefulSet", (key) => this.#work.addAfter(key, gatherMs));
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
    const updateRevision = await this.#recordRevision(set);
    const currentRevision = set.status?.currentRevision ?? updateRevision;
    const pods = this.#owned.of(set);
    const byOrdinal = new Map(pods.map((pod) => [ordinalOf(set, pod), pod]));
    const actions = planStatefulSet({ ...toSettings(set), currentRevision, updateRevision, pods: toPods(set, pods) });
    try {
      await runAll(actions, (action) => this.#execute(set, action, byOrdinal));
    } finally {
      await this.#reportStatus(set, currentRevision, updateRevision);
    }
    return undefined;
  }

  async #execute(set: StatefulSet, action: StatefulSetAction, pods: ReadonlyMap<number, Pod>): Promise<void> {
    if (action.type === "delete") {
      const pod = pods.get(action.ordinal);
      if (pod !== undefined) await this.#context.api.delete(resources.pods, pod);
      return;
    }
    const name = `${set.metadata.name}-${action.ordinal}`;
    await createPod(this.#context, this.#pods, {
      resource: resources.statefulSets,
      owner: set,
      template: await this.#templateOf(set, action.revision),
      name,
      labels: {
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": String(action.ordinal),
        [revisionLabel]: action.revision,
      },
      spec: { hostname: name, ...(set.spec.serviceName ? { subdomain: set.spec.serviceName } : {}) },
    });
  }

  /** Makes sure that the template is kept under its revision's name, which is returned. */
  async #recordRevision(set: StatefulSet): Promise<string> {
    const { uid = "", namespace = "default", name, generation = 1 } = set.metadata;
    const revisionName = `${name}-${hashOf(set.spec.template)}`;
    const known = `${uid}/${revisionName}`;
    if (this.#templates.has(known)) return revisionName;
    const revision: ControllerRevision = {
      metadata: {
        name: revisionName,
        namespace,
        labels: { ...set.spec.selector.matchLabels },
        ownerReferences: [toControllerReference(resources.statefulSets, set)],
      },
      data: { spec: { template: set.spec.template } },
      revision: generation,
    };
    try {
      await this.#context.api.create(resources.controllerRevisions, revision);
    } catch (error) {
      if (!isStale(error)) throw error;
    }
    this.#templates.set(known, set.spec.template);
    return revisionName;
  }

  async #templateOf(set: StatefulSet, revisionName: string): Promise<PodTemplateSpec> {
    const known = this.#templates.get(`${set.metadata.uid ?? ""}/${revisionName}`);
    if (known !== undefined) return known;
    const { namespace = "default" } = set.metadata;
    const found = await this.#context.api.get(resources.controllerRevisions, namespace, revisionName);
    // Without its record an old revision cannot be made again; the current template is what is left.
    const data = (found as ControllerRevision | undefined)?.data;
    const spec = isRecord(data) ? data["spec"] : undefined;
    const template = isRecord(spec) && isRecord(spec["template"]) ? spec["template"] : set.spec.template;
    this.#templates.set(`${set.metadata.uid ?? ""}/${revisionName}`, template);
    return template;
  }

  async #reportStatus(set: StatefulSet, currentRevision: string, updateRevision: string): Promise<void> {
    const pods = toPods(set, this.#owned.of(set)).filter((pod) => !pod.terminating && !pod.finished);
    const ready = pods.filter((pod) => pod.ready).length;
    const updated = pods.filter((pod) => pod.revision === updateRevision).length;
    const replicas = set.spec.replicas ?? 1;
    // The rollout is complete: what is current moves on.
    const isComplete = updated === replicas && ready === replicas && pods.length === replicas;
    const current = isComplete ? updateRevision : currentRevision;
    const status = {
      observedGeneration: set.metadata.generation ?? 1,
      replicas: pods.length,
      readyReplicas: ready,
      availableReplicas: ready,
      currentReplicas: pods.filter((pod) => pod.revision === current).length,
      updatedReplicas: updated,
      currentRevision: current,
      updateRevision,
    };
    if (isWritten(status, this.#sets.get(keyOfObject(set))?.status)) return;
    try {
      this.#sets.observe(await this.#context.api.patch(resources.statefulSets, set, { status }, "status"));
    } catch (error) {
      if (!isStale(error)) throw error;
    }
  }
}

function toSettings(set: StatefulSet): {
  replicas: number;
  firstOrdinal: number;
  ordered: boolean;
  partition: number;
  rolling: boolean;
} {
  const { replicas = 1, podManagementPolicy, updateStrategy, ordinals } = set.spec;
  return {
    replicas,
    firstOrdinal: ordinals?.start ?? 0,
    ordered: podManagementPolicy !== "Parallel",
    partition: updateStrategy?.rollingUpdate?.partition ?? 0,
    rolling: updateStrategy?.type !== "OnDelete",
  };
}

/** The number at the end of the pod's name; NaN for a name that is not the set's. */
function ordinalOf(set: StatefulSet, pod: Pod): number {
  const prefix = `${set.metadata.name}-`;
  return pod.metadata.name.startsWith(prefix) ? Number(pod.metadata.name.slice(prefix.length)) : NaN;
}

function toPods(set: StatefulSet, pods: readonly Pod[]): StatefulPod[] {
  return pods
    .filter((pod) => Number.isInteger(ordinalOf(set, pod)))
    .map((pod) => ({
      ordinal: ordinalOf(set, pod),
      revision: pod.metadata.labels?.[revisionLabel] ?? "",
      ready: podIsReady(pod),
      terminating: pod.metadata.deletionTimestamp !== undefined,
      finished: podIsFinished(pod),
    }));
}
