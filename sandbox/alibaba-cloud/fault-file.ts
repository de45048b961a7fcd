import { parse } from "yaml";
import { type Api, apis, isApi } from "./api.ts";
import type { FaultEffect, FaultRule } from "./faults.ts";

/** A scenario file that cannot be used; the message lists every problem with its rule and remedy, one a line. */
export class ScenarioError extends Error {
  override readonly name = "ScenarioError";
  readonly problems: readonly string[];

  constructor(file: string, problems: readonly string[]) {
    super(`${file}: ${problems.length} problem(s)\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

/**
 * Reads a scenario file (its format is in README.md).
 * @param yamlText the file's content
 * @param name its name, for messages
 * @throws ScenarioError that names every bad rule and what to write instead
 */
export function parseFaults(yamlText: string, name: string): FaultRule[] {
  const rules = readRules(yamlText, name);
  const results = rules.map((rule, index) => readRule(rule, index));
  const problems = results.flatMap((result) => result.problems);
  if (problems.length > 0) throw new ScenarioError(name, problems);
  return results.flatMap(({ rule }) => (rule === undefined ? [] : [rule]));
}

function readRules(yamlText: string, name: string): readonly unknown[] {
  let document: unknown;
  try {
    document = parse(yamlText);
  } catch (error: unknown) {
    throw new ScenarioError(name, [`it is not YAML: ${error instanceof Error ? error.message : String(error)}`]);
  }
  const faults = isRecord(document) ? document["faults"] : undefined;
  if (!Array.isArray(faults)) throw new ScenarioError(name, ["write the rules as a list under the key `faults`"]);
  return faults;
}

interface Reading {
  readonly rule?: FaultRule;
  readonly problems: readonly string[];
}

const ruleKeys = ["name", "api", "probability", "everyNth", "first", "between", "effect"];

function readRule(value: unknown, index: number): Reading {
  if (!isRecord(value)) return { problems: [`rule ${index + 1}: write a mapping with \`api\` and \`effect\``] };
  const ruleName = typeof value["name"] === "string" ? value["name"] : `rule-${index + 1}`;
  const problems: string[] = [];
  const complain = (text: string): void => void problems.push(`rule ${index + 1} (${ruleName}): ${text}`);
  const reader: Reader = { complain };
  refuseUnknownKeys(value, reader);
  const api = readApi(value["api"], reader);
  const effect = readEffect(value["effect"], reader);
  const triggers = readTriggers(value, reader);
  refuseSingleCalls(effect, triggers, reader);
  if (problems.length > 0 || api === undefined || effect === undefined) return { problems };
  return { problems, rule: { name: ruleName, api, ...triggers, effect } };
}

function refuseUnknownKeys(rule: Record<string, unknown>, { complain }: Reader): void {
  for (const key of Object.keys(rule)) {
    if (!ruleKeys.includes(key)) complain(`unknown key \`${key}\`; use ${ruleKeys.join(", ")}`);
  }
}

function refuseSingleCalls(effect: FaultEffect | undefined, triggers: Triggers, { complain }: Reader): void {
  if (effect?.type === "quotaShare" && Object.keys(triggers).some((key) => key !== "between")) {
    complain("quotaShare holds for a time, not for single calls; use only `between` with it");
  }
}

interface Reader {
  readonly complain: (text: string) => void;
}

function readApi(value: unknown, { complain }: Reader): FaultRule["api"] | undefined {
  if (value === "*") return "*";
  const names: readonly unknown[] = Array.isArray(value) ? value : [value];
  const known = names.filter((name): name is Api => typeof name === "string" && isApi(name));
  if (known.length === names.length && known.length > 0) return known;
  complain(`\`api\` must be "*", one of, or a list of: ${apis.join(", ")}`);
  return undefined;
}

type Triggers = Pick<FaultRule, "probability" | "everyNth" | "first" | "between">;

function readTriggers(rule: Record<string, unknown>, { complain }: Reader): Triggers {
  const number = (
    key: "probability" | "everyNth" | "first",
    isGood: (n: number) => boolean,
    remedy: string,
  ): Triggers => {
    const value = rule[key];
    if (value === undefined) return {};
    if (typeof value === "number" && isGood(value)) return { [key]: value };
    complain(`\`${key}\` must be ${remedy}`);
    return {};
  };
  const isCount = (n: number): boolean => Number.isInteger(n) && n >= 1;
  return {
    ...number("probability", (n) => n >= 0 && n <= 1, "a number from 0 to 1"),
    ...number("everyNth", isCount, "a whole number from 1"),
    ...number("first", isCount, "a whole number from 1"),
    ...readBetween(rule["between"], complain),
  };
}

