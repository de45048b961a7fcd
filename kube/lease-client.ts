import type { Lease, LeasePort } from "../runtime/lease.ts";
import type { Transport } from "../runtime/transport.ts";
import { createObjectClient } from "./object-client.ts";
import { resourceTypes } from "./resources.ts";

/**
 * Reads and writes the Lease (coordination.k8s.io/v1) of the leader election. Never fenced, because the fence is made of
 * it; the transport gives leases a connection of their own and exempts them from the client-side limit.
 */
export function createLeaseClient(transport: Transport): LeasePort {
  const client = createObjectClient<Lease>({ transport, resource: resourceTypes.leases });
  return {
    get: async (namespace, name, signal) => {
      const lease = await client.getLive(namespace, name, signal);
      // The API server accepts a Lease without spec; an election reads its fields.
      return lease === undefined ? undefined : { ...lease, spec: { ...lease.spec } };
    },
    create: (lease, signal) => client.create(lease, signal),
    update: (lease, signal) => client.update(lease, signal),
  };
}
