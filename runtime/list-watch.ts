import type { KubeObject } from "./ports.ts";
import type { TransportResponse } from "./transport.ts";

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  /** Token of the next page; empty on the last. */
  readonly continue: string;
}

/** One line of a watch. `malformed` is anything that is none: the stream cannot be trusted after it. */
export type WatchEvent<T> =
  | { readonly type: "changed" | "deleted"; readonly object: T }
  | { readonly type: "bookmark"; readonly resourceVersion: string }
  | { readonly type: "error"; readonly code: number; readonly message: string }
  | { readonly type: "malformed"; readonly problem: string };

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Undefined for what lacks the metadata that the cache relies on; the rest of T is the API server's promise. */
function objectOf(value: unknown): object | undefined {
  if (!isRecord(value) || !isRecord(value["metadata"])) return undefined;
  const { name, resourceVersion } = value["metadata"];
  const isNamed = typeof name === "string" && name !== "" && typeof resourceVersion === "string";
  return isNamed ? value : undefined;
}

/** Decodes the body of a list; undefined when it is none. */
export function parsePage<T extends KubeObject>(body: unknown): Page<T> | undefined {
  if (!isRecord(body) || !isRecord(body["metadata"])) return undefined;
  const { resourceVersion, continue: token } = body["metadata"];
  const items: unknown = body["items"] ?? []; // Go encodes an empty list as null.
  if (typeof resourceVersion !== "string" || !Array.isArray(items)) return undefined;
  const objects: T[] = [];
  for (const item of items) {
    const object = objectOf(item);
    if (!object) return undefined;
    objects.push(object as T);
  }
  return { items: objects, resourceVersion, continue: typeof token === "string" ? token : "" };
}

/** Decodes a line of a watch. Total. */
export function parseEvent<T extends KubeObject>(raw: unknown): WatchEvent<T> {
  if (!isRecord(raw)) return { type: "malformed", problem: "a line is no event" };
  const { type, object } = raw;
  if (type === "ERROR") return errorEvent(object);
  if (type === "BOOKMARK") return bookmarkEvent(object);
  if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") {
    return { type: "malformed", problem: `an event has the unknown type ${String(type)}` };
  }
  const changed = objectOf(object);
  if (!changed) return { type: "malformed", problem: "an event has no object" };
  return { type: type === "DELETED" ? "deleted" : "changed", object: changed as T };
}

function errorEvent(object: unknown): WatchEvent<never> {
  const code = isRecord(object) ? Number(object["code"]) : Number.NaN;
  const message = isRecord(object) && typeof object["message"] === "string" ? object["message"] : "";
  return {
    type: "error",
    code: Number.isFinite(code) ? code : 500,
    message: `error ${String(code)} ${message}`.trim(),
  };
}

function bookmarkEvent(object: unknown): WatchEvent<never> {
  const metadata = isRecord(object) ? object["metadata"] : undefined;
  const resourceVersion = isRecord(metadata) ? metadata["resourceVersion"] : undefined;
  if (typeof resourceVersion !== "string") return { type: "malformed", problem: "a bookmark has no resourceVersion" };
  return { type: "bookmark", resourceVersion };
}

/** Says why the server refused, and when to come back. `Retry-After` is in seconds (RFC 9110 §10.2.3). */
export function refusalOf(response: TransportResponse, verb: string): { failure: string; retryAfterMs?: number } {
  const { body, status, headers } = response;
  const text = isRecord(body) && typeof body["message"] === "string" ? body["message"] : "";
  const failure = `${verb}: HTTP ${String(status)} ${text}`.trim();
  const seconds = Number(headers["retry-after"]);
  // A minute at most: a wrong header must not blind the cache for hours.
  return seconds > 0 ? { failure, retryAfterMs: Math.min(seconds, 60) * 1_000 } : { failure };
}

/** Adds parameters to a path that may have some. */
export function withQuery(path: string, parameters: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(parameters).toString();
  if (query === "") return path;
  return `${path}${path.includes("?") ? "&" : "?"}${query}`;
}
