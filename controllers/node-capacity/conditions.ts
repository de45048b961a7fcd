import { suspensionReasons } from "../../domain/suspension/suspension.ts";

/**
 * Type of the condition on the Node CR: pods with interfaces of their own can be served on the machine. The core Node says the
 * same with the condition type `TerwayInterfaces`.
 */
export const interfacesReady = "InterfacesReady";

/** Every reason of `InterfacesReady`, beside those of refused calls and of suspensions (docs/conditions.md). */
export const reasons = {
  /** True: what can be attached is published on the core Node. */
  published: "CapacityPublished",
  /** The core Node, or the part of the Node CR that others write, does not say enough yet; the message names what is missing. */
  incomplete: "NodeRecordIncomplete",
  /** The interfaces of the instance have not been listed yet. */
  looking: "ListingInterfaces",
  /** CreateNetworkInterface for the trunk is under way, or waits for its quota. */
  creating: "CreatingTrunk",
  /** The trunk is being attached. */
  attaching: "AttachingTrunk",
  /** The attach of the trunk was accepted and came to nothing; it is tried again. */
  fellBack: "TrunkAttachFellBack",
  /** The trunk is being detached or deleted by somebody; it is attached or made anew when that has ended. */
  leaving: "TrunkLeaving",
  /** `spec.eni` cannot serve: no vSwitch, or no security group. */
  invalid: "InvalidSpec",
  /** None of the vSwitches is in the node's zone. */
  noVSwitchInZone: "NoVSwitchInZone",
  /** Every usable vSwitch of the zone is full. */
  vSwitchesExhausted: "VSwitchesExhausted",
  /** The vSwitches of the zone have no IPv6 block, and the node is to have IPv6. */
  vSwitchWithoutIpv6: "VSwitchWithoutIPv6",
  /** The cloud does not know any of the vSwitches. */
  vSwitchNotFound: "VSwitchNotFound",
  /** Interfaces of others take every place of the instance. */
  noFreeInterface: "NoFreeInterface",
  /** A defect of this program. */
  internal: "InternalError",
} as const;

/** Reasons that are normal for some seconds: they are written only when they last. */
export const progressReasons: ReadonlySet<string> = new Set([
  ...Object.values(suspensionReasons),
  reasons.incomplete,
  reasons.looking,
  reasons.creating,
  reasons.attaching,
]);

/** Reasons that only an edit heals: the user is told with event `ConfigError`. */
export const configReasons: ReadonlySet<string> = new Set([
  reasons.invalid,
  reasons.noVSwitchInZone,
  reasons.vSwitchWithoutIpv6,
  reasons.vSwitchNotFound,
]);

/** Whether the machine can serve, and why not. */
export interface Explanation {
  readonly isReady: boolean;
  readonly reason: string;
  /** Empty when ready. */
  readonly message: string;
}
