/** What the cloud layer measures. No id of a pod, node or request is a label. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { ApiName, Product } from "./call.ts";
import type { LimiterState } from "./limiter.ts";

/** Milliseconds; as published, so that existing dashboards keep working. */
const callBuckets = [50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 13800, 14800, 16800, 20800, 28800, 44800];
/** More unknown codes than these are counted under `other`: the label must not grow without bound. */
const unknownCodesKept = 50;

export interface CloudMetrics {
  /** `aliyun_openapi_latency`: one call, from sent to answered. */
  called(api: ApiName, callMs: number, isError: boolean): void;
  /** `rate_limiter_latency`: wait for the quota before a call. */
  waited(api: ApiName, waitMs: number): void;
  /** `cloud_refusals_total`: refused by the cloud for its rate. */
  refused(api: ApiName): void;
  /** `cloud_unknown_error_codes_total`: a code without a row in docs/errors.md. */
  unknownCode(code: string): void;
  /** `cloud_denied_actions`: the RAM actions that the check at the start found denied, instead of those before. */
  denied(actions: readonly string[]): void;
}

/** Read when metrics are collected. */
export interface CloudGauges {
  limiter(): readonly LimiterState[];
  outages(): readonly { readonly product: Product; readonly isDown: boolean }[];
}

/** Registers the metrics. */
export function createCloudMetrics(registry: Registry, gauges: CloudGauges): CloudMetrics {
  const registers = [registry];
  const latency = new Histogram({
    name: "aliyun_openapi_latency",
    help: "Latency of calls to the cloud, in milliseconds",
    labelNames: ["api", "error"],
    buckets: callBuckets,
    registers,
  });
  const waits = new Histogram({
    name: "rate_limiter_latency",
    help: "Wait for the quota of an API before a call, in milliseconds",
    labelNames: ["api"],
    buckets: callBuckets.slice(2),
    registers,
  });
  const refusals = new Counter({
    name: "cloud_refusals_total",
    help: "Calls that the cloud refused for their rate",
    labelNames: ["api"],
    registers,
  });
  const unknownCodes = new Counter({
    name: "cloud_unknown_error_codes_total",
    help: "Error codes of the cloud that the error table does not know",
    labelNames: ["code"],
    registers,
  });
  const denied = new Gauge({
    name: "cloud_denied_actions",
    help: "RAM actions that the credential lacked when the process began to lead",
    labelNames: ["action"],
    registers,
  });
  new Gauge({
    name: "cloud_suspended",
    help: "1 while a product of the cloud does not answer and calls to it are suspended, but for a probe",
    labelNames: ["product"],
    registers,
    collect() {
      for (const { product, isDown } of gauges.outages()) this.set({ product }, Number(isDown));
    },
  });
  gauge("cloud_limiter_tokens", "Calls that may start at this instant", "tokens");
  gauge("cloud_limiter_waiting", "Calls that wait for the quota", "waiting");
  gauge("cloud_limiter_share", "Our part of the quota after refusals, 0.1 to 1", "share");
  const seen = new Set<string>();
  return {
    called: (api, callMs, isError) => latency.observe({ api, error: String(isError) }, callMs),
    waited: (api, waitMs) => waits.observe({ api }, waitMs),
    refused: (api) => refusals.inc({ api }),
    unknownCode: (code) => {
      if (seen.size < unknownCodesKept) seen.add(code);
      unknownCodes.inc({ code: seen.has(code) ? code : "other" });
    },
    denied: (actions) => {
      denied.reset();
      for (const action of actions) denied.set({ action }, 1);
    },
  };

  function gauge(name: string, help: string, field: "tokens" | "waiting" | "share"): void {
    new Gauge({
      name,
      help,
      labelNames: ["api"],
      registers,
      collect() {
        for (const state of gauges.limiter()) {
          this.set({ api: state.api }, state[field]);
        }
      },
    });
  }
}
