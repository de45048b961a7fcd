import { describe, expect, it } from "@jest/globals";
import { selectorMatches, type LabelRequirement } from "./label-selector.ts";

describe("a label that is called as a member that every JavaScript object has", () => {
  const cases: { readonly name: string; readonly requirement: LabelRequirement; readonly want: boolean }[] = [
    { name: "does not exist unless it is set", requirement: { key: "constructor", operator: "Exists" }, want: false },
    { name: "is absent", requirement: { key: "toString", operator: "DoesNotExist" }, want: true },
    { name: "is in no list", requirement: { key: "valueOf", operator: "In", values: ["a"] }, want: false },
  ];
  it.each(cases)("$name", ({ requirement, want }) => {
    expect(selectorMatches({ matchExpressions: [requirement] }, { app: "web" })).toBe(want);
  });

  it("matches when it is set", () => {
    const labels = { constructor: "a" };
    expect(selectorMatches({ matchLabels: { constructor: "a" } }, labels)).toBe(true);
    expect(selectorMatches({ matchExpressions: [{ key: "constructor", operator: "Exists" }] }, labels)).toBe(true);
  });
});
