import { describe, expect, it } from "@jest/globals";
import { parseGoDuration } from "./go-duration.ts";

describe("parseGoDuration", () => {
  it.each([
    ["0", 0],
    ["10m", 600_000],
    ["1h30m", 5_400_000],
    ["1.5s", 1_500],
    [".5s", 500],
    ["1.s", 1_000],
    ["-5m", -300_000],
    ["+5m", 300_000],
    ["500ms", 500],
    ["1us", 0.001],
    ["1µs", 0.001],
    ["20m0s", 1_200_000],
    ["2562047h", 9_223_369_200_000],
  ])("%s is %d ms", (text, want) => {
    expect(parseGoDuration(text)).toBeCloseTo(want, 9);
  });

  it.each(["", "-", "30", "5 m", "m", ".", ".s", "1d", "1h-5m", "5M", "2562048h", "soon", "--5m"])(
    "%p is none",
    (text) => {
      expect(parseGoDuration(text)).toBeUndefined();
    },
  );

  it("refuses a long number without a unit in no time: who writes an annotation must not stop admission", () => {
    const startedAt = performance.now();
    expect(parseGoDuration("1".repeat(200_000))).toBeUndefined();
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});
