/** Reads the members of one YAML document, collecting every problem instead of stopping at the first. */
import { parseGoDuration } from "../domain/retention/go-duration.ts";

/** One thing that is wrong with the configuration, and how to mend it. */
export interface ConfigProblem {
  /** Key as in the file, a flag, or the file itself. */
  readonly key: string;
  /** As written; undefined when absent, or when it must not be shown. */
  readonly value?: unknown;
  readonly problem: string;
  readonly remedy: string;
}

/** The configuration cannot be used. The message has one line for each problem. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(toLine).join("\n"));
    this.problems = problems;
  }
}

function toLine({ key, value, problem, remedy }: ConfigProblem): string {
  const shown = value === undefined ? "" : ` = ${JSON.stringify(value)}`;
  return `${key}${shown}: ${problem}; ${remedy}`;
}

type Document = Readonly<Record<string, unknown>>;

/** Inclusive. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/**
 * Typed access to a document's members under the published rules: names match in any case, as Go's decoder does; a text or a
 * number that is set to its zero value ("" or 0) is replaced by the default; null is absent.
 */
export class ConfigReader {
  readonly #document: Document;
  readonly #isSecret: boolean;
  readonly #known = new Set<string>();
  readonly problems: ConfigProblem[] = [];
  readonly warnings: string[] = [];
  /** Keys whose value made no sense and was replaced by the default, with a warning. */
  readonly replaced = new Set<string>();

  /** `isSecret`: values are never shown in a problem. */
  constructor(document: Document, isSecret = false) {
    this.#document = document;
    this.#isSecret = isSecret;
  }

  text(key: string, fallback = ""): string {
    const value = this.#take(key);
    if (value === undefined || value === "") return fallback;
    if (typeof value === "string") return value;
    this.reject(key, "must be a text", "put it in quotes");
    return fallback;
  }

  /** A text without which nothing works. */
  required(key: string, remedy: string): string {
    const text = this.text(key);
    if (text === "" && !this.problems.some((problem) => problem.key === key)) this.reject(key, "is required", remedy);
    return text;
  }

  /** A text of a certain form. `pattern` is a regular expression that fits all of it. */
  matching(
    key: string,
    fallback: string,
    form: { readonly pattern: string; readonly what: string; readonly example: string },
  ): string {
    const text = this.text(key, fallback);
    if (new RegExp(form.pattern).test(text)) return text;
    this.reject(key, `must be ${form.what}`, `write it as ${form.example}`);
    return fallback;
  }

