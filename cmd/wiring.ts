import { createCloud, type Cloud } from "../cloud/client.ts";
import type { CloudCall } from "../cloud/call.ts";
import * as podEniController from "../controllers/pod-eni/index.ts";
import * as podNetworkingController from "../controllers/pod-networking/index.ts";
import { EventRecorder } from "../kube/event-recorder.ts";
import { createObjectClient } from "../kube/object-client.ts";
import { resourceTypes } from "../kube/resources.ts";
import { ServerClock, withServerClock } from "../kube/server-clock.ts";
import { SuspendedError } from "../runtime/errors.ts";
import { alwaysHeld, type Fence } from "../runtime/fence.ts";
import { Manager, type Runnable } from "../runtime/manager.ts";
import type { Metrics } from "../runtime/metrics.ts";
import { SlewedClock } from "../runtime/slewed-clock.ts";
import type { Clock, KubeObject, Logger, Random } from "../runtime/ports.ts";
import type { Transport } from "../runtime/transport.ts";
import type { Watchdog } from "../runtime/watchdog.ts";
import { createRoutes } from "../webhook/routes.ts";
import type { AdmissionHandler } from "../webhook/admission.ts";
import { createCaches, intentIndex } from "./caches.ts";
import type { Degradation } from "./config-watch.ts";
import { isControllerEnabled, type ControlplaneConfig } from "./config.ts";
import { createControllers } from "./controllers.ts";
import { createElector } from "./election.ts";
import { createLivePlanes } from "./live-planes.ts";
import { EniConfigSource } from "./eni-config-source.ts";

/** What differs between production and the simulation; all else is built here. */
export interface World {
  readonly config: ControlplaneConfig;
  /** The Kubernetes API: HTTPS, or straight into the sandbox's handlers. */
  readonly transport: Transport;
  /** The cloud API: the official SDK, or straight into the simulated cloud. */
  readonly call: CloudCall;
  /** Unique to this process: pod or host name and something random. */
  readonly identity: string;
  /** Which calls to the cloud are wanted at the moment. Source: configuration `degradation`, while the process runs. */
  readonly degradation: Degradation;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** @see LeaderElectorOptions.watchdog */
  readonly watchdog?: Watchdog;
}

export interface Controlplane {
  readonly manager: Manager;
  /** Handlers of `/mutating` and `/validate`, for whoever serves them. */
  readonly routes: Readonly<Record<string, AdmissionHandler>>;
}

