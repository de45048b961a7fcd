import { describe, expect, it } from "@jest/globals";
import { parseMilli } from "./quantity.ts";

describe("parseMilli", () => {
  it.each([
    { text: "4", want: 4000 },
    { text: "100m", want: 100 },
    { text: "0.1", want: 100 },
    { text: "1.5Gi", want: 1.5 * 2 ** 30 * 1000 },
    { text: "1e3", want: 1_000_000 },
    { text: "1k", want: 1_000_000 },
    { text: "1n", want: 1 },
    { text: 7, want: 7000 },
  ])("reads $text", ({ text, want }) => expect(parseMilli(text)).toBe(want));

  it.each(["", "Gi", "1Zi", "four"])("refuses %j", (text) => expect(() => parseMilli(text)).toThrow(RangeError));
});
