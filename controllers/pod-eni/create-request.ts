import { creatorTagValue, tags } from "../../crds/v1beta1/names.ts";
import type { PodENI, PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";
import { toCreateRequest, type CreateRequest } from "../../domain/eni/create-request.ts";
import { recordedTrafficMode } from "../../domain/eni/traffic-mode.ts";
import type { CreationKind } from "../../runtime/creation-causes.ts";
import { clientToken } from "./creation.ts";
import type { AllocationState } from "./state.ts";

/**
 * Asks for what the record says and nothing else, so that whoever repeats the call, after a crash too, sends the same
 * parameters with the same client token.
 */
export function toPodRequest(
  podEni: PodENI,
  { interface: name, index, attempt, vSwitchId, isFixed }: AllocationState,
  { clusterId, needsIpv6 }: { readonly clusterId: string; readonly needsIpv6: boolean },
): CreateRequest {
  const allocation = podEni.spec?.allocations?.[index] ?? {};
  const uid = podEni.metadata.uid ?? "";
  return toCreateRequest({
    type: "Secondary",
    vSwitchId,
    securityGroupIds: allocation.eni?.securityGroupIDs ?? [],
    clientToken: clientToken({ podEniUid: uid, interface: name, vSwitchId, attempt }),
    creator: creatorTagValue,
    tags: { [tags.podEniUid]: uid, [tags.interface]: name, [tags.attempt]: String(attempt) },
    deleteOnRelease: !isFixed,
    clusterId,
    needsIpv6,
    resourceGroupId: allocation.eni?.resourceGroupID ?? "",
    trafficMode: recordedTrafficMode(allocation),
  });
}

/** What decides whether the cloud refuses it for the same cause as another one. */
export function kindOf({ eni = {} }: PodEniAllocation): CreationKind {
  const { vSwitchID = "", securityGroupIDs = [], resourceGroupID = "" } = eni;
  return {
    type: "Secondary",
    vSwitchId: vSwitchID,
    securityGroupIds: securityGroupIDs,
    resourceGroupId: resourceGroupID,
  };
}
