import * as defaults from "./built-in-defaults.ts";
import * as checks from "./built-in-validation.ts";
import * as eventsAndLeases from "./events-and-leases-validation.ts";
import { involvedField, toCoreEvent, toNewEvent } from "./events-conversion.ts";
import * as extensions from "./extension-validation.ts";
import { stringAt, valueAt, type KubeJson } from "./kube-json.ts";
import { apiVersionOf, type ResourceKind } from "./kinds.ts";

type Options = Partial<Omit<ResourceKind, "group" | "version" | "kind" | "plural">>;

function kind(groupVersion: string, name: string, plural: string, options: Options = {}): ResourceKind {
  const slash = groupVersion.indexOf("/");
  const group = slash < 0 ? "" : groupVersion.slice(0, slash);
  const identity = { group, version: groupVersion.slice(slash + 1), kind: name, plural };
  return {
    ...identity,
    singular: name.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: true,
    storage: `${group}/${plural}`,
    storageApiVersion: apiVersionOf(identity),
    hasStatus: false,
    hasScale: false,
    hasGeneration: false,
    unconditionalUpdate: true,
    returnsDeleted: false,
    statusOnCreate: false,
    nameRule: "subdomain",
    selectableFields: {},
    isCustom: false,
    ...options,
  };
}

const at =
  (...path: string[]) =>
  (object: KubeJson): string => {
    const value = valueAt(object, path);
    return typeof value === "boolean" ? value.toString() : stringAt(object, path);
  };

const eventFields: ResourceKind["selectableFields"] = {
  "involvedObject.kind": involvedField("kind"),
  "involvedObject.namespace": involvedField("namespace"),
  "involvedObject.name": involvedField("name"),
  "involvedObject.uid": involvedField("uid"),
  "involvedObject.apiVersion": involvedField("apiVersion"),
  "involvedObject.resourceVersion": involvedField("resourceVersion"),
  "involvedObject.fieldPath": involvedField("fieldPath"),
  "regarding.kind": involvedField("kind"),
  "regarding.namespace": involvedField("namespace"),
  "regarding.name": involvedField("name"),
  "regarding.uid": involvedField("uid"),
  reason: at("reason"),
  type: at("type"),
  reportingComponent: at("reportingComponent"),
  source: at("source", "component"),
};

const workload: Options = {
  hasStatus: true,
  hasGeneration: true,
  categories: ["all"],
  validate: checks.validateWorkload,
};
const cluster: Options = { namespaced: false };

const core: readonly ResourceKind[] = [
  kind("v1", "Namespace", "namespaces", {
    ...cluster,
    shortNames: ["ns"],
    hasStatus: true,
    nameRule: "label",
    returnsDeleted: true,
    selectableFields: { "status.phase": at("status", "phase") },
    setDefaults: defaults.setNamespaceDefaults,
  }),
  kind("v1", "Pod", "pods", {
    shortNames: ["po"],
    categories: ["all"],
    hasStatus: true,
    hasGeneration: true,
    returnsDeleted: true,
    selectableFields: {
      "spec.nodeName": at("spec", "nodeName"),
      "spec.restartPolicy": at("spec", "restartPolicy"),
      "spec.schedulerName": at("spec", "schedulerName"),
      "spec.serviceAccountName": at("spec", "serviceAccountName"),
      "spec.hostNetwork": (pod) => (valueAt(pod, ["spec", "hostNetwork"]) === true).toString(),
      "status.phase": at("status", "phase"),
      "status.podIP": at("status", "podIP"),
      "status.nominatedNodeName": at("status", "nominatedNodeName"),
    },
    setDefaults: defaults.setPodDefaults,
    validate: checks.validatePod,
  }),
  kind("v1", "Node", "nodes", {
    ...cluster,
    shortNames: ["no"],
    hasStatus: true,
    statusOnCreate: true,
    setDefaults: defaults.setNodeDefaults,
    selectableFields: {
      "spec.unschedulable": (node) => (valueAt(node, ["spec", "unschedulable"]) === true).toString(),
    },
  }),
  kind("v1", "ConfigMap", "configmaps", { shortNames: ["cm"], validate: checks.validateConfigMap }),
  kind("v1", "Secret", "secrets", {
    selectableFields: { type: at("type") },
    setDefaults: defaults.setSecretDefaults,
  }),
  kind("v1", "Service", "services", {
    shortNames: ["svc"],
    categories: ["all"],
    hasStatus: true,
    nameRule: "label",
    returnsDeleted: true,
    selectableFields: { "spec.clusterIP": at("spec", "clusterIP"), "spec.type": at("spec", "type") },
    setDefaults: defaults.setServiceDefaults,
    validate: checks.validateService,
  }),
  kind("v1", "ServiceAccount", "serviceaccounts", { shortNames: ["sa"], returnsDeleted: true }),
  kind("v1", "Event", "events", {
    shortNames: ["ev"],
    selectableFields: eventFields,
    validate: eventsAndLeases.validateCoreEvent,
  }),
  kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", {
    shortNames: ["pvc"],
    hasStatus: true,
    returnsDeleted: true,
    setDefaults: defaults.setClaimDefaults,
  }),
  kind("v1", "PersistentVolume", "persistentvolumes", { ...cluster, shortNames: ["pv"], hasStatus: true }),
  kind("v1", "Endpoints", "endpoints", { shortNames: ["ep"] }),
  kind("v1", "LimitRange", "limitranges", { shortNames: ["limits"] }),
  kind("v1", "ResourceQuota", "resourcequotas", { shortNames: ["quota"], hasStatus: true }),
];

