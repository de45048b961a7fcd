import type { NetworkInterface } from "../crds/v1beta1/network-interface.gen.ts";
import { annotations } from "../crds/v1beta1/names.ts";
import type { Cloud } from "../cloud/client.ts";
import { InterfaceCollector } from "../controllers/interface-gc/index.ts";
import * as networkInterfaceController from "../controllers/network-interface/index.ts";
import * as nodeController from "../controllers/node/index.ts";
import * as podEniController from "../controllers/pod-eni/index.ts";
import * as podNetworkingController from "../controllers/pod-networking/index.ts";
import * as podController from "../controllers/pod/index.ts";
import type { CallPriority, Eni } from "../domain/eni/eni.ts";
import { isReady } from "../domain/pod-network/plane.ts";
import { everyGate, gateIndex } from "../domain/pod-network/scheduling-gate.ts";
import { isFixed } from "../domain/retention/retention.ts";
import type { EventRecorder } from "../kube/event-recorder.ts";
import { Controller } from "../runtime/controller.ts";
import { CreationCauses } from "../runtime/creation-causes.ts";
import { Operations } from "../runtime/operations.ts";
import { Places } from "../runtime/places.ts";
import type { KubeObject, SharedClock } from "../runtime/ports.ts";
import { keyOf, type Reconciler } from "../runtime/reconcile.ts";
import { SharedCauses } from "../runtime/shared-causes.ts";
import { createBindMetrics } from "./bind-metrics.ts";
import type { Caches } from "./caches.ts";
import type { EniConfigSource } from "./eni-config-source.ts";
import { createFallbackNetworks } from "./fallback-networks.ts";
import { createNodeCapacity, isNodeCapacityEnabled, onEvery, type NodeCapacity } from "./node-capacity.ts";
import { createPlanes, type Planes } from "./planes.ts";
import { apiOf, detachingInterfaces, isAwaited, isUnfinished, isUnready } from "./suspension.ts";
import type { World } from "./wiring.ts";

/** What the controllers share with admission and with each other. */
export interface ControllerParts {
  readonly sharedClock: SharedClock;
  readonly caches: Caches;
  readonly cloud: Cloud;
  readonly recorder: EventRecorder;
  readonly eniConfig: EniConfigSource;
}

export interface Controllers {
  readonly all: readonly Controller[];
  readonly collector: InterfaceCollector;
  readonly planes: Pick<Planes, "survey">;
  /** Absent unless the controller runs. */
  readonly nodeCapacity?: NodeCapacity;
  /** The leader's time begins: what was seen before it may be old. */
  lead(): void;
  /** Waits for the calls that are on their way, at most so long. @see Operations.stop */
  stop(limitMs?: number): Promise<void>;
}

/** The user's limit: so many pods are given interfaces at the same time. */
const allocationPlaces = 100;

