/** Writes of the cluster components, as plain calls on a Transport. */
import type { KubeObject } from "../../runtime/ports.ts";
import type { Transport, TransportRequest } from "../../runtime/transport.ts";
import { pathOf, type Resource } from "./kinds.ts";

/** The API server refused a call. `message` is the message of its Status object. */
export class ApiRefusal extends Error {
  override readonly name = "ApiRefusal";
  /** HTTP status. */
  readonly status: number;
  /** Machine-readable reason of the Status object, for instance `AlreadyExists`; empty when there was none. */
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** True for refusals that mean "what you read is stale": the object changed, is gone, or is there already. */
export function isStale(error: unknown): boolean {
  return error instanceof ApiRefusal && (error.status === 404 || error.status === 409);
}

export interface Api {
  /** @throws ApiRefusal */
  create(resource: Resource, object: KubeObject): Promise<KubeObject>;
  /**
   * Strategic merge patch of the object or, with `subresource`, of that part: conditions merge by type, so that two
   * writers do not undo each other. Only for built-in kinds. @throws ApiRefusal
   */
  patch(resource: Resource, target: KubeObject, patch: object, subresource?: "status"): Promise<KubeObject>;
  /**
   * Deletes exactly this object (uid precondition). Absence and a successor of the same name are success.
   * `gracePeriodSeconds` absent: the pod's own. @throws ApiRefusal
   */
  delete(resource: Resource, target: KubeObject, gracePeriodSeconds?: number): Promise<void>;
  /** Undefined when it does not exist. @throws ApiRefusal */
  get(resource: Resource, namespace: string, name: string): Promise<KubeObject | undefined>;
  /** Binds a pod to a node (`pods/binding`). @throws ApiRefusal 409 when it is bound already or being deleted */
  bind(pod: KubeObject, nodeName: string): Promise<void>;
}

/** @param signal ends every call; its abort rejects with AbortError */
export function createApi(transport: Transport, signal: AbortSignal): Api {
  const call = async (request: TransportRequest): Promise<unknown> => {
    const { status, body } = await transport.request(request, signal);
    if (status >= 200 && status < 300) return body;
    throw toRefusal(status, body);
  };
  const json = { "content-type": "application/json" };
  return {
    async create(resource, object) {
      const path = pathOf(resource, object.metadata.namespace);
      const { apiVersion, kind } = resource;
      return toObject(await call({ method: "POST", path, headers: json, body: { apiVersion, kind, ...object } }));
    },
    async patch(resource, target, patch, subresource) {
      const path = pathOf(resource, target.metadata.namespace, target.metadata.name);
      const headers = { "content-type": "application/strategic-merge-patch+json" };
      const suffix = subresource === undefined ? "" : `/${subresource}`;
      return toObject(await call({ method: "PATCH", path: path + suffix, headers, body: patch }));
    },
    async delete(resource, target, gracePeriodSeconds) {
      const path = pathOf(resource, target.metadata.namespace, target.metadata.name);
      const grace = gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds };
      const preconditions = target.metadata.uid === undefined ? {} : { preconditions: { uid: target.metadata.uid } };
      const body = { apiVersion: "v1", kind: "DeleteOptions", ...preconditions, ...grace };
      try {
        await call({ method: "DELETE", path, headers: json, body });
      } catch (error) {
        if (!isStale(error)) throw error;
      }
    },
    async get(resource, namespace, name) {
      try {
        return toObject(await call({ method: "GET", path: pathOf(resource, namespace, name) }));
      } catch (error) {
        if (error instanceof ApiRefusal && error.status === 404) return undefined;
        throw error;
      }
    },
    async bind(pod, nodeName) {
      const { name, namespace, uid } = pod.metadata;
      const path = `/api/v1/namespaces/${namespace ?? "default"}/pods/${name}/binding`;
      const target = { apiVersion: "v1", kind: "Node", name: nodeName };
      const body = { apiVersion: "v1", kind: "Binding", metadata: { name, namespace, uid }, target };
      await call({ method: "POST", path, headers: json, body });
    },
  };
}

/** An answer that is no object is a broken server, not a refusal. @throws Error */
export function toObject(body: unknown): KubeObject {
  if (isObject(body)) return body;
  throw new Error("the API server answered with something that is not a Kubernetes object");
}

export function isObject(value: unknown): value is KubeObject {
  return isRecord(value) && isRecord(value["metadata"]);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Turns a refused answer, a Status object or anything else, into an ApiRefusal. */
export function toRefusal(status: number, body: unknown): ApiRefusal {
  const { reason, message } = isRecord(body) ? body : {};
  return new ApiRefusal(
    status,
    typeof reason === "string" ? reason : "",
    typeof message === "string" ? message : `HTTP ${status}`,
  );
}

/** Fields of an event that a component reports about an object. */
export interface EventText {
  readonly component: string;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly action: string;
  /** For people; cut to the 1024 characters that the API accepts. */
  readonly note: string;
}

/** An events.k8s.io/v1 Event, as far as the cluster components fill it. */
export interface EventObject extends KubeObject {
  readonly eventTime: string;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly action: string;
  readonly reason: string;
  readonly regarding: object;
  readonly note: string;
  readonly type: "Normal" | "Warning";
}

/** The event about `regarding`. Named by its time, as the real components do. */
export function toEvent(resource: Resource, regarding: KubeObject, text: EventText, nowMs: number): EventObject {
  const { name, namespace = "default", uid } = regarding.metadata;
  const { apiVersion, kind } = resource;
  return {
    // Nanoseconds in hexadecimal, like client-go; the reason keeps two events of one moment apart.
    metadata: { name: `${name}.${(nowMs * 1e6).toString(16)}.${text.reason.toLowerCase()}`, namespace },
    // MicroTime (RFC 3339 with six digits) is what the kind demands.
    eventTime: new Date(nowMs).toISOString().replace("Z", "000Z"),
    reportingController: text.component,
    reportingInstance: `${text.component}-sandbox`,
    action: text.action,
    reason: text.reason,
    regarding: { apiVersion, kind, name, namespace, uid },
    note: text.note.slice(0, 1024),
    type: text.type,
  };
}
