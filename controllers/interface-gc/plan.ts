import type { Eni } from "../../domain/eni/eni.ts";
import { isOurs } from "../../domain/eni/ownership.ts";

/** Everything that decides which interfaces nobody owns. */
export interface SweepState {
  /** Every interface with this cluster's tags, as the cloud lists it. */
  readonly enis: readonly ListedEni[];
  readonly clusterId: string;
  /** Ids that a PodENI allocation or a NetworkInterface names. */
  readonly ownedEniIds: ReadonlySet<string>;
  /** PodENIs by UID, with the interfaces that still have no id: a creation may be on its way for them. */
  readonly unmadeInterfacesByUid: ReadonlyMap<string, ReadonlySet<string>>;
  /** NetworkInterfaces that no PodENI names, by name. Those that their policy keeps are left out. */
  readonly unreferencedRecords: readonly string[];
  /** Node CRs by UID, with the trunk that each names; undefined: one may be on its way for it. */
  readonly trunkByNodeUid: ReadonlyMap<string, string | undefined>;
  /** When each suspect of the former sweeps was first seen without an owner. */
  readonly suspectSinceMs: ReadonlyMap<string, number>;
  readonly nowMs: number;
}

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

export interface SweepPlan {
  /** Interfaces to release: a record is made for each, and controller `eni` does the rest. */
  readonly collect: readonly Eni[];
  /** Records to delete. */
  readonly deleteRecords: readonly string[];
  readonly suspectSinceMs: ReadonlyMap<string, number>;
}

/** One listing proves nothing: reads lag, and so may the cache of records (cloud-api.md C5). */
export const certainAfterMs = 10_000;

/** Interfaces without our tags are judged by age alone, as the published program does. */
const untaggedAgeMs = 600_000;

/**
 * Decides which interfaces and records nobody owns. Pure and total.
 *
 * An interface is an orphan when no record names it and no record can still come to name it: its PodENI is gone, or has
 * its interface already. It is collected when two sweeps at least {@link certainAfterMs} apart agree.
 */
export function planSweep(state: SweepState): SweepPlan {
  const orphans = state.enis.filter((listed) => isOrphan(listed, state)).map(({ eni }) => eni);
  const suspects = [...orphans.map((eni) => eni.eniId), ...state.unreferencedRecords];
  const suspectSinceMs = new Map(suspects.map((id) => [id, state.suspectSinceMs.get(id) ?? state.nowMs]));
  const isCertain = (id: string): boolean => state.nowMs - (suspectSinceMs.get(id) ?? state.nowMs) >= certainAfterMs;
  return {
    collect: orphans.filter((eni) => isCertain(eni.eniId)),
    deleteRecords: state.unreferencedRecords.filter(isCertain),
    suspectSinceMs,
  };
}

function isOrphan(listed: ListedEni, state: SweepState): boolean {
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
function isOrphanedTrunk({ eni, nodeUid }: ListedEni, { trunkByNodeUid }: SweepState): boolean {
  if (nodeUid === undefined || eni.status !== "Available") return false;
  if ([...trunkByNodeUid.values()].includes(eni.eniId)) return false;
  const named = trunkByNodeUid.get(nodeUid);
  return !trunkByNodeUid.has(nodeUid) || (named !== undefined && named !== eni.eniId);
}
