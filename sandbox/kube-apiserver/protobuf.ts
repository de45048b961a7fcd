import type { JsonObject } from "./kube-json.ts";

/**
 * Decodes the few protobuf bodies that kubectl sends of its own accord (`create namespace`, `create configmap`, `drain`,
 * `auth can-i`) and that Go leader election sends. Field numbers: the `generated.proto` files of k8s.io/api 0.35. A kind
 * or a field that is not in these tables is not decoded at all, rather than wrongly.
 */

/** How one field becomes JSON. `int` and `string` leave out zero and "", which Go sends for fields that are not set. */
type FieldType =
  | "string"
  | "int"
  | "optionalInt"
  | "bool"
  | "time"
  | "microTime"
  | "ignored"
  | { readonly message: Fields }
  | { readonly list: "string" | { readonly message: Fields } }
  | { readonly map: "string" | "bytes" };

/** By field number: the JSON name and the type. */
type Fields = Readonly<Record<number, readonly [name: string, type: FieldType]>>;

const ownerReference: Fields = {
  1: ["kind", "string"],
  3: ["name", "string"],
  4: ["uid", "string"],
  5: ["apiVersion", "string"],
  6: ["controller", "bool"],
  7: ["blockOwnerDeletion", "bool"],
};
const objectMeta: Fields = {
  1: ["name", "string"],
  2: ["generateName", "string"],
  3: ["namespace", "string"],
  4: ["selfLink", "ignored"],
  5: ["uid", "string"],
  6: ["resourceVersion", "string"],
  7: ["generation", "int"],
  8: ["creationTimestamp", "time"],
  9: ["deletionTimestamp", "time"],
  10: ["deletionGracePeriodSeconds", "optionalInt"],
  11: ["labels", { map: "string" }],
  12: ["annotations", { map: "string" }],
  13: ["ownerReferences", { list: { message: ownerReference } }],
  14: ["finalizers", { list: "string" }],
  17: ["managedFields", "ignored"],
};
const metadata = ["metadata", { message: objectMeta }] as const;
const deleteOptions: Fields = {
  1: ["gracePeriodSeconds", "optionalInt"],
  2: ["preconditions", { message: { 1: ["uid", "string"], 2: ["resourceVersion", "string"] } }],
  3: ["orphanDependents", "bool"],
  4: ["propagationPolicy", "string"],
  5: ["dryRun", { list: "string" }],
};
const resourceAttributes: Fields = {
  1: ["namespace", "string"],
  2: ["verb", "string"],
  3: ["group", "string"],
  4: ["version", "string"],
  5: ["resource", "string"],
  6: ["subresource", "string"],
  7: ["name", "string"],
};
const leaseSpec: Fields = {
  1: ["holderIdentity", "string"],
  2: ["leaseDurationSeconds", "int"],
  3: ["acquireTime", "microTime"],
  4: ["renewTime", "microTime"],
  5: ["leaseTransitions", "optionalInt"],
};
const accessReviewSpec: Fields = {
  1: ["resourceAttributes", { message: resourceAttributes }],
  2: ["nonResourceAttributes", { message: { 1: ["path", "string"], 2: ["verb", "string"] } }],
};

const kinds: Readonly<Record<string, Fields>> = {
  "v1 Namespace": {
    1: metadata,
    2: ["spec", { message: { 1: ["finalizers", { list: "string" }] } }],
    3: ["status", "ignored"],
  },
  "v1 ConfigMap": {
    1: metadata,
    2: ["data", { map: "string" }],
    3: ["binaryData", { map: "bytes" }],
    4: ["immutable", "bool"],
  },
  "v1 Secret": {
    1: metadata,
    2: ["data", { map: "bytes" }],
    3: ["type", "string"],
    4: ["stringData", { map: "string" }],
    5: ["immutable", "bool"],
  },
  "v1 ServiceAccount": { 1: metadata },
  "v1 DeleteOptions": deleteOptions,
  "meta.k8s.io/v1 DeleteOptions": deleteOptions,
  "policy/v1 Eviction": { 1: metadata, 2: ["deleteOptions", { message: deleteOptions }] },
  "coordination.k8s.io/v1 Lease": { 1: metadata, 2: ["spec", { message: leaseSpec }] },
  "authorization.k8s.io/v1 SelfSubjectAccessReview": {
    1: metadata,
    2: ["spec", { message: accessReviewSpec }],
    3: ["status", "ignored"],
  },
  "authentication.k8s.io/v1 SelfSubjectReview": { 1: metadata, 2: ["status", "ignored"] },
};

