import {
  isObject,
  jsonEquals,
  memberObject,
  stringAt,
  valueAt,
  without,
  type JsonObject,
  type KubeJson,
} from "./kube-json.ts";
import { matchesLabelSelector } from "./selectors.ts";
import type { FieldCause } from "./status.ts";

/** Validation of built-in kinds, only where people notice; message texts are kube-apiserver's. */

export function required(field: string, detail = ""): FieldCause {
  return { field, type: "FieldValueRequired", message: detail === "" ? "Required value" : `Required value: ${detail}` };
}

export function invalidValue(field: string, value: unknown, detail: string): FieldCause {
  return { field, type: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(value)}: ${detail}` };
}

export function forbiddenField(field: string, detail: string): FieldCause {
  return { field, type: "FieldValueForbidden", message: `Forbidden: ${detail}` };
}

const labelDetail =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const subdomainDetail =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const labelPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const subdomainPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** RFC 1123 names; `path` allows anything that is one path segment. */
export function validateName(name: string, rule: "label" | "subdomain" | "path"): FieldCause[] {
  const field = "metadata.name";
  if (name === "") return [required(field, "name or generateName is required")];
  if (rule === "path")
    return /[/%]|^\.\.?$/.test(name) ? [invalidValue(field, name, "may not contain '/' or '%'")] : [];
  const [maximum, pattern, detail] =
    rule === "label" ? [63, labelPattern, labelDetail] : [253, subdomainPattern, subdomainDetail];
  const causes: FieldCause[] = [];
  if (name.length > maximum) causes.push(invalidValue(field, name, `must be no more than ${maximum} characters`));
  if (!pattern.test(name)) causes.push(invalidValue(field, name, detail));
  return causes;
}

const labelValuePattern = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const labelKeyPattern = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$/;
const labelValueDetail =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** Keys and values of `metadata.labels`. */
export function validateLabels(object: KubeJson): FieldCause[] {
  const causes: FieldCause[] = [];
  for (const [key, value] of Object.entries(object.metadata?.labels ?? {})) {
    if (!labelKeyPattern.test(key)) {
      causes.push(
        invalidValue("metadata.labels", key, "name part must consist of alphanumeric characters, '-', '_' or '.'"),
      );
    }
    if (typeof value !== "string" || !labelValuePattern.test(value)) {
      causes.push(invalidValue("metadata.labels", value, labelValueDetail));
    } else if (value.length > 63) {
      causes.push(invalidValue("metadata.labels", value, "must be no more than 63 bytes"));
    }
  }
  return causes;
}

function validatePodSpec(spec: unknown, path: string): FieldCause[] {
  const containers = valueAt(spec, ["containers"]);
  if (!Array.isArray(containers) || containers.length === 0) return [required(`${path}.containers`)];
  return containers.flatMap((container, index) => validateContainer(container, `${path}.containers[${index}]`));
}

function validateContainer(container: unknown, path: string): FieldCause[] {
  const causes: FieldCause[] = [];
  const name = stringAt(container, ["name"]);
  if (name === "") causes.push(required(`${path}.name`));
  else if (!labelPattern.test(name)) causes.push(invalidValue(`${path}.name`, name, labelDetail));
  if (stringAt(container, ["image"]) === "") causes.push(required(`${path}.image`));
  return causes;
}

/** What of a pod's spec may change after creation. Source: Kubernetes, "Pod update and replacement". */
function mutablePartRemoved(spec: unknown): JsonObject {
  if (!isObject(spec)) return {};
  const rest = without(
    spec,
    "activeDeadlineSeconds",
    "tolerations",
    "terminationGracePeriodSeconds",
    "schedulingGates",
  );
  const strip = (list: unknown): unknown =>
    Array.isArray(list) ? list.map((item: unknown) => (isObject(item) ? { ...item, image: "" } : item)) : list;
  return { ...rest, containers: strip(rest["containers"]), initContainers: strip(rest["initContainers"]) };
}

const podImmutableDetail =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

export function validatePod(pod: KubeJson, old: KubeJson | undefined): FieldCause[] {
  const causes = validatePodSpec(pod["spec"], "spec");
  if (old !== undefined && !jsonEquals(mutablePartRemoved(pod["spec"]), mutablePartRemoved(old["spec"]))) {
    causes.push(forbiddenField("spec", podImmutableDetail));
  }
  return causes;
}

/** Deployment, ReplicaSet, StatefulSet, DaemonSet: a selector that matches the template and never changes. */
export function validateWorkload(object: KubeJson, old: KubeJson | undefined): FieldCause[] {
  const spec = memberObject(object, "spec");
  const selector = spec["selector"];
  const template = memberObject(spec, "template");
  if (!isObject(selector)) return [required("spec.selector")];
  const labels = memberObject(memberObject(template, "metadata"), "labels") as Record<string, string>;
  const causes = validatePodSpec(template["spec"], "spec.template.spec");
  if (!matchesLabelSelector(selector, labels)) {
    causes.push(invalidValue("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
  }
  if (old !== undefined && !jsonEquals(valueAt(old, ["spec", "selector"]), selector)) {
    causes.push(invalidValue("spec.selector", selector, "field is immutable"));
  }
  return causes;
}

export function validateService(service: KubeJson): FieldCause[] {
  const ports = valueAt(service, ["spec", "ports"]);
  const isHeadless = stringAt(service, ["spec", "clusterIP"]) === "None";
  const isExternal = stringAt(service, ["spec", "type"]) === "ExternalName";
  const hasPorts = Array.isArray(ports) && ports.length > 0;
  return hasPorts || isHeadless || isExternal ? [] : [required("spec.ports")];
}

export function validateLease(lease: KubeJson): FieldCause[] {
  const seconds = valueAt(lease, ["spec", "leaseDurationSeconds"]);
  if (typeof seconds !== "number" || seconds > 0) return [];
  return [invalidValue("spec.leaseDurationSeconds", seconds, "must be greater than 0")];
}

export function validateWebhookConfiguration(object: KubeJson): FieldCause[] {
  const webhooks = Array.isArray(object["webhooks"]) ? object["webhooks"] : [];
  return webhooks.flatMap((webhook: unknown, index) => validateWebhook(webhook, `webhooks[${index}]`));
}

function validateWebhook(webhook: unknown, path: string): FieldCause[] {
  const causes: FieldCause[] = [];
  if (stringAt(webhook, ["name"]).split(".").length < 3) {
    const detail = "should be a domain with at least three segments separated by dots";
    causes.push(invalidValue(`${path}.name`, stringAt(webhook, ["name"]), detail));
  }
  if (stringAt(webhook, ["sideEffects"]) === "") causes.push(required(`${path}.sideEffects`));
  if (!Array.isArray(valueAt(webhook, ["admissionReviewVersions"]))) {
    causes.push(required(`${path}.admissionReviewVersions`, "must specify one of v1, v1beta1"));
  }
  const config = memberObject(webhook, "clientConfig");
  if ((config["url"] === undefined) === (config["service"] === undefined)) {
    causes.push(required(`${path}.clientConfig`, "exactly one of url or service is required"));
  }
  return causes;
}

export function validateCrd(crd: KubeJson, old: KubeJson | undefined): FieldCause[] {
  const causes: FieldCause[] = [];
  const group = stringAt(crd, ["spec", "group"]);
  const plural = stringAt(crd, ["spec", "names", "plural"]);
  const name = crd.metadata?.name ?? "";
  if (name !== `${plural}.${group}`) {
    causes.push(invalidValue("metadata.name", name, `must be spec.names.plural+"."+spec.group`));
  }
  if (old !== undefined && stringAt(old, ["spec", "scope"]) !== stringAt(crd, ["spec", "scope"])) {
    causes.push(invalidValue("spec.scope", stringAt(crd, ["spec", "scope"]), "field is immutable"));
  }
  const versions = valueAt(crd, ["spec", "versions"]);
  if (!Array.isArray(versions) || versions.length === 0) return [...causes, required("spec.versions")];
  if (versions.filter((version) => valueAt(version, ["storage"]) === true).length !== 1) {
    const detail = "must have exactly one version marked as storage version";
    causes.push(invalidValue("spec.versions", versions, detail));
  }
  versions.forEach((version: unknown, index) => {
    if (!isObject(valueAt(version, ["schema", "openAPIV3Schema"]))) {
      causes.push(required(`spec.versions[${index}].schema.openAPIV3Schema`, "schemas are required"));
    }
  });
  return causes;
}
