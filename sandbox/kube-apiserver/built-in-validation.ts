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
import { hasSchedulingGate, validateSchedulingGates, withoutDirectives } from "./scheduling-gates.ts";
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
export const subdomainDetail =
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
  if (rule === "label" && name.includes(".")) return [invalidValue(field, name, "must not contain dots")];
  const causes: FieldCause[] = [];
  if (name.length > maximum) causes.push(invalidValue(field, name, `must be no more than ${maximum} characters`));
  if (!pattern.test(name)) causes.push(invalidValue(field, name, detail));
  return causes;
}

function validatePodSpec(spec: unknown, path: string): FieldCause[] {
  const containers = valueAt(spec, ["containers"]);
  if (!Array.isArray(containers) || containers.length === 0) return [required(`${path}.containers`)];
  return [
    ...containers.flatMap((container, index) => validateContainer(container, `${path}.containers[${index}]`)),
    ...repeatedNames(containers, `${path}.containers`),
  ];
}

function repeatedNames(items: readonly unknown[], path: string): FieldCause[] {
  const names = items.map((item) => stringAt(item, ["name"]));
  return names.flatMap((name, index) => {
    const isRepeated = name !== "" && names.indexOf(name) < index;
    const message = `Duplicate value: ${JSON.stringify(name)}`;
    return isRepeated ? [{ field: `${path}[${index}].name`, type: "FieldValueDuplicate", message }] : [];
  });
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
function mutablePartRemoved(spec: JsonObject): JsonObject {
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
  const spec = memberObject(pod, "spec");
  const oldSpec = old === undefined ? undefined : memberObject(old, "spec");
  const causes = [...validatePodSpec(spec, "spec"), ...validateSchedulingGates(spec, oldSpec)];
  if (oldSpec === undefined) return causes;
  // The directives of a gated pod have rules of their own.
  const fixedPart = (each: JsonObject): JsonObject =>
    mutablePartRemoved(hasSchedulingGate(oldSpec) ? withoutDirectives(each) : each);
  if (!jsonEquals(fixedPart(spec), fixedPart(oldSpec))) {
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

/** Source: the limit of an object's data in kube-apiserver (1 MiB). */
const maxConfigMapBytes = 1024 * 1024;

export function validateConfigMap(map: KubeJson, old: KubeJson | undefined): FieldCause[] {
  const values = [...Object.values(memberObject(map, "data")), ...Object.values(memberObject(map, "binaryData"))];
  const size = values.reduce<number>((sum, value) => sum + Buffer.byteLength(String(value)), 0);
  if (size > maxConfigMapBytes) {
    const message = `Too long: may not be more than ${maxConfigMapBytes} bytes`;
    return [{ field: "", type: "FieldValueTooLong", message }];
  }
  if (old?.["immutable"] !== true) return [];
  const fields = ["immutable", "data", "binaryData"].filter((field) => !jsonEquals(map[field], old[field]));
  return fields.map((field) => forbiddenField(field, "field is immutable when `immutable` is set"));
}

const statefulSetMutable = [
  "replicas",
  "template",
  "updateStrategy",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
  "ordinals",
] as const;
const statefulSetDetail =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

export function validateStatefulSet(set: KubeJson, old: KubeJson | undefined): FieldCause[] {
  const fixed = (object: KubeJson) => without(memberObject(object, "spec"), ...statefulSetMutable);
  if (old === undefined || jsonEquals(fixed(set), fixed(old))) return validateWorkload(set, undefined);
  return [forbiddenField("spec", statefulSetDetail)];
}
