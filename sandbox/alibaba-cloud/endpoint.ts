import type { Action, ActionCall } from "./action.ts";
import { actions } from "./actions.ts";
import type { Answer } from "./answers.ts";
import { type Api, isApi, type Product, productOf, type WireParameters } from "./api.ts";
import { ClientTokens } from "./client-tokens.ts";
import { type AnswerFault, type CallFaults, FaultEngine, type FaultRule } from "./faults.ts";
import { draw } from "./options.ts";
import { Parameters } from "./parameters.ts";
import { Quotas } from "./quotas.ts";
import { accessDenied, Refusal, throttled } from "./refusal.ts";
import { Statistics } from "./statistics.ts";
import type { World } from "./world.ts";

/** What leaves the cloud. */
export type Outcome =
  | { readonly type: "answer"; readonly status: number; readonly body: Answer }
  /** A proxy's page. */
  | { readonly type: "html"; readonly status: number }
  /** The connection breaks. */
  | { readonly type: "reset" }
  /** Nothing ever comes. */
  | { readonly type: "silence" };

/** A call whose caller is known. */
export interface IdentifiedCall {
  readonly product: Product;
  readonly action: string;
  readonly parameters: WireParameters;
  readonly accessKeyId: string;
}

export interface EndpointOptions {
  readonly world: World;
  readonly quotas: Partial<Record<Api, number>>;
  readonly faults: readonly FaultRule[];
  readonly readDelayMs: number;
}

interface RunningCall extends IdentifiedCall {
  readonly api: Api;
  readonly startedAtMs: number;
}

/** Takes a call through what the cloud does in this order: rate, permission, action; with its time and its faults. */
export class Endpoint {
  readonly statistics = new Statistics();
  readonly #world: World;
  readonly #readDelayMs: number;
  readonly #quotas: Quotas;
  readonly #tokens = new ClientTokens();
  readonly #missingActions = new Map<string, ReadonlySet<string>>();
  /** Interfaces with an address task under way; another one is Operation.Conflict. */
  readonly #busyEnis = new Set<string>();
  #faults: FaultEngine;
  #requests = 0;
  /** Creates that have arrived and not yet made their interface. */
  #creating = 0;

  constructor(options: EndpointOptions) {
    this.#world = options.world;
    this.#readDelayMs = options.readDelayMs;
    this.#quotas = new Quotas(options.quotas);
    this.#faults = new FaultEngine(options.faults, options.world.random, options.world.clock.now());
  }

  setFaults(rules: readonly FaultRule[]): void {
    this.#world.enis.retain(Math.max(this.#readDelayMs, FaultEngine.longestReadDelayMs(rules)));
    this.#faults = new FaultEngine(rules, this.#world.random, this.#world.clock.now());
  }

  forgetClientTokens(olderThanMs: number): void {
    this.#tokens.forget(this.#world.clock.now() - olderThanMs);
  }

  setMissingActions(accessKeyId: string, ramActions: readonly string[]): void {
    this.#missingActions.set(accessKeyId, new Set(ramActions));
  }

  /** Times that each fault rule fired. */
  faultsFired(): Readonly<Record<string, number>> {
    return this.#faults.fired();
  }

  /** Interfaces being allocated now: creates under way, and interfaces that were never InUse yet. */
  get allocating(): number {
    return this.#creating + this.#world.allocating.size;
  }

  /** Starts the peaks of the statistics anew. */
  resetPeaks(): void {
    this.statistics.allocating(this.allocating);
    this.statistics.resetPeaks();
  }

  /** Never rejects, except with AbortError when the cloud is closed meanwhile. */
  async perform(call: IdentifiedCall): Promise<Outcome> {
    const { action: api } = call;
    if (!isApi(api) || productOf(api) !== call.product) {
      return this.refuse(new Refusal(404, "InvalidAction.NotFound", `The specified action "${api}" is not found.`));
    }
    this.statistics.begin(api);
    try {
      return await this.#run({ ...call, api, startedAtMs: this.#world.clock.now() });
    } finally {
      this.statistics.end(api);
    }
  }

  /** The error body of cloud-api §B4. */
  refuse(refusal: Refusal, product: Product = "ecs"): Outcome {
    const body = {
      RequestId: this.#nextRequestId(),
      HostId: `${product}.${this.#world.regionId}.aliyuncs.com`,
      Code: refusal.code,
      Message: refusal.message,
      Recommend: `https://api.aliyun.com/troubleshoot?q=${refusal.code}`,
      ...refusal.extra,
    };
    return { type: "answer", status: refusal.status, body };
  }

