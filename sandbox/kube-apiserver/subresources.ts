import { isObject, memberObject, stringAt, valueAt, type KubeJson, type StoredObject } from "./kube-json.ts";
import { toTimestamp } from "./metadata.ts";
import { hasSchedulingGate } from "./scheduling-gates.ts";
import { matchesLabelSelector } from "./selectors.ts";
import { ApiError, badRequest } from "./status.ts";
import type { Store } from "./store.ts";

/** The pod after `pods/binding` put it on a node. @throws ApiError 400 without a target, 409 when it has a node already */
export function bindPod(pod: StoredObject, binding: unknown, nowMs: number): KubeJson {
  const node = stringAt(binding, ["target", "name"]);
  const { name } = pod.metadata;
  if (node === "") throw badRequest(`Binding "${name}" is invalid: target.name: Required value`);
  const refuse = (why: string) => {
    const message = `Operation cannot be fulfilled on pods/binding "${name}": ${why}`;
    return new ApiError(409, "Conflict", message, { name, kind: "pods/binding" });
  };
  if (pod.metadata.deletionTimestamp !== undefined)
    throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  const present = stringAt(pod, ["spec", "nodeName"]);
  if (present !== "") throw refuse(`pod ${name} is already assigned to node "${present}"`);
  if (hasSchedulingGate(pod["spec"])) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  const status = memberObject(pod, "status");
  const conditions = Array.isArray(status["conditions"]) ? status["conditions"].filter(isObject) : [];
  const scheduled = {
    type: "PodScheduled",
    status: "True",
    lastProbeTime: null,
    lastTransitionTime: toTimestamp(nowMs),
  };
  const annotations = valueAt(binding, ["metadata", "annotations"]);
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      ...(isObject(annotations)
        ? { annotations: { ...pod.metadata.annotations, ...(annotations as Record<string, string>) } }
        : {}),
    },
    spec: { ...memberObject(pod, "spec"), nodeName: node },
    status: { ...status, conditions: [...conditions.filter((entry) => entry["type"] !== "PodScheduled"), scheduled] },
  };
}

/** @throws ApiError 429 when a PodDisruptionBudget of the pod allows no disruption now */
export function requireEvictable(store: Store, pod: StoredObject): void {
  const phase = stringAt(pod, ["status", "phase"]);
  if (phase === "Succeeded" || phase === "Failed" || phase === "Pending") return;
  const budgets = store.table("policy/poddisruptionbudgets").list(pod.metadata.namespace ?? "");
  const blocking = budgets.find((budget) => {
    const selector = valueAt(budget, ["spec", "selector"]);
    const allowed = valueAt(budget, ["status", "disruptionsAllowed"]);
    const matches = isObject(selector) && matchesLabelSelector(selector, pod.metadata.labels ?? {});
    return matches && (typeof allowed !== "number" || allowed <= 0);
  });
  if (blocking === undefined) return;
  const message = "Cannot evict pod as it would violate the pod's disruption budget.";
  const needs = `The disruption budget ${blocking.metadata.name} does not allow a disruption now`;
  throw new ApiError(429, "TooManyRequests", message, { causes: [{ reason: "DisruptionBudget", message: needs }] });
}
