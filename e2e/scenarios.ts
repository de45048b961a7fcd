/** Scenarios that wait for the same real processes wait together; each is still reported as a test of its own. */
import { it } from "@jest/globals";

export interface Scenarios {
  /** Declares a test whose work begins with `start`. @param limitMs see {@link runnerLimitMs} */
  readonly scenario: (name: string, run: () => Promise<void>, limitMs?: number) => void;
  /** Begins all of them. Call it at the end of `beforeAll`. */
  readonly start: () => void;
}

/** A test is ended only when a wait inside hangs: each wait has a limit of its own, and says what it waited for. */
const runnerLimitMs = 240_000;

/**
 * A group of tests that run at the same time. jest's own `it.concurrent` begins before `beforeAll`, and a narrowed run
 * (`-t`) runs all the work and shows a part of it.
 */
export function concurrentScenarios(): Scenarios {
  const runs: (() => Promise<void>)[] = [];
  let results: Promise<void>[] = [];
  return {
    scenario(name, run, limitMs = runnerLimitMs) {
      const index = runs.push(run) - 1;
      it(name, () => results[index], limitMs);
    },
    start() {
      results = runs.map((run) => run());
      // Each is awaited by its own test, maybe later; until then a failure is nobody's.
      for (const result of results) result.catch(() => undefined);
    },
  };
}
