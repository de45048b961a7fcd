/** Table columns of built-in kinds, as a kube-apiserver of 1.35 defines them. Name and Age are added around them. */
import { isObject, memberObject, stringAt, valueAt, type KubeJson } from "./kube-json.ts";
import { ageOf } from "./table-age.ts";
import { countAt, listAt, text, textAt, wide, type Cell, type Column, type TableResource } from "./table-columns.ts";
import { podColumns } from "./table-pod.ts";

const age: Column = text("Age", (object, nowMs) => ageOf(object.metadata?.creationTimestamp, nowMs));
const name: Column = { name: "Name", type: "string", format: "name", cell: (object) => object.metadata?.name ?? "" };

function count(label: string, ...path: string[]): Column {
  return { name: label, type: "integer", cell: (object) => countAt(object, ...path) };
}

function containersOf(object: KubeJson, field: string): string {
  const containers = listAt(object, "spec", "template", "spec", "containers");
  return containers.map((container) => stringAt(container, [field])).join(",");
}

const containers = [
  wide("Containers", (object) => containersOf(object, "name")),
  wide("Images", (object) => containersOf(object, "image")),
];

/** `a=b,c in (d,e)`: the text of a label selector. */
function selectorText(selector: unknown): string {
  const labels = Object.entries(memberObject(selector, "matchLabels")).map(([key, value]) => `${key}=${String(value)}`);
  const expressions = listAt(selector, "matchExpressions").map(expressionText);
  const all = [...labels.sort(), ...expressions];
  return all.length === 0 ? "<none>" : all.join(",");
}

function expressionText(expression: unknown): string {
  const key = stringAt(expression, ["key"]);
  const values = listAt(expression, "values").map(String).sort().join(",");
  switch (stringAt(expression, ["operator"])) {
    case "In":
      return `${key} in (${values})`;
    case "NotIn":
      return `${key} notin (${values})`;
    case "DoesNotExist":
      return `!${key}`;
    default:
      return key;
  }
}

const selector = wide("Selector", (object) => selectorText(valueAt(object, ["spec", "selector"])));

/** `a=b,c=d`, `<none>` for none. */
function mapText(map: unknown): string {
  const entries = isObject(map) ? Object.entries(map) : [];
  return entries.length === 0
    ? "<none>"
    : entries
        .map(([key, value]) => `${key}=${String(value)}`)
        .sort()
        .join(",");
}

function orNone(value: unknown): Cell {
  return typeof value === "string" || typeof value === "number" ? value : "N/A";
}

function sizeOf(...fields: string[]) {
  return (object: KubeJson) => fields.reduce((sum, field) => sum + Object.keys(memberObject(object, field)).length, 0);
}

const data = (...fields: string[]): Column => text("Data", sizeOf(...fields));
const ready = text("Ready", (object) => {
  return `${countAt(object, "status", "readyReplicas")}/${countAt(object, "spec", "replicas")}`;
});
const webhooks: readonly Column[] = [
  name,
  { name: "Webhooks", type: "integer", cell: (object) => listAt(object, "webhooks").length },
  age,
];

function nodeStatus(node: KubeJson): string {
  const condition = listAt(node, "status", "conditions").find((item) => stringAt(item, ["type"]) === "Ready");
  const state = condition === undefined ? "Unknown" : stringAt(condition, ["status"]) === "True" ? "Ready" : "NotReady";
  return valueAt(node, ["spec", "unschedulable"]) === true ? `${state},SchedulingDisabled` : state;
}

const rolePrefix = "node-role.kubernetes.io/";

function nodeRoles(node: KubeJson): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata?.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === "kubernetes.io/role" && value !== "") roles.add(value);
  }
  return roles.size === 0 ? "<none>" : [...roles].sort().join(",");
}

function nodeAddress(node: KubeJson, type: string): string {
  const found = listAt(node, "status", "addresses").find((address) => stringAt(address, ["type"]) === type);
  return textAt(found, ["address"]);
}

const nodeInfo = (label: string, field: string) =>
  wide(label, (node) => textAt(node, ["status", "nodeInfo", field], "<unknown>"));

