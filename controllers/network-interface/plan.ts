import type { Eni } from "../../domain/eni/eni.ts";
import { isOurs, isSpareTrunk } from "../../domain/eni/ownership.ts";
import type { Suspension } from "../../domain/suspension/suspension.ts";
import {
  attachSentAtMs,
  detachAnsweredAtMs,
  type Effect,
  type Knowledge,
  type LastCall,
  type NetworkInterfaceState,
} from "./state.ts";

/** One call of the cloud or of the API server each, or none at all (`wait`, `look`). */
export type NetworkInterfaceAction =
  | { readonly type: "call"; readonly effect: "attach"; readonly tries: number }
  | {
      readonly type: "call";
      readonly effect: "detach";
      readonly instanceId: string;
      readonly trunkEniId: string;
      readonly tries: number;
    }
  | { readonly type: "call"; readonly effect: "delete"; readonly tries: number }
  /** Sleep until the observer reports; `sinceMs` is when the effect was asked for. */
  | { readonly type: "watch"; readonly operation: Effect | "look"; readonly sinceMs: number }
  | { readonly type: "reportBind"; readonly eni: Eni }
  | { readonly type: "reportUnbind" }
  /** The cloud has no such interface although it is wanted. */
  | { readonly type: "reportMissing" }
  /** The record names an interface of somebody else, and wants it attached. */
  | { readonly type: "reportForeign" }
  | { readonly type: "removeFinalizer" };

export interface NetworkInterfacePlan {
  readonly action?: NetworkInterfaceAction;
  readonly requeueAfterMs?: number;
  /** An attach that was accepted and then undone by the cloud: worth an event. */
  readonly attachFellBack?: boolean;
  /** Calls are held back, and have been for so long that it is worth a condition. */
  readonly suspension?: Suspension;
}

/**
 * A read may show the world some seconds late (cloud-api.md C5). Until this long after an accepted call, the state from
 * before the call is taken for a late read, not for a failure.
 */
const lateReadMs = 4_000;

/**
 * An interface that was made a moment ago may be missing from a late read. Absence is believed once it has lasted this
 * long, or at once when the last thing asked for was its deletion and the cloud accepted that.
 */
const absenceMs = 10_000;

/** ECS documents that a detach or delete that hangs is to be asked for again. */
const stuckMs = 15_000;

/** A short outage is not worth a write for each interface that waits. */
const suspensionIsLongMs = 5_000;
/** The end of a suspension wakes who waits; this is for whom it misses. */
const suspendedRetryMs = 60_000;

/** Between two tries of an attach that fell back: 1 s, 2 s, 4 s … at most a minute. */
function retryDelayMs(tries: number): number {
  return Math.min(60_000, 1_000 * 2 ** Math.min(tries - 1, 6));
}

/**
 * Decides the one next step of a cloud interface from where it is to where its record wants it.
 *
 * Pure and total. Attach, detach and delete have no client token, so a call is made only when the newest read shows that
 * it is needed; an answer that never came, a refusal and a restart all lead to a look first. Unknown states mean: look again.
 */
export function planNetworkInterface(state: NetworkInterfaceState): NetworkInterfacePlan {
  const plan = nextStep(state);
  const { action } = plan;
  const work = action?.type === "call" ? action.effect : action?.type === "watch" ? "look" : undefined;
  const suspension = work && state.suspensions[work];
  if (suspension === undefined || (action?.type === "call" && isToBeTried(suspension, state.nowMs))) return plan;
  return heldBack(state, plan, suspension);
}

function isToBeTried({ tryAtMs = Infinity }: Suspension, nowMs: number): boolean {
  return tryAtMs <= nowMs;
}

/** A look is asked for all the same: it is taken as soon as looks are. */
function heldBack(
  state: NetworkInterfaceState,
  plan: NetworkInterfacePlan,
  suspension: Suspension,
): NetworkInterfacePlan {
  const { action, ...rest } = plan;
  const tellInMs = suspension.sinceMs + suspensionIsLongMs - state.nowMs;
  return {
    ...rest,
    ...(action?.type === "watch" && { action }),
    ...(tellInMs <= 0 && { suspension }),
    requeueAfterMs: tellInMs > 0 ? tellInMs : retryInMs(state, plan, suspension),
  };
}

function retryInMs(
  { nowMs }: NetworkInterfaceState,
  { action }: NetworkInterfacePlan,
  { tryAtMs }: Suspension,
): number {
  // The observer tries looks by itself.
  if (action?.type !== "call" || tryAtMs === undefined) return suspendedRetryMs;
  return Math.min(suspendedRetryMs, tryAtMs - nowMs);
}

