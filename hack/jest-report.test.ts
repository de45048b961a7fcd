import { describe, expect, it } from "@jest/globals";
import { countsOf, failureMessages, skippedLines, sumOf, type JestReport } from "./jest-report.ts";

/** A report of one suite, `/repo/a.test.ts`, whose tests have these states. */
function report(statuses: readonly string[], overrides: Partial<JestReport> = {}): JestReport {
  const assertionResults = statuses.map((status, index) => ({
    status,
    ancestorTitles: ["a real API server (needs KUBEBUILDER_ASSETS)", "inner"],
    title: `test ${index}`,
  }));
  return {
    numPassedTests: 0,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    numRuntimeErrorTestSuites: 0,
    testResults: [{ name: "/repo/a.test.ts", status: "passed", message: "", assertionResults }],
    ...overrides,
  };
}

describe("the report of jest", () => {
  it("counts a suite that could not run as a failure, and a todo as skipped", () => {
    const given = report([], { numPassedTests: 7, numFailedTests: 1, numPendingTests: 2, numTodoTests: 3 });
    expect(countsOf({ ...given, numRuntimeErrorTestSuites: 4 })).toEqual({ passed: 7, failed: 5, skipped: 5 });
  });

  it("names what was skipped in one line per group, with the reason that its title gives", () => {
    expect(skippedLines(report(["passed", "pending", "todo"]), "/repo")).toEqual([
      "a.test.ts: a real API server (needs KUBEBUILDER_ASSETS) (2 tests)",
    ]);
    expect(skippedLines(report(["passed"]), "/repo")).toEqual([]);
  });

  it("shows the messages of failed suites only", () => {
    const [suite] = report(["failed"]).testResults;
    const testResults = [suite!, { ...suite!, status: "failed", message: "expected 1" }];
    expect(failureMessages(report([], { testResults }))).toEqual(["expected 1"]);
  });

  it("is summed over stages", () => {
    const counts = { passed: 1, failed: 2, skipped: 3 };
    expect(sumOf([counts, counts])).toEqual({ passed: 2, failed: 4, skipped: 6 });
    expect(sumOf([])).toEqual({ passed: 0, failed: 0, skipped: 0 });
  });
});
