import type { Node, NodeNetworkInterface } from "../../crds/v1beta1/node.gen.ts";
import { annotations, labels, resources } from "../../crds/v1beta1/names.ts";
import { findCondition } from "../../domain/conditions/conditions.ts";
import type { Eni } from "../../domain/eni/eni.ts";
import { toNodeFacts, type NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { CoreNode } from "../../domain/kubernetes/objects.ts";
import type { CreationHold, Suspension } from "../../domain/suspension/suspension.ts";
import type { VSwitch, VSwitchSelectionPolicy } from "../../domain/vswitch/vswitch.ts";
import type { VSwitchShortage } from "../../domain/vswitch/select.ts";

/** Everything that decides what the trunk of one machine needs next. */
export interface TrunkState {
  /** Every part of the two node objects that is needed is there, and they speak of the same machine. */
  readonly instanceId: string;
  readonly zone: string;
  readonly wanted: TrunkSpec;
  /** Source: annotation `trunk-intent` of the Node CR. Attempt 0: nothing was decided yet. */
  readonly intent: TrunkIntent;
  /** Whether this process decided the intent: only then is nothing known of its outcome but what this process asked for. */
  readonly isOwnIntent: boolean;
  /** The trunk that pods are told of; empty for none. Source: core Node annotation `trunk-on`. */
  readonly publishedId: string;
  /** Trunks that the objects name. Source: Node CR `.status.networkInterfaces`, core Node annotation `trunk-on`. */
  readonly recordedIds: readonly string[];
  /** Trunks on the instance, by id; undefined until its interfaces were listed. */
  readonly onInstance: readonly string[] | undefined;
  /** Trunks that carry this Node CR's UID, wherever they are. */
  readonly taggedIds: readonly string[];
  /** The newest thing known of each of those trunks; one that is missing here was never looked at. */
  readonly knowledge: ReadonlyMap<string, TrunkKnowledge>;
  /** Why the last listing failed, if it did. */
  readonly listingFailure?: { readonly reason: string; readonly message: string };
  readonly lastCall?: TrunkCall;
  /** Why calls of that kind are held back now; absent: they are not. */
  readonly suspensions: Readonly<Partial<Record<TrunkWork, Suspension>>>;
  /** Creations like that of the intent were refused a moment ago; another one is tried, or is due. */
  readonly hold?: CreationHold;
  /** Undefined until the vSwitches were looked up. */
  readonly selection?: { readonly vSwitch: VSwitch } | { readonly shortage: VSwitchShortage };
  readonly nowMs: number;
}

/** What the cloud is asked for. */
export type TrunkWork = "create" | "attach" | "look";

/** How the trunk is made. Source: Node CR `.spec.eni`. */
export interface TrunkSpec {
  readonly vSwitchIds: readonly string[];
  readonly policy: VSwitchSelectionPolicy;
  readonly securityGroupIds: readonly string[];
  readonly needsIpv6: boolean;
  readonly resourceGroupId: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** One decided creation. `vSwitchId` is empty while the place is not decided. */
export interface TrunkIntent {
  readonly attempt: number;
  readonly vSwitchId: string;
}

export interface TrunkKnowledge {
  /** Undefined: the cloud has none of that id. */
  readonly eni: Eni | undefined;
  /** When the read began that found it, milliseconds since the epoch. */
  readonly observedAtMs: number;
  /** Since when every read has shown this same status, or absence. */
  readonly sameSinceMs: number;
}

/** The last thing that this process asked the cloud for. */
export interface TrunkCall {
  readonly effect: "create" | "attach";
  readonly attempt: number;
  readonly startedAtMs: number;
  readonly outcome:
    | { readonly type: "running" }
    | { readonly type: "accepted"; readonly atMs: number }
    /** No answer, or a broken one. */
    | { readonly type: "unknown"; readonly atMs: number }
    | {
        readonly type: "refused";
        readonly atMs: number;
        /**
         * `newIntent`: another vSwitch or another token may help; `repeat`: the same again, not before `retryAtMs`, and of a
         * creation not while others are refused for the same cause.
         */
        readonly remedy: "repeat" | "newIntent";
        readonly retryAtMs: number;
        readonly reason: string;
        readonly message: string;
      };
  /** How often in a row this effect was asked for without reaching its end, this call included. */
  readonly tries: number;
}

/** How the machine serves pods with interfaces of their own. `plain`: it does not. */
export type Mode = "trunk" | "exclusive" | "plain";

/** What the machine can carry and what it is to publish. Source: Node CR `.spec`. */
export interface Capability {
  readonly mode: Mode;
  /** Interfaces without the primary. Source: `.spec.nodeCap.adapters`. */
  readonly slots: number;
  readonly memberLimit: number;
  readonly ipv4PerAdapter: number;
  /** Interfaces of the kinds that carry addresses of pods. Source: `.spec.flavor`. */
  readonly secondaryCount: number;
  readonly trunkCount: number;
  readonly prefixes: "none" | "ipv6Only" | "some";
}

/** The two node objects taken apart, or the one thing that is missing. */
export type Machine =
  | { readonly gap: string }
  | {
      readonly gap?: never;
      readonly facts: NodeFacts;
      readonly instanceId: string;
      readonly capability: Capability;
      readonly trunk: TrunkSpec;
    };

/** Nothing is published for these: an ignored or virtual node, and Lingjun machines, whose API is another. */
export function isServed(record: Node, core: CoreNode): boolean {
  if (record.metadata.deletionTimestamp !== undefined) return false;
  const all = { ...core.metadata.labels, ...record.metadata.labels };
  return all[labels.lingjunWorker] !== "true" && all[labels.ignore] !== "true" && all[labels.nodeType] !== virtual;
}

const virtual = "virtual-kubelet";

/** What is needed of the two objects. */
// eslint-disable-next-line complexity -- counts the optional fields that it takes apart; it decides little
export function toMachine(record: Node, core: CoreNode): Machine {
  const facts = toNodeFacts(core);
  if ("problem" in facts) return { gap: facts.problem };
  const { nodeMetadata, nodeCap, eni } = record.spec ?? {};
  const instanceId = nodeMetadata?.instanceID ?? "";
  if (instanceId === "") return { gap: "the Node CR has no spec.nodeMetadata.instanceID" };
  if (instanceId !== facts.instanceId) {
    return { gap: `the Node CR speaks of instance ${instanceId}, the core Node of ${facts.instanceId}` };
  }
  if (nodeCap?.adapters === undefined) return { gap: sayMissing(record, "spec.nodeCap.adapters") };
  if (eni === undefined) return { gap: sayMissing(record, "spec.eni") };
  const capability = toCapability(record);
  if (capability.mode === "exclusive" && capability.secondaryCount === 0) {
    return { gap: sayMissing(record, "Secondary interface in spec.flavor") };
  }
  return {
    facts,
    instanceId,
    capability,
    trunk: {
      vSwitchIds: eni.vSwitchOptions,
      policy: eni.vSwitchSelectPolicy,
      securityGroupIds: eni.securityGroupIDs,
      needsIpv6: eni.enableIPv6 === true,
      resourceGroupId: eni.resourceGroupID ?? "",
      tags: eni.tag ?? {},
    },
  };
}

/** Who keeps the record says in its condition why something is not there. */
function sayMissing({ status }: Node, what: string): string {
  const ready = findCondition(status?.conditions, "Ready");
  const why = ready?.status === "False" && ready.message !== "" ? `: ${ready.message}` : "";
  return `the Node CR has no ${what}${why}`;
}

// eslint-disable-next-line complexity -- counts the optional fields that it takes apart; it decides little
function toCapability({ metadata, spec }: Node): Capability {
  const { nodeCap = {}, eni, flavor = [] } = spec ?? {};
  const isExclusive = metadata.labels?.[labels.exclusiveMode]?.toLowerCase() === "enionly";
  const memberLimit = nodeCap.memberAdapterLimit ?? 0;
  const countOf = (type: string): number =>
    flavor
      .filter((each) => each.networkInterfaceType === type && each.networkInterfaceTrafficMode === "Standard")
      .reduce((sum, { count }) => sum + count, 0);
  const isIpv6Only = eni?.enableIPv6 === true && eni.enableIPv4 !== true;
  return {
    mode: isExclusive ? "exclusive" : eni?.enableTrunk === true && memberLimit > 0 ? "trunk" : "plain",
    slots: Math.max(0, (nodeCap.adapters ?? 0) - 1),
    memberLimit,
    ipv4PerAdapter: nodeCap.ipv4PerAdapter ?? 0,
    secondaryCount: countOf("Secondary"),
    trunkCount: countOf("Trunk"),
    prefixes: eni?.enableIPPrefix !== true ? "none" : isIpv6Only ? "ipv6Only" : "some",
  };
}

/** The intent as it is stored. What cannot be read counts as none. */
export function toIntent(record: Node): TrunkIntent {
  try {
    const value: unknown = JSON.parse(record.metadata.annotations?.[annotations.trunkIntent] ?? "{}");
    const { attempt, vSwitch } = value as { readonly attempt?: unknown; readonly vSwitch?: unknown };
    return {
      attempt: typeof attempt === "number" && attempt > 0 ? Math.floor(attempt) : 0,
      vSwitchId: typeof vSwitch === "string" ? vSwitch : "",
    };
  } catch {
    return { attempt: 0, vSwitchId: "" };
  }
}

/** Trunks that the Node CR's status names, with their entries. */
export function trunkEntriesOf(record: Node): readonly NodeNetworkInterface[] {
  const entries = Object.values(record.status?.networkInterfaces ?? {});
  return entries.filter(({ networkInterfaceType }) => networkInterfaceType === "Trunk");
}

/** Trunks that the objects name, the annotated one first. */
export function recordedTrunkIds(record: Node, core: CoreNode): readonly string[] {
  const annotated = core.metadata.annotations?.[annotations.trunkOn] ?? "";
  const ids = trunkEntriesOf(record).map(({ id }) => id);
  return [...new Set(annotated === "" ? ids : [annotated, ...ids])];
}

/** What the core Node says it can carry of an extended resource; 0 when it says nothing, NaN when it contradicts itself. */
export function quantityOf(core: CoreNode, name: (typeof resources)[keyof typeof resources]): number {
  const [free = "0", all = "0"] = [core.status?.allocatable?.[name], core.status?.capacity?.[name]];
  // Both are written together; where they differ, somebody changed one of them, and a write repairs it.
  return free === all ? Number(free) : NaN;
}
