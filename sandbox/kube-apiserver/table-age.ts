/** Ages as `kubectl get` shows them. */

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

interface Step {
  /** Seconds below which this step is used. */
  readonly below: number;
  /** Seconds in the unit. */
  readonly unit: number;
  readonly suffix: string;
  /** The smaller unit that is shown as well, unless it is zero. */
  readonly then?: { readonly unit: number; readonly suffix: string };
}

const steps: readonly Step[] = [
  { below: 2 * minute, unit: 1, suffix: "s" },
  { below: 10 * minute, unit: minute, suffix: "m", then: { unit: 1, suffix: "s" } },
  { below: 3 * hour, unit: minute, suffix: "m" },
  { below: 8 * hour, unit: hour, suffix: "h", then: { unit: minute, suffix: "m" } },
  { below: 2 * day, unit: hour, suffix: "h" },
  { below: 8 * day, unit: day, suffix: "d", then: { unit: hour, suffix: "h" } },
  { below: 2 * year, unit: day, suffix: "d" },
  { below: 8 * year, unit: year, suffix: "y", then: { unit: day, suffix: "d" } },
  { below: Infinity, unit: year, suffix: "y" },
];

/** `5m30s`, `3h`, `<invalid>` for more than a second in the future. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  const step = steps.find(({ below }) => seconds < below);
  if (step === undefined) return "<invalid>";
  const whole = `${Math.floor(seconds / step.unit)}${step.suffix}`;
  const rest = step.then === undefined ? 0 : Math.floor((seconds % step.unit) / step.then.unit);
  return rest === 0 ? whole : `${whole}${rest}${step.then?.suffix ?? ""}`;
}

/** Age of an RFC 3339 time; `<unknown>` when there is none. */
export function ageOf(time: unknown, nowMs: number): string {
  if (typeof time !== "string" || time === "") return "<unknown>";
  const at = Date.parse(time);
  return Number.isNaN(at) ? "<invalid>" : humanDuration(nowMs - at);
}
