/** What a failed call to the cloud means for the interface that it was about. */
import { concernsTheCaller } from "../../domain/suspension/suspension.ts";
import { isAbort, OperatorError, SuspendedError, ThrottledError, WaitingError } from "../../runtime/errors.ts";

/** The effect may have happened. */
export function isOfUnknownOutcome(error: unknown): boolean {
  return isAbort(error) || !(error instanceof OperatorError) || error.cloud?.outcome === "unknown";
}

/** Nothing was sent, or the cloud refused before it looked at the interface. */
export function isAboutTheCaller(error: unknown): boolean {
  return error instanceof SuspendedError || (error instanceof OperatorError && concernsTheCaller(error.reason));
}

/** A state that others leave by themselves is left by then: some 7 s after the first try. */
const wonderAfterTries = 4;

/** A person can do something about it, or will wonder. */
export function isForThePerson(error: OperatorError, tries: number): boolean {
  // Calls that are held back are told of where that is decided.
  if (error instanceof SuspendedError) return false;
  if (error.category === "waiting") return tries >= wonderAfterTries;
  return error.category === "capacity" || error.category === "terminal" || error.category === "invariant";
}

/**
 * When to ask again after a refusal: what the error says itself; otherwise 1 s, 2 s, 4 s … at most 15 s for a state that
 * somebody else must leave, at most half a minute for what a person must mend.
 */
export function retryDelayMs(error: unknown, tries: number): number {
  // Nothing was sent; whether it may be is asked before the next one.
  if (error instanceof SuspendedError) return 1_000;
  if (error instanceof ThrottledError) return error.retryAfterMs;
  if (error instanceof WaitingError)
    return Math.min(15_000, Math.max(error.requeueAfterMs, 500 * 2 ** Math.min(tries, 5)));
  return Math.min(25_000, 1_000 * 2 ** Math.min(tries, 6));
}
