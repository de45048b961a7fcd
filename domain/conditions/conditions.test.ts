import { describe, expect, it } from "@jest/globals";
import { findCondition, setCondition } from "./conditions.ts";

const early = "2026-01-01T00:00:00Z";
const late = "2026-01-02T00:00:00Z";
const next = { type: "Ready", status: "False", reason: "Full", message: "m", observedGeneration: 1 } as const;

describe("setCondition", () => {
  it("adds the first of a type with its time, behind the others", () => {
    const other = { ...next, type: "Other", lastTransitionTime: early };
    expect(setCondition(undefined, next, early)).toEqual([{ ...next, lastTransitionTime: early }]);
    expect(setCondition([other], next, late)).toEqual([other, { ...next, lastTransitionTime: late }]);
  });

  it("returns the same array when nothing changes", () => {
    const conditions = setCondition(undefined, next, early);
    expect(setCondition(conditions, { ...next }, late)).toBe(conditions);
  });

  it.each([
    { name: "a new status moves the time", change: { status: "True" as const }, time: late },
    { name: "a new reason keeps the time", change: { reason: "Other" }, time: early },
    { name: "a new message keeps the time", change: { message: "x" }, time: early },
    { name: "a new generation keeps the time", change: { observedGeneration: 2 }, time: early },
  ])("$name", ({ change, time }) => {
    const conditions = setCondition(setCondition(undefined, next, early), { ...next, ...change }, late);
    expect(findCondition(conditions, "Ready")).toEqual({ ...next, ...change, lastTransitionTime: time });
  });
});
