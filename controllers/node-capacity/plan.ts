import type { Eni } from "../../domain/eni/eni.ts";
import { reasons } from "./conditions.ts";
import type { Suspension } from "../../domain/suspension/suspension.ts";
import type { TrunkCall, TrunkIntent, TrunkKnowledge, TrunkState, TrunkWork } from "./state.ts";

/** The one next step of a machine's trunk: one call or write, or none. */
export type TrunkStep =
  /** The interfaces of the instance are to be listed. */
  | { readonly type: "list" }
  /** The vSwitches are to be looked up, then plan again. */
  | { readonly type: "selectVSwitch" }
  | { readonly type: "recordIntent"; readonly intent: TrunkIntent }
  | { readonly type: "create"; readonly intent: TrunkIntent; readonly tries: number; readonly isReplay: boolean }
  | { readonly type: "attach"; readonly eniId: string; readonly tries: number }
  /** Sleep until the observer reports; `sinceMs` is when the effect was asked for. */
  | { readonly type: "watch"; readonly eniId: string; readonly operation: "attach" | "look"; readonly sinceMs: number }
  /** That trunk is gone, or elsewhere: the next one is a new one. */
  | { readonly type: "forget"; readonly eniId: string; readonly intent: TrunkIntent }
  | { readonly type: "ready"; readonly eni: Eni }
  | { readonly type: "wait" };

export interface TrunkPlan {
  readonly step: TrunkStep;
  /** Why the trunk does not serve yet; absent when it is ready. */
  readonly explanation?: { readonly reason: string; readonly message: string };
  /** What was published stays for now: a single read that contradicts it may be a late one. */
  readonly isDoubtful?: boolean;
  readonly requeueAfterMs?: number;
}

/** A read may show the world some seconds late (cloud-api.md C5). */
export const lateReadMs = 4_000;
/** Absence is believed once it has lasted this long. */
const absenceMs = 10_000;
/** Addresses of a full vSwitch may return at any time. */
const shortageRetryMs = 10_000;
/** The end of a suspension wakes who waits; this is for whom it misses. */
const suspendedRetryMs = 60_000;

/**
 * Decides the one next step towards a trunk that is InUse on the instance.
 *
 * Pure and total. A trunk that is there is taken, whoever made it; one that was detached is attached again; only when
 * none is left is one made, and its intent is recorded first. Attach has no client token: it is called only when the
 * newest read shows that it is needed.
 */
export function planTrunk(state: TrunkState): TrunkPlan {
  const plan = nextStep(state);
  const work = workOf(plan.step);
  const suspension = work && state.suspensions[work];
  if (suspension === undefined || (work !== "look" && isToBeTried(suspension, state.nowMs))) return plan;
  return heldBack(plan, suspension, state.nowMs);
}

/** What a step asks the cloud for, now or right after it. A listing is held back where it is made. */
function workOf({ type }: TrunkStep): TrunkWork | undefined {
  switch (type) {
    case "selectVSwitch":
    case "recordIntent":
    case "create":
      return "create";
    case "attach":
      return "attach";
    case "watch":
      return "look";
    default:
      return undefined;
  }
}

function isToBeTried({ tryAtMs = Infinity }: Suspension, nowMs: number): boolean {
  return tryAtMs <= nowMs;
}

/** Nothing is begun. A look is asked for all the same: the observer takes it as soon as looks are. */
function heldBack({ step, isDoubtful }: TrunkPlan, suspension: Suspension, nowMs: number): TrunkPlan {
  const { reason, message, tryAtMs = Infinity } = suspension;
  const isLook = step.type === "watch";
  return {
    step: isLook ? step : { type: "wait" },
    explanation: say(reason, message),
    ...(isDoubtful !== undefined && { isDoubtful }),
    requeueAfterMs: isLook ? suspendedRetryMs : Math.min(suspendedRetryMs, tryAtMs - nowMs),
  };
}

function nextStep(state: TrunkState): TrunkPlan {
  if (state.lastCall?.outcome.type === "running")
    return { step: { type: "wait" }, explanation: explainCall(state.lastCall) };
  if (state.onInstance === undefined) {
    const explanation = state.listingFailure ?? say(reasons.looking, "the instance's interfaces are being listed");
    return { step: { type: "list" }, explanation };
  }
  const eniId = pickTrunk(state, state.onInstance);
  return eniId === undefined ? planCreation(state) : planExisting(state, eniId);
}

