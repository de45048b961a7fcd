import { forbiddenField, invalidValue } from "./built-in-validation.ts";
import { ApiError, type FieldCause } from "./status.ts";

/** Validation of what a request asks for beside its object. Source: apimachinery, `meta/v1/validation`. */

type OptionsKind = "CreateOptions" | "UpdateOptions" | "PatchOptions" | "DeleteOptions" | "ListOptions";

/** HTTP 422 about options, which have no name. */
export function invalidOptions(kind: OptionsKind, causes: readonly FieldCause[]): ApiError {
  const lines = causes.map(({ field, message }) => `${field}: ${message}`);
  const text = lines.length === 1 ? (lines[0] ?? "") : `[${lines.join(", ")}]`;
  return new ApiError(422, "Invalid", `${kind}.meta.k8s.io "" is invalid: ${text}`, {
    group: "meta.k8s.io",
    kind,
    causes: causes.map(({ field, type, message }) => ({ reason: type, message, field })),
  });
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldCause {
  const list = supported.map((name) => JSON.stringify(name)).join(", ");
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`;
  return { field, type: "FieldValueNotSupported", message };
}

const optionsOf: Readonly<Record<string, OptionsKind>> = {
  POST: "CreateOptions",
  PUT: "UpdateOptions",
  PATCH: "PatchOptions",
  DELETE: "DeleteOptions",
};

/** True for `dryRun=All`. @throws ApiError 422 for anything else that is not empty */
export function parseDryRun(method: string, query: URLSearchParams): boolean {
  const asked = query.getAll("dryRun").filter((value) => value !== "");
  requireDryRun(optionsOf[method] ?? "ListOptions", asked);
  return asked.length > 0;
}

/** @throws ApiError 422 */
export function requireDryRun(kind: OptionsKind, asked: readonly unknown[]): void {
  if (asked.some((value) => value !== "All")) throw invalidOptions(kind, [notSupported("dryRun", asked, ["All"])]);
}

/** @throws ApiError 422 for a `force` that only an apply may carry */
export function requireNoForce(query: URLSearchParams): void {
  if (query.get("force") === null) return;
  throw invalidOptions("PatchOptions", [forbiddenField("force", "may not be specified for non-apply patch")]);
}

/** @throws ApiError 422 for versions and initial events that do not go together */
export function requireListOptions(query: URLSearchParams, isWatch: boolean): void {
  const version = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  const sendInitialEvents = query.get("sendInitialEvents");
  const causes =
    isWatch && sendInitialEvents !== null
      ? watchListCauses(match)
      : [...matchCauses(match, version, isWatch), ...listCauses(sendInitialEvents)];
  if (causes.length > 0) throw invalidOptions("ListOptions", causes);
}

function watchListCauses(match: string): FieldCause[] {
  if (match === "NotOlderThan") return [];
  const detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
  return [forbiddenField("resourceVersionMatch", detail)];
}

function listCauses(sendInitialEvents: string | null): FieldCause[] {
  return sendInitialEvents === null
    ? []
    : [forbiddenField("sendInitialEvents", "sendInitialEvents is forbidden for list")];
}

function matchCauses(match: string, version: string, isWatch: boolean): FieldCause[] {
  const field = "resourceVersionMatch";
  if (match === "") return [];
  if (isWatch) return [forbiddenField(field, "resourceVersionMatch is forbidden for watch")];
  if (version === "") {
    return [forbiddenField(field, "resourceVersionMatch is forbidden unless resourceVersion is provided")];
  }
  if (match !== "Exact" && match !== "NotOlderThan") return [notSupported(field, match, ["Exact", "NotOlderThan", ""])];
  if (match !== "Exact" || version !== "0") return [];
  return [forbiddenField(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')];
}

/** @throws ApiError 422 for a deletion that says how in an unknown way or twice */
export function requirePropagation(policy: unknown, orphanDependents: unknown): void {
  if (policy === undefined || policy === null) return;
  const field = "propagationPolicy";
  if (orphanDependents !== undefined && orphanDependents !== null) {
    const detail = "orphanDependents and deletionPropagation cannot be both set";
    throw invalidOptions("DeleteOptions", [invalidValue(field, policy, detail)]);
  }
  if (policy === "Background" || policy === "Foreground" || policy === "Orphan") return;
  throw invalidOptions("DeleteOptions", [notSupported(field, policy, ["Foreground", "Background", "Orphan", "nil"])]);
}
