import { parseGoDuration } from "./go-duration.ts";

/** How long one allocation is kept after its pod. Source: PodENI `.spec.allocations[].allocationType`. */
export interface AllocationRetention {
  readonly type?: "Elastic" | "Fixed";
  readonly releaseStrategy?: "TTL" | "Never";
  /** Go duration. */
  readonly releaseAfter?: string;
}

/** What becomes of a record whose pod is gone. */
export type Retention =
  | { readonly type: "release" }
  | { readonly type: "keepUntil"; readonly atMs: number }
  | { readonly type: "keepForever"; readonly reason: string };

/**
 * Decides what becomes of a record whose pod was deleted at `podGoneAtMs`.
 *
 * The record is kept while any allocation asks for it. A `releaseAfter` that is no duration, or a negative one, keeps the
 * address: releasing what somebody meant to keep cannot be undone (the published program does the same).
 */
export function retentionOf(allocations: readonly AllocationRetention[], podGoneAtMs: number): Retention {
  let untilMs: number | undefined;
  for (const { type, releaseStrategy, releaseAfter } of allocations) {
    if (type !== "Fixed") continue;
    if (releaseStrategy !== "TTL") return { type: "keepForever", reason: "releaseStrategy is Never" };
    const afterMs = parseGoDuration(releaseAfter ?? "");
    if (afterMs === undefined || afterMs < 0) {
      return { type: "keepForever", reason: `releaseAfter "${releaseAfter ?? ""}" is no duration` };
    }
    untilMs = Math.max(untilMs ?? 0, podGoneAtMs + afterMs);
  }
  return untilMs === undefined ? { type: "release" } : { type: "keepUntil", atMs: untilMs };
}

/** True when the record outlives its pod. */
export function isFixed(allocations: readonly AllocationRetention[]): boolean {
  return allocations.some(({ type }) => type === "Fixed");
}
