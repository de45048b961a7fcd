import type { KubeObject } from "./ports.ts";

/** coordination.k8s.io/v1 Lease, the fields that leader election uses. */
export interface Lease extends KubeObject {
  readonly spec: LeaseSpec;
}

export interface LeaseSpec {
  /** Process that holds the lease; empty or absent: free. */
  readonly holderIdentity?: string;
  /** Seconds after the last renewal, as seen by others, at which they may take over. At least 1. */
  readonly leaseDurationSeconds?: number;
  /** When the present holder got it: RFC 3339 with microseconds. */
  readonly acquireTime?: string;
  /** Last renewal: RFC 3339 with microseconds. */
  readonly renewTime?: string;
  /** How often the holder has changed. */
  readonly leaseTransitions?: number;
}

/**
 * Reads and writes leases, past every cache and best on a connection of its own. All methods @throws the classes of
 * errors.ts; `update` is guarded by resourceVersion (ConflictError).
 */
export interface LeasePort {
  /** Undefined when it does not exist. */
  get(namespace: string, name: string, signal: AbortSignal): Promise<Lease | undefined>;
  /** @throws AlreadyExistsError */
  create(lease: Lease, signal: AbortSignal): Promise<Lease>;
  /** @throws ConflictError when someone wrote since, NotFoundError when it was deleted */
  update(lease: Lease, signal: AbortSignal): Promise<Lease>;
}

interface Claim {
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly leaseDurationMs: number;
  readonly now: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** True when nobody holds the lease. */
export function isFree(lease: Lease): boolean {
  return (lease.spec.holderIdentity ?? "") === "";
}

/** The lease as its new or present holder writes it; `current` is what it replaces, undefined to create it. */
export function claimOf(current: Lease | undefined, claim: Claim): Lease {
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: {
      ...current?.metadata,
      namespace: claim.namespace,
      name: claim.name,
      annotations: { ...current?.metadata.annotations, ...claim.annotations },
    },
    spec: {
      ...current?.spec,
      holderIdentity: claim.identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(claim.leaseDurationMs / 1_000)),
      renewTime: claim.now,
      ...heldSince(current?.spec, claim),
    },
  };
}

/** A renewal keeps both; another holder starts anew and counts one more transition. */
function heldSince(current: LeaseSpec | undefined, claim: Claim): Pick<LeaseSpec, "acquireTime" | "leaseTransitions"> {
  const { acquireTime = claim.now, leaseTransitions = 0 } = current ?? {};
  if (current?.holderIdentity === claim.identity) return { acquireTime, leaseTransitions };
  return { acquireTime: claim.now, leaseTransitions: current ? leaseTransitions + 1 : 0 };
}

/** The lease as its holder gives it back: like client-go, with the shortest duration for candidates that only wait. */
export function releaseOf(current: Lease, now: string, annotations: Readonly<Record<string, string>>): Lease {
  return {
    ...current,
    metadata: { ...current.metadata, annotations: { ...current.metadata.annotations, ...annotations } },
    spec: { ...current.spec, holderIdentity: "", leaseDurationSeconds: 1, acquireTime: now, renewTime: now },
  };
}

/** Kubernetes MicroTime: RFC 3339 in UTC with six digits of a second. `nowMs` is milliseconds since the epoch. */
export function microTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace("Z", "000Z");
}
