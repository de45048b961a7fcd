/** The Deployment controller: one ReplicaSet per template, rolled over by deployment-plan.ts. Rollback is left to kubectl. */
import { isStale } from "./api.ts";
import type { Cache } from "./cache.ts";
import { isoSeconds, type ComponentContext } from "./component.ts";
import { planDeployment, resolveFenceposts, type DeploymentState, type ReplicaSetSize } from "./deployment-plan.ts";
import { KeyedWork } from "./keyed-work.ts";
import { keyOfObject, resources, type Deployment, type ReplicaSet } from "./kinds.ts";
import { hashOf, isWritten, Owned, toControllerReference } from "./workload-pods.ts";

const hashLabel = "pod-template-hash";
const revisionAnnotation = "deployment.kubernetes.io/revision";

export class Deployments {
  readonly #context: ComponentContext;
  readonly #deployments: Cache<Deployment>;
  readonly #sets: Cache<ReplicaSet>;
  readonly #owned: Owned<ReplicaSet>;
  readonly #work: KeyedWork;

  constructor(context: ComponentContext, deployments: Cache<Deployment>, sets: Cache<ReplicaSet>) {
    this.#context = context;
    this.#deployments = deployments;
    this.#sets = sets;
    this.#work = new KeyedWork({ ...context, name: "deployment", concurrency: 8, work: (key) => this.#sync(key) });
    this.#owned = new Owned(sets, "Deployment", (key) => this.#work.add(key));
    deployments.onChange(({ after }) => {
      if (after !== undefined) this.#work.add(keyOfObject(after));
    });
  }

  /** Resolves when no call is in flight. */
  async idle(): Promise<void> {
    await this.#work.idle();
  }

  async #sync(key: string): Promise<number | undefined> {
    if (!this.#sets.hasSynced) return 50;
    const deployment = this.#deployments.get(key);
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return undefined;
    const hash = hashOf(deployment.spec.template);
    const sets = this.#owned.of(deployment).sort((a, b) => revisionOf(a) - revisionOf(b));
    const current = sets.find((set) => set.metadata.labels?.[hashLabel] === hash);
    const old = sets.filter((set) => set !== current);
    const sizes = planDeployment({ ...toSettings(deployment), current: toSize(current), old: old.map(toSize) });
    const revision = Math.max(0, ...old.map(revisionOf)) + 1;
    if (current === undefined) await this.#createSet(deployment, hash, sizes.current, revision);
    else await this.#adjustSet(current, sizes.current, revision);
    for (const [index, set] of old.entries()) await this.#adjustSet(set, sizes.old[index] ?? 0, revisionOf(set));
    await this.#reportStatus(deployment, hash, revision);
    return undefined;
  }

  async #createSet(deployment: Deployment, hash: string, replicas: number, revision: number): Promise<void> {
    const { template, selector } = deployment.spec;
    const labels = { ...template.metadata?.labels, [hashLabel]: hash };
    const set: ReplicaSet = {
      metadata: {
        name: `${deployment.metadata.name}-${hash}`,
        namespace: deployment.metadata.namespace ?? "default",
        labels,
        annotations: { [revisionAnnotation]: String(revision) },
        ownerReferences: [toControllerReference(resources.deployments, deployment)],
      },
      spec: {
        replicas,
        selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
    this.#sets.observe(await this.#context.api.create(resources.replicaSets, set));
  }

  async #adjustSet(set: ReplicaSet, replicas: number, revision: number): Promise<void> {
    if (set.spec.replicas === replicas && revisionOf(set) === revision) return;
    const patch = { metadata: { annotations: { [revisionAnnotation]: String(revision) } }, spec: { replicas } };
    this.#sets.observe(await this.#context.api.patch(resources.replicaSets, set, patch));
  }

