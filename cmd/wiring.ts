import type { NetworkInterface } from "../crds/v1beta1/network-interface.gen.ts";
import { labels } from "../crds/v1beta1/names.ts";
import type { PodENI } from "../crds/v1beta1/pod-eni.gen.ts";
import type { PodNetworking } from "../crds/v1beta1/pod-networking.gen.ts";
import { createCloud, type Cloud } from "../cloud/client.ts";
import type { CloudCall } from "../cloud/call.ts";
import { InterfaceCollector } from "../controllers/interface-gc/index.ts";
import * as networkInterfaceController from "../controllers/network-interface/index.ts";
import * as podEniController from "../controllers/pod-eni/index.ts";
import * as podNetworkingController from "../controllers/pod-networking/index.ts";
import * as podController from "../controllers/pod/index.ts";
import type { Eni } from "../domain/eni/eni.ts";
import type { CoreNode, Namespace, Pod } from "../domain/kubernetes/objects.ts";
import { slimCoreNode, slimNamespace, slimPod } from "../domain/kubernetes/slim.ts";
import { isFixed } from "../domain/retention/retention.ts";
import { EventRecorder } from "../kube/event-recorder.ts";
import { createLeaseClient } from "../kube/lease-client.ts";
import { createObjectClient } from "../kube/object-client.ts";
import { pathOf, resourceTypes, type ResourceType } from "../kube/resources.ts";
import { Controller } from "../runtime/controller.ts";
import { alwaysHeld, type Fence } from "../runtime/fence.ts";
import { Informer } from "../runtime/informer.ts";
import { LeaderElector, type LeasePort } from "../runtime/leader-election.ts";
import { Manager, type Runnable } from "../runtime/manager.ts";
import type { Metrics } from "../runtime/metrics.ts";
import { Operations } from "../runtime/operations.ts";
import { Places } from "../runtime/places.ts";
import type { Clock, KubeObject, Logger, ObjectClient, Random } from "../runtime/ports.ts";
import { keyOf, type Reconciler } from "../runtime/reconcile.ts";
import type { Transport } from "../runtime/transport.ts";
import { EniConfigSource } from "../webhook/eni-config-source.ts";
import { planeIndex, planesOf } from "../webhook/pod-networking/use.ts";
import { createRoutes } from "../webhook/routes.ts";
import type { AdmissionHandler } from "../webhook/admission.ts";
import { isControllerEnabled, type ControlplaneConfig } from "./config.ts";
import { createBindMetrics } from "./bind-metrics.ts";
import { createFallbackNetworks } from "./fallback-networks.ts";

/** What differs between production and the simulation; all else is built here. */
export interface World {
  readonly config: ControlplaneConfig;
  /** The Kubernetes API: HTTPS, or straight into the sandbox's handlers. */
  readonly transport: Transport;
  /** The cloud API: the official SDK, or straight into the simulated cloud. */
  readonly call: CloudCall;
  /** Unique to this process: pod or host name and something random. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface Controlplane {
  readonly manager: Manager;
  /** Handlers of `/mutating` and `/validate`, for whoever serves them. */
  readonly routes: Readonly<Record<string, AdmissionHandler>>;
}

/** The user's limit: so many pods are given interfaces at the same time. */
const allocationPlaces = 100;