function servicePorts(service: KubeJson): string {
  const ports = listAt(service, "spec", "ports").map((port) => {
    const nodePort = valueAt(port, ["nodePort"]);
    const number = `${countOf(port, "port")}${typeof nodePort === "number" && nodePort > 0 ? `:${nodePort}` : ""}`;
    return `${number}/${textAt(port, ["protocol"], "TCP")}`;
  });
  return ports.length === 0 ? "<none>" : ports.join(",");
}

function countOf(value: unknown, field: string): number {
  const found = valueAt(value, [field]);
  return typeof found === "number" ? found : 0;
}

function serviceExternal(service: KubeJson): string {
  const external = listAt(service, "spec", "externalIPs").map(String);
  const type = stringAt(service, ["spec", "type"]);
  if (type === "ExternalName") return textAt(service, ["spec", "externalName"]);
  if (type !== "LoadBalancer") return external.length === 0 ? "<none>" : external.join(",");
  const ingress = listAt(service, "status", "loadBalancer", "ingress");
  const all = [...ingress.map((item) => textAt(item, ["ip"], stringAt(item, ["hostname"]))), ...external];
  return all.length === 0 ? "<pending>" : all.join(",");
}

/** The first text at one of the paths: core/v1 and events.k8s.io/v1 name their fields differently. */
function firstText(object: KubeJson, ...fields: string[]): string {
  for (const field of fields) {
    const found = stringAt(object, field.split("."));
    if (found !== "") return found;
  }
  return "";
}

function firstSeen(event: KubeJson, nowMs: number): string {
  return ageOf(firstText(event, "firstTimestamp", "deprecatedFirstTimestamp", "eventTime"), nowMs);
}

function lastSeen(event: KubeJson, nowMs: number): string {
  const observed = firstText(event, "series.lastObservedTime", "lastTimestamp", "deprecatedLastTimestamp");
  return observed === "" ? firstSeen(event, nowMs) : ageOf(observed, nowMs);
}

function eventCount(event: KubeJson): number {
  const series = countAt(event, "series", "count");
  return series || countAt(event, "count") || countAt(event, "deprecatedCount") || 1;
}

function eventObject(event: KubeJson): string {
  const kind = firstText(event, "involvedObject.kind", "regarding.kind").toLowerCase();
  const target = firstText(event, "involvedObject.name", "regarding.name");
  return target === "" ? kind : `${kind}/${target}`;
}

function eventSource(event: KubeJson): string {
  const component = firstText(
    event,
    "source.component",
    "deprecatedSource.component",
    "reportingController",
    "reportingComponent",
  );
  const host = firstText(event, "source.host", "deprecatedSource.host");
  const instance = host === "" ? firstText(event, "reportingInstance") : host;
  return [component, instance].filter((part) => part !== "").join(", ");
}

const events: readonly Column[] = [
  text("Last Seen", lastSeen),
  text("Type", (event) => stringAt(event, ["type"])),
  text("Reason", (event) => stringAt(event, ["reason"])),
  text("Object", eventObject),
  wide("Subobject", (event) => firstText(event, "involvedObject.fieldPath", "regarding.fieldPath")),
  wide("Source", eventSource),
  text("Message", (event) => firstText(event, "message", "note").trim()),
  wide("First Seen", firstSeen),
  wide("Count", eventCount),
  { ...name, priority: 1 },
];

const claimed = (...path: string[]) => text(path.at(-1) ?? "", (claim) => stringAt(claim, path));
const storageColumns: readonly Column[] = [
  name,
  { ...claimed("status", "phase"), name: "Status" },
  { ...claimed("spec", "volumeName"), name: "Volume" },
  { ...claimed("status", "capacity", "storage"), name: "Capacity" },
  text("Access Modes", (claim) => listAt(claim, "status", "accessModes").map(String).join(",")),
  { ...claimed("spec", "storageClassName"), name: "StorageClass" },
  text("VolumeAttributesClass", (claim) => textAt(claim, ["spec", "volumeAttributesClassName"], "<unset>")),
  age,
  wide("VolumeMode", (claim) => textAt(claim, ["spec", "volumeMode"], "<unset>")),
];