const envelope: Fields = {
  1: ["typeMeta", { message: { 1: ["apiVersion", "string"], 2: ["kind", "string"] } }],
  2: ["raw", "ignored"],
  3: ["contentEncoding", "string"],
  4: ["contentType", "string"],
};
/** What every body begins with. */
const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

/** @returns the object as JSON; undefined when it is of a kind, or has a field, that is not in the tables */
export function decodeProtobuf(body: Buffer): JsonObject | undefined {
  if (!body.subarray(0, magic.length).equals(magic)) return undefined;
  try {
    return decodeEnvelope(body.subarray(magic.length));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function decodeEnvelope(bytes: Buffer): JsonObject | undefined {
  const { typeMeta } = decode(bytes, envelope) as { typeMeta?: { apiVersion?: string; kind?: string } };
  const { apiVersion = "", kind = "" } = typeMeta ?? {};
  const fields = kinds[`${apiVersion} ${kind}`];
  const raw = readFields(bytes).find((field) => field.number === 2)?.bytes;
  return fields === undefined || raw === undefined ? undefined : { apiVersion, kind, ...decode(raw, fields) };
}

interface WireField {
  readonly number: number;
  /** Of a varint. */
  readonly value: number;
  /** Of a length-delimited field. */
  readonly bytes: Buffer;
}

/** @throws RangeError for anything that is not varints and length-delimited fields */
function readFields(bytes: Buffer): WireField[] {
  const fields: WireField[] = [];
  let position = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes.readUInt8(position++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (position < bytes.length) {
    const key = varint();
    const value = varint();
    const isDelimited = (key & 7) === 2;
    if (!isDelimited && (key & 7) !== 0) throw new RangeError("an unexpected wire type");
    const end = isDelimited ? position + value : position;
    if (end > bytes.length) throw new RangeError("a field beyond the end");
    fields.push({ number: key >> 3, value, bytes: bytes.subarray(position, end) });
    position = end;
  }
  return fields;
}

function decode(bytes: Buffer, fields: Fields): JsonObject {
  const object: JsonObject = {};
  for (const field of readFields(bytes)) {
    const known = fields[field.number];
    if (known === undefined) throw new RangeError(`unknown field ${field.number}`);
    const [name, type] = known;
    const value = typeof type === "string" ? scalarOf(field, type) : compositeOf(field, type, object[name]);
    if (value !== undefined) object[name] = value;
  }
  return object;
}

function compositeOf(field: WireField, type: Exclude<FieldType, string>, before: unknown): unknown {
  if ("message" in type) return decode(field.bytes, type.message);
  if ("list" in type) {
    const item = type.list === "string" ? field.bytes.toString() : decode(field.bytes, type.list.message);
    return [...(Array.isArray(before) ? (before as unknown[]) : []), item];
  }
  const [key, value] = [1, 2].map((number) => readFields(field.bytes).find((entry) => entry.number === number)?.bytes);
  const text = value?.toString(type.map === "bytes" ? "base64" : "utf8") ?? "";
  return { ...(before as JsonObject | undefined), [key?.toString() ?? ""]: text };
}

function scalarOf({ value, bytes }: WireField, type: Extract<FieldType, string>): unknown {
  switch (type) {
    case "string":
      return bytes.length === 0 ? undefined : bytes.toString();
    case "int":
      return value === 0 ? undefined : value;
    case "optionalInt":
      return value;
    case "bool":
      return value !== 0;
    case "time":
    case "microTime":
      return timeOf(bytes, type === "time");
    case "ignored":
      return undefined;
  }
}

/** Seconds and nanoseconds; an unset time is empty. */
function timeOf(bytes: Buffer, isWholeSeconds: boolean): string | undefined {
  const fields = readFields(bytes);
  const seconds = fields.find(({ number }) => number === 1)?.value;
  if (seconds === undefined) return undefined;
  const text = new Date(seconds * 1_000).toISOString().slice(0, 19);
  const micros = Math.floor((fields.find(({ number }) => number === 2)?.value ?? 0) / 1_000);
  return isWholeSeconds ? `${text}Z` : `${text}.${micros.toString().padStart(6, "0")}Z`;
}
