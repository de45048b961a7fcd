import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import { annotations, finalizers, labels } from "../../crds/v1beta1/names.ts";
import type { PodENI, PodEniAllocation, PodEniEniInfo } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { Eni } from "../../domain/eni/eni.ts";

const apiVersion = "network.alibabacloud.com/v1beta1";

/** The allocation once the cloud has made its interface. */
export function withEni(allocation: PodEniAllocation, eni: Eni): PodEniAllocation {
  return {
    ...allocation,
    ipv4: eni.primaryIpv4,
    ...(eni.ipv6s[0] !== undefined && { ipv6: eni.ipv6s[0] }),
    eni: {
      ...allocation.eni,
      id: eni.eniId,
      mac: eni.macAddress,
      zone: eni.zoneId,
      vSwitchID: eni.vSwitchId,
      securityGroupIDs: eni.securityGroupIds,
      ...(eni.vpcId !== undefined && { vpcID: eni.vpcId }),
      ...(eni.resourceGroupId !== undefined && { resourceGroupID: eni.resourceGroupId }),
    },
  };
}

/** The NetworkInterface of an allocation that has an interface id. */
// eslint-disable-next-line complexity -- counts the optional fields that it takes apart; it decides little
export function toNetworkInterface(podEni: PodENI, allocation: PodEniAllocation): NetworkInterface {
  const node = podEni.metadata.labels?.[labels.node];
  const enoApi = podEni.metadata.annotations?.[annotations.enoApi];
  return {
    apiVersion,
    kind: "NetworkInterface",
    metadata: {
      name: allocation.eni?.id ?? "",
      finalizers: [finalizers.networkInterface],
      ...(node !== undefined && { labels: { [labels.node]: node } }),
      ...(enoApi !== undefined && { annotations: { [annotations.enoApi]: enoApi } }),
    },
    spec: {
      eni: allocation.eni ?? {},
      ...(allocation.ipv4 !== undefined && { ipv4: allocation.ipv4 }),
      ...(allocation.ipv6 !== undefined && { ipv6: allocation.ipv6 }),
      ...(allocation.ipv4CIDR !== undefined && { ipv4CIDR: allocation.ipv4CIDR }),
      ...(allocation.ipv6CIDR !== undefined && { ipv6CIDR: allocation.ipv6CIDR }),
      ...(allocation.extraConfig !== undefined && { extraConfig: allocation.extraConfig }),
      podENIRef: { kind: "Pod", namespace: podEni.metadata.namespace ?? "", name: podEni.metadata.name },
    },
  };
}

/** `.status.eniInfos` of a bound PodENI: what controller `eni` found out about each interface. */
export function toEniInfos(
  eniIds: readonly string[],
  networkInterface: (eniId: string) => NetworkInterface | undefined,
): Readonly<Record<string, PodEniEniInfo>> {
  return Object.fromEntries(
    eniIds.map((eniId) => [eniId, { ...networkInterface(eniId)?.status?.eniInfo, id: eniId, status: "Bind" }]),
  );
}
