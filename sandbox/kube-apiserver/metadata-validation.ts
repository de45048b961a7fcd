import { forbiddenField, invalidValue, subdomainDetail } from "./built-in-validation.ts";
import type { KubeJson, OwnerReferenceJson, StoredObject } from "./kube-json.ts";
import type { FieldCause } from "./status.ts";

/** Validation of metadata, the same for every kind; message texts are kube-apiserver's. */

const namePartDetail =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const namePartPattern = /^([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$/;
const prefixPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelValuePattern = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const labelValueDetail =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** What is wrong with the key of a label, annotation or finalizer (`prefix/name`); undefined for nothing. */
export function faultOfKey(key: string): string | undefined {
  const parts = key.split("/");
  const prefix = parts.length > 1 ? (parts[0] ?? "") : undefined;
  if (parts.length > 2) {
    return `a valid label key must consist of alphanumeric characters, '-', '_' or '.'${namePartDetail.slice(namePartDetail.indexOf(", and must"))} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
  }
  if (prefix === "") return "prefix part must be non-empty";
  if (prefix !== undefined && !prefixPattern.test(prefix)) return `prefix part ${subdomainDetail}`;
  return namePartPattern.test(parts.at(-1) ?? "") ? undefined : namePartDetail;
}

/** What is wrong with the value of a label; undefined for nothing. */
export function faultOfLabelValue(value: unknown): string | undefined {
  if (typeof value !== "string" || !labelValuePattern.test(value)) return labelValueDetail;
  return value.length > 63 ? "must be no more than 63 bytes" : undefined;
}

/**
 * Labels, annotations, finalizers and owners; on updates also that finalizers only go while an object is being deleted.
 * `hasDomains`: every finalizer of this kind needs one.
 */
export function validateMetadata(object: KubeJson, old: StoredObject | undefined, hasDomains: boolean): FieldCause[] {
  return [
    ...validateLabels(object),
    ...validateAnnotations(object),
    ...validateFinalizers(object, hasDomains),
    ...validateOwners(object),
    ...(old === undefined ? [] : newFinalizersWhileDeleting(object, old)),
  ];
}

function validateLabels(object: KubeJson): FieldCause[] {
  return Object.entries(object.metadata?.labels ?? {}).flatMap(([key, value]) => {
    const ofKey = faultOfKey(key);
    const ofValue = faultOfLabelValue(value);
    return [
      ...(ofKey === undefined ? [] : [invalidValue("metadata.labels", key, ofKey)]),
      ...(ofValue === undefined ? [] : [invalidValue("metadata.labels", value, ofValue)]),
    ];
  });
}

/** Keys and values together. Source: apimachinery, TotalAnnotationSizeLimitB. */
const maxAnnotationBytes = 256 * 1024;

function validateAnnotations(object: KubeJson): FieldCause[] {
  const annotations = Object.entries(object.metadata?.annotations ?? {});
  const field = "metadata.annotations";
  const causes = annotations.flatMap(([key]) => {
    const fault = faultOfKey(key.toLowerCase());
    return fault === undefined ? [] : [invalidValue(field, key, fault)];
  });
  const size = annotations.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  return size > maxAnnotationBytes ? [...causes, tooLong(field, maxAnnotationBytes)] : causes;
}

export function tooLong(field: string, maximum: number): FieldCause {
  return { field, type: "FieldValueTooLong", message: `Too long: may not be more than ${maximum} bytes` };
}

/** Those without a domain that Kubernetes itself uses. */
const standardFinalizers = new Set(["kubernetes", "orphan", "foregroundDeletion"]);

function validateFinalizers(object: KubeJson, hasDomains: boolean): FieldCause[] {
  return (object.metadata?.finalizers ?? []).flatMap((finalizer, index) => {
    const fault = faultOfKey(finalizer);
    const causes = fault === undefined ? [] : [invalidValue("metadata.finalizers", finalizer, fault)];
    if (!hasDomains || finalizer.includes("/") || standardFinalizers.has(finalizer)) return causes;
    const detail = "name is neither a standard finalizer name nor is it fully qualified";
    return [...causes, invalidValue(`metadata.finalizers[${index}]`, finalizer, detail)];
  });
}

function validateOwners(object: KubeJson): FieldCause[] {
  const owners = object.metadata?.ownerReferences ?? [];
  const field = "metadata.ownerReferences";
  const causes = owners.flatMap((owner) =>
    (["apiVersion", "kind", "name", "uid"] as const).flatMap((member) => {
      const value = (owner as Partial<OwnerReferenceJson>)[member] ?? "";
      return value === "" ? [invalidValue(`${field}.${member}`, "", "must not be empty")] : [];
    }),
  );
  const [first, second] = owners.filter(({ controller }) => controller === true);
  if (first === undefined || second === undefined) return causes;
  const both = `${first.kind}/${first.name} and ${second.kind}/${second.name}`;
  const detail = `Only one reference can have Controller set to true. Found "true" in references for ${both}`;
  return [...causes, invalidValue(field, owners, detail)];
}

function newFinalizersWhileDeleting(object: KubeJson, old: StoredObject): FieldCause[] {
  if (old.metadata.deletionTimestamp === undefined) return [];
  const before = old.metadata.finalizers ?? [];
  const added = (object.metadata?.finalizers ?? []).filter((finalizer) => !before.includes(finalizer));
  if (added.length === 0) return [];
  const list = added.map((finalizer) => JSON.stringify(finalizer)).join(", ");
  const detail = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
  return [forbiddenField("metadata.finalizers", detail)];
}
