import { describe, expect, it } from "@jest/globals";
import fc from "../test/fixtures/property.ts";
import { abortError } from "./clock.ts";
import * as errors from "./errors.ts";
import { verdictOf } from "./verdict.ts";

const after = (ms: number) => ({ type: "after", ms });
const backoff = { type: "backoff" };

describe("verdictOf", () => {
  it.each([
    { name: "conflict", error: new errors.ConflictError("C", ""), want: ["conflict", after(0), "debug", false] },
    { name: "exists", error: new errors.AlreadyExistsError("C", ""), want: ["conflict", after(0), "debug", false] },
    { name: "gone", error: new errors.NotFoundError("C", ""), want: ["conflict", after(100), "debug", false] },
    { name: "transient", error: new errors.TransientError("T", ""), want: ["transient", backoff, "info", true] },
    {
      name: "throttled",
      error: new errors.ThrottledError("T", "", 7_000),
      want: ["throttled", after(7_000), "info", false],
    },
    { name: "capacity", error: new errors.CapacityError("Q", ""), want: ["capacity", after(300_000), "warn", true] },
    {
      name: "waiting",
      error: new errors.WaitingError("W", "", 1_500),
      want: ["waiting", after(1_500), "debug", false],
    },
    { name: "fenced", error: new errors.FencedError(), want: ["waiting", after(1_000), "debug", false] },
    { name: "terminal", error: new errors.TerminalError("F", ""), want: ["terminal", after(1_800_000), "error", true] },
    {
      name: "a missing permission",
      error: new errors.PermissionError("F", ""),
      want: ["terminal", backoff, "error", true],
    },
    { name: "invariant", error: new errors.InvariantError("I", ""), want: ["invariant", backoff, "error", true] },
    { name: "a TypeError", error: new TypeError("x"), want: ["invariant", backoff, "error", true] },
    { name: "an abort", error: abortError(), want: ["aborted", backoff, "debug", false] },
    {
      name: "a bad delay",
      error: new errors.WaitingError("W", "", Number.NaN),
      want: ["waiting", after(1_000), "debug", false],
    },
  ])("answers $name", ({ error, want }) => {
    const verdict = verdictOf(error, 0);
    expect([verdict.category, verdict.retry, verdict.logLevel, verdict.countsAsFailure]).toEqual(want);
  });

  it("bounds a series of conflicts at one a second", () => {
    const delays = [0, 1, 2, 6, 7, 50].map((failures) => verdictOf(new errors.ConflictError("C", ""), failures).retry);
    expect(delays).toEqual([0, 20, 40, 640, 1_000, 1_000].map(after));
  });

  it("is total (property)", () => {
    fc.assert(
      fc.property(fc.anything(), fc.nat(), (thrown, failures) => {
        const { retry } = verdictOf(thrown, failures);
        expect(retry.type === "backoff" || retry.ms >= 0).toBe(true);
      }),
    );
  });
});
