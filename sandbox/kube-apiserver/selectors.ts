import { isObject, type KubeJson } from "./kube-json.ts";
import type { ResourceKind } from "./kinds.ts";
import { faultOfKey, faultOfLabelValue } from "./metadata-validation.ts";
import { badRequest } from "./status.ts";

/** Decides whether an object belongs to a selection. */
export type Selection = (object: KubeJson) => boolean;

interface Requirement {
  readonly key: string;
  readonly operator: "in" | "notIn" | "exists" | "missing" | "greater" | "less";
  readonly values: readonly string[];
}

/** Parses a label selector (`a=b,c in (d,e),!f,g>1`). @throws ApiError 400 when it cannot be read. */
export function parseLabelSelector(text: string): Selection | undefined {
  const requirements = splitOutsideParentheses(text).map((part) => toRequirement(part, text));
  if (requirements.length === 0) return undefined;
  return (object) => requirements.every((requirement) => meets(requirement, object.metadata?.labels ?? {}));
}

function splitOutsideParentheses(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

const setPattern = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/;
const equalityPattern = /^([^=!<>\s]+)\s*(==|=|!=|>|<)\s*(\S*)$/;
const existsPattern = /^(!?)\s*([^=!<>\s(),]+)$/;
const equalityOperators = { "=": "in", "==": "in", "!=": "notIn", ">": "greater", "<": "less" } as const;

function toRequirement(part: string, text: string): Requirement {
  const requirement = toSetRequirement(part) ?? toEqualityRequirement(part) ?? toExistsRequirement(part);
  if (requirement !== undefined) {
    const fault = faultOf(requirement);
    if (fault !== undefined) throw badRequest(`unable to parse requirement: ${fault}`);
    return requirement;
  }
  throw badRequest(`unable to parse requirement: found '${part}' in label selector "${text}"`);
}

function faultOf({ key, operator, values }: Requirement): string | undefined {
  const ofKey = faultOfKey(key);
  if (ofKey !== undefined) return `<nil>: Invalid value: ${JSON.stringify(key)}: ${ofKey}`;
  if (operator !== "in" && operator !== "notIn") return undefined;
  for (const [index, value] of values.entries()) {
    const fault = faultOfLabelValue(value);
    if (fault !== undefined) return `values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${fault}`;
  }
  return undefined;
}

function toSetRequirement(part: string): Requirement | undefined {
  const [matched, key = "", operator, list = ""] = setPattern.exec(part) ?? [];
  if (matched === undefined) return undefined;
  return { key, operator: operator === "in" ? "in" : "notIn", values: list.split(",").map((value) => value.trim()) };
}

function toEqualityRequirement(part: string): Requirement | undefined {
  const [matched, key = "", operator = "=", value = ""] = equalityPattern.exec(part) ?? [];
  if (matched === undefined) return undefined;
  return { key, operator: equalityOperators[operator as keyof typeof equalityOperators], values: [value] };
}

function toExistsRequirement(part: string): Requirement | undefined {
  const [matched, not, key = ""] = existsPattern.exec(part) ?? [];
  if (matched === undefined) return undefined;
  return { key, operator: not === "!" ? "missing" : "exists", values: [] };
}

/** Whether a label (undefined when it is not there) meets each kind of requirement. */
const meetsBy: Record<Requirement["operator"], (value: string | undefined, values: readonly string[]) => boolean> = {
  in: (value, values) => value !== undefined && values.includes(value),
  notIn: (value, values) => value === undefined || !values.includes(value),
  exists: (value) => value !== undefined,
  missing: (value) => value === undefined,
  greater: (value, values) => value !== undefined && Number(value) > Number(values[0]),
  less: (value, values) => value !== undefined && Number(value) < Number(values[0]),
};

function meets({ key, operator, values }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  return meetsBy[operator](labels[key], values);
}

/** Matches labels against a `LabelSelector` object (meta/v1). An absent or empty one matches everything. */
export function matchesLabelSelector(selector: unknown, labels: Readonly<Record<string, string>>): boolean {
  if (!isObject(selector)) return true;
  const exact = isObject(selector["matchLabels"]) ? Object.entries(selector["matchLabels"]) : [];
  const expressions = Array.isArray(selector["matchExpressions"]) ? (selector["matchExpressions"] as unknown[]) : [];
  return (
    exact.every(([key, value]) => labels[key] === value) && expressions.every((entry) => meetsExpression(entry, labels))
  );
}

const expressionOperators = { In: "in", NotIn: "notIn", Exists: "exists", DoesNotExist: "missing" } as const;

function meetsExpression(expression: unknown, labels: Readonly<Record<string, string>>): boolean {
  if (!isObject(expression)) return true;
  const operator = expressionOperators[String(expression["operator"]) as keyof typeof expressionOperators];
  const values = Array.isArray(expression["values"]) ? expression["values"].map(String) : [];
  return meets({ key: String(expression["key"]), operator, values }, labels);
}

const everywhere: Readonly<Record<string, (object: KubeJson) => string>> = {
  "metadata.name": (object) => object.metadata?.name ?? "",
  "metadata.namespace": (object) => object.metadata?.namespace ?? "",
};

/** Parses a field selector (`spec.nodeName=n1,status.phase!=Failed`). @throws ApiError 400 for a field that cannot be selected. */
export function parseFieldSelector(text: string, kind: ResourceKind): Selection | undefined {
  const terms = text.split(",").filter((part) => part.trim() !== "");
  if (terms.length === 0) return undefined;
  const selections = terms.map((term) => toFieldTerm(term, kind, text));
  return (object) => selections.every((selection) => selection(object));
}

function toFieldTerm(term: string, kind: ResourceKind, text: string): Selection {
  const match = /^\s*([^=!]+)(==|=|!=)(.*)$/.exec(term);
  if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
  const field = (match[1] ?? "").trim();
  const read = everywhere[field] ?? kind.selectableFields[field];
  if (read === undefined) throw badRequest(`field label not supported: ${field}`);
  const value = (match[3] ?? "").trim();
  return match[2] === "!=" ? (object) => read(object) !== value : (object) => read(object) === value;
}

/** Name that a field selector pins, so that a list of one need not look at every object. */
export function nameInSelector(text: string): string | undefined {
  return /(?:^|,)\s*metadata\.name==?([^,]+)(?:,|$)/.exec(text)?.[1]?.trim();
}

/** Both selections at once; undefined selects everything. */
export function both(left: Selection | undefined, right: Selection | undefined): Selection | undefined {
  if (left === undefined) return right;
  return right === undefined ? left : (object) => left(object) && right(object);
}
