/**
 * The seam between a Kubernetes client and an API server: one function for a request, one for a watch. In production it
 * is HTTPS; in the simulation and between the sandbox's own parts it is a function call into the API server's handlers.
 */
export interface Transport {
  /** Resolves for every HTTP status; rejects only when no complete answer came. */
  request(request: TransportRequest, signal: AbortSignal): Promise<TransportResponse>;
  /**
   * Opens a watch. `onEvent` gets each decoded JSON line (`{type, object}`). Resolves when the server ends the stream:
   * status 200 after a good one, otherwise the refusal. Rejects when the connection breaks.
   */
  stream(request: TransportRequest, onEvent: (event: unknown) => void, signal: AbortSignal): Promise<TransportResponse>;
}

export interface TransportRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query, for instance `/api/v1/pods?limit=500`. */
  readonly path: string;
  /** Lower-case names; `content-type` decides the kind of a PATCH. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A JSON value; undefined for none. */
  readonly body?: unknown;
  /**
   * Called right before the request leaves, after any waiting for a limit or a connection; what it throws refuses the
   * request. A transport that never waits may ignore it.
   */
  readonly beforeSend?: () => void;
}

export interface TransportResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Decoded JSON, or the text when it is none. */
  readonly body: unknown;
}