/** By kind and group, because Event exists in two groups and custom resources may reuse a name. */
const columns: Readonly<Record<string, readonly Column[]>> = {
  "Pod.": podColumns,
  "Node.": [
    name,
    text("Status", nodeStatus),
    text("Roles", nodeRoles),
    age,
    text("Version", (node) => stringAt(node, ["status", "nodeInfo", "kubeletVersion"])),
    wide("Internal-IP", (node) => nodeAddress(node, "InternalIP")),
    wide("External-IP", (node) => nodeAddress(node, "ExternalIP")),
    nodeInfo("OS-Image", "osImage"),
    nodeInfo("Kernel-Version", "kernelVersion"),
    nodeInfo("Container-Runtime", "containerRuntimeVersion"),
  ],
  "Namespace.": [name, text("Status", (object) => stringAt(object, ["status", "phase"])), age],
  "ConfigMap.": [name, data("data", "binaryData"), age],
  "Secret.": [name, text("Type", (object) => stringAt(object, ["type"])), data("data"), age],
  "Service.": [
    name,
    text("Type", (service) => stringAt(service, ["spec", "type"])),
    text("Cluster-IP", (service) => textAt(service, ["spec", "clusterIP"])),
    text("External-IP", serviceExternal),
    text("Port(s)", servicePorts),
    age,
    wide("Selector", (service) => mapText(valueAt(service, ["spec", "selector"]))),
  ],
  "PersistentVolumeClaim.": storageColumns,
  "Event.": events,
  "Event.events.k8s.io": events,
  "Deployment.apps": [
    name,
    ready,
    text("Up-to-date", (object) => countAt(object, "status", "updatedReplicas")),
    text("Available", (object) => countAt(object, "status", "availableReplicas")),
    age,
    ...containers,
    selector,
  ],
  "ReplicaSet.apps": [
    name,
    count("Desired", "spec", "replicas"),
    count("Current", "status", "replicas"),
    count("Ready", "status", "readyReplicas"),
    age,
    ...containers,
    selector,
  ],
  "StatefulSet.apps": [name, ready, age, ...containers],
  "DaemonSet.apps": [
    name,
    count("Desired", "status", "desiredNumberScheduled"),
    count("Current", "status", "currentNumberScheduled"),
    count("Ready", "status", "numberReady"),
    count("Up-to-date", "status", "updatedNumberScheduled"),
    count("Available", "status", "numberAvailable"),
    text("Node Selector", (object) => mapText(valueAt(object, ["spec", "template", "spec", "nodeSelector"]))),
    age,
    ...containers,
    selector,
  ],
  "ControllerRevision.apps": [
    name,
    text("Controller", (object) => {
      const owner = object.metadata?.ownerReferences?.find(({ controller }) => controller === true);
      const group = owner?.apiVersion.includes("/") === true ? `.${owner.apiVersion.split("/")[0] ?? ""}` : "";
      return owner === undefined ? "<none>" : `${owner.kind.toLowerCase()}${group}/${owner.name}`;
    }),
    count("Revision", "revision"),
    age,
  ],
  "PodDisruptionBudget.policy": [
    name,
    text("Min Available", (object) => orNone(valueAt(object, ["spec", "minAvailable"]))),
    text("Max Unavailable", (object) => orNone(valueAt(object, ["spec", "maxUnavailable"]))),
    count("Allowed Disruptions", "status", "disruptionsAllowed"),
    age,
  ],
  "Lease.coordination.k8s.io": [name, text("Holder", (lease) => stringAt(lease, ["spec", "holderIdentity"])), age],
  "MutatingWebhookConfiguration.admissionregistration.k8s.io": webhooks,
  "ValidatingWebhookConfiguration.admissionregistration.k8s.io": webhooks,
  "PriorityClass.scheduling.k8s.io": [
    name,
    count("Value", "value"),
    { name: "Global-Default", type: "boolean", cell: (object) => valueAt(object, ["globalDefault"]) === true },
    age,
    text("PreemptionPolicy", (object) => textAt(object, ["preemptionPolicy"], "PreemptLowerPriority")),
  ],
  "CustomResourceDefinition.apiextensions.k8s.io": [
    name,
    { name: "Created At", type: "date", cell: (object) => object.metadata?.creationTimestamp ?? null },
  ],
};

/** The columns of a built-in kind, NAME and AGE included; undefined when it has just those two. */
export function builtInColumns({ group, kind }: TableResource): readonly Column[] | undefined {
  const key = `${kind}.${group}`;
  return Object.hasOwn(columns, key) ? columns[key] : undefined;
}
