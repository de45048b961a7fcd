import { cureOf } from "../../domain/eni/create-request.ts";
import { concernsEveryCall } from "../../domain/suspension/suspension.ts";
import { isAbort, OperatorError, SuspendedError, ThrottledError, WaitingError } from "../../runtime/errors.ts";
import { toClientToken } from "../../runtime/client-token.ts";
import { probeEveryMs } from "../../runtime/shared-causes.ts";
import type { CreationFailure } from "./state.ts";

/** The same until the intent changes. */
export function clientToken(intent: {
  readonly podEniUid: string;
  readonly interface: string;
  readonly vSwitchId: string;
  readonly attempt: number;
}): string {
  return toClientToken([intent.podEniUid, intent.interface, intent.vSwitchId, intent.attempt]);
}

/** Sorts a failed CreateNetworkInterface by what helps. `failures` counts from 1 and stretches the pauses. */
export function toCreationFailure(error: unknown, failures: number): CreationFailure {
  if (!(error instanceof OperatorError)) {
    const message = error instanceof Error ? error.message : String(error);
    const reason = isAbort(error) ? "Stopping" : "InternalError";
    return { remedy: "repeat", reason, message, retryAfterMs: pauseMs(failures, 30_000) };
  }
  const { reason, message } = error;
  const cure = cureOf(reason);
  if (cure === "vSwitch") return { remedy: "nextVSwitch", reason, message, retryAfterMs: 0 };
  if (cure === "token") return { remedy: "newToken", reason, message, retryAfterMs: pauseMs(failures, 30_000) };
  if (isHeldBack(error)) return { remedy: "wait", reason, message, retryAfterMs: 1_000 };
  if (error instanceof ThrottledError) return { remedy: "repeat", reason, message, retryAfterMs: error.retryAfterMs };
  if (error instanceof WaitingError) return { remedy: "repeat", reason, message, retryAfterMs: error.requeueAfterMs };
  switch (error.category) {
    case "capacity":
    case "terminal":
    case "invariant":
      return { remedy: "stop", reason, message, retryAfterMs: probeEveryMs };
    default:
      return { remedy: "repeat", reason, message, retryAfterMs: pauseMs(failures, 30_000) };
  }
}

/** Held back before the cloud was asked, or will be from the next call on. */
function isHeldBack(error: OperatorError): boolean {
  return error instanceof SuspendedError || concernsEveryCall(error.reason);
}

/** 1 s, 2 s, 4 s … up to `limitMs`. */
function pauseMs(failures: number, limitMs: number): number {
  return Math.min(limitMs, 1_000 * 2 ** Math.min(failures - 1, 10));
}
