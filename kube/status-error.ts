/** Turns a refusal of the API server into one of the error classes that decide what happens next. */
import {
  AlreadyExistsError,
  ConflictError,
  NotFoundError,
  TerminalError,
  ThrottledError,
  TransientError,
  type OperatorError,
} from "../runtime/errors.ts";
import type { TransportResponse } from "../runtime/transport.ts";

/** What was asked, for the message: `patch podenis/status default/web-0`. */
export interface RefusedCall {
  readonly verb: "get" | "list" | "create" | "update" | "patch" | "delete";
  /** `plural.group`, with `/status` for a subresource. */
  readonly resource: string;
  /** `namespace/name`, or the name. */
  readonly object: string;
}

/** The parts of metav1.Status that are read. */
interface StatusBody {
  readonly reason: string;
  readonly message: string;
  readonly retryAfterSeconds: number | undefined;
  readonly fields: readonly string[];
}

/** Shortest and longest wait that a Retry-After may ask for, in milliseconds. */
const retryAfterLimits = { min: 250, max: 60_000 };

/**
 * Pure. The classes: 404 NotFoundError; 409 AlreadyExistsError or ConflictError; 401, 403, 400, 413, 415, 422 TerminalError;
 * 429 ThrottledError; everything else TransientError.
 */
export function errorOf(response: TransportResponse, call: RefusedCall): OperatorError {
  const status = readStatus(response.body);
  const what = `${call.verb} ${call.resource} ${call.object}`.trimEnd();
  const message = status.message === "" ? `${what}: HTTP ${response.status}` : `${what}: ${status.message}`;
  switch (response.status) {
    case 404:
      return new NotFoundError("NotFound", message);
    case 409:
      return status.reason === "AlreadyExists"
        ? new AlreadyExistsError("AlreadyExists", message)
        : new ConflictError("Conflict", message);
    case 401:
    case 403:
      return refusedAccess(response.status, status, call);
    case 422:
      return new TerminalError("Invalid", invalidMessage(what, status));
    case 429:
      return new ThrottledError("APIServerThrottled", message, retryAfterMs(response, status));
    case 400:
    case 413:
    case 415:
      return new TerminalError(status.reason === "" ? "BadRequest" : status.reason, message);
    default:
      return new TransientError("APIServerError", message);
  }
}

function refusedAccess(code: number, status: StatusBody, call: RefusedCall): OperatorError {
  if (code === 401) {
    return new TerminalError(
      "Unauthorized",
      `the API server does not accept the credentials (${call.verb} ${call.resource})`,
    );
  }
  // A namespace that is being deleted refuses new objects with 403, and admission denies with it: neither is RBAC.
  const isRbac = status.message.includes("cannot ");
  const remedy = isRbac ? `grant verb "${call.verb}" on "${call.resource}" to this service account; ` : "";
  return new TerminalError("Forbidden", `${call.verb} ${call.resource} ${call.object}: ${remedy}${status.message}`);
}

function invalidMessage(what: string, status: StatusBody): string {
  return status.fields.length === 0 ? `${what}: ${status.message}` : `${what}: invalid ${status.fields.join("; ")}`;
}

/** The header counts, then the body's hint, then one second. */
function retryAfterMs(response: TransportResponse, status: StatusBody): number {
  const header = Number(response.headers["retry-after"]);
  const seconds = Number.isFinite(header) ? header : (status.retryAfterSeconds ?? 1);
  return Math.min(retryAfterLimits.max, Math.max(retryAfterLimits.min, seconds * 1000));
}

function readStatus(body: unknown): StatusBody {
  if (!isRecord(body)) {
    // Proxies and load balancers answer in plain text or HTML.
    return {
      reason: "",
      message: typeof body === "string" ? body.slice(0, 300) : "",
      retryAfterSeconds: undefined,
      fields: [],
    };
  }
  const details = isRecord(body["details"]) ? body["details"] : {};
  const causes = Array.isArray(details["causes"]) ? details["causes"].filter(isRecord) : [];
  return {
    reason: text(body["reason"]),
    message: text(body["message"]),
    retryAfterSeconds: typeof details["retryAfterSeconds"] === "number" ? details["retryAfterSeconds"] : undefined,
    fields: causes.map((cause) => `${text(cause["field"])}: ${text(cause["message"])}`),
  };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
