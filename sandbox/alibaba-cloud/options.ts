import type { Clock, Random } from "../../runtime/ports.ts";
import type { Api } from "./api.ts";
import type { FaultRule } from "./faults.ts";

/** What the simulated cloud is made of. */
export interface CloudOptions {
  /** All time: latencies, quota windows, timestamps. */
  readonly clock: Clock;
  /** Seeded: latencies and probabilistic faults draw from it, so one seed gives one history. */
  readonly random: Random;
  /** For instance `cn-hangzhou`. A request for another region is refused. */
  readonly regionId: string;
  readonly accounts: readonly Account[];
  readonly latencies?: Partial<Latencies>;
  /** Calls per API and wall-clock minute. @default defaultQuotas */
  readonly quotas?: Partial<Record<Api, number>>;
  readonly faults?: readonly FaultRule[];
  /** Describe calls see the world of this many milliseconds ago (cloud-api §C5). @default 0 */
  readonly readDelayMs?: number;
  /** Secondary interfaces that the account may have; above it MaxEniCountExceeded. @default Infinity */
  readonly eniQuota?: number;
}

/** One access key. With `securityToken` it is a temporary (STS) one and requests must carry the token. */
export interface Account {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken?: string;
  /** Epoch milliseconds from which the token is refused with InvalidSecurityToken.Expired. */
  readonly expiresAtMs?: number;
  /** RAM actions (`ecs:CreateNetworkInterface`) that are refused with Forbidden.RAM and AccessDeniedDetail. */
  readonly missingActions?: readonly string[];
}

/** What a caller of {@link SimulatedCloud.call} presents. Over HTTP the signature stands for the secret. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken?: string;
}

/** `[least, most]` milliseconds, drawn uniformly. */
export type Span = readonly [number, number];

/** Source of the defaults: published-measured §1 and the design's table of figures. */
export interface Latencies {
  /** From request to answer, every API but create. The effect of a call happens half-way. @default [100, 200] */
  readonly answerMs: Span;
  /** From request to answer of CreateNetworkInterface. @default [300, 500] */
  readonly createAnswerMs: Span;
  /** From the attach request to InUse. @default [1_500, 3_000] */
  readonly attachMs: Span;
  /** From the detach request to Available. @default [1_000, 2_000] */
  readonly detachMs: Span;
  /** From the delete request until the interface is gone. @default [500, 1_000] */
  readonly deleteMs: Span;
}

export const defaultLatencies: Latencies = {
  answerMs: [100, 200],
  createAnswerMs: [300, 500],
  attachMs: [1_500, 3_000],
  detachMs: [1_000, 2_000],
  deleteMs: [500, 1_000],
};

/** A value of `span`, uniformly. */
export function draw(span: Span, random: Random): number {
  return Math.round(span[0] + random() * (span[1] - span[0]));
}

export interface VSwitchSpec {
  readonly vSwitchId: string;
  readonly vpcId: string;
  readonly zoneId: string;
  /** IPv4 block of /16 to /29. */
  readonly cidr: string;
  /** IPv6 block of /64; without it the vSwitch refuses IPv6 addresses. */
  readonly ipv6Cidr?: string;
  /** Addresses that are free at the start. @default all but the four that the cloud keeps */
  readonly freeAddresses?: number;
}

export interface SecurityGroupSpec {
  readonly securityGroupId: string;
  readonly vpcId: string;
  /** Interfaces that may be in the group; above it SecurityGroupInstanceLimitExceed. @default Infinity */
  readonly maxInterfaces?: number;
}

export interface InstanceSpec {
  readonly instanceId: string;
  /** A type of cloud-api §C6, for instance `ecs.g7.4xlarge`. */
  readonly instanceType: string;
  readonly zoneId: string;
  readonly vpcId: string;
  /** vSwitch of the primary interface. */
  readonly vSwitchId: string;
  /** Attach and detach need Running or Stopped. @default "Running" */
  readonly status?: InstanceStatus;
}

/** Source: ECS DescribeInstances `Status`. */
export type InstanceStatus = "Pending" | "Starting" | "Running" | "Stopping" | "Stopped";
