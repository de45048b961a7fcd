import { invalidValue, required } from "./built-in-validation.ts";
import { isObject, jsonEquals, stringAt, valueAt, type JsonObject, type KubeJson } from "./kube-json.ts";
import { faultOfKey } from "./metadata-validation.ts";
import { badRequest, type FieldCause } from "./status.ts";

/** RFC 3339 with exactly six digits: what `MicroTime` (meta/v1) reads and writes. */
const microTimePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$/;

/** Decoding refuses such times, so they are no fault of a field. @throws ApiError 400 */
function requireMicroTimes(object: KubeJson, owner: JsonObject | undefined, names: readonly string[]): void {
  for (const name of names) {
    const value = owner?.[name];
    if (value === undefined || value === null || (typeof value === "string" && microTimePattern.test(value))) continue;
    const version = (object.apiVersion ?? "").split("/").at(-1) ?? "";
    const kind = object.kind ?? "";
    const why = `parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05.000000Z07:00"`;
    throw badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`);
  }
}

function memberOf(object: KubeJson, name: string): JsonObject | undefined {
  const member = object[name];
  return isObject(member) ? member : undefined;
}

export function validateLease(lease: KubeJson): FieldCause[] {
  requireMicroTimes(lease, memberOf(lease, "spec"), ["acquireTime", "renewTime"]);
  const seconds = valueAt(lease, ["spec", "leaseDurationSeconds"]);
  const transitions = valueAt(lease, ["spec", "leaseTransitions"]);
  const causes: FieldCause[] = [];
  if (typeof seconds === "number" && seconds <= 0) {
    causes.push(invalidValue("spec.leaseDurationSeconds", seconds, "must be greater than 0"));
  }
  if (typeof transitions === "number" && transitions < 0) {
    causes.push(invalidValue("spec.leaseTransitions", transitions, "must be greater than or equal to 0"));
  }
  return causes;
}

/** Source of all that follows: kubernetes, `pkg/apis/core/validation/events.go`. */
export function validateCoreEvent(event: KubeJson): FieldCause[] {
  requireMicroTimes(event, event, ["eventTime"]);
  requireMicroTimes(event, memberOf(event, "series"), ["lastObservedTime"]);
  return isSet(event["eventTime"]) ? commonFaults(event, "reportingComponent") : oldPlaceFaults(event);
}

export function validateNewEvent(event: KubeJson, old: KubeJson | undefined): FieldCause[] {
  requireMicroTimes(event, event, ["eventTime"]);
  requireMicroTimes(event, memberOf(event, "series"), ["lastObservedTime"]);
  const common = isSet(event["eventTime"])
    ? commonFaults(event, "reportingController")
    : [...oldPlaceFaults(event), required("eventTime")];
  if (old !== undefined) return [...common, ...seriesFaults(event), ...changedFields(event, old)];
  const type = stringAt(event, ["type"]);
  const isKnown = type === "Normal" || type === "Warning";
  const ofType = isKnown ? [] : [invalidValue("type", "", `has invalid value: ${type}`)];
  const leftOvers = ["firstTimestamp", "lastTimestamp", "count", "source"].flatMap((field) => {
    const member = `deprecated${field.charAt(0).toUpperCase()}${field.slice(1)}`;
    return isSet(event[member]) ? [invalidValue(field, "", "needs to be unset")] : [];
  });
  return [...common, ...seriesFaults(event), ...ofType, ...leftOvers];
}

function isSet(value: unknown): boolean {
  if (isObject(value)) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== "" && value !== 0;
}

function namespaceOfSubject(event: KubeJson): string {
  return stringAt(event, ["involvedObject", "namespace"]) || stringAt(event, ["regarding", "namespace"]);
}

function misplaced(about: string): FieldCause[] {
  return [invalidValue("involvedObject.namespace", about, "does not match event.namespace")];
}

/** Events without eventTime are of the old style: they live where their subject does, or in `default`. */
function oldPlaceFaults(event: KubeJson): FieldCause[] {
  const about = namespaceOfSubject(event);
  return event.metadata?.namespace === (about === "" ? "default" : about) ? [] : misplaced(about);
}

/** Most characters of each text of an event of the new style; all but the message are needed. */
const eventTexts = [
  { fields: ["reportingInstance"], name: "reportingInstance", maximum: 128 },
  { fields: ["action"], name: "action", maximum: 128 },
  { fields: ["reason"], name: "reason", maximum: 128 },
  { fields: ["message", "note"], name: "message", maximum: 1024 },
] as const;

function commonFaults(event: KubeJson, controllerField: string): FieldCause[] {
  const about = namespaceOfSubject(event);
  const isPlaced = about !== "" || ["default", "kube-system"].includes(event.metadata?.namespace ?? "");
  const controller = stringAt(event, ["reportingController"]) || stringAt(event, ["reportingComponent"]);
  const faultOfController = controller === "" ? undefined : faultOfKey(controller);
  return [
    ...(isPlaced ? [] : misplaced(about)),
    ...(controller === "" ? [required(controllerField)] : []),
    ...(faultOfController === undefined ? [] : [invalidValue(controllerField, controller, faultOfController)]),
    ...eventTexts.flatMap(({ fields, name, maximum }) => {
      const text = fields.map((field) => stringAt(event, [field])).find((found) => found !== "") ?? "";
      if (text === "" && name !== "message") return [required(name)];
      const isLong = Buffer.byteLength(text) > maximum;
      return isLong ? [invalidValue(name, "", `can have at most ${maximum} characters`)] : [];
    }),
  ];
}

function seriesFaults(event: KubeJson): FieldCause[] {
  const series = memberOf(event, "series");
  if (series === undefined) return [];
  const count = series["count"];
  return [
    ...(typeof count === "number" && count >= 2 ? [] : [invalidValue("series.count", "", "should be at least 2")]),
    ...(isSet(series["lastObservedTime"]) ? [] : [required("series.lastObservedTime")]),
  ];
}

/** Fields of events.k8s.io/v1 and what messages call them: only the series may change. */
const fixedFields = {
  regarding: "involvedObject",
  note: "message",
  reason: "reason",
  type: "type",
  eventTime: "eventTime",
  action: "action",
  related: "related",
  reportingController: "reportingController",
  reportingInstance: "reportingInstance",
} as const;

function changedFields(event: KubeJson, old: KubeJson): FieldCause[] {
  return Object.entries(fixedFields).flatMap(([field, name]) =>
    jsonEquals(event[field], old[field]) ? [] : [invalidValue(name, event[field], "field is immutable")],
  );
}
