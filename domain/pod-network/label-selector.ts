/** A Kubernetes label selector. Source: `metav1.LabelSelector`. Null and absent members are the same. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>> | null;
  readonly matchExpressions?: readonly LabelRequirement[] | null;
}

/** One requirement; all of a selector must hold. */
export interface LabelRequirement {
  readonly key?: string;
  /** `In`, `NotIn`, `Exists` or `DoesNotExist`. */
  readonly operator?: string;
  readonly values?: readonly string[] | null;
}

type Labels = Readonly<Record<string, string>>;

/**
 * True when every requirement holds; an empty selector matches everything. `NotIn` and `DoesNotExist` hold for a label that
 * is absent. A requirement that {@link findSelectorProblem} reports never holds.
 */
export function selectorMatches(selector: LabelSelector, labels: Labels): boolean {
  const exact = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => valueOf(labels, key) === value);
  return exact && (selector.matchExpressions ?? []).every((requirement) => requirementHolds(requirement, labels));
}

/** Labels may be called as members that every object has, such as `constructor`. */
function valueOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function requirementHolds(requirement: LabelRequirement, labels: Labels): boolean {
  if (findRequirementProblem(requirement) !== undefined) return false;
  const value = valueOf(labels, requirement.key ?? "");
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    default:
      return value === undefined;
  }
}

/** What is wrong with the selector, or undefined. The rules are those of apimachinery's `LabelSelectorAsSelector`. */
export function findSelectorProblem(selector: LabelSelector): string | undefined {
  for (const requirement of selector.matchExpressions ?? []) {
    const problem = findRequirementProblem(requirement);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Operators, and whether each takes values. */
const takesValues: ReadonlyMap<string, boolean> = new Map([
  ["In", true],
  ["NotIn", true],
  ["Exists", false],
  ["DoesNotExist", false],
]);

function findRequirementProblem({ key, operator = "", values }: LabelRequirement): string | undefined {
  if (key === undefined || key === "") return "a label requirement has no key";
  const hasValues = values !== undefined && values !== null && values.length > 0;
  const needsValues = takesValues.get(operator);
  if (needsValues === undefined) {
    return `operator ${JSON.stringify(operator)} on label ${key} is none of In, NotIn, Exists, DoesNotExist`;
  }
  if (needsValues === hasValues) return undefined;
  return `operator ${operator} on label ${key} ${needsValues ? "needs" : "takes no"} values`;
}
