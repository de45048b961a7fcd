import type { UnreadVSwitch, VSwitch, VSwitchSelectionPolicy } from "./vswitch.ts";

/** Everything that decides which vSwitch the next interface is made in. */
export interface VSwitchSelection {
  /** Candidates in the user's order. Source: PodNetworking `.spec.vSwitchOptions` or the pod annotation. */
  readonly vSwitchIds: readonly string[];
  /** What is known of them, by id. An id that is missing here was not looked for, and counts as not found. */
  readonly vSwitches: ReadonlyMap<string, VSwitch | UnreadVSwitch>;
  /** Zone of the node, for instance `cn-hangzhou-h`. An interface can only be attached within its zone. */
  readonly zone: string;
  readonly policy: VSwitchSelectionPolicy;
  /** Uniform index in `[0, n)`; asked once, and only for the policy `random`. */
  readonly pick: (n: number) => number;
  /** True when the interface needs an IPv6 address: a vSwitch without an IPv6 block cannot serve it. @default false */
  readonly needsIpv6?: boolean;
}

/** Why none can be used. */
export interface VSwitchShortage {
  /**
   * `VSwitchesExhausted` heals when addresses return; `NoVSwitchInZone`, `VSwitchNotFound` and `VSwitchWithoutIPv6` need an
   * edit; any other is the reason why a candidate could not be read.
   */
  readonly reason: string;
  /** Names every candidate and what is wrong with it. */
  readonly message: string;
}

interface Fault {
  readonly kind: "missing" | "misplaced" | "withoutIpv6" | "unread" | "full";
  readonly reason: string;
  readonly text: string;
}

/**
 * Chooses a vSwitch of the zone that has free addresses: the first in order, a random one, or the one with the most.
 *
 * Pure and total: no candidate is a shortage, not an error. `most` breaks ties by the user's order. Among several reasons
 * the one that waiting can heal is reported: full before unread before without IPv6 before misplaced before missing.
 */
export function selectVSwitch(
  selection: VSwitchSelection,
):
  | { readonly vSwitch: VSwitch; readonly shortage?: never }
  | { readonly shortage: VSwitchShortage; readonly vSwitch?: never } {
  const usable: VSwitch[] = [];
  const faults: Fault[] = [];
  for (const id of new Set(selection.vSwitchIds)) {
    const vSwitch = selection.vSwitches.get(id) ?? { vSwitchId: id, error: "NotFound" };
    const fault = "error" in vSwitch ? toFault(vSwitch) : findFault(vSwitch, selection);
    if (fault !== undefined) faults.push(fault);
    else if (!("error" in vSwitch)) usable.push(vSwitch);
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

function toFault({ vSwitchId: id, error }: UnreadVSwitch): Fault {
  if (error === "NotFound") return { kind: "missing", reason: "VSwitchNotFound", text: `${id} was not found` };
  return { kind: "unread", reason: error.reason, text: `${id} could not be read: ${error.message}` };
}

function findFault({ vSwitchId: id, ...vSwitch }: VSwitch, selection: VSwitchSelection): Fault | undefined {
  const misplaced = { kind: "misplaced", reason: "NoVSwitchInZone" } as const;
  if (vSwitch.zoneId !== selection.zone) return { ...misplaced, text: `${id} is in zone ${vSwitch.zoneId}` };
  if (selection.needsIpv6 === true && vSwitch.ipv6Cidr === "") {
    return { kind: "withoutIpv6", reason: "VSwitchWithoutIPv6", text: `${id} has no IPv6 block` };
  }
  // IPv6 alone does not help: every interface has a primary IPv4 address.
  if (!vSwitch.isExhausted && vSwitch.freeIpv4Count > 0) return undefined;
  return { kind: "full", reason: "VSwitchesExhausted", text: `${id} has no free address` };
}

const kinds: readonly Fault["kind"][] = ["full", "unread", "withoutIpv6", "misplaced", "missing"];

function toShortage(faults: readonly Fault[], zone: string): VSwitchShortage {
  const details = faults.length === 0 ? "no vSwitch is configured" : faults.map((fault) => fault.text).join(", ");
  const [first] = kinds.flatMap((kind) => faults.find((fault) => fault.kind === kind) ?? []);
  return {
    reason: first?.reason ?? "NoVSwitchInZone",
    message: `no available vSwitch for zone ${zone}: ${details}`,
  };
}
