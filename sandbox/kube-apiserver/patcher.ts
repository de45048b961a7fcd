import rfc6902 from "rfc6902";
import {
  cloneJson,
  isObject,
  memberObject,
  without,
  type JsonObject,
  type KubeJson,
  type StoredObject,
} from "./kube-json.ts";
import { apiVersionOf, type ResourceKind } from "./kinds.ts";
import { isSameContent, withIdentity } from "./metadata.ts";
import type { ApiRequest } from "./request.ts";
import { applyPatch, conflictMessage } from "./server-side-apply.ts";
import { invalidValue } from "./built-in-validation.ts";
import { ApiError, badRequest, conflict, invalid, unsupportedMediaType } from "./status.ts";
import { strategicMerge } from "./strategic-merge.ts";
import { prune, validate } from "./structural-schema.ts";
import type { Change, WriteContext } from "./writer.ts";

const accepted = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
} as const;

/** The kind of a patch, by content type. */
export type PatchType = keyof typeof accepted;

/** @throws ApiError 415 */
export function patchTypeOf(request: ApiRequest, kind: ResourceKind): PatchType {
  const contentType = (request.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "";
  const types = kind.isCustom
    ? (["json", "merge", "apply"] as const)
    : (["json", "merge", "strategic", "apply"] as const);
  const type = types.find((candidate) => accepted[candidate] === contentType);
  if (type === undefined) {
    if (!kind.isCustom) throw new ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});
    const list = types.map((candidate) => accepted[candidate]);
    throw unsupportedMediaType(contentType, list);
  }
  return type;
}

/** RFC 7386: null deletes, objects merge, everything else replaces. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, key);
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** RFC 6902. @throws ApiError 400 for no patch, 422 when it does not fit */
export function jsonPatch(target: StoredObject, patch: unknown): KubeJson {
  if (!Array.isArray(patch)) {
    throw badRequest(
      "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
    );
  }
  const copy = cloneJson<KubeJson>(target);
  const failure = runJsonPatch(copy, patch as rfc6902.Operation[]);
  if (failure === undefined) return copy;
  throw new ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {});
}

