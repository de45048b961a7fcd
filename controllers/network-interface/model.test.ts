import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import { ModelCloud, type CloudFaults } from "../../test/fixtures/model-cloud.ts";
import { OperatorError } from "../../runtime/errors.ts";
import { seededRandom } from "../../runtime/random.ts";
import { clusterId, ourTags } from "./fixtures.ts";
import { EniLedger } from "./ledger.ts";
import { planNetworkInterface, type NetworkInterfaceAction } from "./plan.ts";
import type { LastCall, NetworkInterfaceState } from "./state.ts";

type Goal = "attached" | "detached" | "gone";

const eniId = "eni-1";
const stepMs = 200;
const callMs = 80;

/** One interface driven by ledger and plan in steps of 200 ms: a look whenever the plan watches, at most one call at a time. */
class Drive {
  nowMs = 1_000_000;
  readonly calls: string[] = [];
  readonly cloud: ModelCloud;
  readonly #ledger = new EniLedger();
  #ended: { readonly atMs: number; readonly outcome: LastCall["outcome"] } | undefined;

  constructor(options: { readonly seed: number; readonly lateReadsMs: number; readonly faults?: CloudFaults }) {
    const random = seededRandom(options.seed);
    this.cloud = new ModelCloud({ ...options, nowMs: () => this.nowMs, random });
    this.cloud.add({ eniId, tags: ourTags });
    // Old enough that no read misses it.
    this.nowMs += 5_000;
  }

  /** @returns the last action, which says that the goal is reached */
  reach(goal: Goal, target: { readonly instanceId: string; readonly trunkEniId: string }, limitMs = 180_000): string {
    const endMs = this.nowMs + limitMs;
    while (this.nowMs < endMs) {
      this.nowMs += stepMs;
      this.#endCall();
      const { action } = planNetworkInterface(this.#state(goal, target));
      if (action === undefined) continue;
      if (action.type === "call") this.#call(action, target);
      else if (action.type === "watch") this.#ledger.observe(eniId, this.cloud.read(eniId), this.nowMs);
      else return action.type;
    }
    return `nothing within ${limitMs} ms: ${JSON.stringify([this.calls, this.cloud.now(eniId)])}`;
  }

  /** What was reported is true, or on its way. */
  expectReached(goal: Goal, target: { readonly instanceId: string }): void {
    const { status, instanceId } = this.cloud.now(eniId) ?? {};
    if (goal === "attached") expect({ status, instanceId }).toEqual({ status: "InUse", instanceId: target.instanceId });
    else expect(["Available", "Detaching"]).toContain(status);
  }

  /** Every memory of this process is lost. */
  restart(): void {
    this.#ledger.forget(eniId);
    this.#ledger.lead(this.nowMs);
    this.#ended = undefined;
  }

  #state(goal: Goal, target: { instanceId: string; trunkEniId: string }): NetworkInterfaceState {
    const wasDetached = this.calls.includes("detach");
    const fixed = { eniId, goal, isUnmanaged: false, hasFinalizer: true, wasDetached, nowMs: this.nowMs };
    return { ...fixed, clusterId, suspensions: {}, ...target, ...this.#ledger.of(eniId) };
  }

  #call(action: NetworkInterfaceAction & { type: "call" }, target: { instanceId: string; trunkEniId: string }): void {
    this.calls.push(action.effect);
    this.#ledger.startCall(eniId, action.effect, action.tries, this.nowMs);
    const atMs = this.nowMs + callMs;
    try {
      if (action.effect === "attach") this.cloud.attach({ eniId, ...target });
      else this.cloud[action.effect]({ eniId });
      this.#ended = { atMs, outcome: { type: "accepted", atMs } };
    } catch (error) {
      const isUnknown = error instanceof OperatorError && error.cloud?.outcome === "unknown";
      this.#ended = {
        atMs,
        outcome: isUnknown
          ? { type: "unknown", atMs }
          : { type: "refused", atMs, retryAtMs: atMs + 1_000, knowledgeHolds: false },
      };
    }
  }

  #endCall(): void {
    if (this.#ended === undefined || this.#ended.atMs > this.nowMs) return;
    if (this.#ended.outcome.type === "refused") this.#ledger.forgetKnowledge(eniId);
    this.#ledger.endCall(eniId, this.#ended.outcome);
    this.#ended = undefined;
  }
}

