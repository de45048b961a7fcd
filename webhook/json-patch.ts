/** What changed between two JSON values, as a JSON patch. Source: RFC 6902. */
import { isJsonObject } from "./admission.ts";
import type { PatchOperation } from "./admission.ts";

/**
 * The operations that turn `before` into `after`; none when they are equal. Linear in what is not the same object on both
 * sides: admission changes a few members and hands the rest through, and nothing that a user writes into a pod may make
 * this slow. Lists of one length are compared element by element, lists that grew or shrank are replaced.
 */
export function createJsonPatch(before: unknown, after: unknown): readonly PatchOperation[] {
  const operations: PatchOperation[] = [];
  compare("", before, after, operations);
  return operations;
}

function compare(path: string, before: unknown, after: unknown, operations: PatchOperation[]): void {
  if (before === after) return;
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    for (const [index, element] of after.entries()) compare(`${path}/${index}`, before[index], element, operations);
  } else if (isJsonObject(before) && isJsonObject(after)) {
    compareMembers(path, before, after, operations);
  } else {
    operations.push({ op: "replace", path, value: after });
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

/** A member that is undefined is no member, as in the text that is made of it. */
function compareMembers(path: string, before: JsonObject, after: JsonObject, operations: PatchOperation[]): void {
  for (const name of Object.keys(before)) {
    const isKept = Object.hasOwn(after, name) && after[name] !== undefined;
    if (!isKept && before[name] !== undefined) operations.push({ op: "remove", path: `${path}/${escape(name)}` });
  }
  for (const [name, value] of Object.entries(after)) {
    if (value === undefined) continue;
    const place = `${path}/${escape(name)}`;
    if (Object.hasOwn(before, name) && before[name] !== undefined) compare(place, before[name], value, operations);
    else operations.push({ op: "add", path: place, value });
  }
}

/** Source: RFC 6901, section 3. */
function escape(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
