import type { NextCondition } from "../../domain/conditions/conditions.ts";

/** On PodENI: False from the moment the deletion of the pod of a fixed address was observed. Read by controller `pod-eni`. */
export function podGoneCondition(): NextCondition {
  return {
    type: "PodPresent",
    status: "False",
    reason: "PodDeleted",
    message: "the pod is gone; status.podLastSeen says since when",
  };
}
