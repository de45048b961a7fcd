/** Objects that a cache may hold: whatever the schemas of the CRDs let pass, and what is read of Pods and Nodes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import {
  finalizers,
  interfacesNodeCondition,
  notReadyTaint,
  resources,
  schedulingGate,
} from "../../crds/v1beta1/names.ts";
import { validate, type JsonSchema } from "../../sandbox/kube-apiserver/structural-schema.ts";
import { put, type Draw } from "./draw.ts";
import { ownAnnotations, ownLabels } from "./samples.ts";
import type { Json } from "./target.ts";

const text: JsonSchema = { type: "string" };
const texts: JsonSchema = { type: "array", items: text };
const textMap: JsonSchema = { type: "object", additionalProperties: text };
const time: JsonSchema = { type: "string", format: "date-time" };

function object(properties: Readonly<Record<string, JsonSchema>>, ...required: string[]): JsonSchema {
  return { type: "object", properties, required };
}

function listOf(...schema: Parameters<typeof object>): JsonSchema {
  return { type: "array", items: object(...schema) };
}

const metadata = object(
  {
    name: text,
    namespace: text,
    uid: text,
    resourceVersion: text,
    generation: { type: "integer", minimum: 0 },
    creationTimestamp: time,
    deletionTimestamp: time,
    labels: textMap,
    annotations: textMap,
    finalizers: texts,
    ownerReferences: listOf(
      { apiVersion: text, kind: text, name: text, uid: text },
      "apiVersion",
      "kind",
      "name",
      "uid",
    ),
  },
  "name",
);

const condition = { type: text, status: text, reason: text, message: text, lastTransitionTime: time };

/** Built-in kinds as the caches keep them. Source: domain/kubernetes/objects.ts */
const pod = object(
  {
    metadata,
    spec: object({
      nodeName: text,
      hostNetwork: { type: "boolean" },
      priority: { type: "integer", format: "int32" },
      schedulingGates: listOf({ name: text }, "name"),
    }),
    status: object({ phase: text, conditions: listOf(condition, "type", "status") }),
  },
  "metadata",
);
const coreNode = object(
  {
    metadata,
    spec: object({ providerID: text, taints: listOf({ key: text, value: text, effect: text }, "key", "effect") }),
    status: object({ capacity: textMap, allocatable: textMap, conditions: listOf(condition, "type", "status") }),
  },
  "metadata",
);

function custom(plural: string): JsonSchema {
  const file = join(import.meta.dirname, "..", "..", "crds", `network.alibabacloud.com_${plural}.yaml`);
  const crd = parse(readFileSync(file, "utf8")) as {
    readonly spec: { readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: JsonSchema } }[] };
  };
  const schema = crd.spec.versions[0]!.schema.openAPIV3Schema;
  return {
    ...schema,
    required: [...(schema.required ?? []), "metadata"],
    properties: { ...schema.properties, metadata },
  };
}

export const schemas = {
  pod,
  coreNode,
  plane: custom("podnetworkings"),
  podEni: custom("podenis"),
  networkInterface: custom("networkinterfaces"),
  node: custom("nodes"),
};

export type SchemaName = keyof typeof schemas;

/** Whether the API server would have stored it. */
export function isValid(name: SchemaName, value: Json): boolean {
  return validate(schemas[name], value).length === 0;
}

