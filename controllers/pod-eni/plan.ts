import { chooseNetworkCard, type NetworkCards } from "../../domain/eni/network-cards.ts";
import { retentionOf } from "../../domain/retention/retention.ts";
import type { Explanation, PodEniAction, PodEniPlan } from "./actions.ts";
import { planBound } from "./bound.ts";
import { reasons } from "./conditions.ts";
import { planCreation, progress, stop, whileHeld, type Step } from "./plan-creation.ts";
import { isLost, type AllocationState, type InterfaceRecord, type PodEniState } from "./state.ts";
import { heldBack, isAttached, waitForCloud } from "./suspended.ts";

/** What only an edit of somebody's object mends is looked at again this often; watches usually come first. */
const misconfiguredRetryMs = 30_000;
/** The machine of a node may be looked for in vain for as long as nobody removes the node. */
const instanceRetryMs = 60_000;
/** Reason of the error table (cloud/error-codes.ts). */
const noInstance = "InstanceNotFound";
/** A longer wait could miss the time by seconds: the timers of this machine and the clock of the record may drift apart. */
const retentionRecheckMs = 600_000;

/**
 * Decides the next steps for the interfaces of one pod.
 *
 * Pure and total. Intent is recorded before the cloud is asked (`recordIntent` before `startCreate`); a creation whose
 * answer never came is repeated with the same token; nothing is attached without one of the places.
 */
export function planPodEni(state: PodEniState, pick: (n: number) => number): PodEniPlan {
  if (state.isDeleting) return planRemoval(state);
  switch (state.phase) {
    case "":
    case "Binding":
      return planBind(state, pick);
    case "Bind": {
      const actions = [...release(state), ...missingRecords(state), ...driftReport(state)];
      return actions.length > 0 ? { actions } : planBound(state);
    }
    case "Detaching":
      return planDetach(state);
    case "Unbind":
      return planRetention(state);
    case "Deleting":
      return { actions: [...release(state), { type: "deleteSelf" }] };
    default:
      return { actions: [...release(state), ...missingRecords(state)] };
  }
}

/** A bound pod keeps the interfaces that it has; that it asks for others by now is told, and no more. */
function driftReport({ pod, drift, reportedDrift }: PodEniState): PodEniAction[] {
  if (pod === undefined || drift === reportedDrift) return [];
  return [{ type: "reportDrift", ...(drift !== undefined && { drift }) }];
}

/** Records of the published program's first releases have no NetworkInterfaces; they are made where they are missed. */
function missingRecords({ allocations }: PodEniState): PodEniAction[] {
  return allocations.filter(lacksRecord).map((allocation) => ({ type: "createRecord", allocation }));
}

function lacksRecord({ eniId, record, isKnownGone }: AllocationState): boolean {
  return eniId !== "" && (record === undefined ? !isKnownGone : record.isBlank === true && !record.isDeleting);
}

function release(state: PodEniState): PodEniAction[] {
  return state.place === "none" ? [] : [{ type: "releasePlace" }];
}

// ---- removal ----

function planRemoval(state: PodEniState): PodEniPlan {
  if (!state.hasFinalizer) return { actions: release(state) };
  const actions = release(state);
  let isPending = false;
  for (const allocation of state.allocations) {
    const step = removalStep(allocation);
    actions.push(...step.actions);
    isPending ||= step.isPending;
  }
  if (!isPending) {
    // Not earlier: while the record still is to make the interface, the collector takes it for wanted.
    if (state.allocations.some(({ creation }) => creation.type === "failed")) actions.push({ type: "requestSweep" });
    actions.push({ type: "removeFinalizers" });
  }
  const names = state.allocations.map((allocation) => allocation.eniId).filter((id) => id !== "");
  return {
    actions,
    ...(names.length > 0 && isPending && state.suspensions.release !== undefined
      ? heldBack(state.suspensions.release)
      : { explanation: { reason: reasons.releasing, message: toRelease(names, troubleOf(state)), isFailure: false } }),
  };
}

function toRelease(eniIds: readonly string[], trouble: string | undefined): string {
  return `releasing ${listOf(eniIds)}${trouble === undefined ? "" : `: ${trouble}`}`;
}

/** Why an interface is not where it is wanted, in the words of its NetworkInterface. */
function troubleOf({ allocations }: PodEniState): string | undefined {
  return allocations.map(({ record }) => record?.trouble?.message).find((message) => message !== undefined);
}

function listOf(eniIds: readonly string[]): string {
  return eniIds.length === 0 ? "what was being created" : eniIds.join(", ");
}