  async #reportStatus(deployment: Deployment, hash: string, revision: number): Promise<void> {
    const { api, clock } = this.#context;
    const live = this.#deployments.get(keyOfObject(deployment)) ?? deployment;
    const status = toStatus(live, this.#owned.of(deployment), hash, isoSeconds(clock.now()));
    try {
      if (live.metadata.annotations?.[revisionAnnotation] !== String(revision)) {
        const patch = { metadata: { annotations: { [revisionAnnotation]: String(revision) } } };
        this.#deployments.observe(await api.patch(resources.deployments, live, patch));
      }
      if (isWritten(status, live.status)) return;
      this.#deployments.observe(await api.patch(resources.deployments, live, { status }, "status"));
    } catch (error) {
      if (!isStale(error)) throw error;
    }
  }
}

function revisionOf(set: ReplicaSet): number {
  return Number(set.metadata.annotations?.[revisionAnnotation] ?? 0);
}

function toSize(set: ReplicaSet | undefined): ReplicaSetSize {
  const { replicas = 0, availableReplicas = 0 } = set?.status ?? {};
  return { size: set?.spec.replicas ?? 0, pods: replicas, available: availableReplicas };
}

function toSettings(deployment: Deployment): Omit<DeploymentState, "current" | "old"> {
  const { replicas = 1, strategy } = deployment.spec;
  const { maxSurge, maxUnavailable } = strategy?.rollingUpdate ?? {};
  return {
    replicas,
    recreate: strategy?.type === "Recreate",
    ...resolveFenceposts(replicas, maxSurge, maxUnavailable),
  };
}

function toStatus(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  hash: string,
  nowIso: string,
): Record<string, unknown> {
  const { replicas, maxUnavailable } = toSettings(deployment);
  const current = toSize(sets.find((set) => set.metadata.labels?.[hashLabel] === hash));
  const all = sets.map(toSize);
  const pods = all.reduce((sum, each) => sum + each.pods, 0);
  const available = all.reduce((sum, each) => sum + each.available, 0);
  const isComplete = current.pods === replicas && available >= replicas && pods === replicas;
  const texts = [availableText(available >= replicas - maxUnavailable), progressingText(deployment, hash, isComplete)];
  return {
    observedGeneration: deployment.metadata.generation ?? 1,
    replicas: pods,
    updatedReplicas: current.pods,
    readyReplicas: available,
    availableReplicas: available,
    unavailableReplicas: Math.max(0, replicas - available),
    conditions: texts.map((text) => toCondition(deployment, nowIso, text)),
  };
}

function availableText(isAvailable: boolean): ConditionText {
  return isAvailable
    ? {
        type: "Available",
        status: "True",
        reason: "MinimumReplicasAvailable",
        message: "Deployment has minimum availability.",
      }
    : {
        type: "Available",
        status: "False",
        reason: "MinimumReplicasUnavailable",
        message: "Deployment does not have minimum availability.",
      };
}

function progressingText(deployment: Deployment, hash: string, isComplete: boolean): ConditionText {
  return {
    type: "Progressing",
    status: "True",
    reason: isComplete ? "NewReplicaSetAvailable" : "ReplicaSetUpdated",
    message: `ReplicaSet "${deployment.metadata.name}-${hash}" ${isComplete ? "has successfully progressed" : "is progressing"}.`,
  };
}

interface ConditionText {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

interface TimedCondition extends ConditionText {
  readonly lastTransitionTime: string;
  readonly lastUpdateTime: string;
}

/** A condition keeps its times while nothing of it changes. */
function toCondition(deployment: Deployment, nowIso: string, text: ConditionText): TimedCondition {
  const known = deployment.status?.conditions?.find(({ type }) => type === text.type);
  const isSame = known?.status === text.status && known.reason === text.reason;
  return {
    ...text,
    lastTransitionTime: (known?.status === text.status ? known.lastTransitionTime : undefined) ?? nowIso,
    lastUpdateTime: (isSame ? known.lastUpdateTime : undefined) ?? nowIso,
  };
}
