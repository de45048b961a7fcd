/** JSON merge patches (RFC 7396): applied, and made from two values. */

/** A JSON object of any shape. */
export type JsonMembers = Readonly<Record<string, unknown>>;

/** `target` with `patch` merged into it: objects member by member, `null` removes, all else replaces. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isMembers(patch)) return patch;
  const merged = new Map(Object.entries(isMembers(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else if (value !== undefined) merged.set(name, applyMergePatch(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}

/**
 * The smallest patch that turns `from` into `to`; undefined when they are equal. Members that are undefined count as absent.
 * Values have no `null` inside, which a merge patch cannot write.
 */
export function toMergePatch(from: JsonMembers, to: JsonMembers): JsonMembers | undefined {
  const patch = Object.keys({ ...from, ...to }).flatMap((name): [string, unknown][] => {
    const [before, after] = [from[name], to[name]];
    if (isSameJson(before, after)) return [];
    if (after === undefined) return [[name, null]];
    return [[name, isMembers(before) && isMembers(after) ? toMergePatch(before, after) : after]];
  });
  return patch.length === 0 ? undefined : Object.fromEntries(patch);
}

/** True for equal values: the order of members does not count, that of lists does; undefined members are absent. */
export function isSameJson(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => isSameJson(item, other[index]));
  }
  if (!isMembers(one) || !isMembers(other)) return false;
  return Object.keys({ ...one, ...other }).every((name) => isSameJson(one[name], other[name]));
}

/** True for an object that is no list. */
export function isMembers(value: unknown): value is JsonMembers {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
