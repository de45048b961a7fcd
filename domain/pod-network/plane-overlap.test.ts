import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import type { LabelRequirement, LabelSelector } from "./label-selector.ts";
import { planesCanOverlap } from "./plane-overlap.ts";
import { matchPlanes } from "./plane.ts";
import type { Plane } from "./plane.ts";

function aPlane(podSelector?: LabelSelector, namespaceSelector?: LabelSelector): Plane {
  const selector = { ...(podSelector && { podSelector }), ...(namespaceSelector && { namespaceSelector }) };
  return { metadata: { name: "plane" }, spec: { selector } };
}
const labels = (matchLabels: Record<string, string>): LabelSelector => ({ matchLabels });
const requires = (...matchExpressions: LabelRequirement[]): LabelSelector => ({ matchExpressions });
const isIn = (key: string, ...values: string[]) => ({ key, operator: "In", values });
const notIn = (key: string, ...values: string[]) => ({ key, operator: "NotIn", values });
const exists = (key: string) => ({ key, operator: "Exists" });
const lacks = (key: string) => ({ key, operator: "DoesNotExist" });

describe("two planes can match the same pod", () => {
  it.each([
    { name: "different keys", one: labels({ a: "1" }), other: labels({ b: "1" }), want: true },
    { name: "different values of a key", one: labels({ a: "1" }), other: labels({ a: "2" }), want: false },
    { name: "an empty selector and any other", one: {}, other: labels({ a: "1" }), want: true },
    { name: "lists with a common value", one: requires(isIn("a", "1", "2")), other: labels({ a: "2" }), want: true },
    {
      name: "the common value is forbidden",
      one: requires(isIn("a", "1")),
      other: requires(notIn("a", "1")),
      want: false,
    },
    { name: "forbidden values never end", one: requires(notIn("a", "1")), other: requires(exists("a")), want: true },
    { name: "there and absent", one: requires(exists("a")), other: requires(lacks("a")), want: false },
    { name: "a value and absent", one: labels({ a: "1" }), other: requires(lacks("a")), want: false },
    { name: "absent is not forbidden", one: requires(lacks("a")), other: requires(notIn("a", "1")), want: true },
    { name: "a value that no label can have", one: labels({ a: "not a value" }), other: {}, want: false },
    { name: "a selector that cannot be read", one: requires({ key: "a", operator: "Nearly" }), other: {}, want: false },
  ])("$name: $want", ({ one, other, want }) => {
    expect(planesCanOverlap(aPlane(one), aPlane(other))).toBe(want);
    expect(planesCanOverlap(aPlane(other), aPlane(one))).toBe(want);
  });

  it.each([
    {
      name: "pods agree, namespaces do not",
      one: aPlane({}, labels({ a: "1" })),
      other: aPlane({}, labels({ a: "2" })),
    },
    { name: "one has no selector", one: aPlane(), other: aPlane({}) },
  ])("not when $name", ({ one, other }) => {
    expect(planesCanOverlap(one, other)).toBe(false);
  });

  it("a namespace's label does not part pods by their own", () => {
    expect(planesCanOverlap(aPlane(labels({ a: "1" })), aPlane(undefined, labels({ a: "2" })))).toBe(true);
  });

  it("exactly when some pod matches both", () => {
    const value = fc.constantFrom("1", "2", "3");
    const key = fc.constantFrom("a", "b");
    const requirement = fc.oneof(
      fc.tuple(key, fc.array(value, { minLength: 1, maxLength: 2 })).map(([k, values]) => isIn(k, ...values)),
      fc.tuple(key, fc.array(value, { minLength: 1, maxLength: 3 })).map(([k, values]) => notIn(k, ...values)),
      key.map(exists),
      key.map(lacks),
    );
    const plane = fc.array(requirement, { maxLength: 4 }).map((list) => aPlane(requires(...list)));
    // "4" stands for every value that no selector names.
    const held = [undefined, "1", "2", "3", "4"];
    const pods = held.flatMap((a) =>
      held.map((b) => ({ ...(a !== undefined && { a }), ...(b !== undefined && { b }) })),
    );
    const isExact = fc.property(plane, plane, (one, other) => {
      const both = pods.some((podLabels) => {
        const pod = { labels: podLabels, namespaceLabels: {}, isFixedName: true };
        return matchPlanes([one], pod).notReady.length === 1 && matchPlanes([other], pod).notReady.length === 1;
      });
      expect(planesCanOverlap(one, other)).toBe(both);
    });
    fc.assert(isExact);
  });
});
