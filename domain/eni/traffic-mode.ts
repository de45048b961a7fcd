/** How an interface moves its traffic, and where the wish is kept until the interface is made. */
import type { PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";

/** `HighPerformance` is eRDMA. Source: ECS CreateNetworkInterface, `NetworkInterfaceTrafficMode`. */
export type TrafficMode = "Standard" | "HighPerformance";

/**
 * Key of an allocation's free-form `extraConfig`: the record has no field for the mode, and a creation that is repeated
 * with its client token must ask for the same. Only modes other than `Standard` are recorded, so that ordinary records
 * look as they always did.
 */
const recordKey = "networkInterfaceTrafficMode";

/** The mode in the words of a pod's annotation; empty means `Standard`. Undefined for other words. */
export function parseTrafficMode(text: string): TrafficMode | undefined {
  if (text === "") return "Standard";
  return text === "Standard" || text === "HighPerformance" ? text : undefined;
}

/** The members of `extraConfig` that record the mode. */
export function recordTrafficMode(mode: TrafficMode): Readonly<Record<string, string>> {
  return mode === "Standard" ? {} : { [recordKey]: mode };
}

export function recordedTrafficMode({ extraConfig }: Pick<PodEniAllocation, "extraConfig">): TrafficMode {
  return extraConfig?.[recordKey] === "HighPerformance" ? "HighPerformance" : "Standard";
}
