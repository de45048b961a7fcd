import type { Condition } from "../../crds/v1beta1/condition.ts";
import type { Node, NodeNetworkInterface } from "../../crds/v1beta1/node.gen.ts";
import { annotations, interfacesNodeCondition, notReadyTaint, resources } from "../../crds/v1beta1/names.ts";
import { findCondition, setCondition } from "../../domain/conditions/conditions.ts";
import type { Eni } from "../../domain/eni/eni.ts";
import type { CoreNode, Taint } from "../../domain/kubernetes/objects.ts";
import { interfacesReady, progressReasons, reasons, type Explanation } from "./conditions.ts";
import { quantityOf, trunkEntriesOf, type Capability } from "./state.ts";

/** What takes places of the machine without being a running pod's. */
export interface Occupancy {
  /** Interfaces on the instance, members not counted, that neither this program nor the pool of addresses made. */
  readonly strangers: number;
  /** Those of the pool of shared addresses. */
  readonly pool: number;
  /** Members of the trunk that no NetworkInterface names. */
  readonly foreignMembers: number;
  /** Interfaces of pods that are gone and whose detach has not ended. */
  readonly leaving: number;
}

/** What can be attached for pods now. */
export interface Attachable {
  /** By extended resource; `keep`: the machine's mode does not serve it, so whoever else publishes it may. */
  readonly memberEni: number | "keep";
  readonly eni: number | "keep";
  /** Addresses for pods. 0: the annotation is taken off; `keep`: it comes with the trunk, in one write. */
  readonly maxAvailableIp: number | "keep";
}

/**
 * How many interfaces the scheduler may count on.
 *
 * Members have limits of their own: EniTotalQuantity leaves room for `memberLimit` of them however many other interfaces are
 * attached. Whole interfaces share the slots of the machine with whatever else is in them.
 */
export function toAttachable(capability: Capability, occupancy: Occupancy, isTrunkReady: boolean): Attachable {
  const { mode, slots, memberLimit, secondaryCount } = capability;
  const { strangers, pool, foreignMembers, leaving } = occupancy;
  const members = isTrunkReady ? memberLimit - foreignMembers - leaving : 0;
  const whole = Math.min(secondaryCount, slots - strangers - pool - leaving);
  return {
    memberEni: mode === "trunk" ? Math.max(0, members) : "keep",
    eni: mode === "exclusive" ? Math.max(0, whole) : "keep",
    maxAvailableIp: toMaxAvailableIp(capability, occupancy),
  };
}

/** Addresses of one IPv4 block that is delegated to an interface. */
const addressesPerPrefix = 16;
/** What an IPv6 block of a node is published as. */
const ipv6OnlyAddresses = 65_536;

/** The published values. What leaves is not taken off: autoscalers read the annotation as a size of the machine. */
function toMaxAvailableIp(capability: Capability, { strangers, pool }: Occupancy): number {
  const { mode, slots, ipv4PerAdapter, secondaryCount, trunkCount, prefixes } = capability;
  const free = Math.max(0, slots - strangers);
  if (mode === "exclusive") return Math.min(secondaryCount, Math.max(0, free - pool));
  if (prefixes === "ipv6Only") return ipv6OnlyAddresses;
  if (prefixes === "some") return Math.max(0, ipv4PerAdapter - 1) * addressesPerPrefix * free;
  return Math.min(secondaryCount + trunkCount, free) * ipv4PerAdapter;
}

/** What one node's objects are to say. */
export interface Publication {
  readonly explanation: Explanation;
  /** `keep`: too little is known to say another number. */
  readonly attachable: Attachable | "keep";
  /** The trunk that serves; `keep`: what the objects say stays; undefined: none serves. */
  readonly trunk: ServingTrunk | "keep" | undefined;
}

export interface ServingTrunk {
  readonly eni: Eni;
  readonly ipv4Cidr: string;
  /** Empty when its vSwitch has no IPv6 block. */
  readonly ipv6Cidr: string;
}

/** Why something cannot be said or served. */
export interface Why {
  readonly reason: string;
  readonly message: string;
}

/** Too little is known to say something else than before. */
export function keep({ reason, message }: Why): Publication {
  return { explanation: { isReady: false, reason, message }, attachable: "keep", trunk: "keep" };
}

