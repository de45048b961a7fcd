import {
  isAbort,
  NotFoundError,
  OperatorError,
  PermissionError,
  ThrottledError,
  WaitingError,
  FencedError,
} from "./errors.ts";
import type { ErrorCategory } from "./errors.ts";
import type { LogLevel } from "./log.ts";

/** How a controller answers a failed reconcile. */
export interface Verdict {
  /** Category of the error; an error that is none of ours is a bug (`invariant`). */
  readonly category: ErrorCategory | "aborted";
  /** `after`: run again in `ms` milliseconds. `backoff`: the queue's growing delay of this key. */
  readonly retry: { readonly type: "after"; readonly ms: number } | { readonly type: "backoff" };
  readonly logLevel: LogLevel;
  /** False for what is expected in normal operation: it counts neither as error in the metrics nor for alerts. */
  readonly countsAsFailure: boolean;
}

/** A full vSwitch or instance regains room only when a pod somewhere ends, so asking more often buys nothing. */
const capacityRetryMs = 5 * 60_000;
/** A person acts in minutes to hours; a changed spec wakes the key at once anyway. */
const terminalRetryMs = 30 * 60_000;
/** A conflict is retried at once; a fast series of them is bounded by this delay, in case the cache is far behind. */
const longestConflictRetryMs = 1_000;
/** Used when an error names a delay that is no usable number. */
const defaultDelayMs = 1_000;

/**
 * Turns an error into behaviour, so that no reconciler contains retry logic. Pure and total.
 * @param failures how often in a row this key has failed before, whatever the category
 */
export function verdictOf(error: unknown, failures: number): Verdict {
  if (isAbort(error)) {
    return { category: "aborted", retry: { type: "backoff" }, logLevel: "debug", countsAsFailure: false };
  }
  if (!(error instanceof OperatorError)) return forCategory("invariant", error, failures);
  return forCategory(error.category, error, failures);
}

function forCategory(category: ErrorCategory, error: unknown, failures: number): Verdict {
  switch (category) {
    case "conflict":
      return expected(category, conflictDelay(error, failures), "debug");
    case "waiting":
      return expected(category, waitingDelay(error), "debug");
    case "throttled":
      return expected(category, error instanceof ThrottledError ? error.retryAfterMs : defaultDelayMs, "info");
    case "transient":
      return { category, retry: { type: "backoff" }, logLevel: "info", countsAsFailure: true };
    case "capacity":
      return { category, retry: { type: "after", ms: capacityRetryMs }, logLevel: "warn", countsAsFailure: true };
    case "terminal":
      return { category, retry: terminalRetry(error), logLevel: "error", countsAsFailure: true };
    case "invariant":
      return { category, retry: { type: "backoff" }, logLevel: "error", countsAsFailure: true };
  }
}

function terminalRetry(error: unknown): Verdict["retry"] {
  return error instanceof PermissionError ? { type: "backoff" } : { type: "after", ms: terminalRetryMs };
}

function expected(category: ErrorCategory, ms: number, logLevel: LogLevel): Verdict {
  const delay = Number.isFinite(ms) ? Math.max(0, ms) : defaultDelayMs;
  return { category, retry: { type: "after", ms: delay }, logLevel, countsAsFailure: false };
}

function waitingDelay(error: unknown): number {
  return error instanceof WaitingError || error instanceof FencedError ? error.requeueAfterMs : defaultDelayMs;
}

function conflictDelay(error: unknown, failures: number): number {
  // The object is gone but the cache still has it: its delete event is on the way, there is no newer version to read.
  const first = error instanceof NotFoundError ? 100 : 0;
  const later = 10 * 2 ** Math.min(failures, 10);
  return failures === 0 ? first : Math.min(longestConflictRetryMs, Math.max(first, later));
}
