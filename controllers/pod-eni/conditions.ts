import type { NextCondition } from "../../domain/conditions/conditions.ts";

/** True while the pod's interfaces are attached where the pod runs. */
export const ready = "Ready";

/** False from the moment the deletion of the pod of a fixed address was observed: the start of its clock. */
export const podPresent = "PodPresent";

/** False while a bound pod asks for something else than its interfaces have. Absent until that happens. */
export const upToDate = "UpToDate";

/** Reasons of `UpToDate`. */
export const driftReasons = {
  changed: "NetworksChangedAfterBind",
  applied: "NetworksApplied",
} as const;

/** Reasons of `Ready`, beside the reasons of refused cloud calls (docs/errors.md). */
export const reasons = {
  bound: "Bound",
  waitingForPlace: "WaitingForPlace",
  creating: "CreatingInterface",
  attaching: "AttachingInterface",
  detaching: "DetachingInterface",
  releasing: "ReleasingInterface",
  retained: "AddressRetained",
  noVSwitchInZone: "NoVSwitchInZone",
  vSwitchesExhausted: "VSwitchesExhausted",
  vSwitchNotFound: "VSwitchNotFound",
  vSwitchWithoutIpv6: "VSwitchWithoutIPv6",
  nodeNotReady: "NodeNotReady",
  nodeGone: "NodeGone",
  nodeWithoutTrunk: "NodeWithoutTrunk",
  zoneMismatch: "ZoneMismatch",
  interfaceMissing: "InterfaceMissing",
  invalidSpec: "InvalidSpec",
} as const;

export function readyCondition(status: "True" | "False", reason: string, message: string): NextCondition {
  return { type: ready, status, reason, message };
}

export function boundCondition(instanceId: string): NextCondition {
  return readyCondition("True", reasons.bound, `bound on ${instanceId}`);
}

/** `drift` absent: the interfaces are what the pod asks for, again. */
export function upToDateCondition(drift: string | undefined): NextCondition {
  if (drift !== undefined) {
    return { type: upToDate, status: "False", reason: driftReasons.changed, message: drift };
  }
  const message = "the interfaces are what the pod asks for";
  return { type: upToDate, status: "True", reason: driftReasons.applied, message };
}

export function podGoneCondition(): NextCondition {
  return {
    type: podPresent,
    status: "False",
    reason: "PodDeleted",
    message: "the pod is gone; status.podLastSeen says since when",
  };
}

export function podPresentCondition(): NextCondition {
  return { type: podPresent, status: "True", reason: "PodExists", message: "the pod exists" };
}