/** Builds every part of the controlplane and joins them; nothing runs before `manager.run`. */
export function buildControlplane(given: World): Controlplane {
  // The time that all replicas share comes with the answers of the API server.
  const sharedClock = new ServerClock(given.clock);
  const world = { ...given, transport: withServerClock(given.transport, sharedClock, given.clock) };
  const { config, transport, clock, random, log, metrics } = world;

  // Leadership. Whatever changes the cluster or the cloud asks the fence first.
  const quota: { limiter?: Cloud["limiter"] } = {};
  const elector = config.leaderElection ? createElector(world, () => quota.limiter) : undefined;
  const fence: Fence = elector ?? alwaysHeld;

  // Somebody may set the machine's clock while work is under way.
  const slewed = new SlewedClock(clock);

  const caches = createCaches(world, fence);
  const { pods, namespaces, podNetworkings, podEnis } = caches;
  const configMaps = createObjectClient<KubeObject & ConfigMapData>({ transport, resource: resourceTypes.configMaps });
  const recorder = new EventRecorder({ transport, clock, random, log, instance: world.identity, fence });
  // Every replica admits pods, so admission's events are not fenced.
  const admissionRecorder = new EventRecorder({ transport, clock, random, log, instance: world.identity });

  // The cloud.
  const cloud = createCloud({
    call: world.call,
    clock: slewed,
    wallClock: clock,
    random,
    logger: log,
    registry: metrics.registry,
    regionId: config.regionId,
    vpcId: config.vpcId,
    intendedAddresses: (vSwitchId) => podEnis.lister.byIndex(intentIndex, vSwitchId).length,
    fence,
    degradation: world.degradation,
    ...(elector !== undefined && { recordUsage: oneAtATime(() => elector.renewNow()) }),
    callsPerMinute: config.rateLimit,
    vSwitchCacheTtlMs: config.vSwitchCacheTtlMs,
    vSwitchPoolSize: config.vSwitchPoolSize,
  });
  quota.limiter = cloud.limiter;
  const eniConfigSource = new EniConfigSource({
    getConfigMap: (namespace, name, signal) => configMaps.getLive(namespace, name, signal),
    clock,
  });

  const controllers = createControllers(
    { ...world, clock: slewed },
    { caches, cloud, recorder, sharedClock, eniConfig: eniConfigSource },
  );

  // The order of life: caches, (webhook by the caller), lease, then whatever acts.
  const manager = new Manager({ clock, log, ...(elector !== undefined && { election: elector }) });
  manager.addCache(
    pods.informer,
    caches.nodes.informer,
    namespaces.informer,
    podNetworkings.informer,
    podEnis.informer,
    caches.networkInterfaces.informer,
    caches.nodeRecords.informer,
  );
  const { nodeCapacity } = controllers;
  const isEnabled = (name: string): boolean => isControllerEnabled(name, config.controllers);
  manager.add(
    leaderPart("operations", async (signal) => {
      await untilAborted(signal);
      // Without the lease nothing can be recorded of what a call brings; whoever leads now finds out.
      const limitMs = elector === undefined || elector.isLeader() ? undefined : 0;
      await Promise.all([controllers.stop(limitMs), recorder.stop()]);
    }),
    leaderPart("cloud", (signal) => {
      controllers.lead();
      cloud.start(signal);
      return untilAborted(signal);
    }),
    leaderPart("permissions", async (signal) => {
      await reportDeniedActions(cloud, log, signal);
      await untilAborted(signal);
    }),
    ...controllers.all
      .filter(({ name }) => isEnabled(name))
      .map((each) => leaderPart(each.name, (signal) => each.start(signal))),
  );
  if (isEnabled(podEniController.name)) {
    manager.add(leaderPart("interface-gc", (signal) => controllers.collector.run(signal)));
  }

  if (isEnabled(podNetworkingController.name)) {
    manager.add(leaderPart("vswitch-survey", (signal) => controllers.planes.survey(signal)));
  }
  manager.add(leaderPart("eni-config", (signal) => eniConfigSource.watch(signal)));
  if (nodeCapacity !== undefined) {
    const { controller, reconciler } = nodeCapacity;
    manager.add(
      leaderPart(controller.name, (signal) => controller.start(signal)),
      leaderPart("node-inventory", (signal) => reconciler.inventory.run(signal)),
    );
  }

  const routes = createRoutes({
    planes: podNetworkings.lister,
    livePlanes: createLivePlanes({ transport, clock }),
    pods: pods.lister,
    podEnis: podEnis.lister,
    namespaces: {
      lister: namespaces.lister,
      getLive: (name, signal) => namespaces.client.getLive("", name, signal),
    },
    eniConfig: eniConfigSource,
    recorder: admissionRecorder.forController("webhook"),
    config: {
      enableTrunk: config.enableTrunk,
      enableWebhookInjectResource: config.enableWebhookInjectResource,
      isCrdMode: config.ipamType === "crd",
      customStatefulWorkloadKinds: config.customStatefulWorkloadKinds,
    },
  });
  return { manager, routes };
}

interface ConfigMapData {
  readonly data?: Readonly<Record<string, string>>;
}

/** Names each right that is missing before the first pod runs into it. What cannot be found out now shows there. */
async function reportDeniedActions(cloud: Cloud, log: Logger, signal: AbortSignal): Promise<void> {
  try {
    for (const action of await cloud.findDeniedActions(signal)) {
      log.error("the credential lacks a permission", { action, remedy: "grant what config/ram-policy.json lists" });
    }
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof SuspendedError)) {
      log.warn("the permissions of the credential could not be checked", { error });
      return;
    }
    await suspensionChange(cloud, signal);
    await reportDeniedActions(cloud, log, signal);
  }
}

function suspensionChange(cloud: Cloud, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    cloud.onSuspensionChange(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Runs `work` unless it runs already. Its failure is the next regular renewal's to report. */
function oneAtATime(work: () => Promise<void>): () => void {
  let isRunning = false;
  return () => {
    if (isRunning) return;
    isRunning = true;
    const end = (): void => {
      isRunning = false;
    };
    work().then(end, end);
  };
}

function leaderPart(name: string, start: (signal: AbortSignal) => Promise<void>): Runnable {
  return { name, needsLeader: true, start };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
