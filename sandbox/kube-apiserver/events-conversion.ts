import { isObject, type JsonObject, type KubeJson, type StoredObject } from "./kube-json.ts";

/** Members of core/v1 Event and what events.k8s.io/v1 calls them. Both live in one table, as in kube-apiserver. */
const renamed = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
  ["reportingComponent", "reportingController"],
] as const;

function rename(object: JsonObject, pairs: readonly (readonly [string, string])[]): JsonObject {
  const names = new Map(pairs);
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value]));
}

/** core/v1 as stored → events.k8s.io/v1. */
export function toNewEvent(event: StoredObject): StoredObject {
  return { ...rename(event, renamed), metadata: event.metadata, apiVersion: "events.k8s.io/v1", kind: "Event" };
}

/** events.k8s.io/v1 → core/v1 as stored. */
export function toCoreEvent(event: KubeJson): KubeJson {
  const pairs = renamed.map(([core, current]) => [current, core] as const);
  return { ...rename(event, pairs), apiVersion: "v1", kind: "Event" };
}

/** Field of the object that an event is about, in the stored or the new shape. */
export function involvedField(field: string): (event: KubeJson) => string {
  return (event) => {
    const about = event["involvedObject"] ?? event["regarding"];
    const value = isObject(about) ? about[field] : undefined;
    return typeof value === "string" ? value : "";
  };
}
