/** Which interfaces of this program nobody owns: decided by the collector, and told by the audit. */
import { tags } from "../../crds/v1beta1/names.ts";
import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import type { Node } from "../../crds/v1beta1/node.gen.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { Eni } from "./eni.ts";
import { isOurs } from "./ownership.ts";

/** One interface of the listing, with the tags that say whose it is. */
export interface ListedEni {
  readonly eni: Eni;
  /** UID of the PodENI that it was made for; undefined on interfaces of the published program. */
  readonly podEniUid?: string;
  /** UID of the Node CR that a trunk was made for; undefined on trunks that others made, which are never ours to take. */
  readonly nodeUid?: string;
  readonly interface?: string;
  readonly createdAtMs?: number;
}

/** What the records say of interfaces. */
export interface Owners {
  /** Ids that a PodENI allocation or a NetworkInterface names. */
  readonly ownedEniIds: ReadonlySet<string>;
  /** PodENIs by UID, with the interfaces that still have no id: a creation may be on its way for them. */
  readonly unmadeInterfacesByUid: ReadonlyMap<string, ReadonlySet<string>>;
  /** NetworkInterfaces that no PodENI names, by name. Those that their policy keeps are left out. */
  readonly unreferencedRecords: readonly string[];
  /** Node CRs by UID, with the trunk that each names; undefined: one may be on its way for it. */
  readonly trunkByNodeUid: ReadonlyMap<string, string | undefined>;
}

/** Interfaces without our tags are judged by age alone, as the published program does. */
export const untaggedAgeMs = 600_000;

/** Takes an interface's tags apart. */
export function toListed(eni: Eni): ListedEni {
  const podEniUid = eni.tags[tags.podEniUid];
  const name = eni.tags[tags.interface];
  const nodeUid = eni.tags[tags.nodeUid];
  const createdAtMs = Date.parse(eni.creationTime ?? "");
  return {
    eni,
    ...(podEniUid !== undefined && { podEniUid }),
    ...(nodeUid !== undefined && { nodeUid }),
    ...(name !== undefined && { interface: name }),
    ...(!Number.isNaN(createdAtMs) && { createdAtMs }),
  };
}

/** Pure and total. The records must have been read after the interfaces that are judged by them. */
export function ownersOf(records: {
  readonly podEnis: readonly PodENI[];
  readonly networkInterfaces: readonly NetworkInterface[];
  readonly nodeRecords: readonly Node[];
}): Owners {
  const { podEnis, networkInterfaces, nodeRecords } = records;
  const unmade = podEnis.map((podEni) => [podEni.metadata.uid ?? "", unmadeOf(podEni)] as const);
  const referenced = new Set(podEnis.flatMap(interfaceIdsOf));
  return {
    ownedEniIds: new Set([...referenced, ...networkInterfaces.map(({ metadata }) => metadata.name)]),
    unmadeInterfacesByUid: new Map(unmade.filter(([, names]) => names.size > 0)),
    unreferencedRecords: networkInterfaces
      .filter((record) => isLeftOver(record, referenced))
      .map(({ metadata }) => metadata.name),
    trunkByNodeUid: new Map(nodeRecords.map(toNamedTrunk)),
  };
}

/** Ids of the interfaces that the cloud has made for it. */
export function interfaceIdsOf({ spec }: PodENI): readonly string[] {
  return (spec?.allocations ?? []).map(({ eni }) => eni?.id ?? "").filter((id) => id !== "");
}

/** Names of the interfaces that are still to be made. Legacy records leave the first one's empty; its tag says eth0. */
function unmadeOf({ spec }: PodENI): ReadonlySet<string> {
  const unmade = (spec?.allocations ?? []).filter(({ eni }) => (eni?.id ?? "") === "");
  return new Set(unmade.map(({ interface: name = "" }) => (name === "" ? "eth0" : name)));
}

/** Nobody's record that is not on its way out, and that its policy does not keep. */
function isLeftOver(record: NetworkInterface, referenced: ReadonlySet<string>): boolean {
  const policy = record.spec?.managePolicy;
  if (policy?.cache === true || policy?.unManaged === true) return false;
  return record.metadata.deletionTimestamp === undefined && !referenced.has(record.metadata.name);
}

/** The trunk that the status of a Node CR names. */
function toNamedTrunk({ metadata, status }: Node): [string, string | undefined] {
  const entries = Object.values(status?.networkInterfaces ?? {});
  return [metadata.uid ?? "", entries.find(({ networkInterfaceType }) => networkInterfaceType === "Trunk")?.id];
}

/**
 * True when no record names the interface and no record can still come to name it: its PodENI is gone, or has its interface
 * already. Pure and total.
 */
export function isOrphan(
  listed: ListedEni,
  state: Owners & { readonly clusterId: string; readonly nowMs: number },
): boolean {
  const { eni, podEniUid, createdAtMs } = listed;
  if (state.ownedEniIds.has(eni.eniId)) return false;
  if (eni.status === "Deleting") return false;
  if (eni.type === "Trunk") return isOrphanedTrunk(listed, state);
  // Asked for by tags already; a listing that answers more, or an interface that was taken out, must not cost one.
  if (!isOurs(eni, state.clusterId)) return false;
  if (podEniUid === undefined) return createdAtMs !== undefined && state.nowMs - createdAtMs >= untaggedAgeMs;
  // While the interface of that name is still to be made, the same client token will find this one.
  return state.unmadeInterfacesByUid.get(podEniUid)?.has(listed.interface ?? "eth0") !== true;
}

/**
 * Only a trunk that is nowhere: whatever is attached carries pods, or may at any moment. One that a Node CR names is kept,
 * though it was made for another: a record that somebody deleted is made anew and takes the trunk over.
 */
function isOrphanedTrunk({ eni, nodeUid }: ListedEni, { trunkByNodeUid }: Owners): boolean {
  if (nodeUid === undefined || eni.status !== "Available") return false;
  if ([...trunkByNodeUid.values()].includes(eni.eniId)) return false;
  const named = trunkByNodeUid.get(nodeUid);
  return !trunkByNodeUid.has(nodeUid) || (named !== undefined && named !== eni.eniId);
}
