import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** What operators watch of binds and leftovers. No pod, node or interface id is a label. */
export interface BindMetrics {
  /** A PodENI reached Bind so many seconds after it was made. */
  readonly bound: (seconds: number) => void;
  /** The collector released something that nobody owned. */
  readonly collected: (what: "interface" | "record") => void;
}

/** Registers the metrics; those of the places are read when metrics are collected. */
export function createBindMetrics(
  registry: Registry,
  places: { readonly inUse: number; readonly waiting: number; readonly limit: number },
): BindMetrics {
  const registers = [registry];
  const bindSeconds = new Histogram({
    name: "terway_pod_bind_duration_seconds",
    help: "Time from a PodENI's creation to its phase Bind",
    buckets: [1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 60, 120, 300],
    registers,
  });
  const collectedTotal = new Counter({
    name: "terway_collected_total",
    help: "Interfaces and records without an owner that were released",
    labelNames: ["what"],
    registers,
  });
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge("terway_allocation_places_in_use", "Pods that are being given interfaces", () => places.inUse);
  gauge("terway_allocation_places_waiting", "Pods that wait for a place", () => places.waiting);
  gauge("terway_allocation_places", "How many pods may be given interfaces at the same time", () => places.limit);
  return {
    bound: (seconds) => {
      if (Number.isFinite(seconds)) bindSeconds.observe(seconds);
    },
    collected: (what) => collectedTotal.inc({ what }),
  };
}
