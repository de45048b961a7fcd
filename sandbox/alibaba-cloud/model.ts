import type { Ipv4Pool, Ipv6Pool } from "./address-pool.ts";
import type { InstanceTypeLimits } from "./instance-types.ts";
import type { InstanceSpec, SecurityGroupSpec, VSwitchSpec } from "./options.ts";

/** Source: cloud-api §C1. */
export type SimulatedEniStatus = "Available" | "Attaching" | "InUse" | "Detaching" | "Deleting";

/** An interface at one moment. Never changed: a change makes a new value, so a late read can show an old one. */
export interface SimulatedEni {
  readonly eniId: string;
  /** Order of creation over the life of this cloud; pages go by it. */
  readonly sequence: number;
  readonly status: SimulatedEniStatus;
  /** `Member` only while it is on a trunk. Source: cloud-api §C2. */
  readonly type: "Primary" | "Secondary" | "Trunk" | "Member";
  readonly name: string;
  readonly description: string;
  readonly macAddress: string;
  readonly vpcId: string;
  readonly vSwitchId: string;
  readonly zoneId: string;
  /** Set from the attach call until Available. */
  readonly instanceId?: string;
  /** Set on members from the attach call until Available. */
  readonly trunkEniId?: string;
  /** From the attach call until Available: VLAN id (1…4094) of a member, slot of others. Shown to callers from InUse on. */
  readonly deviceIndex?: number;
  /** As the attach call named it, until Available. Absent: card 0. */
  readonly networkCardIndex?: number;
  /** The first is the primary address. */
  readonly ipv4s: readonly string[];
  readonly ipv6s: readonly string[];
  readonly securityGroupIds: readonly string[];
  readonly resourceGroupId: string;
  readonly trafficMode: "Standard" | "HighPerformance";
  readonly deleteOnRelease: boolean;
  readonly sourceDestCheck: boolean;
  /** Epoch milliseconds. */
  readonly creationTimeMs: number;
  readonly tags: ReadonlyMap<string, string>;
}

/** Epoch milliseconds of the last time each thing happened. */
export interface EniTimings {
  createStartedAt?: number;
  createAnsweredAt?: number;
  attachStartedAt?: number;
  attachAnsweredAt?: number;
  inUseAt?: number;
  detachStartedAt?: number;
  /** Detached, or fallen back after a failed attach. */
  availableAt?: number;
  deletedAt?: number;
}

/** One machine. */
export interface Instance {
  readonly spec: InstanceSpec;
  readonly limits: InstanceTypeLimits;
  readonly primaryEniId: string;
  /** Slots of adapters in use, by interface; the primary has 0. */
  readonly slots: Map<string, number>;
  /** VLAN ids in use on the machine's trunks, by member interface. */
  readonly vlans: Map<string, number>;
}

export interface VSwitch {
  readonly spec: VSwitchSpec;
  readonly ipv4: Ipv4Pool;
  readonly ipv6: Ipv6Pool | undefined;
}

export interface SecurityGroup {
  readonly spec: SecurityGroupSpec;
  readonly members: Set<string>;
}
