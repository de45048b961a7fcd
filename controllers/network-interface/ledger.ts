import type { Eni } from "../../domain/eni/eni.ts";
import {
  attachSentAtMs,
  detachAnsweredAtMs,
  type Effect,
  type Knowledge,
  type LastCall,
  type LedgerEntry,
} from "./state.ts";

/**
 * What this process knows of cloud interfaces beyond their records: the newest read and the last call of each. A cache:
 * losing it costs a look each, never correctness.
 */
export class EniLedger {
  readonly #knowledge = new Map<string, Knowledge>();
  readonly #lastCalls = new Map<string, LastCall>();

  #leadsSinceMs = 0;

  /** This process makes the calls from now on. */
  lead(nowMs: number): void {
    this.#leadsSinceMs = nowMs;
  }

  of(eniId: string): LedgerEntry {
    const knowledge = this.#knowledge.get(eniId);
    const lastCall = this.#lastCalls.get(eniId);
    return {
      leadsSinceMs: this.#leadsSinceMs,
      ...(knowledge !== undefined && { knowledge }),
      ...(lastCall !== undefined && { lastCall }),
    };
  }

  /** Files a read that began at `observedAtMs`; an older one than is known is dropped. `eni` undefined: not in the answer. */
  observe(eniId: string, eni: Eni | undefined, observedAtMs: number): void {
    const known = this.#knowledge.get(eniId);
    if (known !== undefined && known.observedAtMs > observedAtMs) return;
    const isSame = known !== undefined && known.eni?.status === eni?.status;
    this.#knowledge.set(eniId, { eni, observedAtMs, sameSinceMs: isSame ? known.sameSinceMs : observedAtMs });
  }

  startCall(eniId: string, effect: Effect, tries: number, nowMs: number): void {
    const former = this.#lastCalls.get(eniId);
    const formerDetachAtMs = former === undefined ? undefined : detachAnsweredAtMs(former);
    const formerAttachAtMs = former === undefined ? undefined : attachSentAtMs(former);
    this.#lastCalls.set(eniId, {
      effect,
      startedAtMs: nowMs,
      outcome: { type: "running" },
      ...(formerDetachAtMs !== undefined && { formerDetachAtMs }),
      ...(formerAttachAtMs !== undefined && { formerAttachAtMs }),
      tries,
    });
  }

  /** The call went out now, maybe minutes after it was decided: it waited for the quota. The effect's time counts from here. */
  sent(eniId: string, sentAtMs: number): void {
    const lastCall = this.#lastCalls.get(eniId);
    if (lastCall !== undefined) this.#lastCalls.set(eniId, { ...lastCall, startedAtMs: sentAtMs });
  }

  endCall(eniId: string, outcome: LastCall["outcome"]): void {
    const lastCall = this.#lastCalls.get(eniId);
    if (lastCall !== undefined) this.#lastCalls.set(eniId, { ...lastCall, outcome });
  }

  /** The next plan must read the cloud first. */
  forgetKnowledge(eniId: string): void {
    this.#knowledge.delete(eniId);
  }

  forget(eniId: string): void {
    this.#knowledge.delete(eniId);
    this.#lastCalls.delete(eniId);
  }
}
