/** The controlplane process: reads configuration, connects, builds everything, runs until it is told to stop. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { skipGeneratedClasses } from "../kube/client-node.ts";
import { installCrds } from "../kube/crd-installer.ts";
import { readCrdManifests } from "../kube/crd-manifests.ts";
import { createTransport, type KubeTransport } from "../kube/transport.ts";
import { systemClock } from "../runtime/clock.ts";
import { isAbort, OperatorError, PermissionError } from "../runtime/errors.ts";
import { createLogger, levelOf } from "../runtime/log.ts";
import { probeServers } from "../runtime/manager.ts";
import { createMetrics, type Metrics } from "../runtime/metrics.ts";
import type { Logger } from "../runtime/ports.ts";
import { createWatchdog, type Watchdog } from "../runtime/watchdog.ts";
import { connectCloud, regionOf } from "./cloud-connection.ts";
import { createConfigMetrics } from "./config-metrics.ts";
import { ConfigWatch } from "./config-watch.ts";
import { ConfigError, loadConfig, parseFlags, type ControlplaneConfig, type LoadedConfig } from "./config.ts";
import { createWebhook } from "./webhook.ts";
import { buildControlplane } from "./wiring.ts";

const version = "0.1.0";
const userAgent = `terway-controlplane/${version} (${process.platform}/${process.arch})`;

/** Longest time that the start waits for the API server, so that a restart of both in any order works. */
const startPatienceMs = 60_000;

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  const loaded = loadConfig({ ...flags, env: process.env });
  const log = createLogger({ level: levelOf(flags.verbosity) });
  log.info("starting", { version, node: process.version, config: flags.configPath });
  for (const warning of flags.warnings) log.warn(warning);
  for (const warning of loaded.warnings) log.warn(warning, { config: flags.configPath });
  const stopped = stopSignal(log);
  const config = { ...loaded.config, regionId: await regionOf(loaded.config) };
  const metrics = createMetrics({ processMetrics: true });
  const transport = await connect(config, flags.kubeconfigPath ?? process.env["KUBECONFIG"], metrics);
  try {
    const watch = new ConfigWatch({ path: flags.configPath, started: loaded.config, clock: systemClock, log });
    createConfigMetrics(metrics.registry, config, watch.degradation);
    await run({ ...loaded, config }, watch, transport, metrics, log, stopped);
  } finally {
    await transport.close();
  }
  log.info("stopped");
}

async function run(
  { config, credential }: LoadedConfig,
  watch: ConfigWatch,
  transport: KubeTransport,
  metrics: Metrics,
  log: Logger,
  stopped: AbortSignal,
): Promise<void> {
  const crds = await readCrdManifests();
  await patiently(stopped, log, () => installCrds({ transport, crds, clock: systemClock, log, signal: stopped }));
  const identity = `${process.env["K8S_POD_NAME"] ?? hostname()}_${randomUUID()}`;
  const watchdog = config.leaderElection ? await watchdogOf(log) : undefined;
  const { manager, routes } = buildControlplane({
    config,
    transport,
    call: connectCloud({ config, credential, log, userAgent }),
    identity,
    degradation: watch.degradation,
    clock: systemClock,
    random: Math.random,
    log,
    metrics,
    ...(watchdog !== undefined && { watchdog }),
  });
  manager.add(
    watch,
    ...probeServers(
      { address: config.healthzBindAddress, notReady: () => manager.notReady(), log },
      { address: config.metricsBindAddress, metrics, log },
    ),
  );
  if (!config.disableWebhook) {
    const start = () => createWebhook({ config, transport, routes, log, registry: metrics.registry, signal: stopped });
    manager.add(await patiently(stopped, log, start));
  }
  await manager.run(stopped);
}

async function watchdogOf(log: Logger): Promise<Watchdog | undefined> {
  try {
    return await createWatchdog();
  } catch (error) {
    log.warn("no watchdog of the kernel: a leader that is frozen within a write sends it when it goes on", { error });
    return undefined;
  }
}

/** SIGTERM and SIGINT end everything in order; a second one ends the process at once. */
function stopSignal(log: Logger): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(130);
      log.info("stopping", { signal: name });
      stop.abort();
    });
  }
  return stop.signal;
}

/** Repeats a part of the start while the API server does not answer. @throws its last error after a minute */
async function patiently<T>(stopped: AbortSignal, log: Logger, attempt: () => Promise<T>): Promise<T> {
  const endMs = systemClock.monotonic() + startPatienceMs;
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    try {
      return await attempt();
    } catch (error) {
      stopped.throwIfAborted();
      if (!canPass(error) || systemClock.monotonic() + pauseMs > endMs) throw error;
      log.warn("the Kubernetes API server does not serve the start yet; trying again", { error });
      await systemClock.sleep(pauseMs, stopped);
    }
  }
}

/** Also a missing permission: an API server that has just started knows no roles for a moment. */
function canPass(error: unknown): boolean {
  if (error instanceof PermissionError) return true;
  return error instanceof OperatorError && error.category !== "terminal" && error.category !== "invariant";
}

async function connect(
  config: ControlplaneConfig,
  kubeconfigPath: string | undefined,
  metrics: Metrics,
): Promise<KubeTransport> {
  return createTransport({
    source:
      kubeconfigPath === undefined || kubeconfigPath === ""
        ? { type: "in-cluster" }
        : { type: "kubeconfig", path: kubeconfigPath },
    userAgent,
    qps: config.kubeClientQps,
    burst: config.kubeClientBurst,
    clock: systemClock,
    onRequest: ({ method, host, code, durationMs }) => {
      metrics.restRequests.inc({ code, method, host });
      metrics.restDuration.observe({ verb: method, host }, durationMs / 1_000);
    },
  });
}

skipGeneratedClasses();
try {
  await main();
} catch (error) {
  if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`);
  } else if (!isAbort(error)) {
    createLogger({ level: "error" }).error("ended by an error", { error });
  }
  process.exitCode = isAbort(error) ? 0 : 1;
}
// Nothing of ours runs any more, but a call that was cut off holds its connection, and so the process, until it times out.
setTimeout(() => process.exit(), 500).unref();
