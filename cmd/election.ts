import type { Cloud } from "../cloud/client.ts";
import { createLeaseClient } from "../kube/lease-client.ts";
import { LeaderElector, type LeasePort } from "../runtime/leader-election.ts";
import type { World } from "./wiring.ts";

/** Annotation of the lease that carries the use of the cloud's quota to the next leader. */
const quotaAnnotation = "terway-controlplane.alibabacloud.com/quota";

/** The election, with the quota used in the current minute travelling on the lease. */
export function createElector(world: World, limiterOf: () => Cloud["limiter"] | undefined): LeaderElector {
  const { config, transport, clock, random, log, metrics, identity, watchdog } = world;
  const leases = createLeaseClient(transport);
  const confirming: LeasePort = {
    get: (namespace, name, signal) => leases.get(namespace, name, signal),
    create: (lease, signal) => leases.create(lease, signal),
    update: async (lease, signal) => {
      const updated = await leases.update(lease, signal);
      if (updated.spec.holderIdentity === identity) limiterOf()?.renewed();
      return updated;
    },
  };
  return new LeaderElector({
    leases: confirming,
    identity,
    namespace: config.controllerNamespace,
    name: config.controllerName,
    leaseDurationMs: config.leaseDurationMs,
    renewDeadlineMs: config.renewDeadlineMs,
    retryPeriodMs: config.retryPeriodMs,
    clock,
    random,
    log,
    metrics,
    ...(watchdog !== undefined && { watchdog }),
    annotations: () => ({ [quotaAnnotation]: limiterOf()?.usage() ?? "" }),
    onAcquired: (previous) => {
      if (previous === undefined) return;
      limiterOf()?.restore(previous.annotations[quotaAnnotation], { hardTakeover: !previous.released });
    },
  });
}