// eslint-disable-next-line complexity -- one row per state of the cloud interface, read top to bottom
function nextStep(state: NetworkInterfaceState): NetworkInterfacePlan {
  if (state.goal === "none") return {};
  if (state.isUnmanaged) return unmanaged(state);
  if (state.lastCall?.outcome.type === "running") return {};
  if (state.goal === "detached" && state.instanceId === "") return { action: { type: "reportUnbind" } };
  if (state.knowledge === undefined || isStale(state)) return look(state);
  const { eni } = state.knowledge;
  if (eni === undefined) return absent(state, state.knowledge);
  if (!isOurs(eni, state.clusterId) && !isSpareTrunk(eni, state.clusterId)) return foreign(state);
  switch (eni.status) {
    case "Available":
      return available(state, eni);
    case "InUse":
      return inUse(state, eni);
    case "Attaching":
      return watch("attach", state);
    case "Detaching":
      return repeatWhenStuck(state, "detach", eni);
    case "Deleting":
      return state.goal === "gone" ? repeatWhenStuck(state, "delete", eni) : { action: { type: "reportMissing" } };
    case "Unknown":
      return look(state);
  }
}

function unmanaged(state: NetworkInterfaceState): NetworkInterfacePlan {
  if (state.goal === "gone" && state.hasFinalizer) return { action: { type: "removeFinalizer" } };
  return state.goal === "detached" ? { action: { type: "reportUnbind" } } : {};
}

/** Somebody's record names an interface that is not ours: the record goes its way, the interface stays as it is. */
function foreign(state: NetworkInterfaceState): NetworkInterfacePlan {
  return state.goal === "attached" ? { action: { type: "reportForeign" } } : unmanaged(state);
}

/** What was read before the last call began says nothing about its effect. */
function isStale({ knowledge, lastCall }: NetworkInterfaceState): boolean {
  if (lastCall?.outcome.type === "refused" && lastCall.outcome.knowledgeHolds) return false;
  return knowledge !== undefined && lastCall !== undefined && knowledge.observedAtMs < lastCall.startedAtMs;
}

function look(state: NetworkInterfaceState): NetworkInterfacePlan {
  const { lastCall } = state;
  if (lastCall === undefined) return { action: { type: "watch", operation: "look", sinceMs: 0 } };
  if (lastCall.outcome.type === "refused") {
    return { action: { type: "watch", operation: "look", sinceMs: lastCall.startedAtMs } };
  }
  return { action: { type: "watch", operation: lastCall.effect, sinceMs: lastCall.startedAtMs } };
}

function watch(operation: Effect, state: NetworkInterfaceState): NetworkInterfacePlan {
  const sinceMs =
    state.lastCall?.effect === operation ? state.lastCall.startedAtMs : (state.knowledge?.observedAtMs ?? state.nowMs);
  return { action: { type: "watch", operation, sinceMs } };
}

function absent(state: NetworkInterfaceState, knowledge: Knowledge): NetworkInterfacePlan {
  const { lastCall } = state;
  const isDeleted = lastCall?.effect === "delete" && lastCall.outcome.type === "accepted";
  const isCertain = isDeleted || knowledge.observedAtMs - knowledge.sameSinceMs >= absenceMs;
  if (!isCertain) return look(state);
  if (state.goal === "gone") return { action: { type: "removeFinalizer" } };
  if (state.goal === "detached") return { action: { type: "reportUnbind" } };
  return { action: { type: "reportMissing" } };
}

function available(state: NetworkInterfaceState, eni: Eni): NetworkInterfacePlan {
  if (state.goal === "attached") return attach(state, eni);
  if (isFromBeforeAttach(state)) return watch("detach", state);
  if (state.goal !== "detached") return ask(state, "delete", eni);
  return isReleased(state) ? { action: { type: "reportUnbind" } } : watch("detach", state);
}

/** The pod went so soon that a late read shows its interface as it was before the attach. */
function isFromBeforeAttach({ knowledge, lastCall }: NetworkInterfaceState): boolean {
  const sentAtMs = lastCall === undefined ? undefined : attachSentAtMs(lastCall);
  return sentAtMs !== undefined && knowledge !== undefined && knowledge.observedAtMs < sentAtMs + lateReadMs;
}

/** Our own detach ended, or Available has been shown for so long that it is no late read from before an attach. */
function isReleased({ knowledge, lastCall }: NetworkInterfaceState): boolean {
  if (lastCall?.effect === "detach" && lastCall.outcome.type === "accepted") return true;
  return knowledge !== undefined && knowledge.observedAtMs - knowledge.sameSinceMs >= lateReadMs;
}

