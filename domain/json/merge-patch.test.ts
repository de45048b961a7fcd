import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import { applyMergePatch, isSameJson, toMergePatch, type JsonMembers } from "./merge-patch.ts";

/** JSON objects without null, whose member names meet often. */
const members: fc.Arbitrary<JsonMembers> = fc.letrec<{ value: unknown; members: JsonMembers }>((tie) => ({
  members: fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__"), tie("value"), { maxKeys: 3 }),
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>(true, false, 0, 1, "", "x"),
    fc.array(fc.integer(), { maxLength: 2 }),
    tie("members"),
  ),
})).members;

describe("a JSON merge patch", () => {
  // Source: RFC 7396, appendix A.
  it.each([
    { target: { a: "b" }, patch: { a: "c" }, result: { a: "c" } },
    { target: { a: "b" }, patch: { b: "c" }, result: { a: "b", b: "c" } },
    { target: { a: "b" }, patch: { a: null }, result: {} },
    { target: { a: "b", b: "c" }, patch: { a: null }, result: { b: "c" } },
    { target: { a: ["b"] }, patch: { a: "c" }, result: { a: "c" } },
    { target: { a: "c" }, patch: { a: ["b"] }, result: { a: ["b"] } },
    { target: { a: { b: "c" } }, patch: { a: { b: "d", c: null } }, result: { a: { b: "d" } } },
    { target: { a: [{ b: "c" }] }, patch: { a: [1] }, result: { a: [1] } },
    { target: ["a", "b"], patch: ["c", "d"], result: ["c", "d"] },
    { target: { a: "b" }, patch: ["c"], result: ["c"] },
    { target: { a: "foo" }, patch: null, result: null },
    { target: { a: "foo" }, patch: "bar", result: "bar" },
    { target: { e: null }, patch: { a: 1 }, result: { e: null, a: 1 } },
    { target: [1, 2], patch: { a: "b", c: null }, result: { a: "b" } },
    { target: {}, patch: { a: { bb: { ccc: null } } }, result: { a: { bb: {} } } },
  ])("turns $target with $patch into $result", ({ target, patch, result }) => {
    expect(applyMergePatch(target, patch)).toEqual(result);
  });

  it("made from two objects turns the one into the other, and is none when they are the same", () => {
    fc.assert(
      fc.property(members, members, (from, to) => {
        const patch = toMergePatch(from, to);
        expect(isSameJson(applyMergePatch(from, patch ?? {}), to)).toBe(true);
        expect(patch === undefined).toBe(isSameJson(from, to));
      }),
    );
  });

  it("made from two objects names only what differs", () => {
    const from = { same: { a: 1 }, list: [1, 2], gone: "x", inner: { kept: true, old: 1 } };
    const to = { inner: { kept: true, new: 2 }, list: [2, 1], same: { a: 1 }, absent: undefined };
    expect(toMergePatch(from, to)).toEqual({ list: [2, 1], gone: null, inner: { old: null, new: 2 } });
  });
});
