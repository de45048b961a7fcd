import { isObject, memberObject, type JsonObject, type KubeJson } from "./kube-json.ts";

/**
 * Defaults of built-in kinds, as far as users, kubectl or controllers notice them. Source of each value: Kubernetes API
 * reference 1.35, "defaults to".
 */

function setMissing(target: JsonObject, defaults: JsonObject): void {
  for (const [key, value] of Object.entries(defaults)) if (target[key] === undefined) target[key] = value;
}

/** The member object, made when it is missing. */
function ensureObject(target: JsonObject, name: string): JsonObject {
  const present = target[name];
  if (isObject(present)) return present;
  const made: JsonObject = {};
  target[name] = made;
  return made;
}

function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function setPodSpecDefaults(spec: JsonObject): void {
  setMissing(spec, {
    restartPolicy: "Always",
    dnsPolicy: "ClusterFirst",
    schedulerName: "default-scheduler",
    terminationGracePeriodSeconds: 30,
    securityContext: {},
  });
  if (spec["serviceAccount"] === undefined && spec["serviceAccountName"] !== undefined)
    spec["serviceAccount"] = spec["serviceAccountName"];
  for (const container of [...objectsIn(spec["containers"]), ...objectsIn(spec["initContainers"])])
    setContainerDefaults(container);
}

function setContainerDefaults(container: JsonObject): void {
  const image = typeof container["image"] === "string" ? container["image"] : "";
  const isLatest = image.endsWith(":latest") || !/[:@][^/]*$/.test(image);
  setMissing(container, {
    resources: {},
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: isLatest ? "Always" : "IfNotPresent",
  });
  for (const port of objectsIn(container["ports"])) setMissing(port, { protocol: "TCP" });
  const resources = memberObject(container, "resources");
  // A limit without a request is the request.
  if (isObject(resources["limits"])) {
    container["resources"] = {
      ...resources,
      requests: { ...resources["limits"], ...memberObject(resources, "requests") },
    };
  }
}

/** Pod: spec defaults, the tolerations that admission adds, and phase Pending for a new one. */
export function setPodDefaults(pod: KubeJson): void {
  const spec = ensureObject(pod, "spec");
  setPodSpecDefaults(spec);
  setMissing(spec, { serviceAccountName: "default", serviceAccount: "default", enableServiceLinks: true });
  setMissing(spec, { preemptionPolicy: "PreemptLowerPriority", priority: 0 });
  const tolerations = objectsIn(spec["tolerations"]);
  for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
    if (tolerations.some((toleration) => toleration["key"] === key)) continue;
    tolerations.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 });
  }
  spec["tolerations"] = tolerations;
  const status = ensureObject(pod, "status");
  setMissing(status, { phase: "Pending", qosClass: "BestEffort" });
  if (objectsIn(spec["schedulingGates"]).length > 0) setMissing(status, { conditions: [gated] });
  else delete spec["schedulingGates"];
}

const gated: JsonObject = {
  type: "PodScheduled",
  status: "False",
  lastProbeTime: null,
  lastTransitionTime: null,
  reason: "SchedulingGated",
  message: "Scheduling is blocked due to non-empty scheduling gates",
};

/** A node always has a status, so that patches of its capacity have a place to go to. */
export function setNodeDefaults(node: KubeJson): void {
  const nodeInfo = Object.fromEntries(nodeInfoFields.map((field) => [field, ""]));
  setMissing(ensureObject(node, "status"), { daemonEndpoints: { kubeletEndpoint: { Port: 0 } }, nodeInfo });
}

const nodeInfoFields = [
  "machineID",
  "systemUUID",
  "bootID",
  "kernelVersion",
  "osImage",
  "containerRuntimeVersion",
  "kubeletVersion",
  "kubeProxyVersion",
  "operatingSystem",
  "architecture",
];

function setTemplateDefaults(spec: JsonObject): void {
  setPodSpecDefaults(ensureObject(ensureObject(spec, "template"), "spec"));
}

