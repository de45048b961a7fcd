/** How the controller answers a failed reconcile. docs/errors.md has one row per category. */
export type ErrorCategory = "conflict" | "transient" | "throttled" | "capacity" | "waiting" | "terminal" | "invariant";

/** What the cloud said, attached to every error that came from a cloud call. */
export interface CloudFailure {
  /** API name, for instance `AttachNetworkInterface`. */
  readonly api: string;
  /** Error code of the answer, or a code of ours (`Timeout`, `ConnectionLost`, `MalformedAnswer`) when there was none. */
  readonly code: string;
  readonly requestId?: string;
  /**
   * `refused`: the cloud answered that it did nothing. `unknown`: the effect may have happened (no answer, 5xx, HTML):
   * look, or repeat with the same client token, before anything else.
   */
  readonly outcome: "refused" | "unknown";
  /** RAM action that is missing (`ecs:CreateNetworkInterface`), for `Forbidden*` answers. */
  readonly missingAction?: string;
}

export interface OperatorErrorOptions extends ErrorOptions {
  readonly cloud?: CloudFailure;
}

/** Base of every error that crosses a module boundary. */
export abstract class OperatorError extends Error {
  abstract readonly category: ErrorCategory;
  /** CamelCase, from a closed list: the `reason` of the condition, the Event and the metric label. */
  readonly reason: string;
  /** Present when a cloud call failed. */
  readonly cloud: CloudFailure | undefined;

  constructor(reason: string, message: string, options?: OperatorErrorOptions) {
    super(message, options);
    this.reason = reason;
    this.cloud = options?.cloud;
  }
}

/** Our read was stale: HTTP 409 on a write, or an object that already exists. Retried at once. */
export class ConflictError extends OperatorError {
  override readonly name: string = "ConflictError";
  override readonly category = "conflict";
}

/** `create` found an object of that name. */
export class AlreadyExistsError extends ConflictError {
  override readonly name = "AlreadyExistsError";
}

/** May work if repeated: network failure, 5xx, malformed answer. */
export class TransientError extends OperatorError {
  override readonly name = "TransientError";
  override readonly category = "transient";
}

/** The cloud or the API server refused the call for its rate. */
export class ThrottledError extends OperatorError {
  override readonly name = "ThrottledError";
  override readonly category = "throttled";
  /** Milliseconds until a repeated call may succeed. */
  readonly retryAfterMs: number;

  constructor(reason: string, message: string, retryAfterMs: number, options?: OperatorErrorOptions) {
    super(reason, message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The cloud has no more of it: addresses of a vSwitch, interfaces of an instance or account. */
export class CapacityError extends OperatorError {
  override readonly name = "CapacityError";
  override readonly category = "capacity";
}

/** Someone else must finish first. */
export class WaitingError extends OperatorError {
  override readonly name: string = "WaitingError";
  override readonly category = "waiting";
  /** Milliseconds until it is worth looking again. */
  readonly requeueAfterMs: number;

  constructor(reason: string, message: string, requeueAfterMs: number, options?: OperatorErrorOptions) {
    super(reason, message, options);
    this.requeueAfterMs = requeueAfterMs;
  }
}

/** Calls to the cloud are held back (docs/degradation.md); nothing was sent. Whoever waits is woken when that ends. */
export class SuspendedError extends WaitingError {
  override readonly name = "SuspendedError";
}

/** Needs a person: missing permission, invalid security group, invalid object. Retried slowly. */
export class TerminalError extends OperatorError {
  override readonly name: string = "TerminalError";
  override readonly category = "terminal";
}

/**
 * The API server does not let us: credentials or a role are missing. A person must act, unless it has just started: for a
 * moment it knows no roles yet and says the same. So it is repeated soon at first, and then ever more slowly.
 */
export class PermissionError extends TerminalError {
  override readonly name = "PermissionError";
}

/** The object that a write names does not exist (HTTP 404 on update or patch). */
export class NotFoundError extends OperatorError {
  override readonly name = "NotFoundError";
  override readonly category = "conflict";
}

/** Our bug: an impossible phase, a broken cache. */
export class InvariantError extends OperatorError {
  override readonly name = "InvariantError";
  override readonly category = "invariant";
}

/** This process no longer holds the lease; nothing may be changed any more. */
export class FencedError extends OperatorError {
  override readonly name = "FencedError";
  override readonly category = "waiting";
  readonly requeueAfterMs = 1_000;

  constructor() {
    super("LeaseLost", "the leader lease is not held; no change is made");
  }
}

/** True for the rejection of an aborted call, which passes through every layer untouched. */
export function isAbort(error: unknown): boolean {
  // Not `instanceof Error`: a DOMException of another realm (a test's sandbox) is none of this one's.
  return typeof error === "object" && error !== null && "name" in error && error.name === "AbortError";
}