function readBetween(value: unknown, complain: (text: string) => void): Triggers {
  if (value === undefined) return {};
  const [from, to] = isRecord(value) ? [value["fromSeconds"], value["toSeconds"] ?? Infinity] : [];
  if (typeof from === "number" && typeof to === "number" && from >= 0 && to > from) {
    return { between: { fromSeconds: from, toSeconds: to } };
  }
  complain("`between` must be { fromSeconds, toSeconds } with 0 ≤ fromSeconds < toSeconds (no toSeconds: for ever)");
  return {};
}

/** Reads the fields of one effect; undefined when they are not of the documented form. */
type EffectReader = (fields: Record<string, unknown>) => FaultEffect | undefined;

/** Each effect with the form that a message shows. */
const effects: Readonly<Record<FaultEffect["type"], { readonly form: string; readonly read: EffectReader }>> = {
  httpError: {
    form: "httpError: { status: 500, code: InternalError }   (optional: afterEffect: true)",
    read: ({ status, code, afterEffect = false }) =>
      isStatus(status) && typeof code === "string" && typeof afterEffect === "boolean"
        ? { type: "httpError", status, code, afterEffect }
        : undefined,
  },
  html: {
    form: "html: { status: 502 }",
    read: ({ status = 502 }) =>
      typeof status === "number" && status >= 200 && status <= 599 ? { type: "html", status } : undefined,
  },
  reset: { form: "reset", read: () => ({ type: "reset" }) },
  resetAfterEffect: { form: "resetAfterEffect", read: () => ({ type: "resetAfterEffect" }) },
  timeoutAfterEffect: { form: "timeoutAfterEffect", read: () => ({ type: "timeoutAfterEffect" }) },
  stuckDetaching: {
    form: "stuckDetaching: { seconds: 30 }   (or: { forever: true }; optional: repeatHelps: false)",
    read: ({ seconds, forever, repeatHelps = true }) => {
      const duration = forever === true && seconds === undefined ? Infinity : seconds;
      return isPositive(duration) && typeof repeatHelps === "boolean"
        ? { type: "stuckDetaching", seconds: duration, repeatHelps }
        : undefined;
    },
  },
  attachFallsBack: { form: "attachFallsBack", read: () => ({ type: "attachFallsBack" }) },
  throttleBurst: {
    form: "throttleBurst: { seconds: 10 }",
    read: ({ seconds }) => (isPositive(seconds) ? { type: "throttleBurst", seconds } : undefined),
  },
  slow: { form: "slow: { ms: 2000 }", read: ({ ms }) => (isPositive(ms) ? { type: "slow", ms } : undefined) },
  quotaShare: {
    form: "quotaShare: { share: 0.5 }",
    read: ({ share }) =>
      typeof share === "number" && share >= 0 && share <= 1 ? { type: "quotaShare", share } : undefined,
  },
  lateReads: {
    form: "lateReads: { ms: 3000 }",
    read: ({ ms }) => (isPositive(ms) ? { type: "lateReads", ms } : undefined),
  },
  exhaustedVSwitch: {
    form: 'exhaustedVSwitch: { vSwitchId: vsw-1 }   ("*" for all)',
    read: ({ vSwitchId }) => (typeof vSwitchId === "string" ? { type: "exhaustedVSwitch", vSwitchId } : undefined),
  },
};

/** An effect is a bare word (`reset`) or one key with its fields (`slow: { ms: 2000 }`). */
function readEffect(value: unknown, { complain }: Reader): FaultEffect | undefined {
  const [word, fields] =
    typeof value === "string" ? [value, {}] : isRecord(value) ? (Object.entries(value)[0] ?? []) : [];
  const isSingle = !isRecord(value) || Object.keys(value).length === 1;
  if (word === undefined || !isEffectWord(word) || !isSingle) {
    complain(`\`effect\` must be exactly one of: ${Object.keys(effects).join(", ")}`);
    return undefined;
  }
  const effect = effects[word].read(isRecord(fields) ? fields : {});
  if (effect === undefined) complain(`write the effect as \`${effects[word].form}\``);
  return effect;
}

function isEffectWord(word: string): word is FaultEffect["type"] {
  return Object.hasOwn(effects, word);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const isPositive = (value: unknown): value is number => typeof value === "number" && value > 0;
const isStatus = (value: unknown): value is number => typeof value === "number" && value >= 400 && value <= 599;
