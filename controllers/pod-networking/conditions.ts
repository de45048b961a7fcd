import type { NextCondition } from "../../domain/conditions/conditions.ts";

/** Types of the conditions of a PodNetworking. */
export const types = {
  /** True while every vSwitch of the plane is known and its zone recorded. */
  ready: "Ready",
  /** True while every pod that the plane is for has its interfaces as the spec says now. */
  podsUpToDate: "PodsUpToDate",
  /** True while pods exist that another plane matches as well. Absent on a plane that never was. */
  ambiguous: "Ambiguous",
} as const;

/** Every reason of `Ready`. */
export const reasons = {
  /** True: all vSwitches exist. */
  found: "VSwitchesFound",
  /** The cloud does not know a vSwitch; looked for again every 22 s. */
  notFound: "VSwitchNotFound",
  /** A lookup failed for a reason that may pass; repeated by itself. */
  unavailable: "CloudAPIUnavailable",
  /** The account may not look vSwitches up; the message names the RAM action. */
  denied: "AccessDenied",
  /** The spec cannot serve a pod; heals by an edit. */
  invalid: "InvalidSpec",
} as const;

export type Reason = (typeof reasons)[keyof typeof reasons];

/** Every reason of `PodsUpToDate`. */
export const podsReasons = {
  /** True. */
  followSpec: "PodsFollowSpec",
  /** Some pods keep what the plane gave before it was edited. */
  predateChange: "PodsPredateChange",
  /** Some pods were there before the plane matched them, and have no interface of it. */
  predatePlane: "PodsPredatePlane",
} as const;

/** Every reason of `Ambiguous`. */
export const ambiguousReasons = {
  /** True: pods match several planes, and get the oldest one's interfaces. */
  severalMatch: "SeveralPlanesMatch",
  /** No longer. */
  oneMatches: "OnePlaneMatches",
} as const;

/** The condition for a reason; `message` is empty for `VSwitchesFound`, which needs no more words than the zones. */
export function readyCondition(reason: Reason, message: string, observedGeneration: number): NextCondition {
  const status = reason === reasons.found ? "True" : "False";
  return { type: types.ready, status, reason, message, observedGeneration };
}
