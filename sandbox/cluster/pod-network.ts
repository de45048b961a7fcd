/** Whether a PodENI carries everything that the daemon of a node needs to give a pod its network: a pure decision. */
import { annotations, labels } from "../../crds/v1beta1/names.ts";
import type { Pod, PodEni, PodEniAllocation, PodEniInfo } from "./kinds.ts";
import type { NodeSpec } from "./node-specs.ts";

export type PodNetwork =
  /** The pod can start with these addresses, IPv4 first. */
  | { readonly type: "ready"; readonly addresses: readonly string[] }
  /** `reason` says in words what is missing. */
  | { readonly type: "waiting"; readonly reason: string };

// strconv.ParseBool, by which the published programs read the annotation.
const trueWords = new Set(["1", "t", "T", "TRUE", "true", "True"]);

/** True for pods whose interfaces are recorded in a PodENI; all others share the addresses of their node. */
export function podUsesPodEni(pod: Pod, node: NodeSpec): boolean {
  if (pod.spec.hostNetwork === true || pod.metadata.labels?.[labels.ignore] === "true") return false;
  return node.exclusive === true || trueWords.has(pod.metadata.annotations?.[annotations.podEni] ?? "");
}

/** The daemon's rules for a PodENI pod (reference: contract with the daemon). Total; the first failing rule is the reason. */
export function toPodNetwork(pod: Pod, node: NodeSpec, podEni: PodEni | undefined): PodNetwork {
  if (podEni === undefined) return waiting("PodENI not found");
  const reason = reasonToWait(pod, podEni);
  if (reason !== undefined) return waiting(reason);
  const allocations = podEni.spec?.allocations ?? [];
  if (allocations.length === 0) return waiting("PodENI has no allocation");
  for (const allocation of allocations) {
    const missing = missingOf(allocation, podEni, node);
    if (missing !== undefined) return waiting(`interface ${allocation.interface ?? ""}: ${missing}`);
  }
  const primary = allocations.find((each) => (each.interface ?? "") === "" || each.interface === "eth0");
  if (primary === undefined) return waiting("no allocation is for eth0");
  const addresses = [primary.ipv4, primary.ipv6].filter((address) => address !== undefined && address !== "");
  return { type: "ready", addresses: addresses.filter((address) => address !== undefined) };
}

function waiting(reason: string): PodNetwork {
  return { type: "waiting", reason };
}

function reasonToWait(pod: Pod, podEni: PodEni): string | undefined {
  if (podEni.metadata.deletionTimestamp !== undefined) return "PodENI is being deleted";
  const uid = podEni.metadata.annotations?.[annotations.podUid];
  if (uid !== pod.metadata.uid) return `PodENI belongs to pod uid ${uid ?? "(none)"}`;
  const phase = podEni.status?.phase ?? "(none)";
  return phase === "Bind" ? undefined : `PodENI phase is ${phase}, not Bind`;
}

function missingOf(allocation: PodEniAllocation, podEni: PodEni, node: NodeSpec): string | undefined {
  const { eni, ipv4 } = allocation;
  if (!eni?.id) return "no ENI id";
  if (!eni.mac) return `no MAC of ${eni.id}`;
  if (!ipv4) return `no IPv4 address of ${eni.id}`;
  const info = podEni.status?.eniInfos?.[eni.id];
  if (info === undefined) return `no eniInfos entry of ${eni.id}`;
  return isMember(allocation, info) ? missingOfMember(info, podEni, node) : undefined;
}

function isMember(allocation: PodEniAllocation, info: PodEniInfo): boolean {
  return info.type === "Member" || allocation.eni?.attachmentOptions?.trunk === true;
}

function missingOfMember(info: PodEniInfo, podEni: PodEni, node: NodeSpec): string | undefined {
  const trunk = podEni.status?.trunkENIID ?? "";
  if (node.trunkEniId === undefined) return "the node has no trunk interface";
  if (trunk !== node.trunkEniId) return `trunk is ${trunk || "(none)"}, the node's is ${node.trunkEniId}`;
  // Without a VLAN id the trunk cannot carry the member; VLAN 0 is the untagged trunk itself.
  return (info.vid ?? 0) > 0 ? undefined : "no VLAN id";
}
