/** The columns of pods, with the STATUS that `kubectl get pods` shows: a reason rather than a phase wherever there is one. */
import { stringAt, valueAt, type KubeJson } from "./kube-json.ts";
import { ageOf, humanDuration } from "./table-age.ts";
import { listAt, text, textAt, wide, type Column } from "./table-columns.ts";

/** What the rows of a pod are made of. */
interface PodSummary {
  readonly status: string;
  readonly ready: number;
  readonly total: number;
  readonly restarts: number;
  /** Milliseconds since the epoch of the last end of a container; undefined when none has ended. */
  readonly lastRestart: number | undefined;
}

interface Restarts {
  readonly count: number;
  readonly last: number | undefined;
}

const noRestarts: Restarts = { count: 0, last: undefined };

function addRestarts(sum: Restarts, status: unknown): Restarts {
  const count = valueAt(status, ["restartCount"]);
  const finished = Date.parse(stringAt(status, ["lastState", "terminated", "finishedAt"]));
  const last = Number.isNaN(finished) ? sum.last : Math.max(finished, sum.last ?? finished);
  return { count: sum.count + (typeof count === "number" ? count : 0), last };
}

/** The reason of an ended container: its own, its signal, or its exit code. */
function endReason(status: unknown): string {
  const ended = valueAt(status, ["state", "terminated"]);
  const reason = stringAt(ended, ["reason"]);
  if (reason !== "") return reason;
  const signal = valueAt(ended, ["signal"]);
  if (typeof signal === "number" && signal !== 0) return `Signal:${signal}`;
  return `ExitCode:${exitCode(status)}`;
}

function exitCode(status: unknown): number {
  const code = valueAt(status, ["state", "terminated", "exitCode"]);
  return typeof code === "number" ? code : 0;
}

function hasEnded(status: unknown): boolean {
  return valueAt(status, ["state", "terminated"]) !== undefined;
}

function isTrue(pod: KubeJson, type: string): boolean {
  const condition = listAt(pod, "status", "conditions").find((item) => stringAt(item, ["type"]) === type);
  return stringAt(condition, ["status"]) === "True";
}

/** Reason of the pod itself: `status.reason`, the phase, or SchedulingGated. */
function podReason(pod: KubeJson): string {
  const gated = listAt(pod, "status", "conditions").some((condition) => {
    return stringAt(condition, ["type"]) === "PodScheduled" && stringAt(condition, ["reason"]) === "SchedulingGated";
  });
  if (gated) return "SchedulingGated";
  return stringAt(pod, ["status", "reason"]) || stringAt(pod, ["status", "phase"]);
}

/** Names of the init containers that go on running beside the others (restartPolicy Always). */
function sidecarsOf(pod: KubeJson): ReadonlySet<string> {
  const sidecars = listAt(pod, "spec", "initContainers").filter(
    (item) => stringAt(item, ["restartPolicy"]) === "Always",
  );
  return new Set(sidecars.map((item) => stringAt(item, ["name"])));
}

interface InitProgress {
  /** Text of the first init container that is not finished; undefined when all are. */
  readonly reason: string | undefined;
  readonly ready: number;
  readonly all: Restarts;
  readonly sidecars: Restarts;
}

function initProgress(pod: KubeJson, sidecars: ReadonlySet<string>): InitProgress {
  let all = noRestarts;
  let ofSidecars = noRestarts;
  let ready = 0;
  const statuses = listAt(pod, "status", "initContainerStatuses");
  for (const [index, status] of statuses.entries()) {
    const sidecar = sidecars.has(stringAt(status, ["name"]));
    all = addRestarts(all, status);
    if (sidecar) ofSidecars = addRestarts(ofSidecars, status);
    if (hasEnded(status) && exitCode(status) === 0) continue;
    if (sidecar && valueAt(status, ["started"]) === true) {
      if (valueAt(status, ["ready"]) === true) ready++;
      continue;
    }
    const total = listAt(pod, "spec", "initContainers").length;
    return { reason: initReason(status, index, total), ready, all, sidecars: ofSidecars };
  }
  return { reason: undefined, ready, all, sidecars: ofSidecars };
}

function initReason(status: unknown, index: number, total: number): string {
  if (hasEnded(status)) return `Init:${endReason(status)}`;
  const waiting = stringAt(status, ["state", "waiting", "reason"]);
  return waiting !== "" && waiting !== "PodInitializing" ? `Init:${waiting}` : `Init:${index}/${total}`;
}