export function setDeploymentDefaults(object: KubeJson): void {
  const spec = ensureObject(object, "spec");
  setMissing(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
  const strategy = ensureObject(spec, "strategy");
  setMissing(strategy, { type: "RollingUpdate" });
  if (strategy["type"] === "RollingUpdate") {
    setMissing(ensureObject(strategy, "rollingUpdate"), { maxSurge: "25%", maxUnavailable: "25%" });
  }
  setTemplateDefaults(spec);
  ensureObject(object, "status");
}

export function setReplicaSetDefaults(object: KubeJson): void {
  const spec = ensureObject(object, "spec");
  setMissing(spec, { replicas: 1 });
  setTemplateDefaults(spec);
  setMissing(ensureObject(object, "status"), { replicas: 0 });
}

export function setStatefulSetDefaults(object: KubeJson): void {
  const spec = ensureObject(object, "spec");
  setMissing(spec, { replicas: 1, podManagementPolicy: "OrderedReady", revisionHistoryLimit: 10 });
  const strategy = ensureObject(spec, "updateStrategy");
  setMissing(strategy, { type: "RollingUpdate" });
  if (strategy["type"] === "RollingUpdate") setMissing(ensureObject(strategy, "rollingUpdate"), { partition: 0 });
  setMissing(spec, { persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" } });
  setTemplateDefaults(spec);
  setMissing(ensureObject(object, "status"), { replicas: 0, availableReplicas: 0 });
}

export function setDaemonSetDefaults(object: KubeJson): void {
  const spec = ensureObject(object, "spec");
  setMissing(spec, { revisionHistoryLimit: 10 });
  const strategy = ensureObject(spec, "updateStrategy");
  setMissing(strategy, { type: "RollingUpdate" });
  if (strategy["type"] === "RollingUpdate") {
    setMissing(ensureObject(strategy, "rollingUpdate"), { maxSurge: 0, maxUnavailable: 1 });
  }
  setTemplateDefaults(spec);
  setMissing(ensureObject(object, "status"), {
    currentNumberScheduled: 0,
    desiredNumberScheduled: 0,
    numberMisscheduled: 0,
    numberReady: 0,
  });
}

export function setNamespaceDefaults(object: KubeJson): void {
  const metadata = (object.metadata ??= {});
  metadata.labels = { ...metadata.labels, "kubernetes.io/metadata.name": metadata.name ?? "" };
  setMissing(ensureObject(object, "spec"), { finalizers: ["kubernetes"] });
  setMissing(ensureObject(object, "status"), { phase: "Active" });
}

export function setServiceDefaults(object: KubeJson): void {
  const spec = ensureObject(object, "spec");
  setMissing(spec, { type: "ClusterIP", sessionAffinity: "None", internalTrafficPolicy: "Cluster" });
  for (const port of objectsIn(spec["ports"])) setMissing(port, { protocol: "TCP", targetPort: port["port"] });
  setMissing(ensureObject(object, "status"), { loadBalancer: {} });
}

export function setSecretDefaults(object: KubeJson): void {
  setMissing(object, { type: "Opaque" });
  if (!isObject(object["stringData"])) return;
  const encoded = Object.entries(object["stringData"]).map(([key, value]) => [
    key,
    Buffer.from(String(value)).toString("base64"),
  ]);
  object["data"] = { ...memberObject(object, "data"), ...(Object.fromEntries(encoded) as JsonObject) };
  delete object["stringData"];
}

export function setClaimDefaults(object: KubeJson): void {
  setMissing(ensureObject(object, "spec"), { volumeMode: "Filesystem" });
  setMissing(ensureObject(object, "status"), { phase: "Pending" });
}

export function setWebhookDefaults(object: KubeJson): void {
  for (const webhook of objectsIn(object["webhooks"])) {
    setMissing(webhook, { failurePolicy: "Fail", matchPolicy: "Equivalent", timeoutSeconds: 10 });
    setMissing(webhook, { namespaceSelector: {}, objectSelector: {} });
    if (object.kind === "MutatingWebhookConfiguration") setMissing(webhook, { reinvocationPolicy: "Never" });
    for (const rule of objectsIn(webhook["rules"])) setMissing(rule, { scope: "*" });
    const service = memberObject(webhook, "clientConfig")["service"];
    if (isObject(service)) setMissing(service, { port: 443 });
  }
}

export function setCrdDefaults(object: KubeJson): void {
  const spec = ensureObject(object, "spec");
  const names = ensureObject(spec, "names");
  const kind = typeof names["kind"] === "string" ? names["kind"] : "";
  setMissing(names, { singular: kind.toLowerCase(), listKind: `${kind}List` });
  setMissing(spec, { conversion: { strategy: "None" } });
  ensureObject(object, "status");
}
