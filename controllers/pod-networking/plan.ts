import { reasons } from "./conditions.ts";
import type { Reason } from "./conditions.ts";
import type { Lookup, PlaneState, RecordedVSwitch } from "./state.ts";

/** What to do about one plane. */
export type PlanePlan =
  /** Nothing has changed since the last report. */
  | { readonly type: "settled"; readonly requeueAfterMs?: number }
  /** Ask the cloud for these vSwitches, then plan again. */
  | { readonly type: "look"; readonly vSwitchIds: readonly string[] }
  | PlaneReport;

export interface PlaneReport {
  readonly type: "report";
  readonly phase: "Ready" | "Fail";
  readonly reason: Reason;
  /** Empty when Ready. */
  readonly message: string;
  /** What `.status.vSwitches` is to hold; a failure leaves it as it was. */
  readonly vSwitches: readonly RecordedVSwitch[];
  /** True when the user sees something else than before, which is worth an event. */
  readonly isNews: boolean;
  readonly requeueAfterMs?: number;
}

/**
 * A plane that failed keeps pods from being admitted, so it is looked at again soon; the published program waits 30 s. What
 * is known of a vSwitch is shared and kept for a while, so that looking costs no call each time.
 */
const failedRetryMs = 5_000;

/**
 * Decides whether the plane is usable: all its vSwitches must exist. Pure and total.
 *
 * A plane that is `Ready` for its present generation is left alone, so a quiet cluster costs no call. Several failures
 * are all named; permission is the first reason, then absence, then availability, because that is the order in which a
 * person can help.
 */
export function planPodNetworking(state: PlaneState): PlanePlan {
  const fault = findSpecFault(state);
  if (fault !== undefined) return toReport(state, reasons.invalid, fault, undefined);
  if (state.lookups === undefined) {
    return isSettled(state) ? { type: "settled" } : { type: "look", vSwitchIds: [...new Set(state.vSwitchIds)] };
  }
  const zones = new Map(state.lookups.flatMap((lookup) => (lookup.type === "found" ? [[lookup.id, lookup.zone]] : [])));
  if (state.vSwitchIds.every((id) => zones.has(id))) {
    const vSwitches = state.vSwitchIds.map((id) => ({ id, zone: zones.get(id) ?? "" }));
    return toReport(state, reasons.found, "", undefined, vSwitches);
  }
  return planFailure(state, state.lookups);
}

function planFailure(state: PlaneState, lookups: readonly Lookup[]): PlanePlan {
  const message = lookups.flatMap((lookup) => describe(lookup) ?? []).join("; ");
  const has = (type: Lookup["type"]): boolean => lookups.some((lookup) => lookup.type === type);
  if (has("denied")) return toReport(state, reasons.denied, message, failedRetryMs);
  if (has("missing")) return toReport(state, reasons.notFound, message, failedRetryMs);
  const retryMs = Math.max(...lookups.map((lookup) => (lookup.type === "failed" ? lookup.retryAfterMs : 0)));
  return toReport(state, reasons.unavailable, message, Math.max(failedRetryMs, retryMs));
}

function describe(lookup: Lookup): string | undefined {
  switch (lookup.type) {
    case "found":
      return undefined;
    case "missing":
      return `vSwitch ${lookup.id} was not found in this region`;
    case "denied":
      return `vSwitch ${lookup.id}: RAM action ${lookup.missingAction} is not allowed: ${lookup.message}`;
    case "failed":
      return `vSwitch ${lookup.id}: ${lookup.message}`;
  }
}

/** What admission would have refused, had it been asked: such a plane can serve nobody. */
function findSpecFault({ vSwitchIds, securityGroupCount }: PlaneState): string | undefined {
  if (vSwitchIds.length === 0) return "vSwitchOptions is not set";
  return securityGroupCount === 0 ? "security group is not set" : undefined;
}

function isSettled(state: PlaneState): boolean {
  return (
    state.phase === "Ready" &&
    state.condition?.reason === reasons.found &&
    state.condition.observedGeneration === state.generation &&
    sameVSwitches(state.recorded, state.vSwitchIds)
  );
}

function sameVSwitches(recorded: readonly RecordedVSwitch[], ids: readonly string[]): boolean {
  return recorded.length === ids.length && recorded.every(({ id }, index) => id === ids[index]);
}

function toReport(
  state: PlaneState,
  reason: Reason,
  message: string,
  requeueAfterMs: number | undefined,
  vSwitches: readonly RecordedVSwitch[] = state.recorded,
): PlanePlan {
  const phase = reason === reasons.found ? "Ready" : "Fail";
  const requeue = requeueAfterMs === undefined ? {} : { requeueAfterMs };
  const isNews = state.phase !== phase || state.message !== message || !sameRecords(vSwitches, state.recorded);
  const isCurrent = state.condition?.reason === reason && state.condition.observedGeneration === state.generation;
  if (!isNews && isCurrent) return { type: "settled", ...requeue };
  return { type: "report", phase, reason, message, vSwitches, isNews, ...requeue };
}

function sameRecords(one: readonly RecordedVSwitch[], other: readonly RecordedVSwitch[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ id, zone }, index) => {
      const record = other[index];
      return record?.id === id && record.zone === zone;
    })
  );
}
