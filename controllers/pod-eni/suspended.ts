import { isSuspensionReason, type Suspension } from "../../domain/suspension/suspension.ts";
import type { PodEniAction, PodEniPlan } from "./actions.ts";
import type { PodEniState } from "./state.ts";

/** The end of a suspension wakes who waits; this is for whom it misses. */
const suspendedRetryMs = 60_000;

/** Told like slow progress: nobody is to be alarmed pod by pod. */
export function heldBack({ reason, message }: Suspension): Explained {
  return { explanation: { reason, message, isFailure: false }, requeueAfterMs: suspendedRetryMs };
}

type Explained = Required<Pick<PodEniPlan, "explanation" | "requeueAfterMs">>;

/** A refusal that a person must mend is a failure of each pod that waits for the interface. */
function heldBackPod(suspension: Suspension): Explained {
  const { explanation, ...rest } = heldBack(suspension);
  return { ...rest, explanation: { ...explanation, isFailure: !isSuspensionReason(suspension.reason) } };
}

/**
 * Nothing is begun. What was made a moment ago is recorded; what is being attached keeps its place, for it goes on at once
 * when calls do, and never more pods than there are places may be under way.
 * @param release gives the place back
 */
export function waitForCloud(state: PodEniState, suspension: Suspension, release: readonly PodEniAction[]): PodEniPlan {
  const made = state.allocations.flatMap((allocation): PodEniAction[] =>
    allocation.creation.type === "done" ? [{ type: "recordCreated", allocation, eni: allocation.creation.eni }] : [],
  );
  if (made.length > 0) return { actions: made };
  const isUnderWay = state.allocations.some(
    ({ creation, record }) => creation.type === "running" || record?.phase === "Binding",
  );
  return { actions: isUnderWay && state.place === "held" ? [] : release, ...heldBackPod(suspension) };
}

/** The cloud has done all that the pod waits for; only its record has yet to say so. */
export function isAttached({ place, allocations }: PodEniState, instanceId: string): boolean {
  return (
    place === "held" && allocations.every(({ record }) => record?.phase === "Bind" && record.instanceId === instanceId)
  );
}
