/** Why calls to the cloud are held back for a while. */
export interface Suspension {
  readonly reason: SuspensionReason;
  /** For people; the same words for as long as it lasts. */
  readonly message: string;
  /** Wall clock, milliseconds since the epoch. */
  readonly sinceMs: number;
}

/** Reasons of condition `Ready` while calls are held back. */
export const suspensionReasons = {
  /** Somebody wants it: configuration key `degradation`. */
  degraded: "Degraded",
  /** The cloud does not answer. */
  cloudUnavailable: "CloudUnavailable",
} as const;

export type SuspensionReason = (typeof suspensionReasons)[keyof typeof suspensionReasons];

/** Whether a condition's reason says no more than that calls were held back when it was written. */
export function isSuspensionReason(reason: string): boolean {
  return Object.values<string>(suspensionReasons).includes(reason);
}
