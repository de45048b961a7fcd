import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";

/** What the webhook server reports. `webhook` is the path; `code` the HTTP status. */
export interface WebhookMetrics {
  readonly requests: Counter<"webhook" | "code">;
  readonly latency: Histogram<"webhook">;
  readonly inFlight: Gauge<"webhook">;
}

/** Registers the metrics under controller-runtime's names, so that existing dashboards keep working. */
export function createWebhookMetrics(registry: Registry): WebhookMetrics {
  const registers = [registry];
  return {
    requests: new Counter({
      name: "controller_runtime_webhook_requests_total",
      help: "Admission requests by HTTP status",
      labelNames: ["webhook", "code"],
      registers,
    }),
    latency: new Histogram({
      name: "controller_runtime_webhook_latency_seconds",
      help: "Time of one admission request",
      labelNames: ["webhook"],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    inFlight: new Gauge({
      name: "controller_runtime_webhook_requests_in_flight",
      help: "Admission requests being answered",
      labelNames: ["webhook"],
      registers,
    }),
  };
}
