import { annotations, labels } from "../../crds/v1beta1/names.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import { toNodeFacts, type NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { CoreNode, Pod } from "../../domain/kubernetes/objects.ts";
import { podUsesEni } from "../../domain/pod-network/pod-networks.ts";
import { isGated } from "../../domain/pod-network/scheduling-gate.ts";
import { isFixed } from "../../domain/retention/retention.ts";

/** Everything that decides what a pod's record must say. */
export interface PodState {
  /** Absent: no such pod. */
  readonly pod?: PodFacts;
  /** Absent: no such record. */
  readonly record?: RecordFacts;
}

export interface PodFacts {
  readonly uid: string;
  /** It ended, successfully or not, and will not run again. */
  readonly isFinished: boolean;
  readonly isDeleting: boolean;
  /** It is kept from the scheduler until its networks are known. */
  readonly isGated: boolean;
  /** It is scheduled, not ignored, and asks for interfaces of its own (or its node makes it). */
  readonly usesEni: boolean;
  readonly nodeName: string;
  /** The scheduler found no node for it. */
  readonly isUnschedulable: boolean;
  readonly node: NodeFacts | { readonly problem: string };
}

export interface RecordFacts {
  readonly phase: string;
  readonly isDeleting: boolean;
  readonly isFixed: boolean;
  /** Where its addresses are. Source: `.spec.zone`. */
  readonly zone: string;
  readonly ipv4s: readonly string[];
  /** UID of the pod that the record was last made for. Source: annotation `pod-uid`. */
  readonly podUid: string;
  /** Label `node`. */
  readonly nodeName: string;
}

/** Pure and total. */
export function toState(
  pod: Pod | undefined,
  node: CoreNode | undefined,
  podEni: PodENI | undefined,
  isCrdMode: boolean,
): PodState {
  return {
    ...(pod !== undefined && { pod: toPodFacts(pod, node, isCrdMode) }),
    ...(podEni !== undefined && { record: toRecordFacts(podEni) }),
  };
}

function toPodFacts(pod: Pod, node: CoreNode | undefined, isCrdMode: boolean): PodFacts {
  const nodeName = pod.spec?.nodeName ?? "";
  return {
    uid: pod.metadata.uid ?? "",
    isFinished: pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed",
    isDeleting: pod.metadata.deletionTimestamp !== undefined,
    isGated: isGated(pod),
    usesEni: podUsesEni(pod, node ?? nodeUnknown, isCrdMode),
    nodeName,
    isUnschedulable: isUnschedulable(pod),
    node: node === undefined ? { problem: `node ${nodeName} does not exist` } : toNodeFacts(node),
  };
}

function isUnschedulable({ status }: Pod): boolean {
  return status?.conditions?.some(({ reason }) => reason === "Unschedulable") === true;
}

const nodeUnknown: CoreNode = { metadata: { name: "" } };

function toRecordFacts({ metadata, spec = {}, status }: PodENI): RecordFacts {
  const { zone = "", allocations = [] } = spec;
  return {
    phase: status?.phase ?? "",
    isDeleting: metadata.deletionTimestamp !== undefined,
    isFixed: isFixed(allocations.map((allocation) => allocation.allocationType ?? {})),
    zone,
    ipv4s: allocations.map(({ ipv4 }) => ipv4 ?? "").filter((ipv4) => ipv4 !== ""),
    podUid: metadata.annotations?.[annotations.podUid] ?? "",
    nodeName: metadata.labels?.[labels.node] ?? "",
  };
}
