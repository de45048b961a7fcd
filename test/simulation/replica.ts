/** One replica of the controlplane in process: everything that production runs beside the command line and sockets. */
import { SettableLevel } from "../../cloud/fixtures/settable-level.ts";
import { parseConfigFile, type ControlplaneConfig } from "../../cmd/config.ts";
import { buildControlplane, type Controlplane } from "../../cmd/wiring.ts";
import type { LogFields, Logger, Random } from "../../runtime/ports.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { landscape } from "../../sandbox/landscape.ts";
import type { AdmissionHandler } from "../../webhook/admission.ts";
import type { Machine } from "./machine.ts";
import type { Ways } from "./network.ts";
import { configOf, type Setting } from "./setting.ts";
import { runAs } from "./time.ts";

/** A line of a replica's log. */
export interface LogLine {
  readonly replica: string;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

export interface Replica {
  readonly machine: Machine;
  /** Holder identity on the lease. */
  readonly identity: string;
  readonly routes: Readonly<Record<string, AdmissionHandler>>;
  readonly isReady: () => boolean;
  /** Resolves when the process ends by itself. */
  readonly ended: Promise<{ readonly error?: unknown }>;
  /** SIGTERM. */
  stop(): void;
}

const commonConfig = {
  regionID: landscape.regionId,
  clusterID: landscape.clusterId,
  vpcID: landscape.vpcId,
  leaderElection: true,
  leaseDuration: "6s",
  renewDeadline: "4s",
  retryPeriod: "1s",
  kubeClientQPS: 1000,
  kubeClientBurst: 1000,
  // Short, so that a vSwitch that was full is tried again within an episode.
  vSwitchCacheTTL: "1m",
};

/** The shipped configuration of a replica. */
export function simulatedConfig(setting: Setting): ControlplaneConfig {
  const configText = JSON.stringify({ ...commonConfig, ...configOf(setting) });
  const { config, problems } = parseConfigFile({ path: "simulated", text: configText });
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return {
    ...config,
    environment: {
      ecsEndpoint: undefined,
      vpcEndpoint: undefined,
      scheme: "HTTPS",
      endpointType: "vpc",
      ascmContext: undefined,
      rrsa: undefined,
    },
  };
}

/** Starts the process of a machine. */
export function startReplica(options: {
  readonly machine: Machine;
  readonly ways: Ways;
  readonly setting: Setting;
  readonly identity: string;
  readonly random: Random;
  readonly onLog: (line: LogLine) => void;
}): Replica {
  const { machine, ways, setting, identity, random, onLog } = options;
  return runAs(machine, () => {
    const stopped = new AbortController();
    const { manager, routes }: Controlplane = buildControlplane({
      config: simulatedConfig(setting),
      degradation: new SettableLevel(),
      ...ways,
      identity,
      clock: machine.clock,
      random,
      log: createLog(machine, onLog),
      metrics: createMetrics(),
    });
    const ended = manager.run(stopped.signal).then(
      () => ({}),
      (error: unknown) => ({ error }),
    );
    return {
      machine,
      identity,
      routes,
      isReady: () => !machine.isDead && manager.notReady().length === 0,
      ended,
      stop: () => machine.deliver(() => stopped.abort()),
    };
  });
}

function createLog(machine: Machine, onLog: (line: LogLine) => void, inherited: LogFields = {}): Logger {
  const at =
    (level: LogLine["level"]) =>
    (message: string, fields: LogFields = {}) => {
      if (!machine.isDead) onLog({ replica: machine.name, level, message, fields: { ...inherited, ...fields } });
    };
  return {
    debug: () => undefined,
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => createLog(machine, onLog, { ...inherited, ...fields }),
  };
}
