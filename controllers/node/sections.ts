/**
 * The parts of a Node's spec that a node daemon fills when there is one: `eni`, `flavor`, `pool`, `datapath`.
 *
 * Whose is a part? Ours while it is absent or still what annotation `node-spec-applied` says that we wrote; anybody else's
 * from the moment that it has another value, and then for good. So a daemon, or a person, takes a part over by writing it,
 * and nothing is ever fought over. The API server could keep this book (server-side apply), but its answer comes as a
 * refusal of the whole write, is not in what caches hold, and the published daemon, which replaces the object as a whole,
 * would own what it merely carried along. With a record of our own the decision is a pure function of the object.
 */
import type { NodeCap, NodeEni, NodeFlavor, NodePool, NodeSpec } from "../../crds/v1beta1/node.gen.ts";
import { isMembers, isSameJson } from "../../domain/json/merge-patch.ts";
import type { NodePoolConfig } from "../../domain/pod-network/node-pool-config.ts";

/** The parts, complete. */
export type Sections = Required<Pick<NodeSpec, "eni" | "flavor" | "pool" | "datapath">>;
export type SectionName = keyof Sections;

export const sectionNames = ["eni", "flavor", "pool", "datapath"] as const satisfies readonly SectionName[];

/** The parts that are ours to write. @param applied value of the annotation; a text of others counts as none */
export function openSections(spec: NodeSpec | undefined, applied: string | undefined): readonly SectionName[] {
  const written = parseApplied(applied);
  return sectionNames.filter((name) => {
    const current = spec?.[name];
    return current === undefined || (name in written && isSameInGo(current, written[name]));
  });
}

function parseApplied(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    return isMembers(value) ? value : {};
  } catch {
    return {};
  }
}

/** True when a Go program that reads the one could write the other: it drops members of zero value. */
export function isSameInGo(one: unknown, other: unknown): boolean {
  return isSameJson(withoutZeros(one), withoutZeros(other));
}

function withoutZeros(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutZeros);
  if (!isMembers(value)) return value;
  const members = Object.entries(value).map(([name, member]) => [name, withoutZeros(member)] as const);
  return Object.fromEntries(members.filter(([, member]) => !isZero(member)));
}

function isZero(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isMembers(value)) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false || value === 0 || value === "";
}

export interface SectionsInput {
  readonly config: NodePoolConfig;
  readonly cap: NodeCap;
  readonly zone: string;
  readonly isExclusive: boolean;
  /** What is there now. */
  readonly spec: NodeSpec | undefined;
  readonly open: readonly SectionName[];
}

/** What the configuration asks for and does not get, as the published events say it. */
export interface Notice {
  readonly reason: "ConfigError" | "PrefixModeImmutable";
  readonly note: string;
}

/**
 * The open parts as the configuration wants them, by the published rules; or why they cannot be made. Pure and total.
 *
 * Two things only a daemon on the machine knows: whether its system can drive ERDMA, so that is never turned on here, and
 * the vSwitch that the machine itself is in, so a zone without a vSwitch is a problem. The data path is the published
 * default.
 */
export function toSections(
  input: SectionsInput,
): { readonly sections: Partial<Sections>; readonly notices: readonly Notice[] } | { readonly problem: string } {
  const { config, zone, spec } = input;
  const isOpen = (name: SectionName): boolean => input.open.includes(name);
  if (isOpen("eni")) {
    if (vSwitchIdsIn(config, zone).length === 0) return { problem: `eni_conf names no vSwitch in ${zone}` };
    if (config.securityGroupIds.length === 0) return { problem: "eni_conf names no security group" };
  }
  const wanted = toEni(input);
  // The others follow the part that is in force, whoever wrote it.
  const eni = isOpen("eni") ? wanted.value : (spec?.eni ?? wanted.value);
  const all: Sections = {
    eni,
    flavor: toFlavor(input.cap, eni),
    pool: toPool(config, input.isExclusive || eni.enableIPPrefix === true),
    datapath: { type: "veth" },
  };
  const sections = Object.fromEntries(input.open.map((name) => [name, all[name]]));
  return { sections, notices: isOpen("eni") ? wanted.notices : [] };
}

/** On interfaces that other programs of the platform made. Source: the published daemon's built-in list. */
const blockedTags = [
  { key: "creator", value: "alibabacloud-erdma-controller" },
  { key: "terway.alibabacloud.com/excluded", value: "true" },
];

interface Choice<T> {
  readonly value: T;
  readonly notices: readonly Notice[];
}

