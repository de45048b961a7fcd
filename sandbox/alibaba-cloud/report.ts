import type { Api } from "./api.ts";
import type { Endpoint } from "./endpoint.ts";
import type { EniTimings, SimulatedEni } from "./model.ts";
import type { ApiReport } from "./statistics.ts";
import type { World } from "./world.ts";

/** Everything that an observer outside needs to judge a client. All instants are epoch milliseconds. */
export interface Report {
  readonly nowMs: number;
  readonly apis: Readonly<Partial<Record<Api, ApiReport>>>;
  /** Calls under way at the worst moment, all APIs. */
  readonly peakConcurrency: number;
  /** Interfaces whose create has started and that have not been InUse yet. */
  readonly allocating: number;
  readonly peakAllocating: number;
  /** Times that each fault rule fired, by its name. */
  readonly faults: Readonly<Record<string, number>>;
  /** Every interface that exists, and the last 50 000 at most that are gone (`status: "Gone"`). */
  readonly enis: readonly EniReport[];
  readonly vSwitches: Readonly<Record<string, { readonly freeAddresses: number }>>;
  readonly instances: Readonly<Record<string, { readonly adapters: number; readonly members: number }>>;
}

export interface EniReport {
  readonly eniId: string;
  readonly status: SimulatedEni["status"] | "Gone";
  readonly type: SimulatedEni["type"];
  readonly instanceId?: string;
  readonly trunkEniId?: string;
  readonly deviceIndex?: number;
  readonly networkCardIndex?: number;
  readonly trafficMode: SimulatedEni["trafficMode"];
  readonly resourceGroupId: string;
  readonly ipv6s: readonly string[];
  readonly vSwitchId: string;
  readonly ipv4s: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly creationTimeMs: number;
  readonly timings: Readonly<EniTimings>;
}

export function toReport(world: World, endpoint: Endpoint): Report {
  const { statistics } = endpoint;
  const alive = [...world.enis.allSeen(0)].map((eni) => toEniReport(eni, world.enis.timings(eni.eniId)));
  const gone = world.deletions.map(({ eni, timings }) => ({ ...toEniReport(eni, timings), status: "Gone" as const }));
  return {
    nowMs: world.clock.now(),
    apis: statistics.toReport(),
    peakConcurrency: statistics.peakConcurrency,
    allocating: endpoint.allocating,
    peakAllocating: statistics.peakAllocating,
    faults: endpoint.faultsFired(),
    enis: [...alive, ...gone],
    vSwitches: Object.fromEntries(
      [...world.vSwitches].map(([id, vSwitch]) => [id, { freeAddresses: vSwitch.ipv4.free }]),
    ),
    instances: Object.fromEntries(
      [...world.instances].map(([id, { slots, vlans }]) => [id, { adapters: slots.size, members: vlans.size }]),
    ),
  };
}

function toEniReport(eni: SimulatedEni, timings: Readonly<EniTimings>): EniReport {
  return {
    eniId: eni.eniId,
    status: eni.status,
    type: eni.type,
    ...(eni.instanceId === undefined ? {} : { instanceId: eni.instanceId }),
    ...(eni.trunkEniId === undefined ? {} : { trunkEniId: eni.trunkEniId }),
    ...(eni.deviceIndex === undefined ? {} : { deviceIndex: eni.deviceIndex }),
    ...(eni.networkCardIndex === undefined ? {} : { networkCardIndex: eni.networkCardIndex }),
    trafficMode: eni.trafficMode,
    resourceGroupId: eni.resourceGroupId,
    ipv6s: eni.ipv6s,
    vSwitchId: eni.vSwitchId,
    ipv4s: eni.ipv4s,
    tags: Object.fromEntries(eni.tags),
    creationTimeMs: eni.creationTimeMs,
    timings: { ...timings },
  };
}