/** One on the instance, else the one that the objects name, else one that was made for this Node CR and is nowhere yet. */
function pickTrunk(state: TrunkState, onInstance: readonly string[]): string | undefined {
  const { recordedIds, taggedIds, knowledge, instanceId, zone } = state;
  const there = onInstance.filter((id) => isUsable(knowledge.get(id)));
  const free = taggedIds.filter((id) => {
    const eni = knowledge.get(id)?.eni;
    return eni === undefined || (eni.zoneId === zone && (eni.instanceId ?? instanceId) === instanceId && !isGoing(eni));
  });
  return recordedIds.find((id) => there.includes(id)) ?? there[0] ?? recordedIds[0] ?? free[0];
}

function isUsable(known: TrunkKnowledge | undefined): boolean {
  return known?.eni === undefined ? known === undefined : !isGoing(known.eni);
}

function isGoing(eni: Eni): boolean {
  return eni.status === "Deleting";
}

function planExisting(state: TrunkState, eniId: string): TrunkPlan {
  const known = state.knowledge.get(eniId);
  const isDoubtful = isPublished(state, eniId) && !isCertain(known);
  const looking = say(reasons.looking, `trunk ${eniId} is being looked at`);
  if (known === undefined || isStale(state, known)) return { ...look(state, eniId), explanation: looking, isDoubtful };
  if (known.eni === undefined) {
    if (known.observedAtMs - known.sameSinceMs < absenceMs) {
      return { ...look(state, eniId), explanation: looking, isDoubtful: isPublished(state, eniId) };
    }
    return forget(state, eniId, `trunk ${eniId} is gone`);
  }
  const plan = planKnown(state, known, known.eni);
  return plan.step.type === "ready" ? plan : { ...plan, isDoubtful };
}

function planKnown(state: TrunkState, known: TrunkKnowledge, eni: Eni): TrunkPlan {
  const isHere = eni.instanceId === state.instanceId;
  switch (eni.status) {
    case "InUse":
      if (isHere) return { step: { type: "ready", eni } };
      return forget(state, eni.eniId, `trunk ${eni.eniId} is on instance ${eni.instanceId ?? ""}`);
    case "Available":
      if (eni.zoneId !== state.zone) return forget(state, eni.eniId, `trunk ${eni.eniId} is in zone ${eni.zoneId}`);
      if (isPublished(state, eni.eniId) && !isCertain(known)) return lookAgain(state, eni);
      return planAttach(state, known, eni);
    case "Attaching":
      return watchAttach(state, eni.eniId);
    case "Detaching":
    case "Deleting":
      return {
        ...look(state, eni.eniId),
        explanation: say(reasons.leaving, `trunk ${eni.eniId} is ${eni.status}; somebody else asked for that`),
      };
    case "Unknown":
      return lookAgain(state, eni);
  }
}

/** It was ready, as far as the objects say, and this process has not asked for anything since. */
function isPublished({ publishedId, lastCall }: TrunkState, eniId: string): boolean {
  return publishedId === eniId && lastCall?.effect !== "attach";
}

function lookAgain(state: TrunkState, { eniId, status }: Eni): TrunkPlan {
  return { ...look(state, eniId), explanation: say(reasons.looking, `trunk ${eniId} is said to be ${status}`) };
}

/** What was read before the last call began says nothing about its effect. */
function isStale({ lastCall }: TrunkState, known: TrunkKnowledge): boolean {
  return lastCall?.effect === "attach" && known.observedAtMs < lastCall.startedAtMs;
}

/** Reads have agreed for longer than any of them lags behind. */
function isCertain(known: TrunkKnowledge | undefined): boolean {
  return known !== undefined && known.observedAtMs - known.sameSinceMs >= lateReadMs;
}

function look({ lastCall }: TrunkState, eniId: string): Pick<TrunkPlan, "step"> {
  return { step: { type: "watch", eniId, operation: "look", sinceMs: lastCall?.startedAtMs ?? 0 } };
}

function watchAttach({ lastCall, nowMs }: TrunkState, eniId: string): TrunkPlan {
  const sinceMs = lastCall?.effect === "attach" ? lastCall.startedAtMs : nowMs;
  return {
    step: { type: "watch", eniId, operation: "attach", sinceMs },
    explanation: say(reasons.attaching, `trunk ${eniId} is being attached`),
  };
}

function planAttach(state: TrunkState, known: TrunkKnowledge, eni: Eni): TrunkPlan {
  const { lastCall, nowMs } = state;
  const { eniId } = eni;
  if (lastCall?.effect !== "attach") return attach(eniId, 1);
  const { outcome, tries } = lastCall;
  if (outcome.type === "running") return watchAttach(state, eniId);
  if (outcome.type === "refused") {
    if (outcome.retryAtMs <= nowMs)
      return { ...attach(eniId, tries + 1), explanation: say(outcome.reason, outcome.message) };
    const requeueAfterMs = outcome.retryAtMs - nowMs;
    return { step: { type: "wait" }, explanation: say(outcome.reason, outcome.message), requeueAfterMs };
  }
  if (known.observedAtMs < outcome.atMs + lateReadMs) return watchAttach(state, eniId);
  const explanation = say(reasons.fellBack, `the cloud accepted the attach of trunk ${eniId} and it is free again`);
  const waitMs = lastCall.startedAtMs + retryDelayMs(tries) - nowMs;
  if (waitMs > 0) return { step: { type: "wait" }, explanation, requeueAfterMs: waitMs };
  return { ...attach(eniId, tries + 1), explanation };
}

