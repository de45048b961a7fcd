/**
 * How the lists and maps of an object are merged and owned: from the structural schema of a custom resource, or for
 * built-in kinds from a table by field name (`x-kubernetes-list-type`, `-list-map-keys`, `-map-type` of the published OpenAPI).
 */
import { isObject } from "./kube-json.ts";
import { fieldSchema, type JsonSchema } from "./structural-schema-types.ts";

export interface FieldType {
  /** `atomic`: owned as a whole. `set`: by value. `map`: by key fields. Only matters where the value is a list. */
  readonly list: "atomic" | "set" | "map";
  /** Key fields of a list of type map. */
  readonly keys: readonly string[];
  /** Values of absent key fields, for instance protocol TCP. */
  readonly keyDefaults: Readonly<Record<string, unknown>>;
  /** True for an object that is owned as a whole. */
  readonly atomicMap: boolean;
  child(key: string): FieldType;
  item(): FieldType;
}

const listKeys: Readonly<Record<string, readonly string[]>> = {
  addresses: ["type"],
  conditions: ["type"],
  containers: ["name"],
  env: ["name"],
  ephemeralContainers: ["name"],
  hostAliases: ["ip"],
  imagePullSecrets: ["name"],
  initContainers: ["name"],
  matchConditions: ["name"],
  ownerReferences: ["uid"],
  podIPs: ["ip"],
  resourceClaims: ["name"],
  schedulingGates: ["name"],
  secrets: ["name"],
  topologySpreadConstraints: ["topologyKey", "whenUnsatisfiable"],
  volumeDevices: ["devicePath"],
  volumeMounts: ["mountPath"],
  volumes: ["name"],
  webhooks: ["name"],
};
const containerPorts = ["containerPort", "protocol"];
const servicePorts = ["port", "protocol"];
const sets = new Set(["finalizers", "podCIDRs"]);
const atomicMaps = new Set([
  "configMapKeyRef",
  "fieldRef",
  "involvedObject",
  "labelSelector",
  "namespaceSelector",
  "nodeSelector",
  "objectSelector",
  "regarding",
  "related",
  "resourceFieldRef",
  "roleRef",
  "scopeSelector",
  "secretKeyRef",
  "selector",
  "targetRef",
]);
const noDefaults = {};

/** Fields of unknown type: maps are granular, lists atomic, whatever their names. */
const deducedType: FieldType = {
  list: "atomic",
  keys: [],
  keyDefaults: noDefaults,
  atomicMap: false,
  child: () => deducedType,
  item: () => deducedType,
};

const builtIn = new Map<string, FieldType>();
/** Data of users: their keys are names, not fields. */
const userMaps = new Set(["annotations", "data", "binaryData", "stringData", "labels", "matchLabels", "allocatable"]);

function builtInField(name: string): FieldType {
  const known = builtIn.get(name);
  if (known !== undefined) return known;
  const keys = name === "ports" ? containerPorts : Object.hasOwn(listKeys, name) ? (listKeys[name] ?? []) : [];
  const type: FieldType = {
    list: keys.length > 0 ? "map" : sets.has(name) ? "set" : "atomic",
    keys,
    keyDefaults: name === "ports" ? { protocol: "TCP" } : noDefaults,
    atomicMap: atomicMaps.has(name),
    child: userMaps.has(name) ? () => deducedType : builtInField,
    item: () => builtInType,
  };
  builtIn.set(name, type);
  return type;
}

const servicePortsType: FieldType = { ...builtInField("ports"), keys: servicePorts };
const builtInType: FieldType = { ...deducedType, child: builtInField, item: () => builtInType };
const metadataType = builtInField("metadata");
const serviceSpec: FieldType = {
  ...builtInType,
  child: (key) => (key === "ports" ? servicePortsType : builtInField(key)),
};
const serviceType: FieldType = { ...builtInType, child: (key) => (key === "spec" ? serviceSpec : builtInField(key)) };

const schemaTypes = new WeakMap<JsonSchema, FieldType>();

function schemaType(schema: JsonSchema | undefined): FieldType {
  if (schema === undefined) return deducedType;
  let type = schemaTypes.get(schema);
  if (type === undefined) {
    type = describe(schema);
    schemaTypes.set(schema, type);
  }
  return type;
}

function describe(schema: JsonSchema): FieldType {
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const defaults = keys.map((key): [string, unknown] => [key, schema.items?.properties?.[key]?.default]);
  return {
    list: schema["x-kubernetes-list-type"] ?? "atomic",
    keys,
    keyDefaults: Object.fromEntries(defaults.filter(([, value]) => value !== undefined)),
    atomicMap: schema["x-kubernetes-map-type"] === "atomic",
    child: (key) =>
      key === "metadata" && schema["x-kubernetes-embedded-resource"] === true
        ? metadataType
        : schemaType(fieldSchema(schema, key)),
    item: () => schemaType(schema.items),
  };
}

/** The type of a whole object of `kind`; `schema` is undefined for built-in kinds. */
export function objectType(kind: unknown, schema: JsonSchema | undefined): FieldType {
  if (schema === undefined) return kind === "Service" ? serviceType : builtInType;
  const type = schemaType(schema);
  return { ...type, child: (key) => (key === "metadata" ? metadataType : type.child(key)) };
}

/** The path element of a list item in FieldsV1: `k:{"name":"a"}` or `v:"a"`; keys are in alphabetical order, as on the wire. */
export function itemElement(type: FieldType, item: unknown): string {
  if (type.list === "set") return `v:${JSON.stringify(item)}`;
  const source = isObject(item) ? item : {};
  let text = "";
  for (const key of type.keys) {
    const value = source[key] ?? type.keyDefaults[key];
    if (value !== undefined) text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${JSON.stringify(value)}`;
  }
  return `k:{${text}}`;
}