const apps: readonly ResourceKind[] = [
  kind("apps/v1", "Deployment", "deployments", {
    ...workload,
    shortNames: ["deploy"],
    hasScale: true,
    setDefaults: defaults.setDeploymentDefaults,
  }),
  kind("apps/v1", "ReplicaSet", "replicasets", {
    ...workload,
    shortNames: ["rs"],
    hasScale: true,
    setDefaults: defaults.setReplicaSetDefaults,
  }),
  kind("apps/v1", "StatefulSet", "statefulsets", {
    ...workload,
    shortNames: ["sts"],
    hasScale: true,
    setDefaults: defaults.setStatefulSetDefaults,
    validate: checks.validateStatefulSet,
  }),
  kind("apps/v1", "DaemonSet", "daemonsets", {
    ...workload,
    shortNames: ["ds"],
    setDefaults: defaults.setDaemonSetDefaults,
  }),
  kind("apps/v1", "ControllerRevision", "controllerrevisions"),
];

const webhookKind: Options = {
  ...cluster,
  categories: ["api-extensions"],
  hasGeneration: true,
  unconditionalUpdate: false,
  setDefaults: defaults.setWebhookDefaults,
  validate: extensions.validateWebhookConfiguration,
};
const rbac: Options = { nameRule: "path" };

const others: readonly ResourceKind[] = [
  kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", {
    shortNames: ["pdb"],
    hasStatus: true,
    hasGeneration: true,
    unconditionalUpdate: false,
  }),
  kind("coordination.k8s.io/v1", "Lease", "leases", {
    unconditionalUpdate: false,
    validate: eventsAndLeases.validateLease,
  }),
  kind("events.k8s.io/v1", "Event", "events", {
    shortNames: ["ev"],
    storage: "/events",
    storageApiVersion: "v1",
    selectableFields: eventFields,
    validate: eventsAndLeases.validateNewEvent,
    toStored: toCoreEvent,
    fromStored: toNewEvent,
  }),
  kind("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", webhookKind),
  kind(
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    webhookKind,
  ),
  kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", {
    ...cluster,
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    hasStatus: true,
    hasGeneration: true,
    unconditionalUpdate: false,
    setDefaults: defaults.setCrdDefaults,
    validate: extensions.validateCrd,
  }),
  kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", { ...cluster, ...rbac }),
  kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", { ...cluster, ...rbac }),
  kind("rbac.authorization.k8s.io/v1", "Role", "roles", rbac),
  kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", rbac),
  kind("storage.k8s.io/v1", "StorageClass", "storageclasses", { ...cluster, shortNames: ["sc"] }),
  kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", { ...cluster, shortNames: ["pc"] }),
];

/** Every resource that is served without a CRD. */
export const builtInKinds: readonly ResourceKind[] = [...core, ...apps, ...others];
