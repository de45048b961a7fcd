import type { JsonObject } from "./kube-json.ts";
import type { ResourceKind } from "./kinds.ts";

/** One field that is wrong, as kube-apiserver reports it in `details.causes`. */
export interface FieldCause {
  /** Path such as `spec.containers[0].name`. */
  readonly field: string;
  /** `FieldValueRequired`, `FieldValueInvalid`, …: the reason of the cause. */
  readonly type: string;
  /** Everything after `field: `. */
  readonly message: string;
}

/** A refusal on its way to the client: carries the `Status` object (meta/v1) that becomes the body of the answer. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** HTTP status. */
  readonly code: number;
  readonly status: JsonObject;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: number, reason: string, message: string, details?: JsonObject, metadata: JsonObject = {}) {
    super(message);
    this.code = code;
    this.status = {
      kind: "Status",
      apiVersion: "v1",
      metadata,
      status: "Failure",
      message,
      ...(reason === "" ? {} : { reason }),
      ...(details === undefined ? {} : { details }),
      code,
    };
    const retryAfter = details?.["retryAfterSeconds"];
    this.headers = typeof retryAfter === "number" ? { "retry-after": retryAfter.toString() } : {};
  }
}

/** `deployments.apps`, or just `pods` for the core group: how messages name a resource. */
export function qualifiedResource(kind: Pick<ResourceKind, "group" | "plural">): string {
  return kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`;
}

function detailsOf(kind: ResourceKind, name: string): JsonObject {
  return { name, ...(kind.group === "" ? {} : { group: kind.group }), kind: kind.plural };
}

export function notFound(kind: ResourceKind, name: string): ApiError {
  return new ApiError(404, "NotFound", `${qualifiedResource(kind)} "${name}" not found`, detailsOf(kind, name));
}

/** The path names no resource that is served. */
export function unknownPath(): ApiError {
  return new ApiError(404, "NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(kind: ResourceKind, name: string): ApiError {
  return new ApiError(
    409,
    "AlreadyExists",
    `${qualifiedResource(kind)} "${name}" already exists`,
    detailsOf(kind, name),
  );
}

export const staleMessage =
  "the object has been modified; please apply your changes to the latest version and try again";

/** HTTP 409, reason Conflict. `why` is what follows the standard beginning of the message. */
export function conflict(kind: ResourceKind, name: string, why: string): ApiError {
  const message = `Operation cannot be fulfilled on ${qualifiedResource(kind)} "${name}": ${why}`;
  return new ApiError(409, "Conflict", message, detailsOf(kind, name));
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, "BadRequest", message);
}

export function forbidden(kind: ResourceKind, name: string, why: string, causes?: readonly JsonObject[]): ApiError {
  const details = { ...detailsOf(kind, name), ...(causes === undefined ? {} : { causes }) };
  return new ApiError(403, "Forbidden", `${qualifiedResource(kind)} "${name}" is forbidden: ${why}`, details);
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});
}

export function unsupportedMediaType(contentType: string, accepted: readonly string[]): ApiError {
  return new ApiError(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}` +
      (contentType === "" ? "" : ` (got ${contentType})`),
  );
}

/** HTTP 410: the version asked for is no longer in the log. `token` lets a list go on at the newest version. */
export function expired(message: string, token?: string): ApiError {
  return new ApiError(410, "Expired", message, undefined, token === undefined ? {} : { continue: token });
}

export function internalError(message: string): ApiError {
  return new ApiError(500, "InternalError", `Internal error occurred: ${message}`, {
    causes: [{ message }],
  });
}

/** HTTP 422 with one cause per field. */
export function invalid(kind: ResourceKind, name: string, causes: readonly FieldCause[]): ApiError {
  const lines = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const text = lines.length === 1 ? (lines[0] ?? "") : `[${lines.join(", ")}]`;
  const qualified = kind.group === "" ? kind.kind : `${kind.kind}.${kind.group}`;
  return new ApiError(422, "Invalid", `${qualified} "${name}" is invalid: ${text}`, {
    name,
    ...(kind.group === "" ? {} : { group: kind.group }),
    kind: kind.kind,
    causes: causes.map((cause) => ({ reason: cause.type, message: cause.message, field: cause.field })),
  });
}

/** HTTP 504: the client asks for a version that this server has not reached. */
export function tooLargeResourceVersion(asked: number, current: number): ApiError {
  return new ApiError(504, "Timeout", `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}

/** The `Status` that answers a deletion which is complete. */
export function deletedStatus(kind: ResourceKind, name: string, uid: string): JsonObject {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { ...detailsOf(kind, name), uid },
  };
}
