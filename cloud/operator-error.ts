/** Turns a failed call into the error that leaves `cloud/`. */
import {
  CapacityError,
  InvariantError,
  TerminalError,
  ThrottledError,
  TransientError,
  WaitingError,
  type CloudFailure,
  type OperatorError,
  type OperatorErrorOptions,
} from "../runtime/errors.ts";
import type { ApiName, CallFailed } from "./call.ts";
import { findErrorRow, unknownRow, type ErrorRow } from "./error-codes.ts";

/** Milliseconds until a call that someone else's work refused is worth repeating. */
const waitMs = 1_000;

/**
 * The error that leaves `cloud/` for a failed call. Its message carries the cloud's text and never a URL; the request id is
 * in `cloud.requestId`, not in the message, so that a repeated failure has an equal message.
 * `onUnknownCode` learns of every code without a row.
 */
export function toOperatorError(
  api: ApiName,
  failure: CallFailed,
  nowMs: number,
  onUnknownCode: (code: string) => void = () => undefined,
): OperatorError {
  const row = findErrorRow(failure.code);
  if (row === undefined) onUnknownCode(failure.code);
  const meaning = row ?? unknownRow;
  const cloud: CloudFailure = {
    api,
    code: failure.code,
    outcome: outcomeOf(meaning, failure),
    ...(failure.requestId === undefined ? {} : { requestId: failure.requestId }),
    ...(failure.missingAction === undefined ? {} : { missingAction: failure.missingAction }),
  };
  const missing = failure.missingAction === undefined ? "" : `; missing RAM action ${failure.missingAction}`;
  const message = `${api}: ${failure.code}: ${failure.message}${missing}`;
  return build(meaning, message, { cloud, cause: failure }, failure.retryAfterMs ?? 60_000 - (nowMs % 60_000));
}

function outcomeOf(row: ErrorRow, failure: CallFailed): CloudFailure["outcome"] {
  if (row.outcome !== "byStatus") return row.outcome;
  if (failure.kind === "notSent") return "refused";
  return failure.kind === "answered" && (failure.status ?? 500) < 500 ? "refused" : "unknown";
}

function build(row: ErrorRow, message: string, options: OperatorErrorOptions, retryAfterMs: number): OperatorError {
  switch (row.category) {
    case "throttled":
      return new ThrottledError(row.reason, message, retryAfterMs, options);
    case "capacity":
      return new CapacityError(row.reason, message, options);
    case "waiting":
      return new WaitingError(row.reason, message, waitMs, options);
    case "terminal":
      return new TerminalError(row.reason, message, options);
    case "invariant":
      return new InvariantError(row.reason, message, options);
    case "transient":
      return new TransientError(row.reason, message, options);
  }
}
