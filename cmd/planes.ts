/** Joins controller `pod-networking` with what it watches. */
import type { PodENI } from "../crds/v1beta1/pod-eni.gen.ts";
import type { Cloud } from "../cloud/client.ts";
import * as podNetworkingController from "../controllers/pod-networking/index.ts";
import type { Pod } from "../domain/kubernetes/objects.ts";
import { sharedNetworkIndex, sharedNetworkOf } from "../domain/pod-network/shared-network.ts";
import type { EventRecorder } from "../kube/event-recorder.ts";
import type { Controller } from "../runtime/controller.ts";
import { planeIndex, planesOf } from "../webhook/pod-networking/use.ts";
import type { Caches } from "./caches.ts";
import { createPlaneMetrics } from "./plane-metrics.ts";
import type { World } from "./wiring.ts";

interface PlaneParts {
  readonly caches: Caches;
  readonly cloud: Pick<Cloud, "vSwitches">;
  readonly recorder: EventRecorder;
}

export interface Planes {
  readonly reconciler: podNetworkingController.PodNetworkingReconciler;
  /** Looks at all vSwitches again and again; ends with the signal. */
  survey(signal: AbortSignal): Promise<void>;
  /** Lets what happens wake the controller of the reconciler. */
  connect(controller: Controller): void;
}

/** What pods say about planes waits so long, so that a burst of them is one look; milliseconds. */
const podsSettleMs = 10_000;

export function createPlanes(world: World, { caches, cloud, recorder }: PlaneParts): Planes {
  const { config, clock, log, metrics } = world;
  const { pods, namespaces, podNetworkings, podEnis } = caches;
  const planeMetrics = createPlaneMetrics(metrics.registry, () => podNetworkings.lister.list());
  const reconciler = new podNetworkingController.PodNetworkingReconciler({
    lister: podNetworkings.lister,
    client: podNetworkings.client,
    pods: {
      get: (key) => pods.lister.get(key),
      of: (plane) => pods.lister.byIndex(planeIndex, plane),
      onSharedNetwork: (namespace) => pods.lister.byIndex(sharedNetworkIndex, namespace),
    },
    recordsOf: (plane) => podEnis.lister.byIndex(planeIndex, plane),
    namespaces: namespaces.lister,
    customStatefulWorkloadKinds: config.customStatefulWorkloadKinds,
    vSwitches: cloud.vSwitches,
    recorder: recorder.forController(podNetworkingController.name),
    clock,
  });
  let wake: (plane: string, afterMs?: number) => void = () => undefined;
  const survey = new podNetworkingController.PlaneSurvey({
    planes: podNetworkings.lister,
    vSwitches: cloud.vSwitches,
    wake: (plane) => wake(plane),
    onFailed: planeMetrics.surveyFailed,
    clock,
    log,
  });

  const wakeSharing = (pod: Pod): void => {
    for (const plane of planesOf(pod)) {
      const sharing = reconciler.neighboursOf(plane);
      if (sharing.length > 0) for (const each of [plane, ...sharing]) wake(each, podsSettleMs);
    }
  };
  const wakeIfBehind = (podEni: PodENI): void => {
    for (const name of planesOf(podEni)) {
      const plane = podNetworkings.lister.get(name);
      if (plane !== undefined && podNetworkingController.isBehind(podEni, plane)) wake(name, podsSettleMs);
    }
  };
  const wakeWithout = (before: Pod, now?: Pod): void => {
    const isOne = (pod: Pod | undefined): boolean => pod !== undefined && sharedNetworkOf(pod).length > 0;
    if (!isOne(before) || isOne(now)) return;
    for (const plane of podNetworkings.lister.list().filter(podNetworkingController.namesPodsWithout)) {
      wake(plane.metadata.name, podsSettleMs);
    }
  };
  const connect = (controller: Controller): void => {
    wake = (plane, afterMs) => controller.enqueue(plane, afterMs === undefined ? {} : { afterMs });
    podNetworkings.informer.addHandler({
      onAdd: (plane) => [plane.metadata.name, ...reconciler.planeChanged(plane)].forEach((name) => wake(name)),
      onUpdate: (_, plane) => [plane.metadata.name, ...reconciler.planeChanged(plane)].forEach((name) => wake(name)),
      onDelete: ({ metadata }) => reconciler.planeGone(metadata.name).forEach((name) => wake(name)),
    });
    onAny(pods.informer, wakeSharing);
    pods.informer.addHandler({ onAdd: () => undefined, onUpdate: wakeWithout, onDelete: (last) => wakeWithout(last) });
    onAny(podEnis.informer, wakeIfBehind);
  };
  return { reconciler, survey: (signal) => survey.run(signal), connect };
}

/** Before and after: either may be what counts. */
function onAny<T>(
  informer: {
    addHandler(handler: { onAdd(object: T): void; onUpdate(old: T, object: T): void; onDelete(last: T): void }): void;
  },
  wake: (object: T) => void,
): void {
  informer.addHandler({
    onAdd: wake,
    onUpdate: (old, object) => {
      wake(old);
      wake(object);
    },
    onDelete: wake,
  });
}
