/**
 * Scheduling gates: what of a gated pod may change, and what must not be there while it is gated. Message texts are
 * kube-apiserver's. Source: Kubernetes, "Pod Scheduling Readiness", mutable scheduling directives.
 */
import { forbiddenField, invalidValue } from "./built-in-validation.ts";
import { isObject, jsonEquals, stringAt, valueAt, without, type JsonObject } from "./kube-json.ts";
import type { FieldCause } from "./status.ts";

/** True when the spec has a gate, which keeps every scheduler from the pod. */
export function hasSchedulingGate(spec: unknown): boolean {
  return gatesOf(spec).length > 0;
}

/** The rules of gates, and of what a gated pod may change; `oldSpec` is undefined at creation. */
export function validateSchedulingGates(spec: unknown, oldSpec: unknown): FieldCause[] {
  if (oldSpec === undefined) {
    const isBound = hasSchedulingGate(spec) && stringAt(spec, ["nodeName"]) !== "";
    return isBound
      ? [forbiddenField("spec.nodeName", "cannot be set until all schedulingGates have been cleared")]
      : [];
  }
  const known = gatesOf(oldSpec);
  const added = gatesOf(spec).flatMap((gate, index) =>
    known.includes(gate)
      ? []
      : [
          forbiddenField(
            `spec.schedulingGates[${index}].name`,
            `only deletion is allowed, but found new scheduling gate '${gate}'`,
          ),
        ],
  );
  if (!hasSchedulingGate(oldSpec)) return added;
  return [...added, ...validateNodeSelector(spec, oldSpec), ...validateTerms(spec, oldSpec)];
}

/** A pod's spec without the directives that may change while it is gated. */
export function withoutDirectives(spec: JsonObject): JsonObject {
  const affinity = spec["affinity"];
  const rest = without(spec, "nodeSelector", "affinity");
  if (!isObject(affinity)) return rest;
  const others = without(affinity, "nodeAffinity");
  return Object.keys(others).length === 0 ? rest : { ...rest, affinity: others };
}

function gatesOf(spec: unknown): string[] {
  const gates = valueAt(spec, ["schedulingGates"]);
  return Array.isArray(gates) ? gates.map((gate) => stringAt(gate, ["name"])) : [];
}

function validateNodeSelector(spec: unknown, oldSpec: unknown): FieldCause[] {
  const before = valueAt(oldSpec, ["nodeSelector"]);
  const after = valueAt(spec, ["nodeSelector"]);
  const isKept = Object.entries(isObject(before) ? before : {}).every(
    ([key, value]) => isObject(after) && after[key] === value,
  );
  return isKept
    ? []
    : [
        invalidValue(
          "spec.nodeSelector",
          after,
          "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
        ),
      ];
}

const termsPath = ["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"];

function validateTerms(spec: unknown, oldSpec: unknown): FieldCause[] {
  const before = listAt(oldSpec, termsPath);
  const after = listAt(spec, termsPath);
  const field = `spec.${termsPath.join(".")}`;
  if (before.length === 0) return [];
  if (before.length !== after.length) {
    return [invalidValue(field, after, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")];
  }
  return before.flatMap((term, index) =>
    onlyAdds(after[index], term)
      ? []
      : [invalidValue(`${field}[${index}]`, after[index], "only additions are allowed (no mutations or deletions)")],
  );
}

/** A term without requirements matches nothing, so an addition to it would allow nodes. */
function onlyAdds(after: unknown, before: unknown): boolean {
  const parts = ["matchExpressions", "matchFields"].map((part) => ({
    old: listAt(before, [part]),
    now: listAt(after, [part]),
  }));
  if (parts.every(({ old }) => old.length === 0)) return parts.every(({ now }) => now.length === 0);
  return parts.every(({ old, now }) => jsonEquals(now.slice(0, old.length), old));
}

function listAt(value: unknown, path: readonly string[]): readonly unknown[] {
  const list = valueAt(value, path);
  return Array.isArray(list) ? list : [];
}
