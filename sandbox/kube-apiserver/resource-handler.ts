import { deletedStatus, methodNotAllowed, notFound, unknownPath } from "./status.ts";
import { parseDeleteOptions, type Deleter } from "./deleter.ts";
import {
  cloneJson,
  isObject,
  memberObject,
  valueAt,
  type JsonObject,
  type KubeJson,
  type StoredObject,
} from "./kube-json.ts";
import { toTimestamp } from "./metadata.ts";
import {
  jsonPatch,
  mergePatch,
  patchTypeOf,
  toAppliedObject,
  toApplyChange,
  toPatchChange,
  toScale,
} from "./patcher.ts";
import { parseScope, selectNow, type Reader } from "./reader.ts";
import { Renderer, requireAcceptable } from "./render.ts";
import {
  fieldManagerOf,
  isWatch,
  type ApiRequest,
  type ApiResponse,
  type ResourceRoute,
  type WatchAnswer,
} from "./request.ts";
import { parseDryRun, requireListOptions, requireNoForce } from "./options.ts";
import type { Store } from "./store.ts";
import { bindPod, requireEvictable } from "./subresources.ts";
import type { Watcher } from "./watcher.ts";
import { requireVersion } from "./write-rules.ts";
import type { Change, WriteContext, Writer } from "./writer.ts";

/** What the handler calls. */
export interface ResourceHandlerDeps {
  readonly store: Store;
  readonly reader: Reader;
  readonly watcher: Watcher;
  readonly writer: Writer;
  readonly deleter: Deleter;
  readonly nowMs: () => number;
}

/** One request for a resource, with what is derived from it once. */
interface Call {
  readonly request: ApiRequest;
  readonly route: ResourceRoute;
  readonly renderer: Renderer;
  readonly context: WriteContext;
}

/** Everything below `/api/v1` and `/apis/<group>/<version>` but discovery. */
export class ResourceHandler {
  readonly #deps: ResourceHandlerDeps;

  constructor(deps: ResourceHandlerDeps) {
    this.#deps = deps;
  }

