/** Builds controller `node-capacity` and joins it to what wakes it. */
import type { NetworkInterface } from "../crds/v1beta1/network-interface.gen.ts";
import * as nodeCapacityController from "../controllers/node-capacity/index.ts";
import { Controller } from "../runtime/controller.ts";
import type { Informer } from "../runtime/informer.ts";
import { Operations } from "../runtime/operations.ts";
import type { KubeObject } from "../runtime/ports.ts";
import { isControllerEnabled, type ControlplaneConfig } from "./config.ts";
import type { ControllerParts } from "./controllers.ts";
import type { World } from "./wiring.ts";

export interface NodeCapacity {
  readonly controller: Controller;
  readonly reconciler: nodeCapacityController.NodeCapacityReconciler;
  /** Waits for the calls that are on their way, at most so long. @see Operations.stop */
  stop(limitMs?: number): Promise<void>;
}

/** Publication is a part of centralised address management, as in the published program. */
export function isNodeCapacityEnabled({ controllers, centralizedIpam }: ControlplaneConfig): boolean {
  return centralizedIpam && isControllerEnabled(nodeCapacityController.enabledBy, controllers);
}

export function createNodeCapacity(
  world: World,
  { caches, cloud, recorder }: ControllerParts,
  shared: Pick<nodeCapacityController.NodeCapacityDeps, "creationCauses" | "suspensionOf" | "requestSweep">,
): NodeCapacity {
  const { config, clock, random, log, metrics } = world;
  const { pods, nodes, networkInterfaces, nodeRecords } = caches;
  const { name, workers } = nodeCapacityController;
  const operations = new Operations<void>({ clock, log });
  const reconciler = new nodeCapacityController.NodeCapacityReconciler({
    records: nodeRecords,
    nodes,
    pods: pods.lister,
    networkInterfaces: networkInterfaces.lister,
    cloud: cloud.enis,
    observer: cloud.observer,
    vSwitches: cloud.vSwitches,
    operations,
    recorder: recorder.forController(name),
    wake: (nodeName) => controller.enqueue(nodeName),
    ...shared,
    clusterId: config.clusterId,
    vpcId: config.vpcId,
    random,
    clock,
    log,
  });
  const controller = new Controller({ name, reconciler, workers, clock, log, metrics, random });
  const wake = (nodeName: string | undefined): void => {
    // Nodes without a record have nothing to publish: not every pod's node is worth a place in the queue.
    if (nodeName !== undefined && nodeRecords.lister.get(nodeName) !== undefined) controller.enqueue(nodeName);
  };
  onEvery(nodeRecords.informer, ({ metadata }) => controller.enqueue(metadata.name));
  onEvery(nodes.informer, ({ metadata }) => controller.enqueue(metadata.name));
  const ofInterface = ({ status }: NetworkInterface): void => wake(status?.nodeName);
  networkInterfaces.informer.addHandler({
    onAdd: ofInterface,
    onUpdate: (old, record) => {
      ofInterface(old);
      ofInterface(record);
    },
    onDelete: ofInterface,
  });
  pods.informer.addHandler({
    // Of a pod only its end matters: then its interface takes a place that the scheduler believes to be free.
    onUpdate: (old, pod) => {
      if (old.status?.phase !== pod.status?.phase) wake(pod.spec?.nodeName);
    },
    onDelete: (pod) => wake(pod.spec?.nodeName),
  });
  operations.onSettled((nodeName) => controller.enqueue(nodeName));
  return { controller, reconciler, stop: (limitMs) => operations.stop(limitMs) };
}

/** Calls `wake` for each object that came, changed or went. */
export function onEvery<T extends KubeObject>(informer: Informer<T>, wake: (object: T) => void): void {
  informer.addHandler({ onAdd: wake, onUpdate: (_, object) => wake(object), onDelete: wake });
}
