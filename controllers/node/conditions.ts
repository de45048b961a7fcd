import type { NextCondition } from "../../domain/conditions/conditions.ts";

/** Type of the one condition of a Node: True while the record says all that this controller knows about the machine. */
export const ready = "Ready";

/** Every reason of `Ready`. */
export const reasons = {
  /** True: the machine and what it can carry are known. A message names what the configuration asks for in vain. */
  recorded: "Recorded",
  /** The core Node lacks the instance id, zone, region or instance type; the message says which. */
  incomplete: "NodeIncomplete",
  /** The cloud does not know the instance type; looked up again every minute. */
  unknownType: "InstanceTypeUnknown",
  /** The account may not call DescribeInstanceTypes. */
  denied: "AccessDenied",
  /** The lookup failed for a reason that may pass; repeated by itself. */
  unavailable: "CloudAPIUnavailable",
  /** The label of the mode was changed after the node had joined; the recorded mode stays. */
  modeChanged: "ModeChanged",
  /** The ConfigMap that describes the machine's interfaces does not exist. */
  configMissing: "EniConfigMissing",
  /** It cannot be used; the message names the member, or the zone without a vSwitch. */
  configInvalid: "EniConfigInvalid",
} as const;

export type Reason = (typeof reasons)[keyof typeof reasons];

/** What holds for a record, before it is known of which generation. */
export interface Finding {
  readonly reason: Reason;
  /** Empty when there is nothing to add. */
  readonly message: string;
  /** Worth no event: nothing was tried. @default false */
  readonly isHeldBack?: boolean;
}

/** The condition for a finding. */
export function readyCondition({ reason, message }: Finding, observedGeneration: number): NextCondition {
  return { type: ready, status: reason === reasons.recorded ? "True" : "False", reason, message, observedGeneration };
}