function removalStep(allocation: AllocationState): { actions: PodEniAction[]; isPending: boolean } {
  if (allocation.eniId === "") return removalOfUncreated(allocation);
  if (allocation.record === undefined) {
    if (allocation.isKnownGone) return { actions: [], isPending: false };
    return { actions: [{ type: "createRecord", allocation }], isPending: true };
  }
  if (allocation.record.isDeleting) return { actions: [], isPending: true };
  return { actions: [{ type: "deleteRecord", eniId: allocation.eniId }], isPending: true };
}

function removalOfUncreated(allocation: AllocationState): { actions: PodEniAction[]; isPending: boolean } {
  const { creation } = allocation;
  switch (creation.type) {
    case "running":
      return { actions: [], isPending: true };
    case "done":
      return { actions: [{ type: "recordCreated", allocation, eni: creation.eni }], isPending: true };
    case "failed":
    case "none":
      return { actions: [], isPending: false };
  }
}

// ---- detach and retention ----

// eslint-disable-next-line complexity -- one step per state of an allocation
function planDetach(state: PodEniState): PodEniPlan {
  const actions: PodEniAction[] = release(state);
  let isPending = false;
  for (const allocation of state.allocations) {
    const { creation, record, eniId } = allocation;
    if (creation.type === "running") isPending = true;
    if (creation.type === "done") actions.push({ type: "recordCreated", allocation, eni: creation.eni });
    if (lacksRecord(allocation)) {
      actions.push({ type: "createRecord", allocation });
      continue;
    }
    if (record === undefined || record.phase === "Unbind") continue;
    isPending = true;
    if (record.phase !== "Detaching" && !record.isDeleting) actions.push({ type: "requestDetach", eniId });
  }
  const isHolding = state.allocations.some((allocation) => allocation.eniId !== "");
  if (!isPending && !actions.some((action) => action.type !== "releasePlace")) {
    actions.push({ type: isHolding ? "reportUnbind" : "reportDeleting" });
  }
  if (isPending && state.suspensions.release !== undefined) return { actions, ...heldBack(state.suspensions.release) };
  return {
    actions,
    explanation: {
      reason: reasons.detaching,
      message: troubleOf(state) ?? "the interfaces are being detached",
      isFailure: false,
    },
  };
}

function planRetention(state: PodEniState): PodEniPlan {
  const actions = [...release(state), ...missingRecords(state)];
  if (state.hasAnyPod) return { actions };
  if (state.podGoneAtMs === undefined) return { actions: [...actions, { type: "recordPodGone" }] };
  const explanation = keptButLost(state);
  const told = explanation === undefined ? {} : { explanation };
  const retention = retentionOf(state.retention, state.podGoneAtMs);
  switch (retention.type) {
    case "release":
      return { actions: [...actions, { type: "releaseExpired" }] };
    case "keepForever":
      return { actions, ...told };
    case "keepUntil":
      if (state.sharedNowMs >= retention.atMs) return { actions: [...actions, { type: "releaseExpired" }] };
      return { actions, ...told, requeueAfterMs: Math.min(retention.atMs - state.sharedNowMs, retentionRecheckMs) };
  }
}

/** The record is kept all the same: only a person can tell that nobody waits for the address. */
function keptButLost({ allocations }: PodEniState): Explanation | undefined {
  const lost = allocations.find(isLost);
  if (lost === undefined) return undefined;
  const message = `the cloud has no interface ${lost.eniId} any more; somebody deleted it. Its fixed address is lost: delete the PodENI`;
  return { reason: reasons.interfaceMissing, message, isFailure: true };
}

// ---- bind ----

function planBind(state: PodEniState, pick: (n: number) => number): PodEniPlan {
  if (state.pod === undefined) return { actions: release(state) };
  const { node } = state;
  if ("problem" in node) return giveUp(state, reasons.nodeNotReady, node.problem, misconfiguredRetryMs);
  const obstacle = obstacleOf(state, node);
  if (obstacle !== undefined) return giveUp(state, obstacle.reason, obstacle.message, misconfiguredRetryMs);
  const paused = planPaused(state, node.instanceId);
  if (paused !== undefined) return paused;
  if (state.place === "none") return { actions: [{ type: "requestPlace", priority: placePriority(state) }] };
  if (state.place === "waiting") return { actions: [], ...waitingForPlace(state) };
  return planAllocations(state, node, pick);
}

