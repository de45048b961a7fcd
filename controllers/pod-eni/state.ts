import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import { annotations, finalizers, labels } from "../../crds/v1beta1/names.ts";
import type { PodENI, PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";
import { findCondition } from "../../domain/conditions/conditions.ts";
import type { Eni } from "../../domain/eni/eni.ts";
import { numaNodeOf, type NetworkCards } from "../../domain/eni/network-cards.ts";
import { toNodeFacts, type NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { CoreNode, Pod } from "../../domain/kubernetes/objects.ts";
import { parsePodNetworks, podRequestsEni, type PodNetwork } from "../../domain/pod-network/pod-networks.ts";
import type { AllocationRetention } from "../../domain/retention/retention.ts";
import { isFixed } from "../../domain/retention/retention.ts";
import { isSuspensionReason, type CreationHold, type Suspension } from "../../domain/suspension/suspension.ts";
import type { UnreadVSwitch, VSwitch } from "../../domain/vswitch/vswitch.ts";
import { podPresent, ready, upToDate } from "./conditions.ts";
import { findDrift } from "./drift.ts";

/** Everything that decides which step comes next for the interfaces of one pod. */
export interface PodEniState {
  /** Source: `.status.phase`; another word than the published ones is possible. */
  readonly phase: string;
  readonly isDeleting: boolean;
  readonly hasFinalizer: boolean;
  /** The record outlives its pod. */
  readonly isFixed: boolean;
  readonly zone: string;
  readonly allocations: readonly AllocationState[];
  readonly retention: readonly AllocationRetention[];
  /** The pod that the record is for: exists, is not finished, and has the UID of annotation `pod-uid`. */
  readonly pod: { readonly priority: number } | undefined;
  /** No PodNetworking matched the pod at its admission, so the scheduler knew nothing of its record; its node gives every pod interfaces. */
  readonly isUnmatched: boolean;
  /** What the bound pod asks for by now and its interfaces do not have. */
  readonly drift?: string;
  /** Message of condition UpToDate, while False. */
  readonly reportedDrift?: string;
  /** A pod of the record's name exists, whatever its UID. */
  readonly hasAnyPod: boolean;
  readonly node: NodeFacts | { readonly problem: string };
  /** Physical network cards of the node's machine; absent: it has one, or it is not known to have several. */
  readonly networkCards?: NetworkCards;
  /** Neither the pod's node nor, without a pod, the node of the record exists. */
  readonly isNodeGone: boolean;
  /** Where its interfaces are, once they were bound. Source: `.status.instanceID`; empty otherwise. */
  readonly instanceId: string;
  /** Reason of condition Ready; empty without one. */
  readonly readyReason: string;
  readonly place: "held" | "waiting" | "none";
  /** How many wait before it for one of the places; only while waiting. */
  readonly placesAhead?: number;
  /** When the pod's deletion had been observed, on the clock that all replicas share. Source: condition PodPresent False with `.status.podLastSeen`. */
  readonly podGoneAtMs?: number;
  /** After a failure: not before then. Memory of this process. */
  readonly retryAtMs?: number;
  /** vSwitches that allocations without a usable one may choose from; read only when needed. */
  readonly vSwitches: ReadonlyMap<string, VSwitch | UnreadVSwitch>;
  readonly needsIpv6: boolean;
  /** Why calls would be held back now. */
  readonly suspensions: Suspensions;
  readonly nowMs: number;
  /** Milliseconds since the epoch on the clock of `podGoneAtMs`, at the earliest. */
  readonly sharedNowMs: number;
}

export interface Suspensions {
  /** Of making interfaces. */
  readonly bind?: Suspension;
  /** Of attaching them, or of seeing that they are attached: what keeps those that hold the places. */
  readonly attach?: Suspension;
  readonly release?: Suspension;
}

export interface AllocationState {
  readonly index: number;
  readonly interface: string;
  readonly isFixed: boolean;
  /** Empty until the cloud has made the interface. */
  readonly eniId: string;
  /** The recorded intent; empty when none could be chosen. */
  readonly vSwitchId: string;
  /** The vSwitch of the intent refused for lack of addresses a moment ago, does not exist, or has no IPv6 although it is needed. */
  readonly vSwitchIsUnusable: boolean;
  readonly wantsTrunk: boolean;
  /** Counts the decisions to create this interface anew; part of the client token. */
  readonly attempt: number;
  /** What the pod asked for on this interface; absent when its annotation is gone. */
  readonly network?: PodNetwork;
  readonly creation: CreationState;
  /** Creations like this one were refused a moment ago for what a person must mend; another one is tried, or is due. */
  readonly hold?: CreationHold;
  readonly record?: InterfaceRecord;
  /** This process saw the record of the interface go, after the cloud had none any more. */
  readonly isKnownGone: boolean;
}

export type CreationState =
  | { readonly type: "none" }
  | { readonly type: "running" }
  | { readonly type: "done"; readonly eni: Eni }
  | { readonly type: "failed"; readonly failure: CreationFailure };

/** A failed CreateNetworkInterface, in the words that decide what is next. */
export interface CreationFailure {
  /** `nextVSwitch`: choose another one. `newToken`: the token is spent. `repeat`: same token again. `stop`: a person or time must help. `wait`: nothing was asked. */
  readonly remedy: "nextVSwitch" | "newToken" | "repeat" | "stop" | "wait";
  readonly reason: string;
  readonly message: string;
  /** Milliseconds until it is worth trying again. */
  readonly retryAfterMs: number;
}

/** The NetworkInterface of an allocation. */
export interface InterfaceRecord {
  readonly phase: string;
  readonly isDeleting: boolean;
  readonly instanceId: string;
  /** Empty for a whole interface. */
  readonly trunkEniId: string;
  /** The cloud has no such interface any more. */
  readonly isMissing: boolean;
  /** It has no status, but the PodENI says what it would be: the published program died between the two writes. */
  readonly isBlank?: boolean;
  /** Reason and message of condition Ready, while False. */
  readonly trouble?: { readonly reason: string; readonly message: string };
}

/** What the reconciler read, before it is taken apart. */
export interface Observation {
  readonly podEni: PodENI;
  readonly pod: Pod | undefined;
  readonly node: CoreNode | undefined;
  readonly networkInterface: (eniId: string) => NetworkInterface | undefined;
  readonly creation: (allocationInterface: string) => CreationState;
  readonly creationHold: (allocation: PodEniAllocation) => CreationHold | undefined;
  readonly isKnownGone: (eniId: string) => boolean;
  readonly vSwitchIsUnusable: (vSwitchId: string) => boolean;
  readonly vSwitches: ReadonlyMap<string, VSwitch | UnreadVSwitch>;
  readonly place: PodEniState["place"];
  readonly placesAhead: number | undefined;
  readonly retryAtMs: number | undefined;
  readonly needsIpv6: boolean;
  /** Configuration `enableTrunk`. */
  readonly enableTrunk: boolean;
  readonly suspensions: Suspensions;
  readonly networkCards: (node: NodeFacts, numaNode: number | undefined) => NetworkCards | undefined;
  readonly nowMs: number;
  readonly sharedNowMs: number;
}

/** Pure and total: what cannot be read of somebody else's object is absent. */
// eslint-disable-next-line complexity -- counts the optional fields that it takes apart; it decides little
export function toState(seen: Observation): PodEniState {
  const { podEni, pod, placesAhead, retryAtMs } = seen;
  const allocations = podEni.spec?.allocations ?? [];
  const retention = allocations.map((allocation) => allocation.allocationType ?? {});
  const networks = networksOf(pod);
  const attempts = attemptsOf(podEni);
  const podGoneAtMs = podGoneAt(podEni);
  const networkCards = networkCardsOf(seen);
  const owner = isOwner(podEni, pod) ? pod : undefined;
  const drift = findDrift(owner?.metadata.annotations?.[annotations.podNetworks], allocations);
  const reportedDrift = findCondition(podEni.status?.conditions, upToDate);
  return {
    phase: podEni.status?.phase ?? "",
    isDeleting: podEni.metadata.deletionTimestamp !== undefined,
    hasFinalizer: ownFinalizers(podEni).length > 0,
    isFixed: isFixed(retention),
    zone: podEni.spec?.zone ?? "",
    retention,
    allocations: allocations.map((allocation, index) => toAllocation(seen, allocation, index, networks, attempts)),
    pod: owner === undefined ? undefined : { priority: owner.spec?.priority ?? 0 },
    isUnmatched: owner !== undefined && !podRequestsEni(owner.metadata.annotations),
    ...(drift !== undefined && { drift }),
    ...(reportedDrift?.status === "False" && { reportedDrift: reportedDrift.message }),
    hasAnyPod: pod !== undefined && !isFinished(pod),
    node: nodeOf(seen),
    ...(networkCards !== undefined && { networkCards }),
    isNodeGone: seen.node === undefined,
    instanceId: podEni.status?.instanceID ?? "",
    readyReason: findCondition(podEni.status?.conditions, ready)?.reason ?? "",
    place: seen.place,
    ...(placesAhead !== undefined && { placesAhead }),
    ...(podGoneAtMs !== undefined && { podGoneAtMs }),
    ...(retryAtMs !== undefined && { retryAtMs }),
    vSwitches: seen.vSwitches,
    needsIpv6: seen.needsIpv6,
    suspensions: seen.suspensions,
    nowMs: seen.nowMs,
    sharedNowMs: seen.sharedNowMs,
  };
}

// eslint-disable-next-line complexity -- counts the optional fields that it takes apart; it decides little
function toAllocation(
  seen: Observation,
  allocation: PodEniAllocation,
  index: number,
  networks: readonly PodNetwork[],
  attempts: Readonly<Record<string, number>>,
): AllocationState {
  const interfaceName = interfaceOf(allocation);
  const eniId = allocation.eni?.id ?? "";
  const vSwitchId = allocation.eni?.vSwitchID ?? "";
  const network = networks.find(
    (candidate) => (candidate.interface === "" ? "eth0" : candidate.interface) === interfaceName,
  );
  const record = eniId === "" ? undefined : toRecord(seen.networkInterface(eniId));
  const creation: CreationState = eniId === "" ? seen.creation(interfaceName) : { type: "none" };
  const hold = eniId === "" && creation.type === "none" ? seen.creationHold(allocation) : undefined;
  return {
    index,
    interface: interfaceName,
    isFixed: allocation.allocationType?.type === "Fixed",
    eniId,
    vSwitchId,
    vSwitchIsUnusable: vSwitchId === "" || lacksIpv6(seen, allocation) || seen.vSwitchIsUnusable(vSwitchId),
    wantsTrunk: allocation.eni?.attachmentOptions?.trunk ?? usesTrunkByDefault(seen),
    attempt: (Object.hasOwn(attempts, interfaceName) ? attempts[interfaceName] : undefined) ?? 0,
    ...(network !== undefined && { network }),
    creation,
    ...(hold !== undefined && { hold }),
    ...(record !== undefined && { record: { ...record, isBlank: record.phase === "" && isPlaced(seen.podEni) } }),
    isKnownGone: eniId !== "" && seen.isKnownGone(eniId),
  };
}

/** Chosen before IPv6 was configured, or before the vSwitch had a block. */
function lacksIpv6({ needsIpv6 }: Observation, { ipv6CIDR = "" }: PodEniAllocation): boolean {
  return needsIpv6 && ipv6CIDR === "";
}

/** The published program records no option, and attaches by the cluster's setting whatever the pod asked for. */
function usesTrunkByDefault(seen: Observation): boolean {
  const node = nodeOf(seen);
  return seen.enableTrunk && !("problem" in node) && !node.isExclusive;
}

function toRecord(networkInterface: NetworkInterface | undefined): InterfaceRecord | undefined {
  if (networkInterface === undefined) return undefined;
  const { status } = networkInterface;
  const condition = findCondition(status?.conditions, ready);
  return {
    phase: status?.phase ?? "",
    isDeleting: networkInterface.metadata.deletionTimestamp !== undefined,
    ...toPlace(status),
    isMissing: condition?.reason === "InterfaceMissing",
    ...(condition !== undefined &&
      isTrouble(condition) && { trouble: { reason: condition.reason, message: condition.message } }),
  };
}

function toPlace(status: NetworkInterface["status"]): Pick<InterfaceRecord, "instanceId" | "trunkEniId"> {
  return { instanceId: status?.instanceID ?? "", trunkEniId: status?.trunkENIID ?? "" };
}

/** Whether calls are held back is known first-hand; the record may say what was. */
function isTrouble({ status, reason }: { readonly status: string; readonly reason: string }): boolean {
  return status === "False" && reason !== "Detached" && !isSuspensionReason(reason);
}

/** Whether the PodENI says where its interfaces are. */
function isPlaced({ status }: PodENI): boolean {
  return status?.phase === "Unbind" || (status?.instanceID ?? "") !== "";
}

/** The cloud has said that its interface is gone. */
export function isLost({ record, isKnownGone }: AllocationState): boolean {
  return record?.isMissing ?? isKnownGone;
}

/** Name of the interface in the pod; legacy records leave it empty for the first. */
export function interfaceOf(allocation: PodEniAllocation): string {
  return allocation.interface === undefined || allocation.interface === "" ? "eth0" : allocation.interface;
}

/** Source: PodENI annotation `k8s.aliyun.com/create-attempts`. Anything unreadable counts from zero. */
export function attemptsOf(podEni: PodENI): Readonly<Record<string, number>> {
  try {
    const parsed: unknown = JSON.parse(podEni.metadata.annotations?.[annotations.createAttempts] ?? "{}");
    if (typeof parsed !== "object" || parsed === null) return {};
    return Object.fromEntries(
      Object.entries(parsed).filter((entry): entry is [string, number] => Number.isInteger(entry[1])),
    );
  } catch {
    return {};
  }
}

/** The finalizers of this program on the record, the legacy one included. */
export function ownFinalizers(podEni: PodENI): readonly string[] {
  const own: readonly string[] = [finalizers.podEni, finalizers.podEniLegacy];
  return (podEni.metadata.finalizers ?? []).filter((finalizer) => own.includes(finalizer));
}

/** A pod that runs no more and will not run again gives its interfaces back, though its object stays. */
export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

function isOwner(podEni: PodENI, pod: Pod | undefined): boolean {
  if (pod === undefined || isFinished(pod)) return false;
  return podEni.metadata.annotations?.[annotations.podUid] === pod.metadata.uid;
}

function networksOf(pod: Pod | undefined): readonly PodNetwork[] {
  try {
    return parsePodNetworks(pod?.metadata.annotations?.[annotations.podNetworks] ?? "null");
  } catch {
    return [];
  }
}

function nodeOf({ podEni, pod, node }: Observation): PodEniState["node"] {
  if (node !== undefined) return toNodeFacts(node);
  const name = pod?.spec?.nodeName ?? podEni.metadata.labels?.[labels.node] ?? "";
  return { problem: `node ${name} does not exist` };
}

function networkCardsOf(seen: Observation): NetworkCards | undefined {
  const node = nodeOf(seen);
  if ("problem" in node) return undefined;
  return seen.networkCards(node, numaNodeOf(seen.pod?.metadata.annotations?.[annotations.cpuSet]));
}

/** The end of the second that was written, for times are written rounded down: an address must not go a moment early. */
function podGoneAt(podEni: PodENI): number | undefined {
  if (findCondition(podEni.status?.conditions, podPresent)?.status !== "False") return undefined;
  const atMs = Date.parse(podEni.status?.podLastSeen ?? "");
  return Number.isNaN(atMs) ? undefined : atMs + 1_000;
}
