/** Pods that admission left on the cluster's shared network although they could have been given interfaces of their own. */
import { annotations, labels } from "../../crds/v1beta1/names.ts";
import type { Namespace, Pod } from "../kubernetes/objects.ts";

/** Index of pods by the namespace in which they are on the shared network: `{ [sharedNetworkIndex]: sharedNetworkOf }`. */
export const sharedNetworkIndex = "sharedNetwork";

const asks = [annotations.podEni, annotations.podNetworks, annotations.podNetworksRequest, annotations.podNetworking];

/** The pod's namespace while it runs without interfaces of its own and did not opt out; otherwise nothing. */
export function sharedNetworkOf(pod: Pod): string[] {
  const { metadata, spec } = pod;
  const isOut = spec?.hostNetwork === true || metadata.labels?.[labels.ignore] === "true";
  const hasAsked = asks.some((name) => metadata.annotations?.[name] !== undefined);
  return isOut || hasAsked || hasEnded(pod) ? [] : [metadata.namespace ?? ""];
}

function hasEnded({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined || status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** True when admission is never asked about the namespace's pods. Source: the namespace selector of the webhook. */
export function isOptedOut({ metadata }: Namespace): boolean {
  return metadata.labels?.[annotations.podEni] === "false";
}
