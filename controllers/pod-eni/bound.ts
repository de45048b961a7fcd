import type { Explanation, PodEniPlan } from "./actions.ts";
import { reasons } from "./conditions.ts";
import { isLost, type PodEniState } from "./state.ts";

/** What a bound pod's interfaces need: nothing, unless the machine under the pod is gone or is another one. Pure and total. */
export function planBound(state: PodEniState): PodEniPlan {
  if (state.pod === undefined) return { actions: [] };
  const lost = state.allocations.find(isLost);
  if (lost !== undefined) return { actions: [], explanation: interfaceLost(state, lost.eniId) };
  if (state.isNodeGone) return { actions: [], explanation: nodeGone(state) };
  if ("problem" in state.node) return { actions: [] };
  const { instanceId } = state.node;
  if (state.instanceId !== "" && state.instanceId !== instanceId) {
    return { actions: [{ type: "reportMoved", instanceId }] };
  }
  return { actions: state.readyReason === reasons.nodeGone ? [{ type: "reportNodeBack", instanceId }] : [] };
}

/** A pod that runs does not get another interface: its processes hold addresses of the old one. */
function interfaceLost({ isFixed }: PodEniState, eniId: string): Explanation {
  const remedy = isFixed ? "delete the PodENI, then the pod, to get another address" : "delete the pod to get another";
  const message = `interface ${eniId} of the running pod does not exist any more; somebody deleted it: ${remedy}`;
  return { reason: reasons.interfaceMissing, message, isFailure: true };
}

/** Kubernetes' pod garbage collector deletes such pods after 40 to 60 s; most are gone before anybody wonders. */
const collectorMs = 60_000;

function nodeGone({ node, instanceId }: PodEniState): Explanation {
  const problem = "problem" in node ? node.problem : "";
  const remedy = `delete the pod, with --force if it stays, and its interfaces on ${instanceId} are taken back`;
  const message = `${problem}, but the pod's object does; ${remedy}`;
  return { reason: reasons.nodeGone, message, isFailure: false, tellAfterMs: collectorMs };
}
