/** How large a Deployment makes its ReplicaSets next: a pure decision. */

export interface DeploymentState {
  /** Source: `.spec.replicas`. */
  readonly replicas: number;
  /** Strategy Recreate: all old pods are gone before the first new one. */
  readonly recreate: boolean;
  /** Pods above `replicas` during a rollout. Source: `.spec.strategy.rollingUpdate.maxSurge`, resolved. */
  readonly maxSurge: number;
  /** Pods that may be missing during a rollout. Source: `.spec.strategy.rollingUpdate.maxUnavailable`, resolved. */
  readonly maxUnavailable: number;
  /** The ReplicaSet of the current template. */
  readonly current: ReplicaSetSize;
  /** Those of former templates, oldest first. */
  readonly old: readonly ReplicaSetSize[];
}

export interface ReplicaSetSize {
  /** Source: `.spec.replicas`. */
  readonly size: number;
  /** Pods that exist, terminating ones left out. Source: `.status.replicas`. */
  readonly pods: number;
  /** Source: `.status.availableReplicas`. */
  readonly available: number;
}

export interface DeploymentSizes {
  readonly current: number;
  /** In the order of the state's `old`. */
  readonly old: readonly number[];
}

/** Total; a settled Deployment plans the sizes that it has. */
export function planDeployment(state: DeploymentState): DeploymentSizes {
  if (state.recreate) {
    const oldIsGone = state.old.every(({ size, pods }) => size === 0 && pods === 0);
    return { current: oldIsGone ? state.replicas : state.current.size, old: state.old.map(() => 0) };
  }
  return { current: growCurrent(state), old: shrinkOld(state) };
}

function growCurrent({ replicas, maxSurge, current, old }: DeploymentState): number {
  const room = replicas + maxSurge - current.size - sum(old.map(({ size }) => size));
  return Math.min(replicas, current.size + Math.max(0, room));
}

/** Unhealthy old pods go first, then as many healthy ones as the budget of missing pods allows. */
function shrinkOld({ replicas, maxUnavailable, current, old }: DeploymentState): number[] {
  const minAvailable = Math.max(0, replicas - maxUnavailable);
  const total = current.size + sum(old.map(({ size }) => size));
  const missingOfCurrent = Math.max(0, current.size - current.available);
  let removable = Math.max(0, total - minAvailable - missingOfCurrent);
  const sizes = old.map(({ size, available }) => {
    const unhealthy = Math.min(Math.max(0, size - available), removable);
    removable -= unhealthy;
    return size - unhealthy;
  });
  const available = current.available + sum(old.map((each) => Math.min(each.available, each.size)));
  let healthy = Math.min(removable, Math.max(0, available - minAvailable));
  return sizes.map((size) => {
    const gone = Math.min(size, healthy);
    healthy -= gone;
    return size - gone;
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * The two figures of a rolling update from numbers or percentages: the surge is rounded up, the missing down, and one
 * pod may be missing when both come to nothing, as in Kubernetes.
 */
export function resolveFenceposts(
  replicas: number,
  maxSurge: number | string = "25%",
  maxUnavailable: number | string = "25%",
): { maxSurge: number; maxUnavailable: number } {
  const surge = Math.ceil(resolve(replicas, maxSurge));
  const unavailable = Math.floor(resolve(replicas, maxUnavailable));
  return { maxSurge: surge, maxUnavailable: surge + unavailable === 0 ? 1 : unavailable };
}

function resolve(replicas: number, value: number | string): number {
  if (typeof value === "number") return value;
  const share = Number.parseFloat(value);
  if (Number.isNaN(share)) return 0;
  return value.endsWith("%") ? (replicas * share) / 100 : share;
}
