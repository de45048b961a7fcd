/** The pod statuses that a kubelet writes, as pure functions. */
import type { ContainerState, PodStatus } from "kubernetes-types/core/v1.d.ts";
import type { Pod } from "./kinds.ts";

type Condition = NonNullable<PodStatus["conditions"]>[number];

/** A pod whose network is not there yet: Pending, every container in ContainerCreating. */
export function toCreatingStatus(pod: Pod, hostIp: string, nowIso: string): PodStatus {
  const unready = `containers with unready status: [${pod.spec.containers.map(({ name }) => name).join(" ")}]`;
  const notReady = { status: "False", reason: "ContainersNotReady", message: unready };
  return {
    phase: "Pending",
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    startTime: pod.status?.startTime ?? nowIso,
    conditions: withTimes(pod, nowIso, [
      { type: "PodReadyToStartContainers", status: "False" },
      { type: "Initialized", status: "True" },
      { type: "Ready", ...notReady },
      { type: "ContainersReady", ...notReady },
      { type: "PodScheduled", status: "True" },
    ]),
    containerStatuses: containerStatuses(pod, { waiting: { reason: "ContainerCreating" } }),
  };
}

/** @param addresses of the pod, the primary one first */
export function toRunningStatus(pod: Pod, hostIp: string, addresses: readonly string[], nowIso: string): PodStatus {
  return {
    phase: "Running",
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    podIP: addresses[0] ?? "",
    podIPs: addresses.map((ip) => ({ ip })),
    startTime: pod.status?.startTime ?? nowIso,
    conditions: withTimes(pod, nowIso, [
      { type: "PodReadyToStartContainers", status: "True" },
      { type: "Initialized", status: "True" },
      { type: "Ready", status: "True" },
      { type: "ContainersReady", status: "True" },
      { type: "PodScheduled", status: "True" },
    ]),
    containerStatuses: containerStatuses(pod, { running: { startedAt: nowIso } }),
  };
}

/** All containers ended with exit code 0. */
export function toSucceededStatus(pod: Pod, nowIso: string): PodStatus {
  const startedAt = startedAtOf(pod) ?? nowIso;
  const completed = { status: "False", reason: "PodCompleted" };
  return {
    phase: "Succeeded",
    conditions: withTimes(pod, nowIso, [
      { type: "PodReadyToStartContainers", status: "False" },
      { type: "Ready", ...completed },
      { type: "ContainersReady", ...completed },
    ]),
    containerStatuses: containerStatuses(pod, {
      terminated: { exitCode: 0, reason: "Completed", startedAt, finishedAt: nowIso },
    }),
  };
}

/** When the first container started; undefined while none runs. */
export function startedAtOf(pod: Pod): string | undefined {
  return pod.status?.containerStatuses?.[0]?.state?.running?.startedAt;
}

/**
 * A condition keeps its time while its status stays. Fields that an earlier reason left behind are set to null, which
 * removes them in a merge.
 */
function withTimes(pod: Pod, nowIso: string, conditions: readonly Condition[]): Condition[] {
  return conditions.map((condition) => {
    const known = pod.status?.conditions?.find((each) => each.type === condition.type);
    if (known === undefined) return { ...condition, lastTransitionTime: nowIso };
    const since = known.status === condition.status ? known.lastTransitionTime : undefined;
    const cleared: Record<string, null> = {};
    for (const field of ["reason", "message"] as const) {
      if (known[field] !== undefined && condition[field] === undefined) cleared[field] = null;
    }
    return { ...condition, ...cleared, lastTransitionTime: since ?? nowIso };
  });
}

function containerStatuses(pod: Pod, state: ContainerState): NonNullable<PodStatus["containerStatuses"]> {
  const isRunning = state.running !== undefined;
  return pod.spec.containers.map(({ name, image = "" }) => ({
    name,
    image,
    imageID: state.waiting === undefined ? `sandbox://${image}` : "",
    ...(state.waiting === undefined ? { containerID: `containerd://${pod.metadata.uid ?? ""}-${name}` } : {}),
    ready: isRunning,
    started: isRunning,
    restartCount: 0,
    state,
  }));
}
