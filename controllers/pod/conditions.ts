import type { NextCondition } from "../../domain/conditions/conditions.ts";

/** Why a pod is behind our gate: reasons of events on Pods, each with a row in docs/conditions.md. */
export const gateReasons = {
  /** No plane that matches it is Ready. */
  waitingForPodNetworking: "WaitingForPodNetworking",
  /** Its fixed address is in a zone where the plane has no vSwitch. */
  fixedAddressInOtherZone: "FixedAddressInOtherZone",
  /** The gate could be opened, and the write or what it needs failed. */
  schedulingGateNotRemoved: "SchedulingGateNotRemoved",
} as const;

export type GateReason = (typeof gateReasons)[keyof typeof gateReasons];

/** On PodENI: False from the moment the deletion of the pod of a fixed address was observed. Read by controller `pod-eni`. */
export function podGoneCondition(): NextCondition {
  return {
    type: "PodPresent",
    status: "False",
    reason: "PodDeleted",
    message: "the pod is gone; status.podLastSeen says since when",
  };
}
