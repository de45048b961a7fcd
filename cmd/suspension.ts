import type { NetworkInterface } from "../crds/v1beta1/network-interface.gen.ts";
import { annotations } from "../crds/v1beta1/names.ts";
import type { PodENI } from "../crds/v1beta1/pod-eni.gen.ts";
import type { PodNetworking } from "../crds/v1beta1/pod-networking.gen.ts";
import type { Pod } from "../domain/kubernetes/objects.ts";
import { isFixed } from "../domain/retention/retention.ts";

/** API behind each work that a controller may ask about before it begins. */
export const apiOf = {
  create: "CreateNetworkInterface",
  attach: "AttachNetworkInterface",
  detach: "DetachNetworkInterface",
  delete: "DeleteNetworkInterface",
  look: "DescribeNetworkInterfaces",
} as const;

/**
 * A pod waits for the detach of the record's interfaces: they are still elsewhere, or the next pod of a fixed address is
 * there already. Such a detach gives a pod its address, so that it goes with binding, not with releasing.
 */
export function isAwaited(podEni: PodENI | undefined, pod: Pod | undefined): boolean {
  const phase = podEni?.status?.phase;
  if (podEni === undefined || phase !== "Detaching") return phase === "Binding";
  const isFixedAddress = isFixed((podEni.spec?.allocations ?? []).map(({ allocationType }) => allocationType ?? {}));
  return isFixedAddress && pod !== undefined && isNextPod(podEni, pod);
}

function isNextPod(podEni: PodENI, { metadata }: Pod): boolean {
  return metadata.deletionTimestamp === undefined && metadata.uid !== podEni.metadata.annotations?.[annotations.podUid];
}

/** Interfaces that are to come off; what they are taken off for may just have changed. */
export function detachingInterfaces(podEni: PodENI | undefined): readonly string[] {
  if (podEni?.status?.phase !== "Detaching") return [];
  return (podEni.spec?.allocations ?? []).flatMap(({ eni }) => eni?.id ?? []);
}

/** Work is left: it may have been held back, or may have to be now. */
export function isUnfinished(object: PodENI | NetworkInterface): boolean {
  const phase = object.status?.phase ?? "";
  return object.metadata.deletionTimestamp !== undefined || (phase !== "Bind" && phase !== "Unbind");
}

/** Its vSwitches could not be read, or not yet. */
export function isUnready(plane: PodNetworking): boolean {
  return plane.status?.status !== "Ready";
}