function toEni(input: SectionsInput): Choice<NodeEni> {
  const { config, cap, zone, isExclusive, spec } = input;
  const stack = toStack(config, cap);
  const prefix = toPrefixMode(config, spec?.eni);
  const eni: NodeEni = {
    vSwitchOptions: vSwitchIdsIn(config, zone),
    securityGroupIDs: config.securityGroupIds,
    // The published daemon turns the words so; `most` is the one with more free addresses.
    vSwitchSelectPolicy: config.vSwitchSelectionPolicy === "ordered" ? "most" : "random",
    ...setOnly({
      tag: config.tags,
      tagFilter: config.tagFilter,
      tagBlockList: toBlockList(config),
      resourceGroupID: config.resourceGroupId,
      enableIPv4: stack.value !== "ipv6",
      enableIPv6: stack.value !== "ipv4",
      enableTrunk: config.enableTrunking && !isExclusive && (cap.memberAdapterLimit ?? 0) > 0,
      enableIPPrefix: prefix.value,
      ipv4PrefixCount: config.ipv4PrefixCount,
      ipv6PrefixCount: stack.value === "ipv6" ? config.ipv6PrefixCount : 0,
    }),
  };
  return { value: eni, notices: [...stack.notices, ...prefix.notices] };
}

/** A zone's name comes from a label, and may be that of a member that every object has. */
function vSwitchIdsIn({ vSwitchIdsByZone }: NodePoolConfig, zone: string): readonly string[] {
  return (Object.hasOwn(vSwitchIdsByZone, zone) ? vSwitchIdsByZone[zone] : undefined) ?? [];
}

/** Without the members of zero value, as a Go program writes it. */
function setOnly<T extends object>(members: T): Partial<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => !isZero(value))) as Partial<T>;
}

/** A pod gets one address of each kind, so two stacks need as many of the one as of the other. */
function toStack(config: NodePoolConfig, cap: NodeCap): Choice<NodePoolConfig["ipStack"]> {
  const { ipv4PerAdapter = 0, ipv6PerAdapter = 0 } = cap;
  if (config.ipStack !== "dual" || ipv4PerAdapter === ipv6PerAdapter) return { value: config.ipStack, notices: [] };
  const counts = `${ipv4PerAdapter} IPv4 and ${ipv6PerAdapter} IPv6 addresses`;
  const note = `ip_stack dual needs as many IPv6 as IPv4 addresses, and an interface of this instance type has ${counts}; only IPv4 is used`;
  return { value: "ipv4", notices: [{ reason: "ConfigError", note }] };
}

/** Decided once: addresses and prefixes cannot be turned into each other under pods that run. */
function toPrefixMode(config: NodePoolConfig, recorded: NodeEni | undefined): Choice<boolean> {
  const value = recorded === undefined ? config.enableIpPrefix : recorded.enableIPPrefix === true;
  if (value === config.enableIpPrefix) return { value, notices: [] };
  const note = `enable_ip_prefix is ${config.enableIpPrefix}, but the node joined with ${value}, which stays`;
  return { value, notices: [{ reason: "PrefixModeImmutable", note }] };
}

function toBlockList(config: NodePoolConfig): NonNullable<NodeEni["tagBlockList"]> {
  const all = [...blockedTags, ...config.tagBlockList].filter(({ key }) => key !== "");
  return all.filter((tag, index) => all.findIndex((other) => isSameJson(other, tag)) === index);
}

/** One slot is the primary interface's. */
function toFlavor({ adapters = 0 }: NodeCap, eni: NodeEni): readonly NodeFlavor[] {
  const slots = Math.max(0, adapters - 1);
  const trunks = eni.enableTrunk === true ? Math.min(1, slots) : 0;
  const erdmas = eni.enableERDMA === true ? Math.min(1, slots - trunks) : 0;
  const flavors: readonly NodeFlavor[] = [
    { networkInterfaceType: "Trunk", networkInterfaceTrafficMode: "Standard", count: trunks },
    { networkInterfaceType: "Secondary", networkInterfaceTrafficMode: "HighPerformance", count: erdmas },
    { networkInterfaceType: "Secondary", networkInterfaceTrafficMode: "Standard", count: slots - trunks - erdmas },
  ];
  return flavors.filter(({ count }) => count > 0);
}

/** @param isUnpooled exclusive interfaces and prefixes are not kept in stock */
function toPool(config: NodePoolConfig, isUnpooled: boolean): NodePool {
  return {
    maxPoolSize: isUnpooled ? 0 : config.maxPoolSize,
    minPoolSize: isUnpooled ? 0 : config.minPoolSize,
    ...setOnly({ poolSyncPeriod: config.poolSyncPeriod, warmUpSize: config.warmUpSize }),
    ...(config.reclaim !== undefined && { reclaim: config.reclaim }),
  };
}
