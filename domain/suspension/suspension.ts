/** Why calls to the cloud are held back for a while. */
export interface Suspension {
  /** One of {@link suspensionReasons}, or the reason of a refusal that a person must mend (docs/errors.md). */
  readonly reason: string;
  /** For people; the same words for as long as it lasts. */
  readonly message: string;
  /** Wall clock, milliseconds since the epoch. */
  readonly sinceMs: number;
  /**
   * From then on the next call of this kind is let through, to see whether it is still refused. Wall clock, milliseconds
   * since the epoch; absent: its end is noticed without a call of those who wait.
   */
  readonly tryAtMs?: number;
}

/** Creations like this one were refused a moment ago for what a person must mend; one of those who wait tries for all. */
export interface CreationHold {
  readonly reason: string;
  readonly message: string;
  /** Nobody tries at the moment and it is time. */
  readonly isDue: boolean;
  /** Milliseconds until it is due; 0 when it is. */
  readonly retryAfterMs: number;
}

/** Reasons of condition `Ready` while calls are held back. */
export const suspensionReasons = {
  /** Somebody wants it: configuration key `degradation`. */
  degraded: "Degraded",
  /** The cloud does not answer. */
  cloudUnavailable: "CloudUnavailable",
} as const;

/** Whether a condition's reason says no more than that calls were held back when it was written. */
export function isSuspensionReason(reason: string): boolean {
  return Object.values<string>(suspensionReasons).includes(reason);
}

/** Whether a refusal for this reason of the error table concerns every call of the process, whatever it asks for. */
export function concernsEveryCall(reason: string): boolean {
  return reason === "InvalidCredential" || reason === "ClockSkew";
}

/** Whether a refusal for this reason of the error table tells nothing of the thing that the call was about. */
export function concernsTheCaller(reason: string): boolean {
  return reason === "AccessDenied" || concernsEveryCall(reason);
}
