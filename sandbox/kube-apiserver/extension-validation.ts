import { invalidValue, required } from "./built-in-validation.ts";
import { isObject, memberObject, stringAt, valueAt, type KubeJson } from "./kube-json.ts";
import { notSupported } from "./options.ts";
import type { FieldCause } from "./status.ts";

/** Validation of what extends the API: webhook configurations and custom resource definitions. */

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
  const reviewVersions = valueAt(webhook, ["admissionReviewVersions"]);
  if (!Array.isArray(reviewVersions) || reviewVersions.length === 0) {
    causes.push(required(`${path}.admissionReviewVersions`, "must specify one of v1, v1beta1"));
  }
  return [...causes, ...validateClient(webhook, path), ...validatePolicy(webhook, path)];
}

function validateClient(webhook: unknown, path: string): FieldCause[] {
  const config = memberObject(webhook, "clientConfig");
  if ((config["url"] === undefined) === (config["service"] === undefined)) {
    return [required(`${path}.clientConfig`, "exactly one of url or service is required")];
  }
  const url = stringAt(config, ["url"]);
  if (url === "" || url.startsWith("https://")) return [];
  const detail = `'https' is the only allowed URL scheme; desired format: https://host[/path]`;
  return [invalidValue(`${path}.clientConfig.url`, url.split(":")[0], detail)];
}

function validatePolicy(webhook: unknown, path: string): FieldCause[] {
  const causes: FieldCause[] = [];
  const policy = stringAt(webhook, ["failurePolicy"]);
  if (policy !== "" && policy !== "Fail" && policy !== "Ignore") {
    causes.push(notSupported(`${path}.failurePolicy`, policy, ["Fail", "Ignore"]));
  }
  const seconds = valueAt(webhook, ["timeoutSeconds"]);
  if (typeof seconds === "number" && (seconds < 1 || seconds > 30)) {
    const detail = "the timeout value must be between 1 and 30 seconds";
    causes.push(invalidValue(`${path}.timeoutSeconds`, seconds, detail));
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