  /** @throws ApiError for every refusal */
  handle(request: ApiRequest, route: ResourceRoute): Promise<ApiResponse> | ApiResponse | WatchAnswer {
    requireAcceptable(request);
    const renderer = new Renderer(route.kind, request, this.#deps.nowMs);
    const call = { request, route, renderer, context: toContext(request, route) };
    switch (request.method) {
      case "GET":
        return this.#get(call);
      case "POST":
        return this.#post(call);
      case "PUT":
        return this.#put(call);
      case "PATCH":
        return this.#patch(call);
      case "DELETE":
        return route.name === "" ? this.#deleteCollection(call) : this.#delete(call);
      default:
        throw methodNotAllowed();
    }
  }

  #get({ request, route, renderer }: Call): ApiResponse | WatchAnswer {
    if (route.name === "") requireListOptions(request.query, isWatch(request));
    if (isWatch(request) && route.subresource === "") {
      const watch = this.#deps.watcher.open(request, route);
      return { run: (emit, signal) => watch.run((event) => emit(renderer.event(event as Rendered)), signal) };
    }
    if (route.name === "") return ok(renderer.list(this.#deps.reader.list(request, route)));
    const object = this.#deps.reader.get(request, route);
    switch (route.subresource) {
      case "":
      case "status":
        requireStatus(route);
        return ok(renderer.object(object));
      case "scale":
        requireScale(route);
        return ok(toScale(object));
      default:
        throw unknownPath();
    }
  }

  async #post(call: Call): Promise<ApiResponse> {
    const { request, route, renderer, context } = call;
    if (route.name === "") {
      if (route.kind.namespaced && route.namespace === "") throw methodNotAllowed();
      const created = await this.#deps.writer.create(context, request.body);
      return answer(201, renderer.object(created), context);
    }
    if (route.kind.kind !== "Pod" || route.kind.group !== "") throw methodNotAllowed();
    if (route.subresource === "binding") return this.#bind(call);
    if (route.subresource === "eviction") return this.#evict(call);
    throw methodNotAllowed();
  }

  async #bind({ request, context }: Call): Promise<ApiResponse> {
    const nowMs = this.#deps.nowMs();
    await this.#deps.writer.change(context, { produce: (pod) => bindPod(pod, request.body, nowMs), part: "raw" });
    return answer(201, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 }, context);
  }

  async #evict({ request, context }: Call): Promise<ApiResponse> {
    requireEvictable(this.#deps.store, this.#deps.writer.current(context));
    const options = parseDeleteOptions(memberObject(request.body, "deleteOptions"), request.query);
    await this.#deps.deleter.delete({ ...context, subresource: "" }, options);
    return answer(201, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 }, context);
  }

  async #put({ request, route, renderer, context }: Call): Promise<ApiResponse> {
    if (route.name === "") throw methodNotAllowed();
    const { body } = request;
    if (route.subresource === "scale") {
      requireScale(route);
      return this.#scale(context, () => (isObject(body) ? body : {}));
    }
    const isFinalize = route.subresource === "finalize" && route.kind.kind === "Namespace";
    if (!isFinalize) requireStatus(route);
    const wanted: KubeJson = isObject(body) ? body : {};
    requireVersion(route.kind, { ...wanted, metadata: { name: route.name, ...wanted.metadata } });
    const stored = await this.#deps.writer.change(context, {
      produce: (current) => (isFinalize ? finalized(current, wanted) : wanted),
      part: partOf(route),
    });
    return answer(200, renderer.object(stored), context);
  }

  async #patch({ request, route, renderer, context }: Call): Promise<ApiResponse> {
    if (route.name === "") throw methodNotAllowed();
    const type = patchTypeOf(request, route.kind);
    if (route.subresource === "scale" && type !== "apply") {
      requireScale(route);
      const { body } = request;
      const patched = (scale: KubeJson) =>
        type === "json" ? jsonPatch(scale as StoredObject, body) : mergePatch(scale, body);
      return this.#scale(context, (scale) => patched(scale) as KubeJson);
    }
    requireStatus(route);
    if (type !== "apply") {
      requireNoForce(request.query);
      const stored = await this.#deps.writer.change(context, toPatchChange(context, type, request.body));
      return answer(200, renderer.object(stored), context);
    }
    return this.#apply(request, route, { renderer, context });
  }

  async #apply(
    request: ApiRequest,
    route: ResourceRoute,
    { renderer, context }: Pick<Call, "renderer" | "context">,
  ): Promise<ApiResponse> {
    const nowIso = toTimestamp(this.#deps.nowMs());
    const found = this.#deps.store.table(route.kind.storage).get(route.namespace, route.name);
    if (found !== undefined) {
      const stored = await this.#deps.writer.change(context, toApplyChange(context, request, nowIso));
      return answer(200, renderer.object(stored), context);
    }
    if (route.subresource !== "") throw notFound(route.kind, route.name);
    const created = await this.#deps.writer.create(context, toAppliedObject(context, request, nowIso), true);
    return answer(201, renderer.object(created), context);
  }

  async #scale(context: WriteContext, wanted: (scale: KubeJson) => KubeJson): Promise<ApiResponse> {
    const change: Change = {
      produce: (current) => {
        const scale = wanted(toScale(current));
        const replicas = valueAt(scale, ["spec", "replicas"]) ?? 0;
        const version = scale.metadata?.resourceVersion ?? current.metadata.resourceVersion;
        return {
          ...current,
          metadata: { ...current.metadata, resourceVersion: version },
          spec: { ...memberObject(current, "spec"), replicas },
        };
      },
    };
    return answer(200, toScale(await this.#deps.writer.change(context, change)), context);
  }

  async #delete({ request, route, renderer, context }: Call): Promise<ApiResponse> {
    if (route.subresource !== "") throw methodNotAllowed();
    const { object, isGone } = await this.#deps.deleter.delete(
      context,
      parseDeleteOptions(request.body, request.query),
    );
    if (isGone && !route.kind.returnsDeleted) {
      return answer(200, deletedStatus(route.kind, object.metadata.name, object.metadata.uid), context);
    }
    return answer(200, renderer.object(object), context);
  }

  async #deleteCollection({ request, route, renderer, context }: Call): Promise<ApiResponse> {
    if (route.kind.namespaced && route.namespace === "") throw methodNotAllowed();
    const options = parseDeleteOptions(request.body, request.query);
    const items = selectNow(this.#deps.store.table(route.kind.storage), parseScope(request, route));
    const resourceVersion = this.#deps.store.revision.toString();
    for (const { metadata } of items) {
      const one = { ...context, namespace: metadata.namespace ?? "", name: metadata.name };
      await this.#deps.deleter.delete(one, { ...options, uid: metadata.uid });
    }
    return answer(200, renderer.list({ items, metadata: { resourceVersion } }), context);
  }
}

type Rendered = Parameters<Renderer["event"]>[0];

function finalized(current: StoredObject, wanted: KubeJson): KubeJson {
  const finalizers = cloneJson(memberObject(wanted, "spec")["finalizers"] ?? []);
  return { ...current, spec: { ...memberObject(current, "spec"), finalizers } };
}

function partOf(route: ResourceRoute): "main" | "status" | "raw" {
  if (route.subresource === "finalize") return "raw";
  return route.subresource === "status" ? "status" : "main";
}

/** Only objects themselves and a status that exists. @throws ApiError 404 */
function requireStatus({ kind, subresource }: ResourceRoute): void {
  if (subresource !== "" && !(subresource === "status" && kind.hasStatus)) throw unknownPath();
}

function requireScale({ kind, name }: ResourceRoute): void {
  if (!kind.hasScale || name === "") throw unknownPath();
}

function toContext(request: ApiRequest, route: ResourceRoute): WriteContext {
  const validation = request.query.get("fieldValidation");
  return {
    kind: route.kind,
    namespace: route.namespace,
    name: route.name,
    subresource: route.subresource,
    user: request.user,
    fieldManager: fieldManagerOf(request),
    dryRun: parseDryRun(request.method, request.query),
    fieldValidation: validation === "Strict" || validation === "Ignore" ? validation : "Warn",
    warnings: [],
  };
}

function ok(body: unknown): ApiResponse {
  return { status: 200, headers: {}, body };
}

function answer(status: number, body: JsonObject, context: WriteContext): ApiResponse {
  if (context.warnings.length === 0) return { status, headers: {}, body };
  const warnings = [...new Set(context.warnings)].map((text) => `299 - ${JSON.stringify(text)}`);
  return { status, headers: { warning: warnings.join(", ") }, body };
}
