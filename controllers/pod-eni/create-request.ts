import { creatorTagValue, tags } from "../../crds/v1beta1/names.ts";
import type { PodENI, PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";
import { recordedTrafficMode, type TrafficMode } from "../../domain/eni/traffic-mode.ts";
import { clientToken } from "./creation.ts";
import type { AllocationState } from "./state.ts";

/** CreateNetworkInterface as this controller uses it. */
export interface CreateRequest {
  readonly vSwitchId: string;
  readonly securityGroupIds: readonly string[];
  readonly clientToken: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly deleteOnRelease: boolean;
  readonly ipv6Count: number;
  readonly resourceGroupId?: string;
  readonly trafficMode?: TrafficMode;
}

/**
 * Asks for what the record says and nothing else, so that whoever repeats the call, after a crash too, sends the same
 * parameters with the same client token.
 */
export function toCreateRequest(
  podEni: PodENI,
  { interface: name, index, attempt, vSwitchId, isFixed }: AllocationState,
  settings: { readonly clusterId: string; readonly needsIpv6: boolean },
): CreateRequest {
  const allocation = podEni.spec?.allocations?.[index] ?? {};
  const uid = podEni.metadata.uid ?? "";
  return {
    vSwitchId,
    securityGroupIds: allocation.eni?.securityGroupIDs ?? [],
    clientToken: clientToken({ podEniUid: uid, interface: name, vSwitchId, attempt }),
    tags: {
      [tags.clusterId]: settings.clusterId,
      [tags.creator]: creatorTagValue,
      [tags.podEniUid]: uid,
      [tags.interface]: name,
      [tags.attempt]: String(attempt),
    },
    deleteOnRelease: !isFixed,
    ipv6Count: settings.needsIpv6 ? 1 : 0,
    ...wishesOf(allocation),
  };
}

function wishesOf(allocation: PodEniAllocation): Pick<CreateRequest, "resourceGroupId" | "trafficMode"> {
  const { resourceGroupID = "" } = allocation.eni ?? {};
  const trafficMode = recordedTrafficMode(allocation);
  return {
    ...(resourceGroupID !== "" && { resourceGroupId: resourceGroupID }),
    ...(trafficMode !== "Standard" && { trafficMode }),
  };
}