/** Builds the controllers and joins what wakes whom; nothing runs before they are started. */
export function createControllers(world: World, parts: ControllerParts): Controllers {
  const { config, clock, random, log, metrics } = world;
  const { caches, cloud, recorder, sharedClock } = parts;
  const { pods, nodes, podNetworkings, podEnis, networkInterfaces, nodeRecords } = caches;
  const needsIpv6 = config.ipStack !== "ipv4";
  const places = new Places({ limit: allocationPlaces, log });
  const creations = new Operations<Eni>({ clock, log });
  const effects = new Operations<void>({ clock, log });
  const ledger = new networkInterfaceController.EniLedger();
  const timings = new podEniController.TimingBook();
  const sharedCauses = new SharedCauses(clock);
  const creationCauses = new CreationCauses(sharedCauses);
  const bindMetrics = createBindMetrics(metrics.registry, places);
  const suspensionOf = (work: keyof typeof apiOf, priority: CallPriority) => cloud.suspensionOf(apiOf[work], priority);
  const collector = new InterfaceCollector({
    podEnis: podEnis.lister,
    networkInterfaces,
    ...(isNodeCapacityEnabled(config) && { nodeRecords: caches.nodeRecords.lister }),
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
    podEnis,
    vSwitches: cloud.vSwitches,
    fallbackNetworks: createFallbackNetworks({
      planes: podNetworkings.lister,
      nodes: nodes.lister,
      eniConfig: parts.eniConfig,
    }),
    gatekeeper: new podController.Gatekeeper({
      pods: pods.client,
      planes: podNetworkings.lister,
      namespaces: caches.namespaces.lister,
      eniConfig: parts.eniConfig,
      customStatefulWorkloadKinds: config.customStatefulWorkloadKinds,
      recorder: recorder.forController(podController.name),
      log,
    }),
    recorder: recorder.forController(podController.name),
    enableTrunk: config.enableTrunk,
    isCrdMode: config.ipamType === "crd",
    needsIpv6,
    random,
    sharedClock,
    log,
  });
  const podEniReconciler = new podEniController.PodEniReconciler({
    pods: pods.lister,
    nodes: nodes.lister,
    podEnis,
    networkInterfaces,
    livePods: caches.pods.client,
    cloud: cloud.enis,
    vSwitches: cloud.vSwitches,
    operations: creations,
    places,
    creationCauses,
    timings,
    recorder: recorder.forController(podEniController.name),
    onCreated: (eni) => ledger.observe(eni.eniId, eni, clock.now()),
    requestSweep: () => collector.requestSweep(),
    onBound: bindMetrics.bound,
    suspensionOf,
    clusterId: config.clusterId,
    needsIpv6,
    nodeRecords: caches.nodeRecords.lister,
    enableTrunk: config.enableTrunk,
    random,
    clock,
    sharedClock,
    log,
  });
  const nodeCapacity = isNodeCapacityEnabled(config)
    ? createNodeCapacity(world, parts, {
        creationCauses,
        suspensionOf,
        requestSweep: () => collector.requestSweep(),
      })
    : undefined;
  const networkInterfaceReconciler = new networkInterfaceController.NetworkInterfaceReconciler({
    lister: networkInterfaces.lister,
    client: networkInterfaces.client,
    cloud: cloud.enis,
    observer: cloud.observer,
    operations: effects,
    ledger,
    recorder: recorder.forController(networkInterfaceController.name),
    isFixed: (record) => {
      const podEni = podEnis.lister.get(podKeyOf(record));
      return isFixed((podEni?.spec?.allocations ?? []).map((allocation) => allocation.allocationType ?? {}));
    },
    isAwaited: (record) => isAwaited(podEnis.lister.get(podKeyOf(record)), pods.lister.get(podKeyOf(record))),
    suspensionOf,
    clusterId: config.clusterId,
    onTiming: (eniId, timing) => {
      const record = networkInterfaces.lister.get(eniId);
      if (record !== undefined && timing.api === "AttachNetworkInterface") timings.called(podKeyOf(record), timing);
    },
    onAttachRefused: (refusal) => nodeCapacity?.reconciler.attachRefused(refusal),
    clock,
    log,
  });
  const planes = createPlanes(world, parts);
  const nodeReconciler = new nodeController.NodeReconciler({
    nodes: nodes.lister,
    nodeRecords,
    instanceTypes: cloud.instanceTypes,
    eniConfig: parts.eniConfig,
    settings: { labelWhiteList: config.nodeLabelWhiteList, isCentralized: config.centralizedIpam },
    recorder: recorder.forController(nodeController.name),
    clock,
  });
  const controller = (name: string, reconciler: Reconciler, workers: number): Controller =>
    new Controller({ name, reconciler, workers, clock, log, metrics, random });
  const controllers = {
    podNetworking: controller(podNetworkingController.name, planes.reconciler, podNetworkingController.workers),
    pod: controller(podController.name, podReconciler, config.podMaxConcurrent),
    podEni: controller(podEniController.name, podEniReconciler, config.podEniMaxConcurrent),
    networkInterface: controller(networkInterfaceController.name, networkInterfaceReconciler, config.eniMaxConcurrent),
    node: controller(nodeController.name, nodeReconciler, config.nodeMaxConcurrent),
  };

  // What wakes whom.
  const wakePodEni = (key: string): void => controllers.podEni.enqueue(key);
  planes.connect(controllers.podNetworking);
  onEvery(podNetworkings.informer, (plane) => {
    // A Ready plane may serve pods that wait for another one.
    const waiting = pods.lister.byIndex(gateIndex, isReady(plane) ? everyGate : plane.metadata.name);
    for (const pod of waiting) controllers.pod.enqueue(keyOfObject(pod));
  });
  onEvery(pods.informer, (pod) => {
    controllers.pod.enqueue(keyOfObject(pod));
    for (const eniId of detachingInterfaces(podEnis.lister.get(keyOfObject(pod)))) {
      controllers.networkInterface.enqueue(eniId);
    }
  });
  pods.informer.addHandler({
    onUpdate: (before, pod) => {
      const [old, now] = [before, pod].map(({ metadata }) => metadata.annotations?.[annotations.podNetworks]);
      if (old !== now) wakePodEni(keyOfObject(pod));
    },
  });
  onEvery(podEnis.informer, (podEni) => {
    controllers.pod.enqueue(keyOfObject(podEni));
    wakePodEni(keyOfObject(podEni));
  });
  onEvery(networkInterfaces.informer, (record) => {
    controllers.networkInterface.enqueue(record.metadata.name);
    if (record.spec?.podENIRef?.name !== undefined) wakePodEni(podKeyOf(record));
  });
  networkInterfaces.informer.addHandler({
    onAdd: () => undefined,
    onUpdate: () => undefined,
    onDelete: (record) => podEniReconciler.interfaceGone(record),
  });
  const wakeNode = (node: KubeObject): void => controllers.node.enqueue(node.metadata.name);
  onEvery(nodeRecords.informer, wakeNode);
  parts.eniConfig.onChanged(() => {
    nodes.lister.list().forEach(wakeNode);
    // Those whose networks could not be told from it.
    const waiting = pods.lister.list().filter((pod) => podEnis.lister.get(keyOfObject(pod)) === undefined);
    for (const pod of waiting) controllers.pod.enqueue(keyOfObject(pod));
  });
  onEvery(nodes.informer, (node) => {
    wakeNode(node);
    for (const pod of pods.lister.byIndex("node", node.metadata.name)) controllers.pod.enqueue(keyOfObject(pod));
    for (const podEni of podEnis.lister.byIndex("node", node.metadata.name)) wakePodEni(keyOfObject(podEni));
  });
  cloud.onSuspensionChange(() => {
    for (const podEni of podEnis.lister.list()) if (isUnfinished(podEni)) wakePodEni(keyOfObject(podEni));
    for (const record of networkInterfaces.lister.list()) {
      if (isUnfinished(record)) controllers.networkInterface.enqueue(record.metadata.name);
    }
    for (const plane of podNetworkings.lister.list()) {
      if (isUnready(plane)) controllers.podNetworking.enqueue(plane.metadata.name);
    }
    nodes.lister.list().forEach(wakeNode);
    nodeCapacity?.reconciler.wakeWaiting();
    // A creation whose answer was lost, of a pod that has gone meanwhile.
    collector.requestSweep();
  });
  sharedCauses.onLifted(() => {
    const waiting = podEnis.lister.list().filter(({ status }) => ["", "Binding"].includes(status?.phase ?? ""));
    for (const podEni of waiting) wakePodEni(keyOfObject(podEni));
    nodeCapacity?.reconciler.wakeWaiting();
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
    if (nodeCapacity?.reconciler.observed(eniId, latest.eni, latest.observedAtMs) === true) return;
    ledger.observe(eniId, latest.eni, latest.observedAtMs);
    const record = networkInterfaces.lister.get(eniId);
    if (latest.eni?.status === "InUse" && record?.status?.phase === "Binding") {
      timings.looked(podKeyOf(record), latest.observedAtMs, clock.now());
    }
    controllers.networkInterface.enqueue(eniId);
  });

  return {
    all: Object.values(controllers),
    collector,
    planes,
    ...(nodeCapacity !== undefined && { nodeCapacity }),
    lead: () => ledger.lead(clock.now()),
    stop: async (limitMs) => {
      await Promise.all([creations.stop(limitMs), effects.stop(limitMs), nodeCapacity?.stop(limitMs)]);
    },
  };
}

function keyOfObject(object: KubeObject): string {
  return keyOf({ namespace: object.metadata.namespace ?? "", name: object.metadata.name });
}

/** Key of the pod, and of its PodENI, that an interface serves. */
function podKeyOf(record: NetworkInterface): string {
  return keyOf({ namespace: record.spec?.podENIRef?.namespace ?? "", name: record.spec?.podENIRef?.name ?? "" });
}
