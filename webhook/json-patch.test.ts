import { describe, expect, it } from "@jest/globals";
import fc from "../test/fixtures/property.ts";
import { applyPatch } from "rfc6902";
import { createJsonPatch } from "./json-patch.ts";

describe("createJsonPatch", () => {
  const cases: { readonly name: string; readonly before: unknown; readonly after: unknown; readonly want: object[] }[] =
    [
      { name: "nothing", before: { a: [1, { b: 2 }] }, after: { a: [1, { b: 2 }] }, want: [] },
      { name: "a value", before: { a: 1 }, after: { a: 2 }, want: [{ op: "replace", path: "/a", value: 2 }] },
      { name: "null", before: { a: null }, after: { a: {} }, want: [{ op: "replace", path: "/a", value: {} }] },
      { name: "a new member", before: {}, after: { a: 1 }, want: [{ op: "add", path: "/a", value: 1 }] },
      { name: "a lost member", before: { a: 1 }, after: {}, want: [{ op: "remove", path: "/a" }] },
      {
        name: "a member that is undefined",
        before: { a: 1 },
        after: { a: undefined },
        want: [{ op: "remove", path: "/a" }],
      },
      {
        name: "an element",
        before: { a: [1, 2] },
        after: { a: [1, 3] },
        want: [{ op: "replace", path: "/a/1", value: 3 }],
      },
      {
        name: "a longer list",
        before: { a: [1] },
        after: { a: [1, 2] },
        want: [{ op: "replace", path: "/a", value: [1, 2] }],
      },
      {
        name: "a name with the characters of a pointer",
        before: {},
        after: { "k8s.io/a~b": 1 },
        want: [{ op: "add", path: "/k8s.io~1a~0b", value: 1 }],
      },
      {
        name: "a name of Object's own",
        before: {},
        after: { toString: 1 },
        want: [{ op: "add", path: "/toString", value: 1 }],
      },
    ];
  it.each(cases)("tells $name", ({ before, after, want }) => {
    expect(createJsonPatch(before, after)).toEqual(want);
  });

  it("turns any object into any other, as another library applies it", () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(object, object, (before, after) => {
        const from = JSON.parse(JSON.stringify(before)) as unknown;
        const to = JSON.parse(JSON.stringify(after)) as unknown;
        const target = JSON.parse(JSON.stringify(from)) as unknown;
        const patch = JSON.parse(JSON.stringify(createJsonPatch(from, to))) as Parameters<typeof applyPatch>[1];
        expect(applyPatch(target, patch).every((result) => result === null)).toBe(true);
        expect(target).toEqual(to);
      }),
    );
  });
});
