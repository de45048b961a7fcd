import { reasons } from "./conditions.ts";
import type { Reason } from "./conditions.ts";
import type { Lookup, PlaneState, RecordedVSwitch } from "./state.ts";

/** What to do about one plane. */
export type PlanePlan =
  /** Ask the cloud for these vSwitches, then plan again. */
  { readonly type: "look"; readonly vSwitchIds: readonly string[] } | PlaneReport;

/** What its status is to say; not a write when it says so already. */
export interface PlaneReport {
  readonly type: "report";
  readonly phase: "Ready" | "Fail";
  readonly reason: Reason;
  /** Empty when Ready. */
  readonly message: string;
  /** What `.status.vSwitches` is to hold; a failure leaves it as it was. */
  readonly vSwitches: readonly RecordedVSwitch[];
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
 * A vSwitch that a Ready plane has recorded is taken to be there until the cloud says that it is not: neither a restart nor a
 * lookup that fails costs a call, or the plane its pods. Several failures are all named; permission is the first reason,
 * then absence, then availability, because that is the order in which a person can help.
 */
export function planPodNetworking(state: PlaneState): PlanePlan {
  const fault = findSpecFault(state);
  if (fault !== undefined) return toFailure(state, reasons.invalid, fault);
  const zones = new Map(state.lookups.map((lookup) => [lookup.id, zoneOf(lookup, state)]));
  const vSwitches = state.vSwitchIds.map((id) => ({ id, zone: zones.get(id) ?? "" }));
  const open = state.lookups.filter(({ id }) => zones.get(id) === undefined);
  if (open.length === 0) return { type: "report", phase: "Ready", reason: reasons.found, message: "", vSwitches };
  const unknown = open.filter(({ type }) => type === "unknown").map(({ id }) => id);
  return unknown.length > 0 ? { type: "look", vSwitchIds: [...new Set(unknown)] } : planFailure(state, open);
}

/** Undefined when the vSwitch cannot be counted on. */
function zoneOf(lookup: Lookup, { phase, recorded }: PlaneState): string | undefined {
  if (lookup.type === "found") return lookup.zone;
  if (lookup.type === "missing" || phase !== "Ready") return undefined;
  return recorded.find(({ id, zone }) => id === lookup.id && zone !== "")?.zone;
}

function planFailure(state: PlaneState, lookups: readonly Lookup[]): PlaneReport {
  const message = [...new Set(lookups.map(describe))].join("; ");
  const has = (type: Lookup["type"]): boolean => lookups.some((lookup) => lookup.type === type);
  if (has("denied")) return toFailure(state, reasons.denied, message, failedRetryMs);
  if (has("missing")) return toFailure(state, reasons.notFound, message, failedRetryMs);
  const retryMs = Math.max(...lookups.map((lookup) => (lookup.type === "failed" ? lookup.retryAfterMs : 0)));
  return toFailure(state, reasons.unavailable, message, Math.max(failedRetryMs, retryMs));
}

function describe(lookup: Lookup): string {
  switch (lookup.type) {
    case "found":
      return `vSwitch ${lookup.id} is in zone ${lookup.zone}`;
    case "unknown":
      return `vSwitch ${lookup.id} was not looked up`;
    case "missing":
      return `vSwitch ${lookup.id} was not found in this region`;
    case "denied":
      return `vSwitch ${lookup.id}: RAM action ${lookup.missingAction} is not allowed: ${lookup.message}`;
    case "failed":
      return `vSwitch ${lookup.id}: ${lookup.message}`;
  }
}

/** What admission would have refused, had it been asked: such a plane can serve nobody. */
function findSpecFault({ vSwitchIds, securityGroupCount, selectorProblem }: PlaneState): string | undefined {
  if (vSwitchIds.length === 0) return "vSwitchOptions is not set";
  return securityGroupCount === 0 ? "security group is not set" : selectorProblem;
}

function toFailure(
  { recorded: vSwitches }: PlaneState,
  reason: Reason,
  message: string,
  requeueAfterMs?: number,
): PlaneReport {
  const requeue = requeueAfterMs === undefined ? {} : { requeueAfterMs };
  return { type: "report", phase: "Fail", reason, message, vSwitches, ...requeue };
}
