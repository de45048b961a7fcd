/** Can two planes match the same pod? Exact, without looking at a pod. */
import type { LabelRequirement, LabelSelector } from "./label-selector.ts";
import { findPlaneSelectorProblem, hasSelector } from "./plane.ts";
import type { Plane } from "./plane.ts";

/**
 * True when labels of a pod and of its namespace exist that both planes' selectors match. Keys do not depend on each other,
 * so it is enough that the requirements of both planes leave a value, or absence, to every key.
 *
 * The kinds of pods (`Fixed` is for fixed names only) never part two planes: a pod with a fixed name may match either.
 */
export function planesCanOverlap(one: Plane, other: Plane): boolean {
  if (!matchesAny(one) || !matchesAny(other)) return false;
  const [first, second] = [one.spec?.selector, other.spec?.selector];
  return (
    canHold([...requirementsOf(first?.podSelector), ...requirementsOf(second?.podSelector)]) &&
    canHold([...requirementsOf(first?.namespaceSelector), ...requirementsOf(second?.namespaceSelector)])
  );
}

function matchesAny(plane: Plane): boolean {
  return hasSelector(plane) && findPlaneSelectorProblem(plane) === undefined;
}

function requirementsOf(selector: LabelSelector | null | undefined): readonly LabelRequirement[] {
  const exact = Object.entries(selector?.matchLabels ?? {});
  return [
    ...exact.map(([key, value]) => ({ key, operator: "In", values: [value] })),
    ...(selector?.matchExpressions ?? []),
  ];
}

/** What the requirements leave to one label. */
interface Label {
  /** Undefined: every value. */
  allowed: ReadonlySet<string> | undefined;
  readonly forbidden: Set<string>;
  mustExist: boolean;
  mustBeAbsent: boolean;
}

function canHold(requirements: readonly LabelRequirement[]): boolean {
  const labels = new Map<string, Label>();
  for (const requirement of requirements) {
    const key = requirement.key ?? "";
    const label = labels.get(key) ?? {
      allowed: undefined,
      forbidden: new Set(),
      mustExist: false,
      mustBeAbsent: false,
    };
    labels.set(key, label);
    narrow(label, requirement);
  }
  return [...labels.values()].every(isPossible);
}

function narrow(label: Label, { operator, values }: LabelRequirement): void {
  switch (operator) {
    case "In":
      label.mustExist = true;
      label.allowed = new Set((values ?? []).filter((value) => label.allowed?.has(value) ?? isLabelValue(value)));
      return;
    case "NotIn":
      for (const value of values ?? []) label.forbidden.add(value);
      return;
    case "Exists":
      label.mustExist = true;
      return;
    default:
      label.mustBeAbsent = true;
  }
}

/** Values without end are allowed where none are named, so that forbidden ones never use them up. */
function isPossible({ allowed, forbidden, mustExist, mustBeAbsent }: Label): boolean {
  if (mustBeAbsent) return !mustExist;
  return allowed === undefined || [...allowed].some((value) => !forbidden.has(value));
}

/** No object can have a label of another form. Source: apimachinery `IsValidLabelValue`. */
function isLabelValue(value: string): boolean {
  return value.length <= 63 && /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/.test(value);
}
