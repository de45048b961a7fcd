import { Counter, Gauge, type Registry } from "prom-client";
import type { PodNetworking } from "../crds/v1beta1/pod-networking.gen.ts";

/** What operators watch of planes. No id of a plane or vSwitch is a label. */
export interface PlaneMetrics {
  readonly surveyFailed: () => void;
}

/** Registers the metrics; the planes are counted when metrics are collected. */
export function createPlaneMetrics(registry: Registry, planes: () => readonly PodNetworking[]): PlaneMetrics {
  const registers = [registry];
  new Gauge({
    name: "terway_pod_networkings",
    help: "PodNetworkings by phase; Pending: not looked at yet",
    labelNames: ["phase"],
    registers,
    collect() {
      for (const phase of ["Ready", "Fail", "Pending"]) {
        this.set({ phase }, planes().filter((plane) => phaseOf(plane) === phase).length);
      }
    },
  });
  gauge("terway_pod_networkings_ambiguous", "PodNetworkings that share pods with another one", "Ambiguous", "True");
  gauge(
    "terway_pod_networkings_outdated",
    "PodNetworkings with pods from before them or their last change",
    "PodsUpToDate",
    "False",
  );
  const surveyFailures = new Counter({
    name: "terway_vswitch_survey_failures_total",
    help: "Looks at the vSwitches of all PodNetworkings that failed",
    registers,
  });
  return { surveyFailed: () => surveyFailures.inc() };

  function gauge(name: string, help: string, type: string, status: string): void {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const has = ({ status: said }: PodNetworking): boolean =>
          said?.conditions?.some((condition) => condition.type === type && condition.status === status) === true;
        this.set(planes().filter(has).length);
      },
    });
  }
}

function phaseOf({ status }: PodNetworking): string {
  return status?.status === "Ready" || status?.status === "Fail" ? status.status : "Pending";
}
