/**
 * The simple JSONPath of `additionalPrinterColumns`: `.a.b`, `.a['b']`, `.a[0]`, `.a[*]`, `.a[?(@.type=="X")].b`, with or without
 * braces and `$`. Anything else finds nothing, like a path that does not exist.
 */
import { isObject } from "./kube-json.ts";

type Step = (value: unknown) => readonly unknown[];

const pathToken =
  /^(?:\.([A-Za-z0-9_\-/]+(?:\\\.[A-Za-z0-9_\-/]+)*)|\[(-?\d+)\]|\[\*\]|\.\*|\[['"]([^'"]*)['"]\]|\[\?\(\s*@\.?([^=!<>\s]*)\s*(==|!=|<=|>=|<|>)\s*("[^"]*"|'[^']*'|[^)\s]+)\s*\)\])/;

const compiled = new Map<string, readonly Step[] | undefined>();

/** The values that `path` selects, in their order; empty when there are none. */
export function select(path: string, value: unknown): readonly unknown[] {
  const steps = compiled.has(path) ? compiled.get(path) : compile(path);
  compiled.set(path, steps);
  if (steps === undefined) return [];
  let values: readonly unknown[] = [value];
  for (const step of steps) values = values.flatMap(step);
  return values;
}

function compile(path: string): readonly Step[] | undefined {
  let rest = path
    .trim()
    .replace(/^\{(.*)\}$/, "$1")
    .replace(/^[$@]/, "");
  if (!/^[.[]/.test(rest)) rest = `.${rest}`;
  if (rest === ".") return [];
  const steps: Step[] = [];
  while (rest !== "") {
    const match = pathToken.exec(rest);
    if (match === null) return undefined;
    steps.push(stepOf(match));
    rest = rest.slice(match[0].length);
  }
  return steps;
}

function stepOf([, dotted, index, quoted, filtered, operator = "", literal = ""]: RegExpExecArray): Step {
  const name = dotted?.replaceAll("\\.", ".") ?? quoted;
  if (name !== undefined) return (value) => (isObject(value) && Object.hasOwn(value, name) ? [value[name]] : []);
  if (index !== undefined) return (value) => itemAt(value, Number(index));
  if (filtered !== undefined) return filterStep(filtered, operator, literal);
  return (value) => (isObject(value) ? Object.values(value) : listOf(value));
}

/** Elements of a list; none for anything else. */
function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function itemAt(value: unknown, index: number): readonly unknown[] {
  if (!Array.isArray(value)) return [];
  const at = index < 0 ? value.length + index : index;
  return at in value ? [value[at]] : [];
}

function filterStep(path: string, operator: string, literal: string): Step {
  const wanted: unknown = /^['"]/.test(literal) ? literal.slice(1, -1) : literalOf(literal);
  return (value) =>
    listOf(value).filter((item) => select(`.${path}`, item).some((found) => holds(found, operator, wanted)));
}

function literalOf(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}

function holds(found: unknown, operator: string, wanted: unknown): boolean {
  if (operator === "==") return found === wanted;
  if (operator === "!=") return found !== wanted;
  if (typeof found !== "number" || typeof wanted !== "number") return false;
  if (operator === "<") return found < wanted;
  if (operator === ">") return found > wanted;
  return operator === "<=" ? found <= wanted : found >= wanted;
}
