/** Reads and writes the objects of one kind. */
import { NotFoundError, TransientError } from "../runtime/errors.ts";
import type { KubeObject, ObjectClient, PatchKind } from "../runtime/ports.ts";
import type { Transport, TransportRequest, TransportResponse } from "../runtime/transport.ts";
import { apiVersionOf, pathOf, type ResourceType } from "./resources.ts";
import { errorOf, type RefusedCall } from "./status-error.ts";

export interface ObjectClientOptions<T> {
  readonly transport: Transport;
  readonly resource: ResourceType;
  /** Checked before every write, and again when it has waited for the limit. Absent: writes are always allowed. */
  readonly fence?: { assertHeld(): void };
  /** Gets the answer of every write after which the object exists; feeds the informer, so that our own writes are read. */
  readonly onWritten?: (object: T) => void;
  /** Name under which the API server files our fields. @default "terway-controlplane" */
  readonly fieldManager?: string;
}

const contentTypes = {
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
} as const satisfies Record<PatchKind, string>;

/**
 * A client of one kind. Nothing is retried here: the errors say what to do.
 * Beside the errors that {@link ObjectClient} lists, every write @throws FencedError once the lease is lost, and
 * AbortError when its signal aborts.
 */
export function createObjectClient<T extends KubeObject>(options: ObjectClientOptions<T>): ObjectClient<T> {
  return new RestObjectClient<T>(options);
}

class RestObjectClient<T extends KubeObject> implements ObjectClient<T> {
  readonly #options: ObjectClientOptions<T>;
  readonly #query: string;

  constructor(options: ObjectClientOptions<T>) {
    this.#options = options;
    this.#query = `?fieldManager=${encodeURIComponent(options.fieldManager ?? "terway-controlplane")}`;
  }

  async getLive(namespace: string, name: string, signal: AbortSignal): Promise<T | undefined> {
    const path = pathOf(this.#options.resource, { namespace, name });
    const call = this.#call("get", namespace, name);
    try {
      return this.#objectOf(await this.#send({ method: "GET", path }, call, signal), call);
    } catch (error: unknown) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  async create(object: T, signal: AbortSignal): Promise<T> {
    const { namespace = "", name } = object.metadata;
    const path = pathOf(this.#options.resource, { namespace });
    return await this.#write(
      "create",
      { method: "POST", path, body: this.#typed(object) },
      { namespace, name },
      signal,
    );
  }

  async update(object: T, signal: AbortSignal): Promise<T> {
    const { namespace = "", name } = object.metadata;
    const path = pathOf(this.#options.resource, { namespace, name });
    return await this.#write("update", { method: "PUT", path, body: this.#typed(object) }, { namespace, name }, signal);
  }

  async updateStatus(object: T, signal: AbortSignal): Promise<T> {
    const { namespace = "", name } = object.metadata;
    const path = pathOf(this.#options.resource, { namespace, name, subresource: "status" });
    const target = { namespace, name, subresource: "status" };
    return await this.#write("update", { method: "PUT", path, body: this.#typed(object) }, target, signal);
  }

  async patch(namespace: string, name: string, patch: object, signal: AbortSignal): Promise<T> {
    const path = pathOf(this.#options.resource, { namespace, name });
    const request = { method: "PATCH", path, headers: { "content-type": contentTypes.merge }, body: patch } as const;
    return await this.#write("patch", request, { namespace, name }, signal);
  }

  async patchStatus(
    namespace: string,
    name: string,
    patch: object,
    signal: AbortSignal,
    kind: PatchKind = "merge",
  ): Promise<T> {
    const target = { namespace, name, subresource: "status" };
    const path = pathOf(this.#options.resource, target);
    const headers = { "content-type": contentTypes[kind] };
    return await this.#write("patch", { method: "PATCH", path, headers, body: patch }, target, signal);
  }

  async delete(
    namespace: string,
    name: string,
    options: { readonly uid?: string },
    signal: AbortSignal,
  ): Promise<void> {
    const path = pathOf(this.#options.resource, { namespace, name });
    const preconditions = options.uid === undefined ? {} : { preconditions: { uid: options.uid } };
    const body = { apiVersion: "v1", kind: "DeleteOptions", ...preconditions };
    try {
      await this.#send(this.#fenced({ method: "DELETE", path, body }), this.#call("delete", namespace, name), signal);
    } catch (error: unknown) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }

  async #write(
    verb: RefusedCall["verb"],
    request: TransportRequest,
    target: { readonly namespace: string; readonly name: string; readonly subresource?: string },
    signal: AbortSignal,
  ): Promise<T> {
    const call = this.#call(verb, target.namespace, target.name, target.subresource);
    const fenced = this.#fenced({ ...request, path: `${request.path}${this.#query}` });
    const object = this.#objectOf(await this.#send(fenced, call, signal), call);
    // The write that takes the last finalizer off answers with an object that is gone: a cache would keep it for ever
    // when the watch told of the deletion first.
    if (!isGone(object)) this.#options.onWritten?.(object);
    return object;
  }

  #fenced(request: TransportRequest): TransportRequest {
    const { fence } = this.#options;
    if (fence === undefined) return request;
    fence.assertHeld();
    return { ...request, beforeSend: () => fence.assertHeld() };
  }

  async #send(request: TransportRequest, call: RefusedCall, signal: AbortSignal): Promise<TransportResponse> {
    const response = await this.#options.transport.request(request, signal);
    if (response.status < 200 || response.status > 299) throw errorOf(response, call);
    return response;
  }

  /** Objects out of a list or watch lack both; the API server wants them. */
  #typed(object: T): T {
    const { resource } = this.#options;
    return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
  }

  #objectOf(response: TransportResponse, call: RefusedCall): T {
    const { body } = response;
    if (typeof body !== "object" || body === null || !("metadata" in body)) {
      throw new TransientError(
        "MalformedAnswer",
        `${call.verb} ${call.resource} ${call.object}: the answer is no object`,
      );
    }
    // The API server validated it against the schema that T was generated from.
    return body as T;
  }

  #call(verb: RefusedCall["verb"], namespace: string, name: string, subresource?: string): RefusedCall {
    const { group, plural } = this.#options.resource;
    const resource = `${plural}${group === "" ? "" : `.${group}`}${subresource === undefined ? "" : `/${subresource}`}`;
    return { verb, resource, object: namespace === "" ? name : `${namespace}/${name}` };
  }
}

function isGone({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0;
}
