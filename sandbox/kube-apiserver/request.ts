import type { KindRegistry, ResourceKind } from "./kinds.ts";
import { unknownPath } from "./status.ts";

/** Who asks. Everybody is allowed everything; the name goes into admission reviews. */
export interface UserInfo {
  readonly name: string;
  readonly groups: readonly string[];
}

/** A request as both the transport and the HTTPS listener hand it in. */
export interface ApiRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Decoded JSON, owned by the server; undefined for none. */
  readonly body: unknown;
  readonly user: UserInfo;
}

/** A complete answer. `body` may be shared with the store: copy before handing it out. */
export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A granted watch: `run` emits events until it resolves. `emit` may slow it down by returning a promise. */
export interface WatchAnswer {
  run(emit: (event: unknown) => void | Promise<void>, signal: AbortSignal): Promise<void>;
}

/** What a path below `/api` and `/apis` names. */
export interface ResourceRoute {
  readonly kind: ResourceKind;
  /** "" for cluster-scoped objects and for all namespaces. */
  readonly namespace: string;
  /** "" for the collection. */
  readonly name: string;
  /** "" for the object itself. */
  readonly subresource: string;
}

/** Parses a resource path. @throws ApiError 404 when no such resource is served */
export function parseRoute(registry: KindRegistry, path: string): ResourceRoute {
  const parts = path
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent);
  const isCore = parts[0] === "api";
  const group = isCore ? "" : (parts[1] ?? "");
  const version = (isCore ? parts[1] : parts[2]) ?? "";
  return routeOf(registry, { group, version }, parts.slice(isCore ? 2 : 3));
}

function routeOf(
  registry: KindRegistry,
  { group, version }: { group: string; version: string },
  rest: readonly string[],
): ResourceRoute {
  const { namespace, tail } = splitNamespace(rest);
  const [plural, name = "", subresource = "", ...more] = tail;
  const kind = plural === undefined ? undefined : registry.find(group, version, plural);
  if (kind === undefined || more.length > 0) throw unknownPath();
  // One object has a namespace exactly if its kind has; a collection may be looked at across all.
  const fits = kind.namespaced ? namespace !== "" || name === "" : namespace === "";
  if (!fits) throw unknownPath();
  return { kind, namespace, name, subresource };
}

/** `/namespaces/x`, `/namespaces/x/status` and `/namespaces/x/finalize` are the namespace itself. */
function splitNamespace(rest: readonly string[]): { namespace: string; tail: readonly string[] } {
  const [first, namespace = "", next = ""] = rest;
  if (first !== "namespaces" || ["", "status", "finalize"].includes(next)) return { namespace: "", tail: rest };
  return { namespace, tail: rest.slice(2) };
}

/** The `manager` of managed fields: asked for, or the first word of the user agent. */
export function fieldManagerOf(request: ApiRequest): string {
  const asked = request.query.get("fieldManager");
  if (asked !== null && asked !== "") return asked;
  const agent = (request.headers["user-agent"] ?? "").split("/")[0];
  return agent === undefined || agent === "" ? "unknown" : agent;
}

/** True for `watch=true` and `watch=1`. */
export function isWatch(request: ApiRequest): boolean {
  const value = request.query.get("watch");
  return value === "true" || value === "1" || value === "";
}
