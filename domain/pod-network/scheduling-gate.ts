/** The gate of pods whose networks, and so their zones, are not known yet. */
import { annotations, schedulingGate } from "../../crds/v1beta1/names.ts";

/** The part of a Pod that says whether, and for what, it waits. */
export interface GatedPod {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: { readonly schedulingGates?: readonly { readonly name: string }[] };
}

/** True while our gate keeps the scheduler from the pod. */
export function isGated({ spec }: GatedPod): boolean {
  return (spec?.schedulingGates ?? []).some(({ name }) => name === schedulingGate);
}

/** Index of gated pods by the PodNetworking that they wait for: `{ gated: gatesOf }`. */
export const gateIndex = "gated";
/** In that index, every gated pod: no PodNetworking has an empty name. */
export const everyGate = "";

/** Source of the name: annotation `pod-networking`, written by the webhook. */
export function gatesOf(pod: GatedPod): readonly string[] {
  if (!isGated(pod)) return [];
  return [...new Set([everyGate, pod.metadata.annotations?.[annotations.podNetworking] ?? ""])];
}