/** Undefined when nothing says that it is not yet time. */
function planPaused(state: PodEniState, instanceId: string): PodEniPlan | undefined {
  const suspension = state.suspensions.bind;
  if (suspension !== undefined && !isAttached(state, instanceId)) {
    return waitForCloud(state, suspension, release(state));
  }
  if (state.retryAtMs !== undefined && state.retryAtMs > state.nowMs) {
    return { actions: [], requeueAfterMs: state.retryAtMs - state.nowMs };
  }
  return planWhileHeld(state);
}

/** No place is asked for while another creation of that kind shows that it would be refused. */
function planWhileHeld(state: PodEniState): PodEniPlan | undefined {
  if (state.place === "held") return undefined;
  const allocation = state.allocations.find(({ hold }) => hold !== undefined);
  if (allocation?.hold === undefined) return undefined;
  const step = whileHeld(state, allocation, allocation.hold);
  const { actions, explanation, requeueAfterMs } = state.allocations.length === 1 ? step : naming(allocation, step);
  return {
    actions: [...actions, ...release(state)],
    ...(explanation !== undefined && { explanation }),
    ...(requeueAfterMs !== undefined && { requeueAfterMs }),
  };
}

function waitingForPlace({
  placesAhead,
  suspensions,
}: PodEniState): Pick<PodEniPlan, "explanation" | "requeueAfterMs"> {
  // Those that hold the places cannot go on.
  if (suspensions.attach !== undefined) return heldBack(suspensions.attach);
  const before = placesAhead === undefined ? "" : `; about ${roundUp(placesAhead)} before it`;
  const message = `waiting for one of the places in which pods are given interfaces${before}`;
  return { explanation: { reason: reasons.waitingForPlace, message, isFailure: false } };
}

// Rounded, or the message would change with every pod that is served.
function roundUp(count: number): number {
  return Math.ceil((count + 1) / 50) * 50;
}

/** The successor of a pod with a fixed address, after the plane of both was deleted. */
const unmatchedAdvice =
  "no PodNetworking matched this pod when it was created, so the scheduler did not heed its kept address: " +
  "make one that does and delete the pod, or delete the PodENI to give the address up";

/** What stands in the way whatever the cloud says. */
function obstacleOf(
  state: PodEniState,
  node: { readonly name: string; readonly zone: string; readonly trunkEniId?: string },
): { reason: string; message: string } | undefined {
  if (state.allocations.length === 0) {
    return { reason: reasons.invalidSpec, message: "the record has no allocation; delete it and it is made again" };
  }
  const isMade = state.allocations.some((allocation) => allocation.eniId !== "");
  const advice = isMade && state.isUnmatched ? `; ${unmatchedAdvice}` : "";
  if (isMade && state.zone !== "" && state.zone !== node.zone) {
    return {
      reason: reasons.zoneMismatch,
      message: `the kept address belongs to zone ${state.zone}, but node ${node.name} is in ${node.zone}; the pod must run in ${state.zone}${advice}`,
    };
  }
  if (node.trunkEniId === undefined && state.allocations.some((allocation) => allocation.wantsTrunk)) {
    return {
      reason: reasons.nodeWithoutTrunk,
      message: `node ${node.name} has no trunk interface (annotation k8s.aliyun.com/trunk-on); use an instance type with trunk support, or eniType ENI${advice}`,
    };
  }
  return undefined;
}

/** Fixed addresses first, then interfaces that exist already (a former process left them half-way), then pod priority. */
function placePriority(state: PodEniState): number {
  const isMade = state.allocations.some((allocation) => allocation.eniId !== "");
  return (state.isFixed ? 8e10 : 0) + (isMade ? 4e10 : 0) + (state.pod?.priority ?? 0);
}

function giveUp(state: PodEniState, reason: string, message: string, retryAfterMs: number): PodEniPlan {
  return { actions: release(state), explanation: { reason, message, isFailure: true }, requeueAfterMs: retryAfterMs };
}

