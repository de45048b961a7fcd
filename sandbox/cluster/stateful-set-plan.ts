/** What a StatefulSet does next: a pure decision by the rules of the StatefulSet controller of Kubernetes. */

export interface StatefulSetState {
  /** Pods wanted. Source: `.spec.replicas`. */
  readonly replicas: number;
  /** Source: `.spec.ordinals.start`. */
  readonly firstOrdinal: number;
  /** True for OrderedReady: one pod at a time, each after all before it are ready. */
  readonly ordered: boolean;
  /** Pods of a lower index than this keep the current revision. Source: `.spec.updateStrategy.rollingUpdate.partition`. */
  readonly partition: number;
  /** False for OnDelete: old pods are replaced only when somebody deletes them. */
  readonly rolling: boolean;
  /** Names of the ControllerRevisions: of the pods that the last complete rollout made, and of the template. */
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly pods: readonly StatefulPod[];
}

export interface StatefulPod {
  readonly ordinal: number;
  readonly revision: string;
  readonly ready: boolean;
  readonly terminating: boolean;
  /** Succeeded or Failed: deleted, so that a fresh one takes its name. */
  readonly finished: boolean;
}

export type StatefulSetAction =
  | { readonly type: "create"; readonly ordinal: number; readonly revision: string }
  | { readonly type: "delete"; readonly ordinal: number };

/** Total: a settled set plans nothing. Actions of one plan may run at the same time. */
export function planStatefulSet(state: StatefulSetState): StatefulSetAction[] {
  const byOrdinal = new Map(state.pods.map((pod) => [pod.ordinal, pod]));
  const wanted = Array.from({ length: state.replicas }, (_, index) => state.firstOrdinal + index);
  const last = state.firstOrdinal + state.replicas - 1;
  const surplus = state.pods
    .filter(({ ordinal }) => ordinal < state.firstOrdinal || ordinal > last)
    .sort((a, b) => b.ordinal - a.ordinal);

  const actions: StatefulSetAction[] = [];
  for (const ordinal of wanted) {
    const pod = byOrdinal.get(ordinal);
    const action = replace(state, ordinal, pod);
    if (action !== undefined) actions.push(action);
    if (state.ordered && (pod === undefined || !isHealthy(pod))) return actions;
  }
  if (actions.length > 0) return actions;
  if (surplus.length > 0) return scaleDown(state, surplus);
  return rollForward(state, wanted.toReversed(), byOrdinal);
}

function isHealthy(pod: StatefulPod): boolean {
  return pod.ready && !pod.terminating && !pod.finished;
}

function replace(
  state: StatefulSetState,
  ordinal: number,
  pod: StatefulPod | undefined,
): StatefulSetAction | undefined {
  if (pod === undefined) {
    const keepsOld = ordinal < state.firstOrdinal + state.partition;
    return { type: "create", ordinal, revision: keepsOld ? state.currentRevision : state.updateRevision };
  }
  return pod.finished && !pod.terminating ? { type: "delete", ordinal } : undefined;
}

/** The highest first; with order one at a time, each after the one before is gone. */
function scaleDown(state: StatefulSetState, surplus: readonly StatefulPod[]): StatefulSetAction[] {
  if (state.ordered && surplus.some((pod) => pod.terminating)) return [];
  return surplus
    .filter((pod) => !pod.terminating)
    .slice(0, state.ordered ? 1 : undefined)
    .map(({ ordinal }) => ({ type: "delete", ordinal }));
}

/** One old pod at a time, from the highest ordinal down to the partition, and only while all above it are healthy. */
function rollForward(
  state: StatefulSetState,
  descending: readonly number[],
  byOrdinal: ReadonlyMap<number, StatefulPod>,
): StatefulSetAction[] {
  if (!state.rolling) return [];
  for (const ordinal of descending) {
    if (ordinal < state.firstOrdinal + state.partition) return [];
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined) return [];
    if (pod.revision !== state.updateRevision && !pod.terminating) return [{ type: "delete", ordinal }];
    if (!isHealthy(pod)) return [];
  }
  return [];
}
