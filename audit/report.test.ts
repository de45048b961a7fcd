import { describe, expect, it } from "@jest/globals";
import { ageText, confirm, drift, underWay } from "./findings.ts";
import { renderReport, toReport } from "./report.ts";

const gone = drift("InterfaceGone", "podeni a/b", "the cloud has no interface eni-1 any more");
const stray = drift("InterfaceWithoutRecord", "interface eni-2", "Available, 30 s old");

describe("two looks", () => {
  it("what both show is drift", () => {
    const later = { ...stray, detail: "Available, 50 s old" };
    expect(confirm([stray], [later])).toEqual([later]);
  });

  it("what only the second shows is under way", () => {
    expect(confirm([stray], [stray, gone])).toEqual([stray, underWay(gone.subject, gone.detail)]);
  });

  it("what only the first shows has passed", () => {
    expect(confirm([stray], [])).toEqual([]);
  });
});

describe("the report", () => {
  const look = { nowMs: 0, compared: { interfaces: 3, pods: 2 } };

  it("has a line for each finding, with its remedy, and ends with the sum", () => {
    const text = renderReport(toReport([gone, stray, underWay("podeni a/c", "Deleting for 3 s")], look));
    const lines = text.trimEnd().split("\n");
    expect(lines).toHaveLength(5);
    expect(lines[1]).toMatch(
      /^DRIFT +InterfaceGone +podeni a\/b +the cloud has no interface eni-1 any more → recreate/,
    );
    expect(lines[3]).toMatch(/^under way +UnderWay +podeni a\/c +Deleting for 3 s → none/);
    expect(lines[4]).toBe("2 drift, 1 under way, 0 kept; compared 3 interfaces, 2 pods");
  });

  it("is one line when nothing differs", () => {
    expect(renderReport(toReport([], look))).toBe("0 drift, 0 under way, 0 kept; compared 3 interfaces, 2 pods\n");
  });
});

describe("an age", () => {
  it.each([
    { ms: -5, text: "0 s" },
    { ms: 119_999, text: "119 s" },
    { ms: 120_000, text: "2 min" },
    { ms: 7_200_000, text: "2 h" },
    { ms: 172_800_000, text: "2 d" },
  ])("of $ms ms is $text", ({ ms, text }) => {
    expect(ageText(ms)).toBe(text);
  });
});
