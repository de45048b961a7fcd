import type { NextCondition } from "../../domain/conditions/conditions.ts";

/** Why a pod is behind our gate: reasons of events on Pods. */
export type GateReason = "WaitingForPodNetworking" | "FixedAddressInOtherZone" | "SchedulingGateNotRemoved";

/** On PodENI: False from the moment the deletion of the pod of a fixed address was observed. Read by controller `pod-eni`. */
export function podGoneCondition(): NextCondition {
  return {
    type: "PodPresent",
    status: "False",
    reason: "PodDeleted",
    message: "the pod is gone; status.podLastSeen says since when",
  };
}