/** Builds every part of the controlplane and joins them; nothing runs before `manager.run`. */
export function buildControlplane(world: World): Controlplane {
  const { config, transport, clock, random, log, metrics } = world;

  // Leadership. Whatever changes the cluster or the cloud asks the fence first.
  const quota: { limiter?: Cloud["limiter"] } = {};
  const elector = config.leaderElection ? createElector(world, () => quota.limiter) : undefined;
  const fence: Fence = elector ?? alwaysHeld;

  // Caches, and clients whose answers go into them.
  const informer = <T extends KubeObject>(
    resource: ResourceType,
    more: Partial<InformerSettings<T>> = {},
  ): Informer<T> =>
    new Informer<T>({ transport, path: pathOf(resource), name: resource.plural, clock, random, log, metrics, ...more });
  const pods = informer<Pod>(resourceTypes.pods, {
    transform: slimPod,
    indexes: { node: (pod) => listOf(pod.spec?.nodeName), [planeIndex]: planesOf },
  });
  const nodes = informer<CoreNode>(resourceTypes.coreNodes, { name: "core-nodes", transform: slimCoreNode });
  const namespaces = informer<Namespace>(resourceTypes.namespaces, { transform: slimNamespace });
  const podNetworkings = informer<PodNetworking>(resourceTypes.podNetworkings);
  const podEnis = informer<PodENI>(resourceTypes.podEnis, {
    indexes: { node: (podEni) => listOf(podEni.metadata.labels?.[labels.node]), [planeIndex]: planesOf },
  });
  const networkInterfaces = informer<NetworkInterface>(resourceTypes.networkInterfaces);
  const writer = <T extends KubeObject>(resource: ResourceType, cache: Informer<T>): ObjectClient<T> =>
    createObjectClient<T>({ transport, resource, fence, onWritten: (object) => cache.put(object) });
  const podEniClient = writer(resourceTypes.podEnis, podEnis);
  const networkInterfaceClient = writer(resourceTypes.networkInterfaces, networkInterfaces);
  const podNetworkingClient = writer(resourceTypes.podNetworkings, podNetworkings);
  const livePods = createObjectClient<Pod>({ transport, resource: resourceTypes.pods });
  const liveNamespaces = createObjectClient<Namespace>({ transport, resource: resourceTypes.namespaces });
  const configMaps = createObjectClient<KubeObject & ConfigMapData>({ transport, resource: resourceTypes.configMaps });
  const recorder = new EventRecorder({ transport, clock, random, log, instance: world.identity, fence });
  // Every replica admits pods, so admission's events are not fenced.
  const admissionRecorder = new EventRecorder({ transport, clock, random, log, instance: world.identity });

  // The cloud.
  const cloud = createCloud({
    call: world.call,
    clock,
    random,
    logger: log,
    registry: metrics.registry,
    regionId: config.regionId,
    fence,
    ...(elector !== undefined && { recordUsage: oneAtATime(() => elector.renewNow()) }),
    callsPerMinute: config.rateLimit,
    vSwitchCacheTtlMs: config.vSwitchCacheTtlMs,
    vSwitchPoolSize: config.vSwitchPoolSize,
  });
  quota.limiter = cloud.limiter;
  const needsIpv6 = config.ipStack !== "ipv4";
  const eniConfigSource = new EniConfigSource({
    getConfigMap: (namespace, name, signal) => configMaps.getLive(namespace, name, signal),
    clock,
  });

  // Controllers.
  const places = new Places({ limit: allocationPlaces, log });
  const creations = new Operations<Eni>({ clock, log });
  const effects = new Operations<void>({ clock, log });
  const ledger = new networkInterfaceController.EniLedger();
  const timings = new podEniController.TimingBook();
  const bindMetrics = createBindMetrics(metrics.registry, places);
  const collector = new InterfaceCollector({
    podEnis: podEnis.lister,
    networkInterfaces: { lister: networkInterfaces.lister, client: networkInterfaceClient },
    cloud: cloud.enis,
    clusterId: config.clusterId,
    onCollected: bindMetrics.collected,
    random,
    clock,
    log,
  });
  const podReconciler = new podController.PodReconciler({
    pods: pods.lister,
    nodes: nodes.lister,
    podEnis: { lister: podEnis.lister, client: podEniClient },
    vSwitches: cloud.vSwitches,
    fallbackNetworks: createFallbackNetworks({ planes: podNetworkings.lister, eniConfig: eniConfigSource }),
    recorder: recorder.forController(podController.name),
    enableTrunk: config.enableTrunk,
    isCrdMode: config.ipamType === "crd",
    needsIpv6,
    random,
    clock,
    log,
  });
  const podEniReconciler = new podEniController.PodEniReconciler({
    pods: pods.lister,
    nodes: nodes.lister,
    podEnis: { lister: podEnis.lister, client: podEniClient },
    networkInterfaces: { lister: networkInterfaces.lister, client: networkInterfaceClient },
    livePods,
    cloud: cloud.enis,
    vSwitches: cloud.vSwitches,
    operations: creations,
    places,
    timings,
    recorder: recorder.forController(podEniController.name),
    onCreated: (eni) => ledger.observe(eni.eniId, eni, clock.now()),
    requestSweep: () => collector.requestSweep(),
    onBound: bindMetrics.bound,
    clusterId: config.clusterId,
    needsIpv6,
    enableTrunk: config.enableTrunk,
    random,
    clock,
    log,
  });
  const networkInterfaceReconciler = new networkInterfaceController.NetworkInterfaceReconciler({
    lister: networkInterfaces.lister,
    client: networkInterfaceClient,
    cloud: cloud.enis,
    observer: cloud.observer,
    operations: effects,
    ledger,
    recorder: recorder.forController(networkInterfaceController.name),
    isFixed: (record) => {
      const podEni = podEnis.lister.get(podKeyOf(record));
      return isFixed((podEni?.spec?.allocations ?? []).map((allocation) => allocation.allocationType ?? {}));
    },
    onTiming: (eniId, timing) => {
      const record = networkInterfaces.lister.get(eniId);
      if (record !== undefined && timing.api === "AttachNetworkInterface") timings.called(podKeyOf(record), timing);
    },
    clock,
    log,
  });
  const podNetworkingReconciler = new podNetworkingController.PodNetworkingReconciler({
    lister: podNetworkings.lister,
    client: podNetworkingClient,
    vSwitches: cloud.vSwitches,
    recorder: recorder.forController(podNetworkingController.name),
    clock,
  });
  const controller = (name: string, reconciler: Reconciler, workers: number): Controller =>
    new Controller({ name, reconciler, workers, clock, log, metrics, random });
  const controllers = {
    podNetworking: controller(podNetworkingController.name, podNetworkingReconciler, podNetworkingController.workers),
    pod: controller(podController.name, podReconciler, config.podMaxConcurrent),
    podEni: controller(podEniController.name, podEniReconciler, config.podEniMaxConcurrent),
    networkInterface: controller(networkInterfaceController.name, networkInterfaceReconciler, config.eniMaxConcurrent),
  };

  // What wakes whom.
  const wakePodEni = (key: string): void => controllers.podEni.enqueue(key);
  onEvery(podNetworkings, (plane) => controllers.podNetworking.enqueue(plane.metadata.name));
  onEvery(pods, (pod) => controllers.pod.enqueue(keyOfObject(pod)));
  onEvery(podEnis, (podEni) => {
    controllers.pod.enqueue(keyOfObject(podEni));
    wakePodEni(keyOfObject(podEni));
  });
  onEvery(networkInterfaces, (record) => {
    controllers.networkInterface.enqueue(record.metadata.name);
    if (record.spec?.podENIRef?.name !== undefined) wakePodEni(podKeyOf(record));
  });
  networkInterfaces.addHandler({
    onAdd: () => undefined,
    onUpdate: () => undefined,
    onDelete: (record) => podEniReconciler.interfaceGone(record),
  });
  onEvery(nodes, (node) => {
    for (const pod of pods.lister.byIndex("node", node.metadata.name)) controllers.pod.enqueue(keyOfObject(pod));
    for (const podEni of podEnis.lister.byIndex("node", node.metadata.name)) wakePodEni(keyOfObject(podEni));
  });
  creations.onSettled(wakePodEni);
  effects.onSettled((eniId) => controllers.networkInterface.enqueue(eniId));
  places.onGranted((key) => {
    timings.placeGranted(key, clock.now());
    wakePodEni(key);
  });
  cloud.observer.onObserved((eniId) => {
    const latest = cloud.observer.latest(eniId);
    if (latest === undefined) return;
    ledger.observe(eniId, latest.eni, latest.observedAtMs);
    const record = networkInterfaces.lister.get(eniId);
    if (latest.eni?.status === "InUse" && record?.status?.phase === "Binding") {
      timings.looked(podKeyOf(record), latest.observedAtMs, clock.now());
    }
    controllers.networkInterface.enqueue(eniId);
  });

  // The order of life: caches, (webhook by the caller), lease, then whatever acts.
  const manager = new Manager({ clock, log, ...(elector !== undefined && { election: elector }) });
  manager.addCache(pods, nodes, namespaces, podNetworkings, podEnis, networkInterfaces);
  const isEnabled = (name: string): boolean => isControllerEnabled(name, config.controllers);
  manager.add(
    leaderPart("operations", async (signal) => {
      await untilAborted(signal);
      await Promise.all([creations.stop(), effects.stop(), recorder.stop()]);
    }),
    leaderPart("cloud", (signal) => {
      ledger.lead(clock.now());
      cloud.start(signal);
      return untilAborted(signal);
    }),
    leaderPart("permissions", async (signal) => {
      await reportDeniedActions(cloud, log, signal);
      await untilAborted(signal);
    }),
    ...Object.values(controllers)
      .filter(({ name }) => isEnabled(name))
      .map((each) => leaderPart(each.name, (signal) => each.start(signal))),
  );
  if (isEnabled(podEniController.name)) manager.add(leaderPart("interface-gc", (signal) => collector.run(signal)));

  const routes = createRoutes({
    planes: podNetworkings.lister,
    pods: pods.lister,
    podEnis: podEnis.lister,
    namespaces: {
      lister: namespaces.lister,
      getLive: (name, signal) => liveNamespaces.getLive("", name, signal),
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

type InformerSettings<T extends KubeObject> = ConstructorParameters<typeof Informer<T>>[0];

interface ConfigMapData {
  readonly data?: Readonly<Record<string, string>>;
}

/** Annotation of the lease that carries the use of the cloud's quota to the next leader. */
const quotaAnnotation = "terway-controlplane.alibabacloud.com/quota";

/** The election, with the quota used in the current minute travelling on the lease. */
function createElector(world: World, limiterOf: () => Cloud["limiter"] | undefined): LeaderElector {
  const { config, transport, clock, random, log, metrics, identity } = world;
  const leases = createLeaseClient(transport);
  const confirming: LeasePort = {
    get: (namespace, name, signal) => leases.get(namespace, name, signal),
    create: (lease, signal) => leases.create(lease, signal),
    update: async (lease, signal) => {
      const updated = await leases.update(lease, signal);
      if (updated.spec.holderIdentity === identity) limiterOf()?.renewed();
      return updated;
    },
  };
  return new LeaderElector({
    leases: confirming,
    identity,
    namespace: config.controllerNamespace,
    name: config.controllerName,
    leaseDurationMs: config.leaseDurationMs,
    renewDeadlineMs: config.renewDeadlineMs,
    retryPeriodMs: config.retryPeriodMs,
    clock,
    random,
    log,
    metrics,
    annotations: () => ({ [quotaAnnotation]: limiterOf()?.usage() ?? "" }),
    onAcquired: (previous) => {
      if (previous === undefined) return;
      limiterOf()?.restore(previous.annotations[quotaAnnotation], { hardTakeover: !previous.released });
    },
  });
}

/** Names each right that is missing before the first pod runs into it. What cannot be found out now shows there. */
async function reportDeniedActions(cloud: Cloud, log: Logger, signal: AbortSignal): Promise<void> {
  try {
    for (const action of await cloud.findDeniedActions(signal)) {
      log.error("the credential lacks a permission", { action, remedy: "grant what config/ram-policy.json lists" });
    }
  } catch (error) {
    if (!signal.aborted) log.warn("the permissions of the credential could not be checked", { error });
  }
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

function onEvery<T extends KubeObject>(informer: Informer<T>, wake: (object: T) => void): void {
  informer.addHandler({ onAdd: wake, onUpdate: (_, object) => wake(object), onDelete: wake });
}

function keyOfObject(object: KubeObject): string {
  return keyOf({ namespace: object.metadata.namespace ?? "", name: object.metadata.name });
}

/** Key of the pod, and of its PodENI, that an interface serves. */
function podKeyOf(record: NetworkInterface): string {
  return keyOf({ namespace: record.spec?.podENIRef?.namespace ?? "", name: record.spec?.podENIRef?.name ?? "" });
}

function listOf(value: string | undefined): string[] {
  return value === undefined || value === "" ? [] : [value];
}