function inUse(state: NetworkInterfaceState, eni: Eni): NetworkInterfacePlan {
  if (state.goal !== "attached") return isFromBeforeDelete(state) ? watch("delete", state) : ask(state, "detach", eni);
  if (isFromBeforeDetach(state)) return watch("attach", state);
  const isWhereWanted = eni.instanceId === state.instanceId && (eni.trunkEniId ?? "") === state.trunkEniId;
  // A record that names another instance than the cloud does was never released there; it must be, first.
  return isWhereWanted ? { action: { type: "reportBind", eni } } : ask(state, "detach", eni);
}

/** The cloud deletes only what is Available, so that InUse after an accepted deletion is a late read. */
function isFromBeforeDelete(state: NetworkInterfaceState): boolean {
  const { lastCall } = state;
  if (lastCall?.effect !== "delete" || lastCall.outcome.type !== "accepted") return false;
  return !isPastLateReads(state, lastCall);
}

/** A pod that comes back at once is not told of the attachment that its predecessor had. */
function isFromBeforeDetach({ knowledge, lastCall, wasDetached, leadsSinceMs }: NetworkInterfaceState): boolean {
  const ownDetachAtMs = lastCall === undefined ? undefined : detachAnsweredAtMs(lastCall);
  // A former process may have detached it until the moment it handed over.
  const detachedAtMs = ownDetachAtMs ?? (wasDetached ? leadsSinceMs : undefined);
  if (detachedAtMs === undefined || knowledge === undefined) return false;
  return knowledge.observedAtMs < detachedAtMs + lateReadMs;
}

function attach(state: NetworkInterfaceState, eni: Eni): NetworkInterfacePlan {
  const { lastCall } = state;
  if (lastCall?.effect !== "attach" || lastCall.outcome.type === "refused") return ask(state, "attach", eni);
  // Also after Attaching was seen: the next read may come from a place that lags further behind.
  if (!isPastLateReads(state, lastCall)) return watch("attach", state);
  const waitMs = lastCall.startedAtMs + retryDelayMs(lastCall.tries) - state.nowMs;
  if (waitMs > 0) return { requeueAfterMs: waitMs, attachFellBack: true };
  return { action: call(state, "attach", eni, lastCall.tries + 1), attachFellBack: true };
}

/** Asks for `effect`, unless it has just been asked for and late reads may hide it. */
function ask(state: NetworkInterfaceState, effect: Effect, eni: Eni): NetworkInterfacePlan {
  const { lastCall } = state;
  if (lastCall?.effect !== effect) return { action: call(state, effect, eni, 1) };
  if (lastCall.outcome.type === "refused") {
    const waitMs = lastCall.outcome.retryAtMs - state.nowMs;
    return waitMs > 0 ? { requeueAfterMs: waitMs } : { action: call(state, effect, eni, lastCall.tries + 1) };
  }
  if (!isPastLateReads(state, lastCall)) return watch(effect, state);
  return { action: call(state, effect, eni, lastCall.tries + 1) };
}

function isPastLateReads(state: NetworkInterfaceState, lastCall: LastCall): boolean {
  const answeredAtMs = lastCall.outcome.type === "running" ? state.nowMs : lastCall.outcome.atMs;
  return state.knowledge !== undefined && state.knowledge.observedAtMs >= answeredAtMs + lateReadMs;
}

// eslint-disable-next-line complexity -- one row per state of the cloud interface, read top to bottom
function repeatWhenStuck(state: NetworkInterfaceState, effect: "detach" | "delete", eni: Eni): NetworkInterfacePlan {
  const { lastCall, knowledge } = state;
  const sinceMs = lastCall?.effect === effect ? lastCall.startedAtMs : undefined;
  if (sinceMs === undefined) {
    // Somebody else's doing, or a former process': give it the time that a call of ours would get.
    const isStuck = knowledge !== undefined && knowledge.observedAtMs - knowledge.sameSinceMs >= stuckMs;
    return isStuck ? { action: call(state, effect, eni, 1) } : watch(effect, state);
  }
  if (lastCall?.outcome.type === "refused" && lastCall.outcome.retryAtMs > state.nowMs) {
    return { requeueAfterMs: lastCall.outcome.retryAtMs - state.nowMs };
  }
  // Seen to be stuck: a last look from long ago says that looks are rare, not that the cloud hangs.
  if (knowledge === undefined || knowledge.observedAtMs < sinceMs + stuckMs) return watch(effect, state);
  return { action: call(state, effect, eni, (lastCall?.tries ?? 0) + 1) };
}

function call(state: NetworkInterfaceState, effect: Effect, eni: Eni, tries: number): NetworkInterfaceAction {
  if (effect !== "detach") return { type: "call", effect, tries };
  return {
    type: "call",
    effect,
    instanceId: eni.instanceId ?? state.instanceId,
    trunkEniId: eni.trunkEniId ?? state.trunkEniId,
    tries,
  };
}
