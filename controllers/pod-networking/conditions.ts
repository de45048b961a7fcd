import type { NextCondition } from "../../domain/conditions/conditions.ts";

/** Type of the one condition of a PodNetworking: True while every vSwitch of the plane is known and its zone recorded. */
export const ready = "Ready";

/** Every reason of `Ready`. */
export const reasons = {
  /** True: all vSwitches exist. */
  found: "VSwitchesFound",
  /** The cloud does not know a vSwitch; looked up again every 20 s. */
  notFound: "VSwitchNotFound",
  /** A lookup failed for a reason that may pass; repeated by itself. */
  unavailable: "CloudAPIUnavailable",
  /** The account may not look vSwitches up; the message names the RAM action. */
  denied: "AccessDenied",
  /** The spec cannot serve a pod; heals by an edit. */
  invalid: "InvalidSpec",
} as const;

export type Reason = (typeof reasons)[keyof typeof reasons];

/** The condition for a reason; `message` is empty for `VSwitchesFound`, which needs no more words than the zones. */
export function readyCondition(reason: Reason, message: string, observedGeneration: number): NextCondition {
  return { type: ready, status: reason === reasons.found ? "True" : "False", reason, message, observedGeneration };
}