function attach(eniId: string, tries: number): TrunkPlan {
  return {
    step: { type: "attach", eniId, tries },
    explanation: say(reasons.attaching, `trunk ${eniId} is being attached`),
  };
}

/** Between two tries of an attach that fell back: 8 s, 16 s … at most a minute. */
function retryDelayMs(tries: number): number {
  return Math.min(60_000, 4_000 * 2 ** Math.min(tries, 4));
}

function forget({ intent }: TrunkState, eniId: string, message: string): TrunkPlan {
  return {
    step: { type: "forget", eniId, intent: { attempt: intent.attempt + 1, vSwitchId: "" } },
    explanation: say(reasons.creating, `${message}; another one is made`),
  };
}

function planCreation(state: TrunkState): TrunkPlan {
  const { wanted, intent, lastCall } = state;
  if (wanted.vSwitchIds.length === 0 || wanted.securityGroupIds.length === 0) {
    const what = wanted.vSwitchIds.length === 0 ? "vSwitch" : "security group";
    return { step: { type: "wait" }, explanation: say(reasons.invalid, `spec.eni of the Node CR names no ${what}`) };
  }
  const former = lastCall?.effect === "create" && lastCall.attempt === intent.attempt ? lastCall : undefined;
  if (intent.vSwitchId === "" || needsNewIntent(former)) return planIntent(state);
  return former === undefined ? create(state, 1) : createAgain(state, former);
}

function createAgain(state: TrunkState, former: TrunkCall): TrunkPlan {
  const waitMs = retryAtMsOf(former) - state.nowMs;
  if (waitMs > 0) return { step: { type: "wait" }, explanation: explainCall(former), requeueAfterMs: waitMs };
  const plan = create(state, former.tries + 1);
  return plan.step.type === "create" ? { ...plan, explanation: explainCall(former) } : plan;
}

/** What others were refused is tried by one of those who wait for it. */
function create({ intent, isOwnIntent, hold }: TrunkState, tries: number): TrunkPlan {
  if (hold?.isDue === false) {
    return { step: { type: "wait" }, explanation: say(hold.reason, hold.message), requeueAfterMs: hold.retryAfterMs };
  }
  const isReplay = tries > 1 || !isOwnIntent;
  return { step: { type: "create", intent, tries, isReplay }, explanation: sayCreating(intent) };
}

function needsNewIntent(failed: TrunkCall | undefined): boolean {
  return failed?.outcome.type === "refused" && failed.outcome.remedy === "newIntent";
}

function retryAtMsOf({ outcome, tries }: TrunkCall): number {
  if (outcome.type === "refused") return outcome.retryAtMs;
  return outcome.type === "unknown" ? outcome.atMs + 1_000 * 2 ** Math.min(tries, 5) : 0;
}

/** Where the next trunk is made. A new place is a new attempt, for a client token allows one request only. */
function planIntent({ selection, intent, lastCall }: TrunkState): TrunkPlan {
  if (selection === undefined) return { step: { type: "selectVSwitch" } };
  if ("shortage" in selection) {
    // What the cloud said of the vSwitch is older than what it says of its free addresses.
    return { step: { type: "wait" }, explanation: selection.shortage, requeueAfterMs: shortageRetryMs };
  }
  const isNew = intent.vSwitchId !== "" || intent.attempt === 0 || lastCall?.attempt === intent.attempt;
  const next = { attempt: isNew ? intent.attempt + 1 : intent.attempt, vSwitchId: selection.vSwitch.vSwitchId };
  return { step: { type: "recordIntent", intent: next }, explanation: sayCreating(next) };
}

function explainCall({ effect, outcome }: TrunkCall): { readonly reason: string; readonly message: string } {
  if (outcome.type === "refused") return say(outcome.reason, outcome.message);
  if (effect === "attach") return say(reasons.attaching, "the trunk is being attached");
  return say(reasons.creating, "CreateNetworkInterface for the trunk is under way");
}

function sayCreating({ vSwitchId }: TrunkIntent): { readonly reason: string; readonly message: string } {
  return say(reasons.creating, `a trunk is being made in vSwitch ${vSwitchId}`);
}

function say(reason: string, message: string): { readonly reason: string; readonly message: string } {
  return { reason, message };
}