interface ContainerProgress {
  readonly reason: string;
  readonly ready: number;
  readonly restarts: Restarts;
}

/** The first container in the order of the status that has something to say decides the reason. */
function containerProgress(pod: KubeJson, from: string, before: Restarts): ContainerProgress {
  let reason = from;
  let failure = "";
  let ready = 0;
  let restarts = before;
  for (const status of listAt(pod, "status", "containerStatuses").toReversed()) {
    restarts = addRestarts(restarts, status);
    const waiting = stringAt(status, ["state", "waiting", "reason"]);
    if (waiting !== "") reason = waiting;
    else if (hasEnded(status)) {
      reason = endReason(status);
      if (exitCode(status) !== 0) failure = reason;
    } else if (valueAt(status, ["ready"]) === true && valueAt(status, ["state", "running"]) !== undefined) ready++;
  }
  return { reason: reason === "Completed" ? completedReason(pod, ready > 0, failure) : reason, ready, restarts };
}

/** One container has completed; what the others do is more interesting. */
function completedReason(pod: KubeJson, running: boolean, failure: string): string {
  if (running && isTrue(pod, "Ready")) return "Running";
  if (failure !== "") return failure;
  return running ? "NotReady" : "Completed";
}

function deletionReason(pod: KubeJson, reason: string): string {
  if (pod.metadata?.deletionTimestamp === undefined) return reason;
  if (stringAt(pod, ["status", "reason"]) === "NodeLost") return "Unknown";
  const phase = stringAt(pod, ["status", "phase"]);
  return phase === "Succeeded" || phase === "Failed" ? reason : "Terminating";
}

function summarize(pod: KubeJson): PodSummary {
  const sidecars = sidecarsOf(pod);
  const total = listAt(pod, "spec", "containers").length + sidecars.size;
  const init = initProgress(pod, sidecars);
  const initializing = init.reason !== undefined && !isTrue(pod, "Initialized");
  const main: ContainerProgress = initializing
    ? { reason: init.reason, ready: 0, restarts: init.all }
    : containerProgress(pod, init.reason ?? podReason(pod), init.sidecars);
  return {
    status: deletionReason(pod, main.reason),
    ready: init.ready + main.ready,
    total,
    restarts: main.restarts.count,
    lastRestart: main.restarts.last,
  };
}

/** Several cells are made from one summary; a row's cells are rendered together. */
const summaries = new WeakMap<KubeJson, PodSummary>();

function summaryOf(pod: KubeJson): PodSummary {
  let summary = summaries.get(pod);
  if (summary === undefined) {
    summary = summarize(pod);
    summaries.set(pod, summary);
  }
  return summary;
}

function restartsText(pod: KubeJson, nowMs: number): string {
  const { restarts, lastRestart } = summaryOf(pod);
  return restarts === 0 || lastRestart === undefined
    ? `${restarts}`
    : `${restarts} (${humanDuration(nowMs - lastRestart)} ago)`;
}

function readinessGates(pod: KubeJson): string {
  const gates = listAt(pod, "spec", "readinessGates");
  if (gates.length === 0) return "<none>";
  return `${gates.filter((gate) => isTrue(pod, stringAt(gate, ["conditionType"]))).length}/${gates.length}`;
}

/** Source: the columns of `kubectl get pods -o wide` of Kubernetes 1.35. */
export const podColumns: readonly Column[] = [
  { name: "Name", type: "string", format: "name", cell: (pod) => pod.metadata?.name ?? "" },
  text("Ready", (pod) => `${summaryOf(pod).ready}/${summaryOf(pod).total}`),
  text("Status", (pod) => summaryOf(pod).status),
  text("Restarts", restartsText),
  text("Age", (pod, nowMs) => ageOf(pod.metadata?.creationTimestamp, nowMs)),
  wide("IP", (pod) => textAt(listAt(pod, "status", "podIPs")[0], ["ip"], textAt(pod, ["status", "podIP"]))),
  wide("Node", (pod) => textAt(pod, ["spec", "nodeName"])),
  wide("Nominated Node", (pod) => textAt(pod, ["status", "nominatedNodeName"])),
  wide("Readiness Gates", readinessGates),
];
