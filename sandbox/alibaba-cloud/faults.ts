import type { Random } from "../../runtime/ports.ts";
import type { Api } from "./api.ts";

/** One line of trouble. README.md of this folder has the file format with an example of each effect. */
export interface FaultRule {
  /** For the report: how often each rule fired is counted under it. */
  readonly name: string;
  readonly api: Api | readonly Api[] | "*";
  /** Chance per matching call, 0…1. All given triggers must hold; with none the rule always fires. */
  readonly probability?: number;
  /** The n-th, 2n-th, … matching call. */
  readonly everyNth?: number;
  /** Only the first so many matching calls. */
  readonly first?: number;
  /** Only in this time, seconds since the rules were set. */
  readonly between?: { readonly fromSeconds: number; readonly toSeconds: number };
  readonly effect: FaultEffect;
}

export type FaultEffect =
  /** An error answer; with `afterEffect` the call has worked all the same. */
  | { readonly type: "httpError"; readonly status: number; readonly code: string; readonly afterEffect?: boolean }
  /** A proxy's HTML page instead of an answer; nothing has happened. */
  | { readonly type: "html"; readonly status: number }
  /** The connection breaks before anything happens. */
  | { readonly type: "reset" }
  /** The connection breaks after the call has worked. */
  | { readonly type: "resetAfterEffect" }
  /** The call works and is never answered. */
  | { readonly type: "timeoutAfterEffect" }
  /**
   * The guest does not answer: the interface stays Detaching for `seconds` (Infinity: for ever) or until Detach is called
   * again; with `repeatHelps` false not even then. Source: cloud-api §C1.
   */
  | { readonly type: "stuckDetaching"; readonly seconds: number; readonly repeatHelps: boolean }
  /** The attach is accepted, then the interface is Available again. Source: cloud-api §C1, "attach failed". */
  | { readonly type: "attachFallsBack" }
  /** Every call of that API is refused with Throttling.User for so long. */
  | { readonly type: "throttleBurst"; readonly seconds: number }
  /** The answer takes so much longer. */
  | { readonly type: "slow"; readonly ms: number }
  /** A neighbour in the same account uses this share (0…1) of the quota. */
  | { readonly type: "quotaShare"; readonly share: number }
  /** Reads see the world of so long ago. Source: cloud-api §C5. */
  | { readonly type: "lateReads"; readonly ms: number }
  /** The vSwitch (or `*`) has no address left. */
  | { readonly type: "exhaustedVSwitch"; readonly vSwitchId: string };

/** What the rules do to one call. */
export interface CallFaults {
  /** Replaces the answer; the first rule that fires decides. */
  readonly answer: AnswerFault | undefined;
  readonly slowMs: number;
  readonly readDelayMs: number;
  readonly attachFallsBack: boolean;
  readonly stuckDetaching: Extract<FaultEffect, { type: "stuckDetaching" }> | undefined;
  readonly exhaustedVSwitchIds: ReadonlySet<string>;
}

export type AnswerFault = Extract<
  FaultEffect,
  { type: "httpError" | "html" | "reset" | "resetAfterEffect" | "timeoutAfterEffect" }
>;

interface RuleState {
  readonly rule: FaultRule;
  /** Matching calls so far. */
  calls: number;
  /** Times that the rule fired. */
  fired: number;
}

/** Decides for each call which rules fire. Draws from `random` in rule order, so that one seed gives one history. */
export class FaultEngine {
  readonly #random: Random;
  readonly #states: readonly RuleState[];
  readonly #startMs: number;
  readonly #burstUntilMs = new Map<Api, number>();

  constructor(rules: readonly FaultRule[], random: Random, nowMs: number) {
    this.#states = rules.map((rule) => ({ rule, calls: 0, fired: 0 }));
    this.#random = random;
    this.#startMs = nowMs;
  }

  /** The longest delay that a rule gives to reads, milliseconds. */
  static longestReadDelayMs(rules: readonly FaultRule[]): number {
    return Math.max(0, ...rules.map(({ effect }) => (effect.type === "lateReads" ? effect.ms : 0)));
  }

  /** Share of the quota of `api` that a neighbour uses now, 0…1. */
  neighbourShare(api: Api, nowMs: number): number {
    let share = 0;
    for (const { rule } of this.#states) {
      if (rule.effect.type === "quotaShare" && this.#matches(rule, api, nowMs)) {
        share = Math.max(share, rule.effect.share);
      }
    }
    return share;
  }

  isInBurst(api: Api, nowMs: number): boolean {
    return nowMs < (this.#burstUntilMs.get(api) ?? -Infinity);
  }

  decide(api: Api, nowMs: number): CallFaults {
    const faults: Mutable<CallFaults> & { exhaustedVSwitchIds: Set<string> } = {
      answer: undefined,
      slowMs: 0,
      readDelayMs: 0,
      attachFallsBack: false,
      stuckDetaching: undefined,
      exhaustedVSwitchIds: new Set(),
    };
    for (const state of this.#states) {
      if (!this.#fires(state, api, nowMs)) continue;
      state.fired++;
      this.#apply(state.rule.effect, { api, nowMs, faults });
    }
    return faults;
  }

  /** Times that each rule fired, by name. */
  fired(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#states.map(({ rule, fired }) => [rule.name, fired]));
  }

  #apply(
    effect: FaultEffect,
    call: { api: Api; nowMs: number; faults: Mutable<CallFaults> & { exhaustedVSwitchIds: Set<string> } },
  ): void {
    const { faults } = call;
    switch (effect.type) {
      case "throttleBurst":
        this.#burstUntilMs.set(call.api, call.nowMs + effect.seconds * 1_000);
        return;
      case "slow":
        faults.slowMs += effect.ms;
        return;
      case "lateReads":
        faults.readDelayMs = Math.max(faults.readDelayMs, effect.ms);
        return;
      case "attachFallsBack":
        faults.attachFallsBack = true;
        return;
      case "stuckDetaching":
        faults.stuckDetaching ??= effect;
        return;
      case "exhaustedVSwitch":
        faults.exhaustedVSwitchIds.add(effect.vSwitchId);
        return;
      case "quotaShare":
        return;
      default:
        faults.answer ??= effect;
    }
  }

  #matches(rule: FaultRule, api: Api, nowMs: number): boolean {
    if (rule.api !== "*" && rule.api !== api && !rule.api.includes(api)) return false;
    if (rule.between === undefined) return true;
    const seconds = (nowMs - this.#startMs) / 1_000;
    return seconds >= rule.between.fromSeconds && seconds < rule.between.toSeconds;
  }

  #fires(state: RuleState, api: Api, nowMs: number): boolean {
    const { rule } = state;
    if (!this.#matches(rule, api, nowMs)) return false;
    state.calls++;
    if (rule.first !== undefined && state.calls > rule.first) return false;
    if (rule.everyNth !== undefined && state.calls % rule.everyNth !== 0) return false;
    return rule.probability === undefined || this.#random() < rule.probability;
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
