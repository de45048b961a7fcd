import type { NextCondition } from "../../domain/conditions/conditions.ts";

/** Type of the one condition of a NetworkInterface: True while the interface is where its record wants it. */
export const ready = "Ready";

/** Reasons of `Ready`, beside the reasons of refused cloud calls (docs/errors.md). */
export const reasons = {
  attached: "Attached",
  detached: "Detached",
  missing: "InterfaceMissing",
  fellBack: "AttachFellBack",
  foreign: "ForeignInterface",
} as const;

export function attachedCondition(instanceId: string): NextCondition {
  return { type: ready, status: "True", reason: reasons.attached, message: `attached to ${instanceId}` };
}

export function detachedCondition(): NextCondition {
  return { type: ready, status: "False", reason: reasons.detached, message: "detached and kept" };
}

export function missingCondition(eniId: string): NextCondition {
  return {
    type: ready,
    status: "False",
    reason: reasons.missing,
    message: `the cloud has no interface ${eniId}; somebody deleted it`,
  };
}

export function fellBackCondition(eniId: string, instanceId: string, tries: number): NextCondition {
  return {
    type: ready,
    status: "False",
    reason: reasons.fellBack,
    message: `the cloud accepted to attach ${eniId} to ${instanceId} and then took it back, ${tries} times; trying again`,
  };
}

export function foreignCondition(eniId: string): NextCondition {
  return {
    type: ready,
    status: "False",
    reason: reasons.foreign,
    message: `${eniId} was not made for pods of this cluster (tags, type); it is left alone`,
  };
}

/** A refused call, in the words of its error, or one that is held back. */
export function refusedCondition(reason: string, message: string): NextCondition {
  return { type: ready, status: "False", reason, message };
}