  oneOf<W extends string>(key: string, words: readonly W[], fallback: W): W {
    const text = this.text(key, fallback);
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) this.reject(key, "is not a known word", `use ${words.join(", ")}`);
    return word ?? fallback;
  }

  /** One of the words, or empty, also for another word: with a warning, as the published program ignores it silently. */
  lenientOneOf<W extends string>(key: string, words: readonly W[]): W | "" {
    const text = this.text(key);
    const word = words.find((candidate) => candidate === text);
    if (word !== undefined || text === "") return word ?? "";
    this.#replace(key, text, `is none of ${words.join(", ")}; it is taken for empty`);
    return "";
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#take(key);
    if (value === undefined) return fallback;
    // The published program reads YAML 1.1, in which these words are booleans.
    const word = typeof value === "string" ? yaml11Booleans.get(value.toLowerCase()) : value;
    if (typeof word === "boolean") return word;
    this.reject(key, "must be true or false", "write it without quotes");
    return fallback;
  }

  integer(key: string, fallback: number, { min, max }: Range): number {
    const number = this.number(key, fallback, { min, max });
    if (Number.isInteger(number)) return number;
    this.reject(key, "must be a whole number", `use ${min} to ${max}`);
    return fallback;
  }

  number(key: string, fallback: number, { min, max }: Range): number {
    const value = this.#take(key);
    if (value === undefined || value === 0) return fallback;
    if (typeof value !== "number" || !Number.isFinite(value)) {
      this.reject(key, "must be a number", "write it without quotes");
      return fallback;
    }
    if (value >= min && value <= max) return value;
    this.reject(key, "is out of range", `use ${min} to ${max}`);
    return fallback;
  }

  /** Milliseconds. `fallback` is a Go duration. */
  durationMs(key: string, fallback: string): number {
    const ms = parseGoDuration(this.text(key, fallback));
    if (ms !== undefined && ms > 0) return ms;
    this.reject(key, "must be a positive duration", `write it as 500ms, 30s, 20m0s or 12h (default ${fallback})`);
    return parseGoDuration(fallback) ?? 0;
  }

  /** Milliseconds; a malformed one is replaced with a warning, as the published program ignores it silently. */
  lenientDurationMs(key: string, fallback: string): number {
    const text = this.text(key, fallback);
    const ms = parseGoDuration(text);
    if (ms !== undefined && ms > 0) return ms;
    this.#replace(key, text, `is no duration; ${fallback} is used`);
    return parseGoDuration(fallback) ?? 0;
  }

  texts(key: string): readonly string[] {
    const value = this.#take(key) ?? [];
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
    this.reject(key, "must be a list of texts", 'write it as ["one", "two"]');
    return [];
  }

  textMap(key: string): Readonly<Record<string, string>> {
    return this.#map(key, (item) => (typeof item === "string" ? item : undefined), "texts");
  }

  countMap(key: string): Readonly<Record<string, number>> {
    const isCount = (item: unknown): item is number => Number.isInteger(item) && Number(item) >= 1;
    return this.#map(key, (item) => (isCount(item) ? item : undefined), "whole numbers of 1 or more");
  }

  /** An object whose content is not looked at. */
  opaque(key: string): Document | undefined {
    const value = this.#take(key);
    if (value === undefined || isDocument(value)) return value;
    this.reject(key, "must be an object", "write one key per line below it");
    return undefined;
  }

  /** Whether the file has the key with another value than `fallback` and the zero values. Says nothing about its type. */
  isSet(key: string, fallback: unknown): boolean {
    const value = this.#take(key);
    return ![undefined, "", 0, fallback].includes(value);
  }

  reject(key: string, problem: string, remedy: string): void {
    const value = this.#isSecret ? undefined : this.#find(key);
    this.problems.push({ key, value, problem, remedy });
  }

  /** Members that were never asked for, each with the nearest name that was. Call after all reads. */
  warnOfUnknown(): void {
    const lower = new Set([...this.#known].map((key) => key.toLowerCase()));
    for (const key of Object.keys(this.#document).filter((name) => !lower.has(name.toLowerCase()))) {
      const nearest = findNearest(key, [...this.#known]);
      // Where a colon or a line break is missing, a secret is part of a key, or is one.
      const shown = this.#isSecret && nearest === undefined ? "" : ` ${key}`;
      this.warnings.push(`unknown key${shown} is ignored${nearest === undefined ? "" : `; did you mean ${nearest}?`}`);
    }
  }

  #replace(key: string, text: string, why: string): void {
    this.replaced.add(key);
    this.warnings.push(`${key} = ${JSON.stringify(text)} ${why}`);
  }

  #map<V>(key: string, convert: (item: unknown) => V | undefined, what: string): Readonly<Record<string, V>> {
    const value = this.#take(key) ?? {};
    const result: Record<string, V> = {};
    for (const [name, item] of isDocument(value) ? Object.entries(value) : [["", undefined] as const]) {
      const converted = convert(item);
      if (converted === undefined) this.reject(key, `must map names to ${what}`, `correct ${name === "" ? key : name}`);
      else result[name] = converted;
    }
    return result;
  }

  #take(key: string): unknown {
    this.#known.add(key);
    return this.#find(key) ?? undefined;
  }

  #find(key: string): unknown {
    if (Object.hasOwn(this.#document, key)) return this.#document[key];
    const lower = key.toLowerCase();
    const name = Object.keys(this.#document).find((candidate) => candidate.toLowerCase() === lower);
    return name === undefined ? undefined : this.#document[name];
  }
}

const yaml11Booleans = new Map([
  ["yes", true],
  ["y", true],
  ["on", true],
  ["no", false],
  ["n", false],
  ["off", false],
]);

export function isDocument(value: unknown): value is Document {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The candidate with the fewest edits, if they are few for the name's length. */
export function findNearest(name: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(name.length / 3));
  const ranked = candidates
    .filter((candidate) => Math.abs(candidate.length - name.length) <= limit)
    .map((candidate) => ({ candidate, edits: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ edits }) => edits <= limit)
    .sort((one, other) => one.edits - other.edits);
  return ranked[0]?.candidate;
}

/** Levenshtein's distance. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [position, character] of Array.from(one).entries()) {
    const next = [position + 1];
    for (let index = 0; index < other.length; index++) {
      const replaced = (row[index] ?? 0) + Number(character !== other[index]);
      next.push(Math.min(replaced, (row[index + 1] ?? 0) + 1, (next[index] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