/** Texts by the name of the member that they are in; ids meet so that lookups find something. */
const pools: Readonly<Record<string, readonly string[]>> = {
  name: ["web-0", "node-1", "eni-1", "plane-1", schedulingGate],
  namespace: ["ns"],
  uid: ["uid-1", "uid-2"],
  id: ["eni-1", "eni-2", "vsw-a"],
  interface: ["eth0", "eth1", ""],
  phase: ["", "Binding", "Bind", "Unbind", "Detaching", "Deleting", "Succeeded", "Failed", "Running"],
  status: ["True", "False", "Unknown", "Ready", "Fail", "InUse", "Bind", "Unbind"],
  reason: ["InterfaceMissing", "NodeGone", "Unschedulable", "Degraded", "Bound", "X"],
  type: ["Ready", "PodPresent", "UpToDate", "InterfacesReady", interfacesNodeCondition, "PodScheduled", "Trunk"],
  instanceID: ["i-1", "i-2", ""],
  trunkENIID: ["eni-2", ""],
  nodeName: ["node-1", ""],
  providerID: ["cn-hangzhou.i-1", "i-1", "..", "cn-hangzhou.i-2"],
  zone: ["zone-a", "zone-b", ""],
  zoneID: ["zone-a"],
  vSwitchID: ["vsw-a", "vsw-b", ""],
  vSwitchOptions: ["vsw-a", "vsw-b"],
  securityGroupIDs: ["sg-1", "sg-2"],
  finalizers: Object.values(finalizers),
  key: ["app", "constructor", notReadyTaint, ""],
  operator: ["In", "NotIn", "Exists", "DoesNotExist"],
  values: ["web", "db"],
  podLastSeen: ["2026-01-01T00:00:00Z", "soon"],
  networkInterfaceType: ["Trunk", "Secondary"],
  networkInterfaceTrafficMode: ["Standard", "HighPerformance"],
  instanceType: ["ecs.g7"],
  kind: ["StatefulSet", "ReplicaSet", "DaemonSet", "Node", "Pod"],
  dst: ["10.0.0.0/8"],
};
const quantities = ["0", "1", "10", "1k", "x"];

/** An object of that schema. */
export function drawObject(draw: Draw, name: SchemaName): Json {
  return drawValue(draw, schemas[name], name);
}

function drawValue(draw: Draw, schema: JsonSchema, name: string): Json {
  if (schema.enum !== undefined) return draw.pick(schema.enum) as Json;
  switch (schema.type) {
    case "object":
      return drawMembers(draw, schema, name);
    case "array":
      return drawItems(draw, schema, name);
    case "boolean":
      return draw.chance(0.5);
    case "integer":
      return drawNumber(draw, schema);
    case "number":
      return Math.max(schema.minimum ?? -Infinity, draw.number());
    default:
      return drawText(draw, schema, name);
  }
}

function drawNumber(draw: Draw, { format, minimum = -Infinity }: JsonSchema): number {
  const drawn = Math.max(minimum, draw.chance(0.7) ? draw.below(12) : draw.integer());
  return format === "int32" ? drawn | 0 : drawn;
}

function drawMembers(draw: Draw, schema: JsonSchema, name: string): Json {
  if (name === "labels") return ownLabels(draw);
  if (name === "annotations") return ownAnnotations(draw);
  const { properties = {}, required = [], additionalProperties } = schema;
  const members: Record<string, Json> = {};
  for (const [member, inner] of Object.entries(properties)) {
    const isRare = member === "deletionTimestamp";
    if (required.includes(member) || draw.chance(isRare ? 0.15 : 0.65))
      put(members, member, drawValue(draw, inner, member));
  }
  if (typeof additionalProperties !== "object") return members;
  const names = ["eni-1", "eni-2", ...Object.values(resources), "app", draw.oddText()];
  for (const member of draw.list(3, () => draw.pick(names))) {
    const isQuantity = name === "capacity" || name === "allocatable";
    put(members, member, isQuantity ? draw.pick(quantities) : drawValue(draw, additionalProperties, "id"));
  }
  return members;
}

function drawItems(
  draw: Draw,
  { items = {}, minItems = 0, "x-kubernetes-list-map-keys": keys }: JsonSchema,
  name: string,
): Json {
  const drawn = draw.list(3, () => drawValue(draw, items, name));
  while (drawn.length < minItems) drawn.push(drawValue(draw, items, name));
  if (keys === undefined) return drawn;
  const keyOf = (item: Json): string =>
    JSON.stringify(keys.map((key) => (item as Readonly<Record<string, Json>>)[key]));
  return drawn.filter((item, index) => drawn.findIndex((other) => keyOf(other) === keyOf(item)) === index);
}

function drawText(draw: Draw, { format, pattern, minLength = 0 }: JsonSchema, name: string): string {
  if (format === "date-time") return draw.time();
  const pool = pools[name];
  if (pattern !== undefined || minLength > 0) return draw.pick(pool ?? ["X"]);
  if (name === "releaseAfter") return draw.duration();
  return pool === undefined ? draw.oddText() : draw.word(pool);
}
