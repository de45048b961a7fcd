/** Notices what the cloud refuses whatever the call is about, and that it is allowed again. */
import { concernsEveryCall, type Suspension } from "../domain/suspension/suspension.ts";
import type { OperatorError } from "../runtime/errors.ts";
import type { Clock } from "../runtime/ports.ts";
import type { ApiName } from "./call.ts";

/** In a row: a policy may deny an action on a single resource. */
const refusalsToClose = 3;
/** Three times a minute, so that a mended cause is noticed soon and a lasting one costs little. */
export const tryEveryMs = 20_000;

/**
 * APIs of which one call is as good as another. CreateNetworkInterface is none: what is denied to one pod may be allowed to
 * another (runtime/creation-causes.ts). Reads of vSwitches and instance types are shared by their caches.
 */
const closable: ReadonlySet<ApiName> = new Set<ApiName>([
  "DescribeNetworkInterfaces",
  "AttachNetworkInterface",
  "DetachNetworkInterface",
  "DeleteNetworkInterface",
]);

/** One API, or all of them: the credential itself is refused. */
type Scope = ApiName | typeof everyCall;
const everyCall = "*";

interface Trouble {
  refusals: number;
  suspension: Suspension | undefined;
}

/** Counts only; who holds calls back is its owner (cloud/call-gate.ts). */
export class Refusals {
  readonly #clock: Pick<Clock, "now">;
  readonly #troubles = new Map<Scope, Trouble>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Why calls of that API are refused, all of them first; undefined: they are not. */
  suspensionOf(api: ApiName): Suspension | undefined {
    return this.#troubles.get(everyCall)?.suspension ?? this.#troubles.get(api)?.suspension;
  }

  /** Whether the credential itself is refused: a read about nothing is enough to see its end. */
  get concernEveryCall(): boolean {
    return this.#troubles.get(everyCall)?.suspension !== undefined;
  }

  /** A call of that API goes out now: the next one is tried 20 s later. */
  trying(api: ApiName): void {
    const trouble = this.#troubles.get(api);
    if (trouble?.suspension === undefined) return;
    trouble.suspension = { ...trouble.suspension, tryAtMs: this.#clock.now() + tryEveryMs };
  }

  /** A call was carried out. @returns true when that ended a suspension */
  allowed(api: ApiName): boolean {
    const hasLifted = this.suspensionOf(api) !== undefined;
    this.#troubles.delete(everyCall);
    this.#troubles.delete(api);
    return hasLifted;
  }

  /** The cloud refused a call. @returns true when that began or ended a suspension */
  refused(api: ApiName, error: OperatorError): boolean {
    // The rate is looked at before the right; an expired credential is fetched anew.
    if (error.category === "throttled" || error.category === "transient") return false;
    if (concernsEveryCall(error.reason)) return this.#count(everyCall, error);
    if (error.reason !== "AccessDenied") return this.allowed(api);
    const isKnownAgain = this.concernEveryCall;
    this.#troubles.delete(everyCall);
    return closable.has(api) ? this.#count(api, error) || isKnownAgain : isKnownAgain;
  }

  #count(scope: Scope, { reason, message }: OperatorError): boolean {
    const trouble = this.#troubles.get(scope) ?? { refusals: 0, suspension: undefined };
    this.#troubles.set(scope, trouble);
    trouble.refusals += 1;
    if (trouble.suspension !== undefined || trouble.refusals < refusalsToClose) return false;
    const nowMs = this.#clock.now();
    const tried = scope === everyCall ? {} : { tryAtMs: nowMs + tryEveryMs };
    trouble.suspension = { reason, message, sinceMs: nowMs, ...tried };
    return true;
  }
}
