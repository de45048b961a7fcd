/** Reads and writes the Lease (coordination.k8s.io/v1) of the leader election. */
import type { KubeObject } from "../runtime/ports.ts";
import type { Transport } from "../runtime/transport.ts";
import { createObjectClient } from "./object-client.ts";
import { resourceTypes } from "./resources.ts";

/** As on the wire. Times are MicroTime: RFC 3339 with six decimals, UTC. */
export interface Lease extends KubeObject {
  readonly spec?: {
    /** Empty after a release. */
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/** What a leader election needs. Never fenced: it is what the fence is made of. */
export interface LeaseClient {
  /** Undefined when it does not exist. */
  get(namespace: string, name: string, signal: AbortSignal): Promise<Lease | undefined>;
  /** @throws AlreadyExistsError when another replica was first */
  create(lease: Lease, signal: AbortSignal): Promise<Lease>;
  /** Guarded by `metadata.resourceVersion`. @throws ConflictError when another replica was first */
  update(lease: Lease, signal: AbortSignal): Promise<Lease>;
}

export function createLeaseClient(transport: Transport): LeaseClient {
  const client = createObjectClient<Lease>({ transport, resource: resourceTypes.leases });
  return {
    get: (namespace, name, signal) => client.getLive(namespace, name, signal),
    create: (lease, signal) => client.create(lease, signal),
    update: (lease, signal) => client.update(lease, signal),
  };
}