const here = { instanceId: "i-1", trunkEniId: "eni-trunk" };
const there = { instanceId: "i-2", trunkEniId: "eni-trunk-2" };

const seed = fc.integer({ min: 1, max: 1_000_000 });

/** Faults that strike by chance, at most three of each kind, so that work can end. */
function strike(random: () => number): CloudFaults {
  const left = { fallsBack: 3, hangs: 3, losesAnswer: 3 };
  const may = (kind: keyof typeof left) => (): boolean => {
    if (left[kind] === 0 || random() > 0.4) return false;
    left[kind] -= 1;
    return true;
  };
  return { fallsBack: may("fallsBack"), hangs: may("hangs"), losesAnswer: may("losesAnswer") };
}

describe("ledger and plan against a model of the cloud", () => {
  it("attach, detach and delete with one call each, however late reads are", () => {
    fc.assert(
      fc.property(seed, fc.nat({ max: 3_000 }), (aSeed, lateReadsMs) => {
        const drive = new Drive({ seed: aSeed, lateReadsMs });
        expect(drive.reach("attached", here)).toBe("reportBind");
        expect(drive.cloud.now(eniId)).toMatchObject({ status: "InUse", ...here });
        expect(drive.reach("detached", here)).toBe("reportUnbind");
        drive.expectReached("detached", here);
        expect(drive.reach("gone", here)).toBe("removeFinalizer");
        drive.nowMs += 1_000;
        expect(drive.cloud.enis()).toEqual([]);
        expect(drive.calls).toEqual(["attach", "detach", "delete"]);
      }),
    );
  });

  it("move an interface that is in use elsewhere: detached there, then attached here", () => {
    fc.assert(
      fc.property(seed, (aSeed) => {
        const drive = new Drive({ seed: aSeed, lateReadsMs: 0 });
        drive.reach("attached", there);
        drive.restart();
        expect(drive.reach("attached", here)).toBe("reportBind");
        expect(drive.cloud.now(eniId)).toMatchObject({ status: "InUse", ...here });
        expect(drive.calls).toEqual(["attach", "detach", "attach"]);
      }),
    );
  });

  it("reach every goal through lost answers, fall-backs, stuck states, late reads and restarts, with few calls", () => {
    const goals = fc.array(
      fc.record({
        goal: fc.constantFrom("attached" as const, "detached" as const),
        to: fc.constantFrom(here, there),
        restarts: fc.boolean(),
      }),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(seed, fc.nat({ max: 3_000 }), goals, (aSeed, lateReadsMs, steps) => {
        const drive = new Drive({ seed: aSeed, lateReadsMs });
        drive.cloud.faults = strike(seededRandom(aSeed + 1));
        for (const { goal, to, restarts } of steps) {
          if (restarts) drive.restart();
          expect(drive.reach(goal, to)).toBe(goal === "attached" ? "reportBind" : "reportUnbind");
          drive.expectReached(goal, to);
        }
        expect(drive.reach("gone", here)).toBe("removeFinalizer");
        drive.nowMs += 1_000;
        expect(drive.cloud.enis()).toEqual([]);
        // Two calls a move, one for each of the nine faults and the refusals that a restart or a late read costs.
        expect(drive.calls.length).toBeLessThanOrEqual(2 * steps.length + 2 + 9 + 2 * steps.length + 4);
      }),
    );
  });

  it("report an interface that somebody deletes as missing, and release it without a call", () => {
    fc.assert(
      fc.property(seed, fc.nat({ max: 3_000 }), (aSeed, lateReadsMs) => {
        const drive = new Drive({ seed: aSeed, lateReadsMs });
        drive.reach("attached", here);
        drive.cloud.vanish(eniId);
        drive.restart();
        drive.nowMs += 3_000;
        expect(drive.reach("attached", here)).toBe("reportMissing");
        expect(drive.reach("gone", here)).toBe("removeFinalizer");
        expect(drive.calls).toEqual(["attach"]);
      }),
    );
  });
});
