/** Who uses a PodNetworking. */
import { annotations } from "../../crds/v1beta1/names.ts";
import type { KubeObject, Lister } from "../../runtime/ports.ts";
import { keyOf } from "../../runtime/reconcile.ts";

/** Index of pods and of PodENIs by the PodNetworkings that they were made from: `{ plane: planesOf }`. */
export const planeIndex = "plane";

/**
 * Names of the PodNetworkings from which a pod, or the record of one, has its interfaces. Admission and controller `pod`
 * write the one that a selector matched; the others are asked for in `pod-networks-request`.
 */
export function planesOf({ metadata }: KubeObject): readonly string[] {
  const matched = metadata.annotations?.[annotations.podNetworking] ?? "";
  const requested = requestedPlanes(metadata.annotations?.[annotations.podNetworksRequest]);
  return [...new Set([matched, ...requested])].filter((name) => name !== "");
}

function requestedPlanes(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.map(networkOf) : [];
  } catch {
    // Admission refused it, or was not asked: such a pod has no interface of any plane.
    return [];
  }
}

function networkOf(request: unknown): string {
  if (typeof request !== "object" || request === null || !("network" in request)) return "";
  return typeof request.network === "string" ? request.network : "";
}

/** What would notice that a plane is gone. */
export interface PlaneUse {
  /** `namespace/name` of pods that have, or are about to get, an interface from it; sorted. */
  readonly pods: readonly string[];
  /** `namespace/name` of pods that are gone and whose PodENI still holds an interface or a fixed address; sorted. */
  readonly records: readonly string[];
}

export interface PlaneUseDeps {
  readonly pods: Pick<Lister<KubeObject>, "get" | "byIndex">;
  readonly podEnis: Pick<Lister<KubeObject>, "byIndex">;
}

/** Costs as much as the plane has users. Both listers need the index {@link planeIndex}. */
export function findPlaneUse(name: string, { pods, podEnis }: PlaneUseDeps): PlaneUse {
  return {
    pods: pods.byIndex(planeIndex, name).map(keyOfObject).sort(),
    records: podEnis
      .byIndex(planeIndex, name)
      .map(keyOfObject)
      .filter((key) => pods.get(key) === undefined)
      .sort(),
  };
}

function keyOfObject({ metadata }: KubeObject): string {
  return keyOf({ namespace: metadata.namespace ?? "", name: metadata.name });
}