  async #run(call: RunningCall): Promise<Outcome> {
    const { api, startedAtMs } = call;
    const world = this.#world;
    const spans = world.latencies;
    const latencyMs = draw(api === "CreateNetworkInterface" ? spans.createAnswerMs : spans.answerMs, world.random);
    const admission = this.#admit(call);
    if (admission !== undefined) {
      await world.wait(latencyMs);
      return this.#refused(call, admission);
    }
    const faults = this.#faults.decide(api, startedAtMs);
    // A burst that begins with this call refuses this call too.
    if (this.#faults.isInBurst(api, startedAtMs)) {
      this.statistics.throttled(api, startedAtMs);
      await world.wait(latencyMs);
      return this.#refused(call, throttled());
    }
    this.statistics.accepted(api, startedAtMs);
    if (isBeforeEffect(faults.answer)) {
      await world.wait(latencyMs + faults.slowMs);
      return this.#fault(call, faults.answer);
    }
    return this.#act(call, faults, latencyMs);
  }

  /** Rate first, as the gateway does, then the permission. */
  #admit(call: RunningCall): Refusal | undefined {
    const { api, startedAtMs } = call;
    const share = this.#faults.neighbourShare(api, startedAtMs);
    if (this.#faults.isInBurst(api, startedAtMs) || !this.#quotas.take(api, startedAtMs, share)) {
      this.statistics.throttled(api, startedAtMs);
      return throttled();
    }
    const ramAction = `${call.product}:${api}`;
    const isDenied = this.#missingActions.get(call.accessKeyId)?.has(ramAction) === true;
    return isDenied ? accessDenied(ramAction, call.accessKeyId) : undefined;
  }

  /** The effect happens half-way; what follows only decides what the caller learns of it. */
  async #act(call: RunningCall, faults: CallFaults, latencyMs: number): Promise<Outcome> {
    const world = this.#world;
    // One in a vSwitch that does not exist allocates nothing.
    const isCreate =
      call.api === "CreateNetworkInterface" && world.findVSwitch(call.parameters["VSwitchId"] ?? "") !== undefined;
    const answered: ((answeredAtMs: number) => void)[] = [];
    const release = this.#occupy(call);
    if (release === undefined) {
      await world.wait(latencyMs);
      return this.#refused(
        call,
        new Refusal(403, "Operation.Conflict", "Another task on the network interface is under way."),
      );
    }
    if (isCreate) this.#creatingChanged(1);
    try {
      await world.wait(latencyMs / 2);
    } finally {
      if (isCreate) this.#creating--;
    }
    const outcome = this.#effect(call, faults, answered);
    if (isCreate) this.#creatingChanged(0);
    try {
      await world.wait(latencyMs / 2 + faults.slowMs);
    } finally {
      release();
    }
    if (faults.answer !== undefined) return this.#fault(call, faults.answer);
    for (const listener of answered) listener(world.clock.now());
    return outcome;
  }

  #effect(call: RunningCall, faults: CallFaults, answered: ((answeredAtMs: number) => void)[]): Outcome {
    const { api, parameters } = call;
    const nowMs = this.#world.clock.now();
    try {
      const regionId = parameters["RegionId"];
      if (regionId !== undefined && regionId !== this.#world.regionId) {
        throw new Refusal(400, "Forbidden.RegionId", `The region "${regionId}" is not served here.`);
      }
      const replay = this.#tokens.replay(api, parameters, nowMs);
      if (replay !== undefined) this.statistics.replayed(api);
      const answer = replay ?? this.#do(actions[api], call, { faults, answered });
      if (replay === undefined) this.#tokens.remember({ api, parameters, answer, nowMs });
      return { type: "answer", status: 200, body: { RequestId: this.#nextRequestId(), ...answer } };
    } catch (error: unknown) {
      if (!(error instanceof Refusal)) throw error;
      return this.#refused(call, error);
    }
  }

  #do(
    action: Action,
    call: RunningCall,
    run: { readonly faults: CallFaults; readonly answered: ((answeredAtMs: number) => void)[] },
  ): Answer {
    const actionCall: ActionCall = {
      world: this.#world,
      parameters: new Parameters(call.parameters),
      faults: run.faults,
      startedAtMs: call.startedAtMs,
      readDelayMs: Math.max(this.#readDelayMs, run.faults.readDelayMs),
      onAnswered: (listener) => run.answered.push(listener),
    };
    return action(actionCall);
  }

  /** @returns how to free the interface again; undefined when another address task is on it (§C3, Operation.Conflict) */
  #occupy(call: RunningCall): (() => void) | undefined {
    const eniId = /^(Un)?[Aa]ssign/.test(call.api) ? call.parameters["NetworkInterfaceId"] : undefined;
    if (eniId === undefined) return () => undefined;
    if (this.#busyEnis.has(eniId)) return undefined;
    this.#busyEnis.add(eniId);
    return () => this.#busyEnis.delete(eniId);
  }

  #creatingChanged(by: number): void {
    this.#creating += by;
    this.statistics.allocating(this.allocating);
  }

  #refused(call: RunningCall, refusal: Refusal): Outcome {
    this.statistics.refused(call.api, refusal.code);
    return this.refuse(refusal, call.product);
  }

  #fault(call: RunningCall, fault: AnswerFault): Outcome {
    this.statistics.faulted(call.api, fault.type);
    switch (fault.type) {
      case "httpError":
        return this.#refused(call, new Refusal(fault.status, fault.code, "The request processing has failed."));
      case "html":
        return { type: "html", status: fault.status };
      case "reset":
      case "resetAfterEffect":
        return { type: "reset" };
      case "timeoutAfterEffect":
        return { type: "silence" };
    }
  }

  #nextRequestId(): string {
    const counter = (++this.#requests).toString(16).padStart(12, "0").toUpperCase();
    return `5A9DB0C5-0000-4000-8000-${counter}`;
  }
}

function isBeforeEffect(fault: AnswerFault | undefined): fault is AnswerFault {
  if (fault === undefined) return false;
  return fault.type === "html" || fault.type === "reset" || (fault.type === "httpError" && fault.afterEffect !== true);
}