/** On the way to the trunk the number of addresses waits, so that one write brings both. */
export function withoutTrunk(attachable: Attachable, reason: string): Attachable {
  return progressReasons.has(reason) ? { ...attachable, maxAvailableIp: "keep" } : attachable;
}

/** Others took every place: waiting for pods to end does not help. What is only leaving does not count. */
export function explainServed(capability: Capability, occupancy: Occupancy): Explanation {
  const { eni, memberEni } = toAttachable(capability, { ...occupancy, leaving: 0 }, true);
  if (eni !== 0 && memberEni !== 0) {
    return { isReady: true, reason: reasons.published, message: "" };
  }
  const count = occupancy.strangers + occupancy.pool + occupancy.foreignMembers;
  const message = `${count} interfaces of others take every place of the instance`;
  return { isReady: false, reason: reasons.noFreeInterface, message };
}

/** The writes that are needed; a part that is absent needs none. */
export interface Writes {
  /** Merge patch of the Node CR's status. */
  readonly record?: object;
  /** Merge patch of the core Node. */
  readonly metadata?: object;
  /** Strategic merge patch of the core Node's status. */
  readonly status?: object;
  /** Merge patch of the core Node that takes the start-up taint off. */
  readonly taints?: object;
  /** The condition says something new. */
  readonly isNews: boolean;
  /** A resource grows. */
  readonly raises: boolean;
}

/**
 * Compares what is to be said with what is said. `mayRaise` false: a growing resource is left for later; `mayExplain` false: the
 * conditions are.
 */
export function planWrites(
  published: Publication,
  { record, core }: { readonly record: Node; readonly core: CoreNode },
  time: { readonly nowIso: string; readonly mayRaise: boolean; readonly mayExplain: boolean },
): Writes {
  const { explanation, attachable } = published;
  const quantities =
    attachable === "keep" ? noChange : toQuantities(withoutMembers(attachable, published, core), core, time.mayRaise);
  const status = {
    ...quantities.status,
    ...(time.mayExplain && toNodeCondition(explanation, core, time.nowIso)),
  };
  return {
    ...toRecordWrite(published, record, time),
    ...toMetadataWrite(published, core),
    ...(Object.keys(status).length > 0 && { status: { status } }),
    ...(explanation.isReady && withoutNotReady(core.spec?.taints)),
    isNews: time.mayExplain && !says(findCondition(record.status?.conditions, interfacesReady), explanation),
    raises: quantities.raises,
  };
}

/** A machine that had a trunk and shall have none any more: its members go before the annotation that tells of the trunk. */
function withoutMembers(attachable: Attachable, { trunk }: Publication, core: CoreNode): Attachable {
  const hadTrunk = core.metadata.annotations?.[annotations.trunkOn] !== undefined;
  return attachable.memberEni === "keep" && trunk === undefined && hadTrunk
    ? { ...attachable, memberEni: 0 }
    : attachable;
}

function says(condition: Condition | undefined, { reason, message }: Explanation): boolean {
  return condition?.reason === reason && condition.message === message;
}

interface QuantityChange {
  /** Members of the status; none when no quantity changes. */
  readonly status: object;
  /** One is to grow, now or later. */
  readonly raises: boolean;
}

const noChange: QuantityChange = { status: {}, raises: false };

function toQuantities({ memberEni, eni }: Attachable, core: CoreNode, mayRaise: boolean): QuantityChange {
  const changes = [
    { name: resources.memberEni, wanted: memberEni, current: quantityOf(core, resources.memberEni) },
    { name: resources.eni, wanted: eni, current: quantityOf(core, resources.eni) },
  ].flatMap(({ wanted, ...rest }) => (wanted === "keep" || wanted === rest.current ? [] : [{ wanted, ...rest }]));
  const isRaise = ({ wanted, current }: (typeof changes)[number]): boolean => wanted > current;
  const now = changes.filter((change) => mayRaise || !isRaise(change));
  const values = Object.fromEntries(now.map(({ name, wanted }) => [name, String(wanted)]));
  return {
    status: now.length === 0 ? {} : { capacity: values, allocatable: values },
    raises: changes.some(isRaise),
  };
}

