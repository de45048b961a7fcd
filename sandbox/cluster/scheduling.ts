/** Which node a pod goes to: a pure decision with the words of kube-scheduler. */
import type {
  Container,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  Taint,
  Toleration,
} from "kubernetes-types/core/v1.d.ts";
import type { Node, Pod } from "./kinds.ts";
import { parseMilli } from "./quantity.ts";

/** Resource name → thousandths of its unit (see parseMilli). */
export type Amounts = ReadonlyMap<string, number>;

/** A node with what may be asked of it and what its pods have asked already. */
export interface NodeView {
  readonly node: Node;
  /** Source: Node `.status.allocatable`. */
  readonly allocatable: Amounts;
  /** Sum of the requests of the pods that are bound, or about to be bound, to it. */
  readonly used: Amounts;
}

export type Placement =
  | { readonly type: "placed"; readonly nodeName: string }
  /** `message` as kube-scheduler puts it into the PodScheduled condition and the FailedScheduling event. */
  | { readonly type: "unschedulable"; readonly message: string };

/** Why one node does not take the pod; `unresolvable`: removing other pods from it would not help. */
interface Refusal {
  readonly reasons: readonly string[];
  readonly unresolvable: boolean;
}

export function toAmounts(quantities: Readonly<Record<string, string>> | undefined): Map<string, number> {
  return new Map(Object.entries(quantities ?? {}).map(([name, quantity]) => [name, parseMilli(quantity)]));
}

/**
 * What the pod takes from a node: the larger of all containers with sidecars together and each init container, plus
 * overhead, plus one place among the pods. A limit without a request is the request, as the API defaults it.
 */
export function requestsOf(pod: Pod): Map<string, number> {
  const total = new Map<string, number>();
  const initContainers = pod.spec.initContainers ?? [];
  const sidecars = initContainers.filter((container) => container.restartPolicy === "Always");
  for (const container of [...pod.spec.containers, ...sidecars]) add(total, requestsOfContainer(container));
  for (const container of initContainers) {
    for (const [name, amount] of requestsOfContainer(container)) {
      total.set(name, Math.max(total.get(name) ?? 0, amount));
    }
  }
  add(total, toAmounts(pod.spec.overhead));
  total.set("pods", 1000);
  return total;
}

function requestsOfContainer(container: Container): Map<string, number> {
  return toAmounts({ ...container.resources?.limits, ...container.resources?.requests });
}

function add(total: Map<string, number>, amounts: Amounts): void {
  for (const [name, amount] of amounts) total.set(name, (total.get(name) ?? 0) + amount);
}

/**
 * Takes the node with the largest free share among those that fit. Pure and total: no fit is an answer with a reason.
 * Of more than 100 nodes only a part is examined, beginning at `startAt`, as kube-scheduler does, so that a burst
 * on a large cluster stays cheap.
 */
export function placePod(pod: Pod, nodes: readonly NodeView[], startAt = 0): Placement {
  if (nodes.length === 0) return { type: "unschedulable", message: "no nodes available to schedule pods" };
  const requests = requestsOf(pod);
  const enough = feasibleNodesToFind(nodes.length);
  const refusals: Refusal[] = [];
  let feasible = 0;
  let best: { nodeName: string; score: number } | undefined;
  for (let step = 0; step < nodes.length && feasible < enough; step++) {
    const view = nodes[(startAt + step) % nodes.length];
    if (view === undefined) continue;
    const refusal = refusalOf(pod, requests, view);
    if (refusal !== undefined) {
      refusals.push(refusal);
      continue;
    }
    feasible++;
    const score = freeShareAfter(requests, view);
    if (best === undefined || score > best.score) best = { nodeName: view.node.metadata.name, score };
  }
  if (best !== undefined) return { type: "placed", nodeName: best.nodeName };
  return { type: "unschedulable", message: messageOf(refusals) };
}

/** kube-scheduler's numFeasibleNodesToFind with the default percentage. */
function feasibleNodesToFind(nodeCount: number): number {
  if (nodeCount <= 100) return nodeCount;
  const percentage = Math.max(5, 50 - Math.floor(nodeCount / 125));
  return Math.max(100, Math.floor((nodeCount * percentage) / 100));
}

