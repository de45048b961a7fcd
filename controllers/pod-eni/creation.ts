import { createHash } from "node:crypto";
import { concernsEveryCall } from "../../domain/suspension/suspension.ts";
import { isAbort, OperatorError, SuspendedError, ThrottledError, WaitingError } from "../../runtime/errors.ts";
import { probeEveryMs } from "../../runtime/shared-causes.ts";
import type { CreationFailure } from "./state.ts";

/**
 * The client token of one intended creation: the same until the intent changes, so that a repeated call, by this process
 * or the next, finds the interface that the first one made. 32 hexadecimal characters; ECS allows 64.
 */
export function clientToken(intent: {
  readonly podEniUid: string;
  readonly interface: string;
  readonly vSwitchId: string;
  readonly attempt: number;
}): string {
  const text = [intent.podEniUid, intent.interface, intent.vSwitchId, String(intent.attempt)].join("/");
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** Reasons of the error table (cloud/error-codes.ts) that another vSwitch may cure. */
const vSwitchReasons: ReadonlySet<string> = new Set(["VSwitchExhausted", "VSwitchNotFound", "InvalidVSwitch"]);
const tokenReasons: ReadonlySet<string> = new Set(["ClientTokenFailed", "ClientTokenMismatch"]);

/** Sorts a failed CreateNetworkInterface by what helps. `failures` counts from 1 and stretches the pauses. */
export function toCreationFailure(error: unknown, failures: number): CreationFailure {
  if (!(error instanceof OperatorError)) {
    const message = error instanceof Error ? error.message : String(error);
    const reason = isAbort(error) ? "Stopping" : "InternalError";
    return { remedy: "repeat", reason, message, retryAfterMs: pauseMs(failures, 30_000) };
  }
  const { reason, message } = error;
  if (vSwitchReasons.has(reason)) return { remedy: "nextVSwitch", reason, message, retryAfterMs: 0 };
  if (tokenReasons.has(reason)) return { remedy: "newToken", reason, message, retryAfterMs: pauseMs(failures, 30_000) };
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
