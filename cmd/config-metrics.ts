import { Gauge, type Registry } from "prom-client";
import type { FileConfig } from "./config-keys.ts";
import type { Degradation } from "./config-watch.ts";

/** What is in force of the configuration, for dashboards. Names and labels of the first are the published ones. */
export function createConfigMetrics(registry: Registry, config: FileConfig, degradation: Degradation): void {
  const registers = [registry];
  const info = new Gauge({
    name: "terway_controlplane_config_info",
    help: "1 for each controller and the number of its workers",
    labelNames: ["controller", "max_concurrent"],
    registers,
  });
  for (const [controller, workers] of Object.entries(workersOf(config))) {
    info.set({ controller, max_concurrent: String(workers) }, 1);
  }
  new Gauge({
    name: "terway_degradation",
    help: "1 for the level that is in force",
    labelNames: ["level"],
    registers,
    collect() {
      for (const level of ["l0", "l1"]) this.set({ level }, Number(degradation.level() === level));
    },
  });
}

function workersOf(config: FileConfig): Readonly<Record<string, number>> {
  return {
    pod: config.podMaxConcurrent,
    "pod-eni": config.podEniMaxConcurrent,
    eni: config.eniMaxConcurrent,
    "pod-networking": 1,
    node: config.nodeMaxConcurrent,
    "multi-ip-node": config.multiIpNodeMaxConcurrent,
    "multi-ip-pod": config.multiIpPodMaxConcurrent,
  };
}