function refusalOf(pod: Pod, requests: Amounts, view: NodeView): Refusal | undefined {
  const { node } = view;
  const tolerations = pod.spec.tolerations ?? [];
  const cordon: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };
  if (node.spec?.unschedulable === true && !isTolerated(cordon, tolerations)) {
    return unresolvable("node(s) were unschedulable");
  }
  const taint = node.spec?.taints?.find((each) => repels(each) && !isTolerated(each, tolerations));
  if (taint !== undefined) return unresolvable(`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`);
  if (!matchesNode(pod, node)) return unresolvable("node(s) didn't match Pod's node affinity/selector");
  return refusalOfResources(requests, view);
}

function unresolvable(reason: string): Refusal {
  return { reasons: [reason], unresolvable: true };
}

function refusalOfResources(requests: Amounts, { allocatable, used }: NodeView): Refusal | undefined {
  const reasons: string[] = [];
  let never = false;
  for (const [name, amount] of requests) {
    const capacity = allocatable.get(name) ?? 0;
    if (amount === 0 || amount + (used.get(name) ?? 0) <= capacity) continue;
    reasons.push(name === "pods" ? "Too many pods" : `Insufficient ${name}`);
    never ||= amount > capacity;
  }
  return reasons.length === 0 ? undefined : { reasons, unresolvable: never };
}

/** Mean free share, 0 to 1, of the resources that the pod asks for, after it is placed. */
function freeShareAfter(requests: Amounts, { allocatable, used }: NodeView): number {
  let sum = 0;
  for (const [name, amount] of requests) {
    const capacity = allocatable.get(name) ?? 0;
    if (capacity > 0) sum += 1 - (amount + (used.get(name) ?? 0)) / capacity;
  }
  return sum / requests.size;
}

function repels(taint: Taint): boolean {
  return taint.effect === "NoSchedule" || taint.effect === "NoExecute";
}

function isTolerated(taint: Taint, tolerations: readonly Toleration[]): boolean {
  return tolerations.some((toleration) => {
    if (toleration.effect && toleration.effect !== taint.effect) return false;
    if (toleration.key && toleration.key !== taint.key) return false;
    if (toleration.operator === "Exists") return true;
    return Boolean(toleration.key) && (toleration.value ?? "") === (taint.value ?? "");
  });
}

/** nodeSelector and required node affinity. Terms are ORed, the expressions of a term ANDed. */
export function matchesNode(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const selector = Object.entries(pod.spec.nodeSelector ?? {});
  if (!selector.every(([key, value]) => labels[key] === value)) return false;
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required.nodeSelectorTerms.some((term) => matchesTerm(term, labels, node));
}

function matchesTerm(term: NodeSelectorTerm, labels: Readonly<Record<string, string>>, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  // A term without requirements matches nothing, as the API documents.
  if (matchExpressions.length + matchFields.length === 0) return false;
  // metadata.name is the only field that the API accepts here.
  return (
    matchExpressions.every((requirement) => matchesRequirement(requirement, labels[requirement.key])) &&
    matchFields.every((requirement) => matchesRequirement(requirement, node.metadata.name))
  );
}

type Test = (actual: string | undefined, values: readonly string[]) => boolean;

const operators: Readonly<Record<string, Test>> = {
  In: (actual, values) => actual !== undefined && values.includes(actual),
  NotIn: (actual, values) => actual === undefined || !values.includes(actual),
  Exists: (actual) => actual !== undefined,
  DoesNotExist: (actual) => actual === undefined,
  Gt: (actual, [bound]) => isInteger(actual) && Number(actual) > Number(bound),
  Lt: (actual, [bound]) => isInteger(actual) && Number(actual) < Number(bound),
};

/** An operator that is none matches nothing. */
function matchesRequirement({ operator, values = [] }: NodeSelectorRequirement, actual: string | undefined): boolean {
  return operators[operator]?.(actual, values) ?? false;
}

function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^-?\d+$/.test(text);
}

function messageOf(refusals: readonly Refusal[]): string {
  const nodes = refusals.length;
  const hopeless = refusals.filter((refusal) => refusal.unresolvable).length;
  const why = countText(refusals.flatMap((refusal) => refusal.reasons));
  const preemption = countText([
    ...new Array<string>(hopeless).fill("Preemption is not helpful for scheduling"),
    ...new Array<string>(nodes - hopeless).fill("No preemption victims found for incoming pod"),
  ]);
  return `0/${nodes} nodes are available: ${why}. preemption: 0/${nodes} nodes are available: ${preemption}.`;
}

/** `2 Insufficient cpu, 3 Too many pods`, sorted as kube-scheduler sorts. */
function countText(reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(", ");
}
