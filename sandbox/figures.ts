/** The figures of one measured run, from what was seen outside the controlplane and from what its log says of waits. */
import type { EniReport, Report } from "./alibaba-cloud/index.ts";
import type { PodStory } from "./bind-watch.ts";

/** Fields of the controlplane's log line `pod bound`. */
export interface BoundLine {
  readonly namespace: string;
  readonly name: string;
  readonly placeWaitMs: number;
  readonly limiterWaitMs: number;
  readonly lookBeganMs: number;
  readonly lookAnsweredMs: number;
}

/** Seconds, to the millisecond. */
export interface Distribution {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** The line of the log, when it is one. */
export function toBoundLine(line: Readonly<Record<string, unknown>>): BoundLine | undefined {
  if (line["message"] !== "pod bound") return undefined;
  const number = (key: string): number => (typeof line[key] === "number" ? line[key] : 0);
  const text = (key: string): string => (typeof line[key] === "string" ? line[key] : "");
  return {
    namespace: text("namespace"),
    name: text("name"),
    placeWaitMs: number("placeWaitMs"),
    limiterWaitMs: number("limiterWaitMs"),
    lookBeganMs: number("lookBeganMs"),
    lookAnsweredMs: number("lookAnsweredMs"),
  };
}

/** Nearest-rank percentiles; all 0 when there is no value. */
export function distributionOf(values: readonly number[]): Distribution {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
  const round = (value: number): number => Math.round(value * 1_000) / 1_000;
  return { p50: round(at(0.5)), p90: round(at(0.9)), p99: round(at(0.99)), max: round(at(1)) };
}

/**
 * The controlplane's own part of one bind, in milliseconds: from the pod's creation to Bind, less the time in the cloud
 * (create call; attach call until the interface is in use; the look that found it in use), less the waits for the quota
 * and for one of the places. Undefined when the pod was bound by a process that ended before it logged it, or when the
 * interface was detached in between, so that its times are not those of one bind.
 */
export function ownMsOf(
  story: PodStory,
  line: BoundLine | undefined,
  eniById: ReadonlyMap<string, EniReport>,
): number | undefined {
  const eni = eniById.get(story.eniIds[0] ?? "");
  if (story.boundAtMs === undefined || line === undefined || eni === undefined) return undefined;
  const { createStartedAt = 0, createAnsweredAt = 0, attachStartedAt = 0, inUseAt = 0 } = eni.timings;
  const steps = [story.createdAtMs, createStartedAt, createAnsweredAt, attachStartedAt, inUseAt, story.boundAtMs];
  if (steps.some((atMs, index) => index > 0 && atMs < (steps[index - 1] ?? 0))) return undefined;
  const lookMs = Math.max(0, line.lookAnsweredMs - Math.max(line.lookBeganMs, inUseAt));
  const cloudMs = createAnsweredAt - createStartedAt + (inUseAt - attachStartedAt) + lookMs;
  return story.boundAtMs - story.createdAtMs - cloudMs - line.limiterWaitMs - line.placeWaitMs;
}

/** Calls by API between two reports; APIs without a call are left out. */
export function callsBetween(before: Report, after: Report): Readonly<Record<string, number>> {
  const entries = Object.entries(after.apis).map(([api, { calls }]) => [api, calls - callsOf(before, api)] as const);
  return Object.fromEntries(entries.filter(([, calls]) => calls > 0));
}

function callsOf(report: Report, api: string): number {
  return Object.entries(report.apis).find(([name]) => name === api)?.[1].calls ?? 0;
}

/** Calls that the cloud refused for their rate (`Throttling*`), all APIs. */
export function throttledIn(report: Report): number {
  const codes = Object.values(report.apis).flatMap(({ refusals }) => Object.entries(refusals));
  return codes.filter(([code]) => code.startsWith("Throttling")).reduce((sum, [, count]) => sum + count, 0);
}
