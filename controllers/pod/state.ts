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
  readonly node: NodeFacts | { readonly problem: string };
}

export interface RecordFacts {
  readonly phase: string;
  readonly isDeleting: boolean;
  readonly isFixed: boolean;
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
    node: node === undefined ? { problem: `node ${nodeName} does not exist` } : toNodeFacts(node),
  };
}

const nodeUnknown: CoreNode = { metadata: { name: "" } };

function toRecordFacts(podEni: PodENI): RecordFacts {
  return {
    phase: podEni.status?.phase ?? "",
    isDeleting: podEni.metadata.deletionTimestamp !== undefined,
    isFixed: isFixed((podEni.spec?.allocations ?? []).map((allocation) => allocation.allocationType ?? {})),
    podUid: podEni.metadata.annotations?.[annotations.podUid] ?? "",
    nodeName: podEni.metadata.labels?.[labels.node] ?? "",
  };
}
