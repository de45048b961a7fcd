import type { NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { PodFacts, PodState, RecordFacts } from "./state.ts";

/** One write each. */
export type PodAction =
  | { readonly type: "createRecord"; readonly node: NodeFacts }
  /** The pod of a fixed address is gone or was replaced: take the interfaces off and start the clock. */
  | { readonly type: "detach" }
  /** The pod of an elastic record is gone or was replaced: give everything back. */
  | { readonly type: "release" }
  /** Hands a kept record to the next pod of its name. */
  | { readonly type: "rebind"; readonly podUid: string; readonly nodeName: string }
  | { readonly type: "complain"; readonly message: string }
  /** Tells the pod's owner what else than room in the cluster keeps it from being scheduled. */
  | { readonly type: "explainUnscheduled"; readonly message: string };

export interface PodPlan {
  readonly action?: PodAction;
  /** The pod is behind our gate, and nothing else has to be done first. */
  readonly isGated?: true;
  readonly requeueAfterMs?: number;
}

/** A node that is not there yet appears within seconds or never; its arrival is not watched from here. */
const nodeRetryMs = 5_000;

/**
 * Decides what the record of a pod's interfaces must say next. Pure and total.
 *
 * | pod | record | then |
 * |---|---|---|
 * | gone or finished | any, elastic | release |
 * | gone or finished | new, Binding or Bind, fixed | detach |
 * | running | none | create it |
 * | running, its own UID | Unbind | rebind |
 * | running, another UID | new, Binding or Bind | as if the pod were gone |
 * | running | Detaching, Deleting, being deleted | wait; the record's own change wakes |
 * | not scheduled, or not ours | of another UID | as if the pod were gone |
 * | gated | that is let go already, or none | see gate.ts |
 * | not schedulable | fixed, with an address | say that the address holds the pod in its zone |
 */
// eslint-disable-next-line complexity -- the table above, one line per row
export function planPod({ pod, record }: PodState): PodPlan {
  if (pod === undefined || pod.isFinished) return record === undefined ? {} : letGo(record);
  if (pod.isDeleting) return {};
  if (!pod.usesEni) return planBystander(pod, record);
  if (record === undefined) return create(pod);
  if (record.isDeleting || record.phase === "Deleting" || record.phase === "Detaching") return {};
  if (record.phase === "Unbind") return rebind(pod, record);
  return record.podUid === pod.uid ? {} : letGo(record);
}

/** A pod that uses no interface now; what its predecessor had must not wait until it does. */
function planBystander(pod: PodFacts, record: RecordFacts | undefined): PodPlan {
  const isPredecessors = record !== undefined && record.podUid !== "" && record.podUid !== pod.uid;
  const plan = isPredecessors ? letGo(record) : {};
  if (plan.action !== undefined) return plan;
  if (pod.isGated) return { isGated: true };
  return pod.isUnschedulable ? explainZone(record) : {};
}

function letGo(record: RecordFacts): PodPlan {
  if (record.isDeleting || record.phase === "Deleting") return {};
  if (!record.isFixed) return { action: { type: "release" } };
  return record.phase === "Detaching" || record.phase === "Unbind" ? {} : { action: { type: "detach" } };
}

/** The scheduler's own event says only that no node matches. */
function explainZone(record: RecordFacts | undefined): PodPlan {
  if (record === undefined || !record.isFixed || record.ipv4s.length === 0) return {};
  if (record.isDeleting || record.phase === "Deleting") return {};
  const message =
    `the fixed address ${record.ipv4s.join(", ")} is kept in zone ${record.zone}, where no node takes this pod: ` +
    "make room or add a node there; to start elsewhere with another address, delete the PodENI of this name and then the pod";
  return { action: { type: "explainUnscheduled", message } };
}

function create(pod: PodFacts): PodPlan {
  if ("problem" in pod.node) {
    return { action: { type: "complain", message: pod.node.problem }, requeueAfterMs: nodeRetryMs };
  }
  return { action: { type: "createRecord", node: pod.node } };
}

function rebind(pod: PodFacts, record: RecordFacts): PodPlan {
  if (!record.isFixed) return { action: { type: "release" } };
  return { action: { type: "rebind", podUid: pod.uid, nodeName: pod.nodeName } };
}