/** As the library of kube-apiserver does, and unlike RFC 6902, `replace` adds a member that is not there. */
function runJsonPatch(target: KubeJson, operations: rfc6902.Operation[]): string | undefined {
  try {
    for (const operation of operations) {
      const [failure] = rfc6902.applyPatch(target, [operation]);
      const isMissing = failure !== null && operation.op === "replace";
      const last = isMissing ? rfc6902.applyPatch(target, [{ ...operation, op: "add" }])[0] : failure;
      if (last !== null && last !== undefined) return last.message;
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The change that a patch other than an apply asks for. */
export function toPatchChange(context: WriteContext, type: Exclude<PatchType, "apply">, patch: unknown): Change {
  const { kind } = context;
  const produce = (current: StoredObject): KubeJson => {
    const result = patched(current);
    requireUid(kind, result, current);
    return result;
  };
  const patched = (current: StoredObject): KubeJson => {
    if (type === "json") return jsonPatch(current, patch);
    if (!isObject(patch)) throw badRequest("error decoding patch: the body is not a JSON object");
    if (type === "merge") return mergePatch(current, patch) as KubeJson;
    try {
      return strategicMerge({ group: kind.group, version: kind.version, kind: kind.kind }, current, patch);
    } catch (error) {
      throw badRequest(error instanceof Error ? error.message : String(error));
    }
  };
  return { produce, part: context.subresource === "status" ? "status" : "main" };
}

/** @throws ApiError 422: a patch cannot name another object, where an update that does so conflicts */
function requireUid(kind: ResourceKind, wanted: KubeJson, { metadata: { name, uid } }: StoredObject): void {
  const given = wanted.metadata?.uid ?? "";
  if (given !== "" && given !== uid) {
    throw invalid(kind, name, [invalidValue("metadata.uid", given, "field is immutable")]);
  }
}

/** The change that a server-side apply asks for. @throws ApiError 400, 409 (when it is produced) */
export function toApplyChange(context: WriteContext, request: ApiRequest, nowIso: string): Change {
  const applied = parseApplied(context, request);
  const part = context.subresource === "status" ? "status" : "main";
  return {
    produce: (current) => {
      requireUid(context.kind, applied, current);
      return runApply(context, { applied, live: current, request, nowIso });
    },
    part,
    tracksFields: true,
  };
}

/** The new object that an apply makes where there is none. */
export function toAppliedObject(context: WriteContext, request: ApiRequest, nowIso: string): KubeJson {
  const applied = parseApplied(context, request);
  const uid = applied.metadata?.uid ?? "";
  if (uid !== "") {
    const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
    throw conflict(context.kind, context.name, why);
  }
  return runApply(context, { applied, live: undefined, request, nowIso });
}

function parseApplied(context: WriteContext, request: ApiRequest): KubeJson {
  const { kind, name, namespace } = context;
  if ((request.query.get("fieldManager") ?? "") === "") {
    const cause = {
      field: "fieldManager",
      type: "FieldValueRequired",
      message: "Required value: is required for apply patch",
    };
    throw invalid({ ...kind, group: "meta.k8s.io", kind: "PatchOptions" }, "", [cause]);
  }
  const applied = withIdentity(kind, request.body);
  if (!isObject(request.body) || request.body["apiVersion"] !== apiVersionOf(kind)) {
    throw badRequest(`error decoding patch: apiVersion must be ${apiVersionOf(kind)}`);
  }
  const metadata = applied.metadata ?? {};
  if (metadata.name !== undefined && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  if (metadata.managedFields !== undefined) throw badRequest("metadata.managedFields must be nil");
  applied.metadata = { ...metadata, name, ...(kind.namespaced ? { namespace } : {}) };
  requireDeclared(kind, applied);
  return withoutOtherPart(context, applied);
}

/** Whoever applies owns fields, so they must be known and items of lists distinct. @throws ApiError 500, as kube-apiserver */
function requireDeclared(kind: ResourceKind, applied: KubeJson): void {
  if (kind.schema === undefined) return;
  const [unknown] = prune(kind.schema, applied).prunedPaths;
  const repeated = validate(kind.schema, applied, undefined).find(({ type }) => type === "FieldValueDuplicate");
  if (unknown === undefined && repeated === undefined) return;
  const why =
    unknown === undefined
      ? `.${repeated?.field ?? ""}: duplicate entries`
      : `.${unknown}: field not declared in schema`;
  const what = `/${applied.metadata?.name ?? ""}; ${apiVersionOf(kind)}, Kind=${kind.kind}`;
  throw new ApiError(500, "", `failed to create typed patch object (${what}): ${why}`);
}

/** Status is not owned through the main resource, nor spec through the status. */
function withoutOtherPart(context: WriteContext, applied: KubeJson): KubeJson {
  if (!context.kind.hasStatus) return applied;
  if (context.subresource !== "status") return without(applied, "status");
  const { apiVersion, kind, metadata, status } = applied;
  return {
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(kind === undefined ? {} : { kind }),
    metadata: metadata ?? {},
    ...(status === undefined ? {} : { status }),
  };
}

function runApply(
  context: WriteContext,
  input: { applied: KubeJson; live: StoredObject | undefined; request: ApiRequest; nowIso: string },
): KubeJson {
  const { kind, subresource, fieldManager } = context;
  const { object, conflicts } = applyPatch({
    live: input.live,
    applied: input.applied,
    manager: fieldManager,
    force: ["true", "1"].includes(input.request.query.get("force") ?? ""),
    ...(subresource === "" ? {} : { subresource }),
    nowIso: input.nowIso,
    ...(kind.schema === undefined ? {} : { schema: kind.schema }),
  });
  if (conflicts.length > 0) {
    const causes = conflicts.map((found) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${found.description}`,
      field: found.field,
    }));
    throw new ApiError(409, "Conflict", conflictMessage(conflicts), { causes });
  }
  // Nothing but time stamps would change: keep the old ones.
  return input.live !== undefined && isSameContent(object, input.live) ? input.live : object;
}

/** The `Scale` (autoscaling/v1) of a workload. */
export function toScale(object: StoredObject): KubeJson {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const spec = memberObject(object, "spec");
  const status = memberObject(object, "status");
  const labels = memberObject(memberObject(spec, "selector"), "matchLabels");
  const selector = Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid,
      resourceVersion,
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: { replicas: spec["replicas"] ?? 0 },
    status: { replicas: status["replicas"] ?? 0, selector: selector.join(",") },
  };
}