function toRecordWrite(
  { explanation, trunk }: Publication,
  record: Node,
  { nowIso, mayExplain }: { readonly nowIso: string; readonly mayExplain: boolean },
): Pick<Writes, "record"> {
  const current = record.status?.conditions;
  const { isReady, reason, message } = explanation;
  const next = { type: interfacesReady, status: isReady ? "True" : "False", reason, message } as const;
  const conditions = mayExplain ? setCondition(current, next, nowIso) : current;
  const networkInterfaces = typeof trunk === "object" ? toEntries(trunk, trunkEntriesOf(record)) : {};
  const status = {
    ...(conditions !== current && { conditions }),
    ...(Object.keys(networkInterfaces).length > 0 && { networkInterfaces }),
  };
  if (Object.keys(status).length === 0) return {};
  // Guarded: the conditions are a list, which a merge patch replaces as a whole.
  return { record: { metadata: { resourceVersion: record.metadata.resourceVersion }, status } };
}

/** The trunk that serves, as the node daemon looks for it; entries of other trunks go. */
function toEntries(
  trunk: ServingTrunk,
  current: readonly NodeNetworkInterface[],
): Readonly<Record<string, NodeNetworkInterface | null>> {
  const entries: Record<string, NodeNetworkInterface | null> = {};
  for (const { id } of current) if (id !== trunk.eni.eniId) entries[id] = null;
  const wanted = toEntry(trunk);
  const there: Readonly<Record<string, unknown>> = { ...current.find(({ id }) => id === wanted.id) };
  const isThere = Object.entries(wanted).every(([key, value]) => JSON.stringify(there[key]) === JSON.stringify(value));
  if (!isThere) entries[wanted.id] = wanted;
  return entries;
}

function toEntry({ eni, ipv4Cidr, ipv6Cidr }: ServingTrunk): NodeNetworkInterface {
  return {
    id: eni.eniId,
    status: eni.status,
    macAddress: eni.macAddress,
    vSwitchID: eni.vSwitchId,
    primaryIPAddress: eni.primaryIpv4,
    ipv4CIDR: ipv4Cidr,
    ...(ipv6Cidr !== "" && { ipv6CIDR: ipv6Cidr }),
    securityGroupIDs: eni.securityGroupIds,
    networkInterfaceTrafficMode: "Standard",
    networkInterfaceType: "Trunk",
  };
}

function toMetadataWrite({ attachable, trunk }: Publication, core: CoreNode): Pick<Writes, "metadata"> {
  const current = core.metadata.annotations ?? {};
  const wanted: Record<string, string | null> = {
    ...(attachable !== "keep" &&
      attachable.maxAvailableIp !== "keep" && { [annotations.maxAvailableIp]: toText(attachable.maxAvailableIp) }),
    ...(trunk !== "keep" && { [annotations.trunkOn]: trunk?.eni.eniId ?? null }),
  };
  const changed = Object.entries(wanted).filter(([name, value]) => (current[name] ?? null) !== value);
  return changed.length === 0 ? {} : { metadata: { metadata: { annotations: Object.fromEntries(changed) } } };
}

function toText(count: number): string | null {
  return count === 0 ? null : String(count);
}

/** Undefined when it says so already. */
function toNodeCondition(explanation: Explanation, core: CoreNode, nowIso: string): object | undefined {
  const current = findCondition(core.status?.conditions, interfacesNodeCondition);
  const { reason, message } = explanation;
  const status = explanation.isReady ? "True" : "False";
  const isSameStatus = current?.status === status;
  if (isSameStatus && current.reason === reason && (current.message ?? "") === message) return undefined;
  const lastTransitionTime = isSameStatus ? current.lastTransitionTime : nowIso;
  const type = interfacesNodeCondition;
  return { conditions: [{ type, status, reason, message, lastHeartbeatTime: nowIso, lastTransitionTime }] };
}

/** Nothing when the node does not have the taint. */
function withoutNotReady(taints: readonly Taint[] = []): Pick<Writes, "taints"> {
  const left = taints.filter(({ key }) => key !== notReadyTaint);
  return left.length === taints.length ? {} : { taints: { spec: { taints: left } } };
}
