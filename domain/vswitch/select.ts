import type { VSwitch, VSwitchSelectionPolicy } from "./vswitch.ts";

/** Everything that decides which vSwitch the next interface is made in. */
export interface VSwitchSelection {
  /** Candidates in the user's order. Source: PodNetworking `.spec.vSwitchOptions` or the pod annotation. */
  readonly vSwitchIds: readonly string[];
  /** What is known of them, by id. An id that is missing here was not found in the cloud. */
  readonly vSwitches: ReadonlyMap<string, VSwitch>;
  /** Zone of the node, for instance `cn-hangzhou-h`. An interface can only be attached within its zone. */
  readonly zone: string;
  readonly policy: VSwitchSelectionPolicy;
  /** Uniform index in `[0, n)`; asked once, and only for the policy `random`. */
  readonly pick: (n: number) => number;
  /** Ids that refused this very interface a moment ago, whatever their counts say. */
  readonly exclude?: ReadonlySet<string>;
  /** True when the interface needs an IPv6 address: a vSwitch without an IPv6 block cannot serve it. @default false */
  readonly needsIpv6?: boolean;
}

/** Why none can be used. `VSwitchesExhausted` heals when addresses return; the other two need an edit. */
export interface VSwitchShortage {
  readonly reason: "NoVSwitchInZone" | "VSwitchesExhausted" | "VSwitchNotFound";
  /** Names every candidate and what is wrong with it. */
  readonly message: string;
}

interface Fault {
  readonly kind: "missing" | "misplaced" | "full";
  readonly text: string;
}

/**
 * Chooses a vSwitch of the zone that has free addresses: the first in order, a random one, or the one with the most.
 *
 * Pure and total: no candidate is a shortage, not an error. `most` breaks ties by the user's order. Among several reasons
 * the one that waiting can heal is reported: full before misplaced before missing.
 */
export function selectVSwitch(
  selection: VSwitchSelection,
):
  | { readonly vSwitch: VSwitch; readonly shortage?: never }
  | { readonly shortage: VSwitchShortage; readonly vSwitch?: never } {
  const usable: VSwitch[] = [];
  const faults: Fault[] = [];
  for (const id of new Set(selection.vSwitchIds)) {
    const vSwitch = selection.vSwitches.get(id);
    const fault = findFault(id, vSwitch, selection);
    if (fault !== undefined) faults.push(fault);
    else if (vSwitch !== undefined) usable.push(vSwitch);
  }
  const vSwitch = chooseOne(usable, selection);
  return vSwitch === undefined ? { shortage: toShortage(faults, selection.zone) } : { vSwitch };
}

function chooseOne(usable: readonly VSwitch[], { policy, pick }: VSwitchSelection): VSwitch | undefined {
  if (usable.length === 0) return undefined;
  switch (policy) {
    case "ordered":
      return usable[0];
    case "random":
      return usable[pick(usable.length)];
    case "most":
      return usable.reduce((best, next) => (next.freeIpv4Count > best.freeIpv4Count ? next : best));
  }
}

function findFault(id: string, vSwitch: VSwitch | undefined, selection: VSwitchSelection): Fault | undefined {
  if (vSwitch === undefined) return { kind: "missing", text: `${id} was not found` };
  if (vSwitch.zoneId !== selection.zone) return { kind: "misplaced", text: `${id} is in zone ${vSwitch.zoneId}` };
  if (selection.needsIpv6 === true && vSwitch.ipv6Cidr === "") {
    return { kind: "misplaced", text: `${id} has no IPv6 block` };
  }
  if (vSwitch.isExhausted || vSwitch.freeIpv4Count <= 0) return { kind: "full", text: `${id} has no free address` };
  if (selection.exclude?.has(id) === true) return { kind: "full", text: `${id} refused the last request` };
  return undefined;
}

function toShortage(faults: readonly Fault[], zone: string): VSwitchShortage {
  const details = faults.length === 0 ? "no vSwitch is configured" : faults.map((fault) => fault.text).join(", ");
  const has = (kind: Fault["kind"]): boolean => faults.some((fault) => fault.kind === kind);
  const misplacedOrMissing = has("misplaced") || !has("missing") ? "NoVSwitchInZone" : "VSwitchNotFound";
  return {
    reason: has("full") ? "VSwitchesExhausted" : misplacedOrMissing,
    message: `no available vSwitch for zone ${zone}: ${details}`,
  };
}
