/** States of one cloud interface with everything at its default, for the tests of plan.ts. */
import { creatorTagValue, tags } from "../../crds/v1beta1/names.ts";
import type { Eni, EniStatus } from "../../domain/eni/eni.ts";
import type { Effect, LastCall, NetworkInterfaceState } from "./state.ts";

export const nowMs = 1_000_000;
export const clusterId = "c-1";
/** Of an interface that was made for pods of this cluster. */
export const ourTags = { [tags.clusterId]: clusterId, [tags.creator]: creatorTagValue };

/** An interface in the given state; attached states are on `i-1`, trunk `eni-trunk`. */
export function anEni(status: EniStatus, given: Partial<Eni> = {}): Eni {
  const isPlaced = status === "InUse" || status === "Attaching" || status === "Detaching";
  return {
    eniId: "eni-1",
    status,
    type: "Member",
    macAddress: "00:16:3e:00:00:01",
    vSwitchId: "vsw-1",
    zoneId: "zone-a",
    ...(isPlaced && { instanceId: "i-1", trunkEniId: "eni-trunk" }),
    ...(status === "InUse" && { deviceIndex: 7 }),
    primaryIpv4: "10.0.0.1",
    ipv6s: [],
    securityGroupIds: ["sg-1"],
    tags: ourTags,
    ...given,
  };
}

/** What the newest read showed: begun `agoMs` ago, unchanged since `sameForMs` before that. `gone`: not in the answer. */
export function seen(
  status: EniStatus | "gone",
  given: { readonly agoMs?: number; readonly sameForMs?: number; readonly eni?: Partial<Eni> } = {},
): Pick<NetworkInterfaceState, "knowledge"> {
  const observedAtMs = nowMs - (given.agoMs ?? 0);
  const eni = status === "gone" ? undefined : anEni(status, given.eni);
  return { knowledge: { eni, observedAtMs, sameSinceMs: observedAtMs - (given.sameForMs ?? 0) } };
}

/** The last call: begun `agoMs` ago, answered at once. `retryInMs`: of a refusal, from now. */
export function called(
  effect: Effect,
  outcome: LastCall["outcome"]["type"],
  agoMs: number,
  given: {
    readonly formerDetachAgoMs?: number;
    readonly tries?: number;
    readonly retryInMs?: number;
    readonly knowledgeHolds?: boolean;
  } = {},
): Pick<NetworkInterfaceState, "lastCall"> {
  const atMs = nowMs - agoMs;
  return {
    lastCall: {
      effect,
      startedAtMs: atMs,
      outcome: toOutcome(outcome, atMs, nowMs + (given.retryInMs ?? 0), given.knowledgeHolds ?? false),
      ...(given.formerDetachAgoMs !== undefined && { formerDetachAtMs: nowMs - given.formerDetachAgoMs }),
      tries: given.tries ?? 1,
    },
  };
}

function toOutcome(
  type: LastCall["outcome"]["type"],
  atMs: number,
  retryAtMs: number,
  knowledgeHolds: boolean,
): LastCall["outcome"] {
  if (type === "running") return { type };
  return type === "refused" ? { type, atMs, retryAtMs, knowledgeHolds } : { type, atMs };
}

/** Wanted on `i-1`, trunk `eni-trunk`; nothing known, nothing asked for. */
export function aState(given: Partial<NetworkInterfaceState> = {}): NetworkInterfaceState {
  return {
    eniId: "eni-1",
    goal: "attached",
    isUnmanaged: false,
    hasFinalizer: true,
    instanceId: "i-1",
    trunkEniId: "eni-trunk",
    wasDetached: false,
    leadsSinceMs: 0,
    clusterId,
    suspensions: {},
    nowMs,
    ...given,
  };
}