function planAllocations(
  state: PodEniState,
  node: { readonly instanceId: string; readonly trunkEniId?: string; readonly zone: string },
  pick: (n: number) => number,
): PodEniPlan {
  const usesTrunk = state.allocations.some((allocation) => allocation.wantsTrunk);
  const steps = state.allocations.map((allocation) => {
    const step =
      allocation.eniId === ""
        ? planCreation(state, allocation, node.zone, pick)
        : planAttach(allocation, node.instanceId, allocation.wantsTrunk ? (node.trunkEniId ?? "") : "");
    return state.allocations.length === 1 ? step : naming(allocation, step);
  });
  if (steps.every((step) => step.isBound)) {
    const trunkEniId = usesTrunk ? (node.trunkEniId ?? "") : "";
    return { actions: [{ type: "reportBind", instanceId: node.instanceId, trunkEniId }, { type: "releasePlace" }] };
  }
  const explained =
    steps.find((step) => step.explanation?.isFailure === true) ?? steps.find((step) => step.explanation);
  const requeues = steps.flatMap((step) => step.requeueAfterMs ?? []);
  const actions = onNetworkCards(
    steps.flatMap((step) => step.actions),
    state.networkCards,
  );
  const givesPlaceUp = steps.some((step) => step.givesPlaceUp);
  return {
    actions: givesPlaceUp ? [...actions.filter(isAllowedWithoutPlace), { type: "releasePlace" }] : actions,
    ...(explained?.explanation !== undefined && { explanation: explained.explanation }),
    ...(requeues.length > 0 && { requeueAfterMs: Math.min(...requeues) }),
  };
}

/** Of several interfaces, the one that fails is named. */
function naming({ interface: name }: AllocationState, step: Step): Step {
  const { explanation } = step;
  if (explanation?.isFailure !== true) return step;
  return { ...step, explanation: { ...explanation, message: `${name}: ${explanation.message}` } };
}

/** Each exclusive interface goes to the card that carries least, those before it in the plan included. */
function onNetworkCards(actions: readonly PodEniAction[], cards: NetworkCards | undefined): readonly PodEniAction[] {
  if (cards === undefined) return actions;
  const taken = [...cards.taken];
  return actions.map((action) => {
    if (action.type !== "requestAttach" || action.trunkEniId !== "") return action;
    const networkCardIndex = chooseNetworkCard({ ...cards, taken });
    taken.push(networkCardIndex);
    return { ...action, networkCardIndex };
  });
}

/** Nothing new is asked of the cloud for a pod that gives its place to another. */
function isAllowedWithoutPlace({ type }: PodEniAction): boolean {
  return type !== "startCreate" && type !== "requestAttach";
}

function planAttach(allocation: AllocationState, instanceId: string, trunkEniId: string): Step {
  const { record, eniId } = allocation;
  if (isLost(allocation)) return planMissing(allocation);
  if (record === undefined) return { actions: [{ type: "createRecord", allocation }], isBound: false };
  if (record.isDeleting) return progress(reasons.interfaceMissing, `interface ${eniId} is being deleted`);
  switch (record.phase) {
    case "":
    case "Unbind":
      return { actions: [{ type: "requestAttach", eniId, instanceId, trunkEniId }], isBound: false };
    case "Bind":
      if (record.instanceId === instanceId) return { actions: [], isBound: true };
      return { actions: [{ type: "requestDetach", eniId }], isBound: false };
    default:
      if (waitsForFormerTrunk(record, instanceId, trunkEniId)) {
        return { actions: [{ type: "requestAttach", eniId, instanceId, trunkEniId }], isBound: false };
      }
      return attaching(allocation, instanceId);
  }
}

/** The machine got another trunk meanwhile: nothing is ever attached to the one that was asked for. */
function waitsForFormerTrunk({ phase, ...record }: InterfaceRecord, instanceId: string, trunkEniId: string): boolean {
  const isMember = trunkEniId !== "" && record.trunkEniId !== "";
  return phase === "Binding" && isMember && record.instanceId === instanceId && record.trunkEniId !== trunkEniId;
}

function attaching({ record, eniId }: AllocationState, instanceId: string): Step {
  const trouble = record?.trouble;
  if (trouble === undefined) return progress(reasons.attaching, `attaching ${eniId} to ${instanceId}`);
  const explanation = { ...trouble, isFailure: true };
  if (trouble.reason !== noInstance) return { actions: [], isBound: false, explanation };
  // Nothing mends it soon: the attempt is called off, or pods of a few dead machines would hold all of the places.
  const step = stop(trouble.reason, trouble.message, instanceRetryMs);
  return record?.phase === "Binding" ? { ...step, actions: [...step.actions, { type: "requestDetach", eniId }] } : step;
}

function planMissing(allocation: AllocationState): Step {
  const message = `the cloud has no interface ${allocation.eniId} any more; somebody deleted it`;
  if (!allocation.isFixed) return { actions: [{ type: "forgetInterface", allocation }], isBound: false };
  const advice = `${message}. Its fixed address is lost: delete the PodENI to get another`;
  return stop(reasons.interfaceMissing, advice, misconfiguredRetryMs);
}
