/** What the API server asks and what it is answered. Source: `admission.k8s.io/v1` and `v1beta1`, which are the same in JSON. */

/** The operations of RFC 6902 that are used. `path` is a JSON pointer. */
export type PatchOperation =
  | { readonly op: "add" | "replace"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string };

export interface AdmissionRequest {
  /** Copied into the answer. */
  readonly uid: string;
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly operation: string;
  /** Empty for cluster-scoped objects, and for a name that the server is still to generate. */
  readonly name: string;
  readonly namespace: string;
  /** True: nothing is stored, and nothing may be done beside answering. */
  readonly dryRun: boolean;
  /** The object to be stored; undefined on DELETE. */
  readonly object: unknown;
  /** The stored object; undefined on CREATE. */
  readonly oldObject: unknown;
}

export interface AdmissionAnswer {
  readonly allowed: boolean;
  /** 200 allowed, 403 refused by a rule, 500 not understood. */
  readonly code: 200 | 403 | 500;
  readonly message?: string;
  /** RFC 6902; absent when nothing changes. */
  readonly patch?: readonly PatchOperation[];
  /** One line each; kubectl shows them. */
  readonly warnings?: readonly string[];
}

/**
 * Answers one request. Pure of HTTP.
 * @throws Error when it cannot tell (something it must read cannot be read): the HTTP answer then fails, so that the
 * webhook's `failurePolicy` decides. A refusal by rule is an answer, never an exception.
 */
export type AdmissionHandler = (request: AdmissionRequest, signal: AbortSignal) => Promise<AdmissionAnswer>;

export function allowed(message = ""): AdmissionAnswer {
  return message === "" ? { allowed: true, code: 200 } : { allowed: true, code: 200, message };
}

export function denied(message: string): AdmissionAnswer {
  return { allowed: false, code: 403, message };
}

/** The object is not what its kind says. */
export function undecodable(message: string): AdmissionAnswer {
  return { allowed: false, code: 500, message };
}

/** True for a JSON object, the least that every admitted object is. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
