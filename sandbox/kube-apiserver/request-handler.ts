import * as discovery from "./discovery.ts";
import { isObject, memberObject, type JsonObject } from "./kube-json.ts";
import type { KindRegistry } from "./kinds.ts";
import { openApiDocument, openApiIndex } from "./openapi.ts";
import { isWatch, parseRoute, type ApiRequest, type ApiResponse, type WatchAnswer } from "./request.ts";
import type { RequestCounter } from "./request-counter.ts";
import type { ResourceHandler } from "./resource-handler.ts";
import { ApiError, internalError, unknownPath } from "./status.ts";

/** The one entrance for all requests, wherever they come from. */
export class RequestHandler {
  readonly #registry: KindRegistry;
  readonly #resources: ResourceHandler;
  readonly #counter: RequestCounter;

  constructor(deps: { registry: KindRegistry; resources: ResourceHandler; counter: RequestCounter }) {
    this.#registry = deps.registry;
    this.#resources = deps.resources;
    this.#counter = deps.counter;
  }

  /** Never rejects: refusals are answers whose body is a `Status`. */
  async handle(request: ApiRequest): Promise<ApiResponse | WatchAnswer> {
    try {
      return this.#document(request) ?? review(request) ?? (await this.#resource(request));
    } catch (error) {
      const refusal = error instanceof ApiError ? error : internalError(describe(error));
      return { status: refusal.code, headers: refusal.headers, body: refusal.status };
    }
  }

  #resource(request: ApiRequest): Promise<ApiResponse | WatchAnswer> | ApiResponse | WatchAnswer {
    const route = parseRoute(this.#registry, request.path);
    const verb = verbOf(request, route.name);
    this.#counter.count(
      verb,
      route.subresource === "" ? route.kind.plural : `${route.kind.plural}/${route.subresource}`,
    );
    return this.#resources.handle(request, route);
  }

  /** Documents about the server itself. */
  #document(request: ApiRequest): ApiResponse | undefined {
    if (request.method !== "GET") return undefined;
    const path = request.path.replace(/\/$/, "");
    if (/^\/(healthz|readyz|livez)(\/|$)/.test(path)) {
      return { status: 200, headers: { "content-type": "text/plain; charset=utf-8" }, body: "ok" };
    }
    if (path === "/version") return found(discovery.versionDocument());
    if (path === "/openapi/v3") return found(openApiIndex(this.#registry));
    if (path.startsWith("/openapi/v3/"))
      return found(openApiDocument(this.#registry, path.slice("/openapi/v3/".length)));
    return this.#discovery(request, path);
  }

  #discovery(request: ApiRequest, path: string): ApiResponse | undefined {
    const parts = path.split("/").slice(1);
    if (path === "/api" || path === "/apis") return this.#rootDiscovery(request, path === "/api");
    if (path === "/api/v1") return found(discovery.resourceList(this.#registry, "", "v1"));
    if (parts[0] !== "apis") return undefined;
    if (parts.length === 2) return found(discovery.groupOf(this.#registry, parts[1] ?? ""));
    if (parts.length === 3) return found(discovery.resourceList(this.#registry, parts[1] ?? "", parts[2] ?? ""));
    return undefined;
  }

  #rootDiscovery(request: ApiRequest, isCore: boolean): ApiResponse {
    const aggregated = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    const wantsAggregated = (request.headers["accept"] ?? "").includes(aggregated);
    if (!wantsAggregated) return found(isCore ? discovery.coreVersions() : discovery.groupList(this.#registry));
    const contentType = `application/json;${aggregated}`;
    const body = discovery.aggregatedDiscovery(this.#registry, isCore);
    return { status: 200, headers: { "content-type": contentType }, body };
  }
}

function found(document: JsonObject | undefined): ApiResponse {
  if (document === undefined) throw unknownPath();
  return { status: 200, headers: {}, body: document };
}

const reviewPath = /^\/apis\/(authorization|authentication)\.k8s\.io\/v1\/(\w+)$/;

/** Access reviews: everybody may do everything here. */
function review(request: ApiRequest): ApiResponse | undefined {
  const match = reviewPath.exec(request.path);
  if (match === null || request.method !== "POST") return undefined;
  const body = isObject(request.body) ? request.body : {};
  const { name, groups } = request.user;
  switch (match[2]) {
    case "selfsubjectaccessreviews":
    case "subjectaccessreviews":
      return { status: 201, headers: {}, body: { ...body, status: { allowed: true } } };
    case "selfsubjectreviews":
      return {
        status: 201,
        headers: {},
        body: { ...body, status: { userInfo: { username: name, groups: [...groups] } } },
      };
    case "selfsubjectrulesreviews": {
      const all = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
      const status = {
        resourceRules: [all],
        nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
        incomplete: false,
      };
      return { status: 201, headers: {}, body: { ...body, spec: memberObject(body, "spec"), status } };
    }
    default:
      return undefined;
  }
}

function verbOf(request: ApiRequest, name: string): string {
  switch (request.method) {
    case "GET":
      if (isWatch(request)) return "watch";
      return name === "" ? "list" : "get";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "DELETE":
      return name === "" ? "deletecollection" : "delete";
    default:
      return request.method.toLowerCase();
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
