import {
  isObject,
  jsonEquals,
  stringAt,
  type JsonObject,
  type KubeJson,
  type KubeMeta,
  type StoredObject,
  without,
} from "./kube-json.ts";
import { apiVersionOf, type ResourceKind } from "./kinds.ts";
import { badRequest, conflict, invalid, type ApiError } from "./status.ts";

/** RFC 3339 with seconds, as Kubernetes writes times. */
export function toTimestamp(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}

const uuidPattern = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";

/** A random (version 4) UUID from the given source of randomness. */
export function toUid(random: () => number): string {
  return uuidPattern.replace(/[xy]/g, (letter) => {
    const digit = Math.floor(random() * 16);
    return (letter === "x" ? digit : (digit & 3) | 8).toString(16);
  });
}

const suffixLetters = "bcdfghjklmnpqrstvwxz2456789";

/** Five random characters after `generateName`, from the alphabet of kube-apiserver. */
export function toGeneratedName(prefix: string, random: () => number): string {
  const letter = () => suffixLetters.charAt(Math.floor(random() * suffixLetters.length));
  return `${prefix.slice(0, 58)}${Array.from({ length: 5 }, letter).join("")}`;
}

/** Checks and fills in apiVersion and kind of a body. @throws ApiError 400 */
export function withIdentity(kind: ResourceKind, body: unknown): KubeJson {
  if (!isObject(body)) throw badRequest("the body of the request is not a JSON object");
  requireIdentity(kind, body);
  const { metadata } = body;
  if (metadata !== undefined && metadata !== null && !isObject(metadata))
    throw badRequest("metadata must be an object");
  const given = withoutNulls(isObject(metadata) ? metadata : {});
  return { ...body, apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: given };
}

/** @throws ApiError 400, or 422 for another kind of custom resource */
function requireIdentity(kind: ResourceKind, body: JsonObject): void {
  const { apiVersion, kind: name, metadata } = body;
  if (apiVersion !== undefined && apiVersion !== apiVersionOf(kind)) throw badRequest(wrongVersion(kind, body));
  if (name === undefined || name === kind.kind) return;
  if (kind.isCustom) throw wrongKind(kind, name, metadata);
  throw badRequest(`${textOf(name)} in version "${kind.version}" cannot be handled as a ${kind.kind}`);
}

/** What custom resources are asked for is known from their definition, so another kind is a fault of the field. */
function wrongKind(kind: ResourceKind, name: unknown, metadata: unknown): ApiError {
  const message = `Invalid value: ${JSON.stringify(name)}: must be ${kind.kind}`;
  const cause = { field: "kind", type: "FieldValueInvalid", message };
  return invalid({ ...kind, kind: textOf(name) }, stringAt(metadata, ["name"]), [cause]);
}

function wrongVersion(kind: ResourceKind, { apiVersion, kind: name = kind.kind }: JsonObject): string {
  const given = textOf(apiVersion);
  const expected = apiVersionOf(kind);
  if (kind.isCustom)
    return `the API version in the data (${given}) does not match the expected API version (${expected})`;
  const version = given.split("/").at(-1) ?? "";
  const why = `no kind ${JSON.stringify(name)} is registered for version ${JSON.stringify(given)}`;
  return `${textOf(name)} in version "${version}" cannot be handled as a ${kind.kind}: ${why}`;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function withoutNulls(metadata: JsonObject): KubeMeta {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null && value !== undefined));
}

/** The namespace of a body must be the one of the path, or absent. @throws ApiError 400 */
export function setNamespace(kind: ResourceKind, object: KubeJson, namespace: string): void {
  const metadata = (object.metadata ??= {});
  if (!kind.namespaced) {
    delete metadata.namespace;
    return;
  }
  const given = metadata.namespace ?? "";
  if (given !== "" && given !== namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  }
  metadata.namespace = namespace;
}

/** Carries over what a client cannot change. @throws ApiError 400, or 409 for another uid */
export function keepSystemMetadata(kind: ResourceKind, object: KubeJson, old: StoredObject): void {
  const metadata = (object.metadata ??= {});
  requireSameObject(kind, metadata, old);
  delete metadata["selfLink"];
  for (const key of kept) {
    if (old.metadata[key] === undefined) Reflect.deleteProperty(metadata, key);
    else metadata[key] = old.metadata[key];
  }
  dropEmpty(metadata);
}

/** Empty lists and maps of metadata are the same as none. */
export function dropEmpty(metadata: KubeMeta): void {
  for (const key of ["labels", "annotations", "finalizers", "ownerReferences"]) {
    const value = metadata[key];
    if (typeof value === "object" && value !== null && Object.keys(value).length === 0)
      Reflect.deleteProperty(metadata, key);
  }
}

function requireSameObject(kind: ResourceKind, metadata: KubeMeta, old: StoredObject): void {
  const { name, uid } = old.metadata;
  if (metadata.name !== undefined && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  const given = metadata.uid ?? "";
  if (given === "" || given === uid) return;
  const key = [kind.plural, ...(old.metadata.namespace === undefined ? [] : [old.metadata.namespace]), name].join("/");
  const where = `StorageError: invalid object, Code: 4, Key: /registry/${key}, ResourceVersion: 0, AdditionalErrorMsg: `;
  throw conflict(kind, name, `${where}Precondition failed: UID in precondition: ${given}, UID in object meta: ${uid}`);
}

const kept = [
  "name",
  "namespace",
  "generateName",
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "generation",
  "resourceVersion",
  "managedFields",
];

/** What `metadata.generation` counts: everything but metadata, and the status where it is a subresource. */
export function specEquals(left: KubeJson, right: KubeJson, hasStatus: boolean): boolean {
  const others = hasStatus ? ["metadata", "status"] : ["metadata"];
  return jsonEquals(without(left, ...others), without(right, ...others));
}

/** True when a write would change nothing but the time stamps of managed fields. */
export function isSameContent(left: KubeJson, right: KubeJson): boolean {
  const { metadata: leftMeta, ...leftRest } = left;
  const { metadata: rightMeta, ...rightRest } = right;
  return jsonEquals(withoutVolatile(leftMeta), withoutVolatile(rightMeta)) && jsonEquals(leftRest, rightRest);
}

function withoutVolatile(metadata: KubeMeta | undefined): JsonObject {
  const entries = (metadata?.managedFields ?? []).map((entry) => without(entry, "time"));
  return { ...without(metadata ?? {}, "resourceVersion"), managedFields: entries };
}
