/** Decides, before every call to the cloud, whether it may be made at all now. docs/degradation.md is its page. */
import type { CallPriority } from "../domain/eni/eni.ts";
import { suspensionReasons, type Suspension } from "../domain/suspension/suspension.ts";
import { SuspendedError, type OperatorError } from "../runtime/errors.ts";
import type { Clock, Logger } from "../runtime/ports.ts";
import { Breaker, outageCodeOf } from "./breaker.ts";
import { isRead, productOf, type ApiName, type Product } from "./call.ts";
import { Ramp } from "./ramp.ts";
import { Refusals, tryEveryMs } from "./refusals.ts";

/** The level that somebody wants. Source: configuration `degradation`, read while the process runs. */
export interface WantedLevel {
  level(): Level;
  onChange(handler: (level: Level) => void): void;
}

/** Empty: every call. `l0`: none. `l1`: none that releases something. */
type Level = "" | "l0" | "l1";

interface ProductState {
  readonly product: Product;
  readonly breaker: Breaker;
  readonly ramp: Ramp;
}

export interface CallGateOptions {
  readonly wanted: WantedLevel;
  /** Sends one cheap read, past this gate's outage. Its outcome comes by {@link CallGate.answered} or `failed`. */
  readonly probe: (product: Product, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Between two probes: 1 s, 2 s, 4 s … so many milliseconds at most. */
const probeAtMostMs = 10_000;
/** A cloud that needs longer for a read about nothing cannot be worked with. */
const probeLimitMs = 10_000;
/** Who waits is woken by {@link CallGate.onChange}; this is for who is not. */
const lookAgainMs = 10_000;

export class CallGate {
  readonly #options: CallGateOptions;
  readonly #products: Readonly<Record<Product, ProductState>>;
  readonly #refusals: Refusals;
  readonly #listeners: (() => void)[] = [];
  readonly #stopped = new AbortController();
  #wantedSinceMs: number;
  #level: Level;

  constructor(options: CallGateOptions) {
    const { wanted, clock } = options;
    const stateOf = (product: Product) => ({ product, breaker: new Breaker(clock), ramp: new Ramp(clock) });
    this.#options = options;
    this.#products = { ecs: stateOf("ecs"), vpc: stateOf("vpc") };
    this.#refusals = new Refusals(clock);
    this.#level = wanted.level();
    this.#wantedSinceMs = clock.now();
    wanted.onChange((level) => this.#wantedChanged(level));
  }

  /** Why a call would be held back now; undefined: it would not. */
  suspensionOf(api: ApiName, priority: CallPriority): Suspension | undefined {
    const suspension = this.#wantedSuspension(api, priority) ?? outageSuspension(this.#stateOf(api));
    return suspension ?? this.#refusals.suspensionOf(api);
  }

  /**
   * Undefined: the call may begin. Otherwise resolves when its turn has come, while calls begin again slowly.
   * @throws SuspendedError, AbortError
   */
  enter(
    api: ApiName,
    call: { readonly priority: CallPriority; readonly signal: AbortSignal },
  ): Promise<void> | undefined {
    this.#assertOpen(api, call.priority);
    return this.#stateOf(api)?.ramp.turn(call.priority, call.signal);
  }

  /** Asked again right before the call is sent: it may have waited for its quota for a minute. @throws SuspendedError */
  assertMaySend(api: ApiName, priority: CallPriority): void {
    this.#assertOpen(api, priority);
    this.#refusals.trying(api);
  }

  /** Of a probe, which an outage does not hold back. @throws SuspendedError */
  assertMayProbe(api: ApiName, priority: CallPriority): void {
    const suspension = this.#wantedSuspension(api, priority);
    if (suspension !== undefined) throw toError(suspension);
  }

  /** The cloud carried a call out. */
  answered(api: ApiName): void {
    this.#isThere(api);
    if (this.#refusals.allowed(api)) this.#tellAllowed(api);
  }

  /** A call failed. What does not tell of an outage counts as an answer. `sentAtMs`: wall clock. */
  failed(api: ApiName, error: OperatorError, sentAtMs: number): void {
    const code = outageCodeOf(error);
    if (code !== undefined) this.#noAnswer(api, code, sentAtMs);
    // Without a credential nothing was asked, so nothing was learned.
    else if (error.cloud?.code !== "NoCredential") this.#refused(api, error);
  }

  /** Whether each product counts as down; for metrics. */
  outages(): readonly { readonly product: Product; readonly isDown: boolean }[] {
    return Object.values(this.#products).map(({ product, breaker }) => ({
      product,
      isDown: breaker.outage !== undefined,
    }));
  }

  /** `listener` is called whenever other calls than before are held back. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Ends the probes. */
  close(): void {
    this.#stopped.abort();
  }

  #assertOpen(api: ApiName, priority: CallPriority): void {
    const suspension = this.suspensionOf(api, priority);
    if (suspension === undefined || (suspension.tryAtMs ?? Infinity) <= this.#options.clock.now()) return;
    throw toError(suspension);
  }

  #isThere(api: ApiName): void {
    const state = this.#stateOf(api);
    const sinceMs = state?.breaker.outage?.sinceMs;
    if (state?.breaker.answered() !== true || sinceMs === undefined) return;
    state.ramp.begin();
    const { logger, clock } = this.#options;
    const seconds = Math.round((clock.now() - sinceMs) / 1_000);
    logger.warn("the cloud answers again; calls begin slowly", { product: state.product, seconds });
    this.#tell();
  }

  #noAnswer(api: ApiName, code: string, sentAtMs: number): void {
    const state = this.#stateOf(api);
    if (state?.breaker.failed(code, sentAtMs, state.ramp.isRising) !== true) return;
    const { product } = state;
    const suspension = outageSuspension(state);
    if (suspension !== undefined) state.ramp.refuseAll(toError(suspension));
    this.#options.logger.warn("the cloud does not answer; calls are suspended, but for a probe", {
      product,
      api,
      code,
    });
    this.#tell();
    void this.#probeUntilAnswered(state);
  }

  #refused(api: ApiName, error: OperatorError): void {
    this.#isThere(api);
    if (!this.#refusals.refused(api, error)) return;
    const suspension = this.#refusals.suspensionOf(api);
    if (suspension === undefined) {
      this.#tellAllowed(api);
      return;
    }
    const { reason, message } = suspension;
    this.#options.logger.warn("the cloud refuses all calls of a kind; one is tried every 20 s", {
      api,
      reason,
      message,
    });
    this.#tell();
    if (this.#refusals.concernEveryCall) void this.#probeUntilAllowed();
  }

  #tellAllowed(api: ApiName): void {
    this.#options.logger.warn("the cloud allows calls again that it had refused", { api });
    this.#tell();
  }

  /** Nobody else asks for anything meanwhile. */
  async #probeUntilAllowed(): Promise<void> {
    while (this.#refusals.concernEveryCall) {
      try {
        await this.#options.clock.sleep(tryEveryMs, this.#stopped.signal);
      } catch {
        return;
      }
      await this.#probeOnce("ecs");
    }
  }

  async #probeUntilAnswered({ product, breaker }: ProductState): Promise<void> {
    for (let pauseMs = 1_000; breaker.outage !== undefined; pauseMs = Math.min(probeAtMostMs, pauseMs * 2)) {
      try {
        await this.#options.clock.sleep(pauseMs, this.#stopped.signal);
      } catch {
        return;
      }
      await this.#probeOnce(product);
    }
  }

  /** Its outcome is told where all outcomes are; what it throws says nothing more. */
  async #probeOnce(product: Product): Promise<void> {
    const limit = new AbortController();
    const end = setTimeout(() => limit.abort(), probeLimitMs);
    const signal = AbortSignal.any([this.#stopped.signal, limit.signal]);
    await this.#options.probe(product, signal).catch(() => undefined);
    clearTimeout(end);
  }

  #wantedChanged(level: Level): void {
    const former = this.#level;
    this.#level = level;
    this.#wantedSinceMs = this.#options.clock.now();
    for (const { ramp } of Object.values(this.#products)) {
      if (level === "l0") ramp.refuseAll(toError(this.#wantedAs("l0")));
      else if (former === "l0") ramp.begin();
    }
    this.#tell();
  }

  #wantedSuspension(api: ApiName, priority: CallPriority): Suspension | undefined {
    if (this.#level === "") return undefined;
    return this.#level === "l0" || frees(api, priority) ? this.#wantedAs(this.#level) : undefined;
  }

  #wantedAs(level: "l0" | "l1"): Suspension {
    const what = level === "l0" ? "calls to the cloud" : "releases in the cloud";
    const message = `${what} are suspended: degradation ${level} (configuration)`;
    return { reason: suspensionReasons.degraded, message, sinceMs: this.#wantedSinceMs };
  }

  #stateOf(api: ApiName): ProductState | undefined {
    const served = productOf(api);
    return served && this.#products[served.product];
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/**
 * What `l1` holds back, decided by the name of the API where that is enough, so that one that is added is not forgotten: every
 * deletion; a detach, and any other change, that is not in the way of a pod; and all of the collector's work.
 */
function frees(api: ApiName, priority: CallPriority): boolean {
  if (priority === "gc" || /^(Delete|Unassign)/.test(api)) return true;
  return priority === "release" && !isRead(api);
}

function outageSuspension(state: ProductState | undefined): Suspension | undefined {
  const outage = state?.breaker.outage;
  if (state === undefined || outage === undefined) return undefined;
  const since = new Date(outage.sinceMs).toISOString().replace(/\.\d+Z$/, "Z");
  const name = state.product.toUpperCase();
  const message = `calls to the cloud are suspended: ${name} does not answer since ${since} (${outage.code})`;
  return { reason: suspensionReasons.cloudUnavailable, message, sinceMs: outage.sinceMs };
}

function toError({ reason, message }: Suspension): SuspendedError {
  return new SuspendedError(reason, message, lookAgainMs);
}
