import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { WorkQueueMetrics } from "./work-queue.ts";

/** controller-runtime's buckets of `controller_runtime_reconcile_time_seconds`, in seconds. */
const reconcileBuckets = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2,
  2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];
/** client-go's buckets of the work-queue histograms: 10 ns times powers of ten, in seconds. */
const queueBuckets = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000];
/** client-go's buckets of `rest_client_request_duration_seconds`. */
const requestBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/** What a queue reports of the keys that are being worked on; read at every scrape. */
export interface QueueInProgress {
  /** Sum of the seconds that all unfinished keys have been worked on. */
  unfinishedSeconds(): number;
  /** Seconds that the oldest unfinished key has been worked on; 0 for none. */
  longestRunningSeconds(): number;
}

/**
 * Metrics of the framework under the names that controller-runtime and client-go gave them. Modules add their own to
 * `registry`. No pod, node or request is ever a label: the number of series is fixed.
 */
export interface Metrics {
  readonly registry: Registry;
  /** `result` is `success`, `requeue_after` or `error`. */
  readonly reconcileTotal: Counter<"controller" | "result">;
  readonly reconcileErrors: Counter<"controller">;
  readonly reconcileTerminalErrors: Counter<"controller">;
  readonly reconcilePanics: Counter<"controller">;
  readonly reconcileTime: Histogram<"controller">;
  readonly maxConcurrentReconciles: Gauge<"controller">;
  readonly activeWorkers: Gauge<"controller">;
  /** Requests to the API server by HTTP status (`<error>` when there was no answer). */
  readonly restRequests: Counter<"code" | "method" | "host">;
  readonly restDuration: Histogram<"verb" | "host">;
  /** 1 on the leader, else 0. */
  readonly leader: Gauge<"name">;
  readonly informerHandlerErrors: Counter<"informer">;
  /** Complete lists that an informer made. More than one a process means lost watches. */
  readonly informerLists: Counter<"informer">;
  readonly informerErrors: Counter<"informer">;
  readonly informerObjects: Gauge<"informer">;
  /** Hooks for one work queue; `name` is the controller's. */
  queue(name: string, inProgress: QueueInProgress): WorkQueueMetrics;
}

export interface MetricsOptions {
  /** Adds the metrics of the process and of Node. They keep a timer; off in tests. @default false */
  readonly processMetrics?: boolean;
}

/** A fresh registry with every metric of the framework. */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  if (options.processMetrics) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]) =>
    new Histogram({ name, help, labelNames, buckets, registers });

  const controller = "controller";
  const informer = "informer";
  return {
    registry,
    reconcileTotal: counter("controller_runtime_reconcile_total", "Reconciliations by result", [controller, "result"]),
    reconcileErrors: counter("controller_runtime_reconcile_errors_total", "Reconciliations that failed", [controller]),
    reconcileTerminalErrors: counter(
      "controller_runtime_terminal_reconcile_errors_total",
      "Reconciliations that failed until a person acts",
      [controller],
    ),
    reconcilePanics: counter(
      "controller_runtime_reconcile_panics_total",
      "Reconciliations that failed by a defect of the program",
      [controller],
    ),
    reconcileTime: histogram(
      "controller_runtime_reconcile_time_seconds",
      "Time of one reconciliation",
      [controller],
      reconcileBuckets,
    ),
    maxConcurrentReconciles: gauge("controller_runtime_max_concurrent_reconciles", "Workers of a controller", [
      controller,
    ]),
    activeWorkers: gauge("controller_runtime_active_workers", "Workers that are reconciling", [controller]),
    restRequests: counter("rest_client_requests_total", "Requests to the API server", ["code", "method", "host"]),
    restDuration: histogram(
      "rest_client_request_duration_seconds",
      "Time of a request to the API server",
      ["verb", "host"],
      requestBuckets,
    ),
    leader: gauge("leader_election_master_status", "1 while this process holds the lease", ["name"]),
    informerHandlerErrors: counter("informer_handler_errors_total", "Event handlers that threw", [informer]),
    informerLists: counter("informer_lists_total", "Complete lists of a kind", [informer]),
    informerErrors: counter("informer_errors_total", "Lists and watches that failed", [informer]),
    informerObjects: gauge("informer_objects", "Objects in the cache", [informer]),
    queue: queueMetrics(registry, counter, gauge, histogram),
  };
}

type NewCounter = <L extends string>(name: string, help: string, labelNames: L[]) => Counter<L>;
type NewGauge = <L extends string>(name: string, help: string, labelNames: L[]) => Gauge<L>;
type NewHistogram = <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]) => Histogram<L>;

function queueMetrics(registry: Registry, counter: NewCounter, gauge: NewGauge, histogram: NewHistogram) {
  const queues = new Map<string, QueueInProgress>();
  const labels: ("name" | "controller")[] = ["name", "controller"];
  const depth = gauge("workqueue_depth", "Keys that wait for a worker", labels);
  const adds = counter("workqueue_adds_total", "Keys added", labels);
  const retries = counter("workqueue_retries_total", "Keys added after a failure", labels);
  const waited = histogram("workqueue_queue_duration_seconds", "Wait for a worker", labels, queueBuckets);
  const worked = histogram("workqueue_work_duration_seconds", "Work on one key", labels, queueBuckets);
  const perScrape = (name: string, help: string, read: (queue: QueueInProgress) => number) =>
    new Gauge({
      name,
      help,
      labelNames: labels,
      registers: [registry],
      collect() {
        for (const [queue, inProgress] of queues) this.set({ name: queue, controller: queue }, read(inProgress));
      },
    });
  perScrape("workqueue_unfinished_work_seconds", "Sum of the time of unfinished work", (queue) =>
    queue.unfinishedSeconds(),
  );
  perScrape("workqueue_longest_running_processor_seconds", "Time of the oldest unfinished work", (queue) =>
    queue.longestRunningSeconds(),
  );
  return (name: string, inProgress: QueueInProgress): WorkQueueMetrics => {
    queues.set(name, inProgress);
    const label = { name, controller: name };
    depth.set(label, 0);
    return {
      depth: (keys) => depth.set(label, keys),
      added: () => adds.inc(label),
      retried: () => retries.inc(label),
      started: (seconds) => waited.observe(label, seconds),
      finished: (seconds) => worked.observe(label, seconds),
    };
  };
}
