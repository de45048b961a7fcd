/** Reads what `jest --json` writes: how many tests passed, and what was skipped. Pure. */

/** The part of jest's result file (`jest --json --outputFile`) that is read here. */
export interface JestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  /** Skipped by `it.skip`, `describe.skip` or a filter. */
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  /** Suites that broke before or outside their tests: a wrong import, a failing `beforeAll`. */
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly JestSuite[];
}

interface JestSuite {
  /** Absolute path of the test file. */
  readonly name: string;
  readonly status: string;
  /** What failed, with stack traces; empty when nothing did. */
  readonly message: string;
  readonly assertionResults: readonly {
    readonly status: string;
    /** Titles of the `describe` blocks around the test, outermost first. */
    readonly ancestorTitles: readonly string[];
    readonly title: string;
  }[];
}

/** How many tests ended in which way. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Sums of several stages. */
export function sumOf(all: readonly Counts[]): Counts {
  return all.reduce(
    (sum, { passed, failed, skipped }) => ({
      passed: sum.passed + passed,
      failed: sum.failed + failed,
      skipped: sum.skipped + skipped,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  );
}

/** A suite that could not run counts as one failed test, because the number of its tests is unknown. */
export function countsOf(report: JestReport): Counts {
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + report.numRuntimeErrorTestSuites,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/**
 * One line per group of skipped tests: file, title of the outermost `describe` (or of the test), number. A suite that skips
 * itself names the reason in that title.
 */
export function skippedLines(report: JestReport, root: string): string[] {
  const groups = new Map<string, number>();
  for (const suite of report.testResults) {
    for (const { status, ancestorTitles, title } of suite.assertionResults) {
      if (status !== "pending" && status !== "todo") continue;
      const group = `${suite.name.replace(`${root}/`, "")}: ${ancestorTitles[0] ?? title}`;
      groups.set(group, (groups.get(group) ?? 0) + 1);
    }
  }
  return [...groups].map(([group, count]) => `${group} (${count} ${count === 1 ? "test" : "tests"})`);
}

/** The messages of the suites that failed, with stack traces. */
export function failureMessages(report: JestReport): string[] {
  return report.testResults.filter(({ status }) => status === "failed").map(({ message }) => message);
}
