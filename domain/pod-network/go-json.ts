/**
 * Reads and writes JSON the way Go programs do, because the annotations are shared with them: member names match in any
 * case, `null` is an unset value, and `<`, `>`, `&` are escaped.
 */

/** Members of a JSON object, looked up as Go's decoder does: the exact name first, else the first that differs in case. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The members of a JSON object. @throws Error naming `where` when the value is something else. */
export function toJsonObject(value: unknown, where: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Error(`${where} must be an object, got ${describe(value)}`);
}

/** The member, or undefined when it is absent or null. */
export function memberOf(object: JsonObject, name: string): unknown {
  const exact = object[name];
  if (exact !== undefined) return exact ?? undefined;
  const lower = name.toLowerCase();
  const key = Object.keys(object).find((candidate) => candidate.toLowerCase() === lower);
  return key === undefined ? undefined : (object[key] ?? undefined);
}

/** A text member; "" when unset. @throws Error */
export function textOf(object: JsonObject, name: string, where: string): string {
  const value = memberOf(object, name) ?? "";
  if (typeof value === "string") return value;
  throw new Error(`${where}.${name} must be a string, got ${describe(value)}`);
}

/** A boolean member; false when unset. @throws Error */
export function flagOf(object: JsonObject, name: string, where: string): boolean {
  const value = memberOf(object, name) ?? false;
  if (typeof value === "boolean") return value;
  throw new Error(`${where}.${name} must be true or false, got ${describe(value)}`);
}

/** A whole number of 0 or more; 0 when unset. @throws Error */
export function countOf(object: JsonObject, name: string, where: string): number {
  const value = memberOf(object, name) ?? 0;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw new Error(`${where}.${name} must be a whole number of 0 or more, got ${describe(value)}`);
}

/** A map of texts; empty when unset. @throws Error */
export function textMapOf(object: JsonObject, name: string, where: string): Readonly<Record<string, string>> {
  const map = toJsonObject(memberOf(object, name) ?? {}, `${where}.${name}`);
  return Object.fromEntries(Object.keys(map).map((key) => [key, textOf(map, key, `${where}.${name}`)]));
}

/** A list member; empty when unset. @throws Error */
export function listOf(object: JsonObject, name: string, where: string): readonly unknown[] {
  const value = memberOf(object, name) ?? [];
  if (Array.isArray(value)) return value as readonly unknown[];
  throw new Error(`${where}.${name} must be a list, got ${describe(value)}`);
}

/** A list of texts; empty when unset. @throws Error */
export function textsOf(object: JsonObject, name: string, where: string): readonly string[] {
  return listOf(object, name, where).map((value, index) => {
    if (typeof value === "string") return value;
    throw new Error(`${where}.${name}[${index}] must be a string, got ${describe(value)}`);
  });
}

/** A text member that is "" or one of `allowed`. @throws Error */
export function wordOf<W extends string>(
  object: JsonObject,
  name: string,
  allowed: readonly W[],
  where: string,
): W | "" {
  const text = textOf(object, name, where);
  if (text === "") return "";
  const word = allowed.find((candidate) => candidate === text);
  if (word !== undefined) return word;
  throw new Error(`${where}.${name} must be one of ${allowed.join(", ")}, got ${describe(text)}`);
}

/** The bytes that Go's encoder writes for the value; members in insertion order, those that are undefined left out. */
export function encodeGoJson(value: object): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
