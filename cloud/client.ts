/** Joins the layers of the cloud adapter: call, quota, measurement, errors, and what stands on them. */
import type { Registry } from "prom-client";
import type { Clock, Logger, Random } from "../runtime/ports.ts";
import type { CallPriority } from "../domain/eni/eni.ts";
import type { Suspension } from "../domain/suspension/suspension.ts";
import type { ApiName, CloudCall } from "./call.ts";
import { CallGate, type WantedLevel } from "./call-gate.ts";
import { createEniClient, type EniClient } from "./enis.ts";
import { CachedInstanceTypes, type InstanceTypes } from "./instance-types.ts";
import { createInvoke, createProbe } from "./invoke.ts";
import { Limiter, defaultAllowance } from "./limiter.ts";
import { createCloudMetrics, type CloudMetrics } from "./metrics.ts";
import { findDeniedActions, productProbes } from "./permissions.ts";
import { Observer, type EniObserver } from "./observer.ts";
import { CachedVSwitchPool, type VSwitchPool } from "./vswitch-pool.ts";

export interface CloudOptions {
  /** The official SDK (sdk.ts), or the simulated cloud's handler. */
  readonly call: CloudCall;
  /** Its wall clock should not jump: looks and calls are dated by it. */
  readonly clock: Clock;
  /** Minutes of the quota go by it. @default clock */
  readonly wallClock?: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly regionId: string;
  /** VPC of the cluster. */
  readonly vpcId: string;
  /** Addresses of a vSwitch that records ask for and that are not taken yet. */
  readonly intendedAddresses?: (vSwitchId: string) => number;
  /** Throws when the lease is not held; asked right before each call that changes something. */
  readonly fence: { assertHeld(): void };
  /** The level of degradation that the configuration asks for. */
  readonly degradation: WantedLevel;
  /**
   * With leader election, the use of the quota travels with the lease and starts are bounded by what it records. Called
   * when many calls started since the last record, so that the next renewal should not be waited for.
   */
  readonly recordUsage?: () => void;
  /** Calls per minute by API. Source: configuration `rateLimit`. */
  readonly callsPerMinute?: Partial<Record<ApiName, number>>;
  /** Milliseconds around a minute's boundary that count for both minutes. @default 500 */
  readonly guardMs?: number;
  /** Part of the quota of DescribeNetworkInterfaces that the observer may use, 0 to 1. @default 0.75 */
  readonly observerShare?: number;
  /** Milliseconds. @default 1_200_000. Source: configuration `vSwitchCacheTTL`. */
  readonly vSwitchCacheTtlMs?: number;
  /** @default 1_000. Source: configuration `vSwitchPoolSize`. */
  readonly vSwitchPoolSize?: number;
}

export interface Cloud {
  readonly enis: EniClient;
  readonly observer: EniObserver;
  readonly vSwitches: VSwitchPool;
  readonly instanceTypes: InstanceTypes;
  readonly limiter: Limiter;
  /** Why such a call would be held back now; undefined: it would not. Asked before work is begun that needs it. */
  suspensionOf(api: ApiName, priority: CallPriority): Suspension | undefined;
  /** `listener` is called whenever other calls than before are held back. */
  onSuspensionChange(listener: () => void): void;
  /** RAM actions that the credential lacks. @see findDeniedActions */
  findDeniedActions(signal: AbortSignal): Promise<readonly string[]>;
  /** The observer begins to look; it ends when the signal aborts. */
  start(signal: AbortSignal): void;
  /** Ends looks and shared reads. Calls of others end by their own signals. */
  stop(): void;
}

export function createCloud(options: CloudOptions): Cloud {
  const { clock, logger, regionId, callsPerMinute = {} } = options;
  const limiter: Limiter = new Limiter({
    clock: options.wallClock ?? clock,
    callsPerMinute,
    guardMs: options.guardMs ?? 500,
    ...(options.recordUsage && { allowance: defaultAllowance, onRecordDue: options.recordUsage }),
    onWaited: (api, waitMs) => metrics.waited(api, waitMs),
    onRefused: (api) => {
      metrics.refused(api);
      logger.info("the cloud refused a call for its rate; closed until the next minute", { api });
    },
  });
  const metrics: CloudMetrics = createCloudMetrics(options.registry, {
    limiter: () => limiter.state(),
    outages: () => gate.outages(),
  });
  const gate: CallGate = new CallGate({
    wanted: options.degradation,
    probe: async (product, signal) => {
      const { api, parameters } = productProbes[product];
      await probe(api, { RegionId: regionId, ...parameters }, { priority: "bind", signal });
    },
    clock,
    logger,
  });
  const invoke = createInvoke({ ...options, gate, limiter, metrics });
  const probe = createProbe({ ...options, gate, limiter, metrics });
  const looksPerMinute = limiter.callsPerMinute("DescribeNetworkInterfaces") * (options.observerShare ?? 0.75);
  const observer = new Observer({ invoke, clock, logger, regionId, looksPerMinute });
  const vSwitches = new CachedVSwitchPool({
    invoke,
    clock,
    regionId,
    vpcId: options.vpcId,
    ...(options.intendedAddresses && { intended: options.intendedAddresses }),
    ttlMs: options.vSwitchCacheTtlMs ?? 1_200_000,
    size: options.vSwitchPoolSize ?? 1_000,
  });
  gate.onChange(() => observer.lookSoon());
  const instanceTypes = new CachedInstanceTypes({ invoke, clock });
  const stop = () => {
    gate.close();
    observer.close();
    vSwitches.close();
    instanceTypes.close();
  };
  return {
    enis: createEniClient(invoke, regionId),
    observer,
    vSwitches,
    instanceTypes,
    limiter,
    suspensionOf: (api, priority) => gate.suspensionOf(api, priority),
    onSuspensionChange: (listener) => gate.onChange(listener),
    findDeniedActions: async (signal) => {
      const denied = await findDeniedActions(invoke, regionId, signal);
      metrics.denied(denied);
      return denied;
    },
    start: (signal) => {
      signal.addEventListener("abort", stop, { once: true });
      observer.start();
    },
    stop,
  };
}
