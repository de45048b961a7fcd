/** Names one object to bring to its desired state. Cluster-scoped kinds leave `namespace` empty. */
export interface Request {
  readonly namespace: string;
  readonly name: string;
}

/** What the queue does next. `requeueAfterMs` is milliseconds on the injected Clock; absent means wait for an event. */
export interface Result {
  readonly requeueAfterMs?: number;
}

/** Level-based: reads current state, acts, and may be run again at any point. */
export interface Reconciler {
  /** @throws OperatorError its `category` decides retry, condition and event (see runtime/errors.ts) */
  reconcile(request: Request, signal: AbortSignal): Promise<Result>;
}

/** `namespace/name`, or just the name of a cluster-scoped object: the key of queues and caches. */
export function keyOf(request: Request): string {
  return request.namespace === "" ? request.name : `${request.namespace}/${request.name}`;
}

/** The inverse of {@link keyOf}. */
export function requestOf(key: string): Request {
  const slash = key.indexOf("/");
  return slash < 0 ? { namespace: "", name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
