import type { Eni } from "../../domain/eni/eni.ts";
import { isOrphan, type ListedEni, type Owners } from "../../domain/eni/orphans.ts";

/** Everything that decides which interfaces nobody owns. */
export interface SweepState extends Owners {
  /** Every interface with this cluster's tags, as the cloud lists it. */
  readonly enis: readonly ListedEni[];
  readonly clusterId: string;
  /** When each suspect of the former sweeps was first seen without an owner. */
  readonly suspectSinceMs: ReadonlyMap<string, number>;
  readonly nowMs: number;
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

/**
 * Decides which interfaces and records nobody owns. Pure and total.
 *
 * What an orphan is, `domain/eni/orphans.ts` says. It is collected when two sweeps at least {@link certainAfterMs} apart agree.
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
