/** Turns a refusal of the API server into one of the error classes that decide what happens next. */
import {
  AlreadyExistsError,
  ConflictError,
  NotFoundError,
  PermissionError,
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
 * Pure. The classes: 404 NotFoundError; 409 AlreadyExistsError or ConflictError; 400, 413, 415, 422 TerminalError; 401
 * and 403 of RBAC PermissionError, which is one; 403 of admission TerminalError; 429 ThrottledError; everything else TransientError.
 */
export function errorOf(response: TransportResponse, call: RefusedCall): OperatorError {
  const status = readStatus(response.body);
  const what = `${call.verb} ${call.resource} ${call.object}`.trimEnd();
  const message = status.message === "" ? `${what}: HTTP ${response.status}` : `${what}: ${status.message}`;
  const make = makers[response.status];
  return make === undefined
    ? new TransientError("APIServerError", message)
    : make({ response, status, call, what, message });
}

interface Refusal {
  readonly response: TransportResponse;
  readonly status: StatusBody;
  readonly call: RefusedCall;
  readonly what: string;
  readonly message: string;
}

function badRequest({ status, message }: Refusal): OperatorError {
  return new TerminalError(status.reason === "" ? "BadRequest" : status.reason, message);
}

/** By HTTP status. */
const makers: Readonly<Partial<Record<number, (refusal: Refusal) => OperatorError>>> = {
  400: badRequest,
  401: ({ call }) => {
    const problem = `the API server does not accept the credentials (${call.verb} ${call.resource})`;
    return new PermissionError("Unauthorized", problem);
  },
  403: forbidden,
  404: ({ message }) => new NotFoundError("NotFound", message),
  409: ({ status, message }) =>
    status.reason === "AlreadyExists"
      ? new AlreadyExistsError("AlreadyExists", message)
      : new ConflictError("Conflict", message),
  413: badRequest,
  415: badRequest,
  422: ({ what, status, message }) =>
    new TerminalError("Invalid", status.fields.length === 0 ? message : `${what}: invalid ${status.fields.join("; ")}`),
  429: ({ response, status, message }) =>
    new ThrottledError("APIServerThrottled", message, retryAfterMs(response, status)),
};

function forbidden({ call, what, status }: Refusal): OperatorError {
  // A namespace that is being deleted refuses new objects with 403, and admission denies with it: neither is RBAC.
  const isRbac = status.message.includes("cannot ");
  if (!isRbac) return new TerminalError("Forbidden", `${what}: ${status.message}`);
  const remedy = `grant verb "${call.verb}" on "${call.resource}" to this service account`;
  return new PermissionError("Forbidden", `${what}: ${remedy}; ${status.message}`);
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
