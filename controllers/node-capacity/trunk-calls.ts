/** The calls that make and attach a trunk, and what this process knows of their outcome. */
import type { Node } from "../../crds/v1beta1/node.gen.ts";
import { machineCreatorTagValue, tags } from "../../crds/v1beta1/names.ts";
import { cureOf, toCreateRequest, type CreateRequest } from "../../domain/eni/create-request.ts";
import type { CallPriority, Eni } from "../../domain/eni/eni.ts";
import { concernsEveryCall, type CreationHold } from "../../domain/suspension/suspension.ts";
import { toClientToken } from "../../runtime/client-token.ts";
import type { CreationCauses, CreationKind } from "../../runtime/creation-causes.ts";
import { isAbort, OperatorError, SuspendedError, ThrottledError, WaitingError } from "../../runtime/errors.ts";
import type { Operations } from "../../runtime/operations.ts";
import type { Clock, Logger } from "../../runtime/ports.ts";
import { reasons } from "./conditions.ts";
import type { Inventory } from "./inventory.ts";
import type { TrunkCall, TrunkIntent, TrunkSpec } from "./state.ts";

interface CallOptions {
  readonly priority: CallPriority;
  readonly signal: AbortSignal;
  /** Told of each try that was sent and got no answer. */
  readonly onUnanswered?: () => void;
}

export interface TrunkCallsDeps {
  /** Each @throws the errors of runtime/errors.ts. */
  readonly cloud: {
    createEni(request: CreateRequest, options: CallOptions): Promise<Eni>;
    attachEni(request: { readonly eniId: string; readonly instanceId: string }, options: CallOptions): Promise<void>;
  };
  readonly vSwitches: { taken(id: string): void; exhausted(id: string): void };
  readonly operations: Operations<void>;
  readonly creationCauses: CreationCauses;
  readonly inventory: Inventory;
  /** Whether the Node CR of that name still has that UID. */
  readonly isCurrent: (nodeName: string, uid: string) => boolean;
  /** Asks the collector to look soon for trunks that nobody owns. */
  readonly requestSweep: () => void;
  /** Told of each end that a person may want to read of. */
  readonly onEvent: (nodeName: string, event: TrunkEvent) => void;
  readonly clusterId: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Events of the published list. */
export interface TrunkEvent {
  readonly reason: "CreateENISucceed" | "CreateENIFailed" | "AttachENISucceed" | "AttachENIFailed";
  readonly note: string;
}

/** A node waits for its trunk as a pod waits for its interface. */
const priority = "bind";

/** One creation or attach at a time per node. What it remembers is a cache: losing it costs a look, never a second trunk. */
export class TrunkCalls {
  readonly #deps: TrunkCallsDeps;
  readonly #last = new Map<string, TrunkCall>();
  readonly #lastNote = new Map<string, string>();

  constructor(deps: TrunkCallsDeps) {
    this.#deps = deps;
  }

  last(nodeName: string): TrunkCall | undefined {
    return this.#last.get(nodeName);
  }

  /** The trunk serves: what led to it does not matter any more. */
  settle(nodeName: string): void {
    this.#last.delete(nodeName);
    this.#lastNote.delete(nodeName);
  }

  /** Why its creation must not be tried now, or only for all that wait for the same; undefined: it may. */
  holdOf({ metadata }: Node, spec: TrunkSpec, { vSwitchId }: TrunkIntent): CreationHold | undefined {
    return this.#deps.creationCauses.holdOf(kindOf(spec, vSwitchId), toKey(metadata.name));
  }

  /** @returns false when meanwhile another one tries what this one was to try for all; then nothing was begun */
  create(
    record: Node,
    spec: TrunkSpec,
    call: { readonly intent: TrunkIntent; readonly tries: number; readonly isReplay: boolean },
  ): boolean {
    const { cloud, clock, clusterId, creationCauses, inventory, vSwitches } = this.#deps;
    const { name, uid = "" } = record.metadata;
    const { attempt, vSwitchId } = call.intent;
    const kind = kindOf(spec, vSwitchId);
    creationCauses.claim(kind, toKey(name));
    if (creationCauses.holdOf(kind, toKey(name)) !== undefined) return false;
    this.#start(name, { effect: "create", attempt, tries: call.tries }, async (signal) => {
      const startedAtMs = clock.now();
      const request = toCreateRequest({
        ...kind,
        clientToken: toClientToken([uid, "trunk", attempt]),
        creator: machineCreatorTagValue,
        clusterId,
        tags: { ...spec.tags, [tags.nodeUid]: uid },
        deleteOnRelease: true,
        needsIpv6: spec.needsIpv6,
        trafficMode: "Standard",
      });
      const creation = { mayBeSecond: call.isReplay };
      try {
        const onUnanswered = (): void => void (creation.mayBeSecond = true);
        const eni = await cloud.createEni(request, { priority, signal, onUnanswered });
        creationCauses.succeeded(kind);
        vSwitches.taken(vSwitchId);
        // The answer to a token that was used before may be that of then: only a look says how the trunk is now.
        inventory.made({ ...eni, type: "Trunk" }, uid, call.isReplay ? undefined : startedAtMs);
        const note = `created trunk ${eni.eniId} with ${eni.primaryIpv4} in ${vSwitchId}`;
        this.#deps.onEvent(name, { reason: "CreateENISucceed", note });
      } catch (error) {
        if (isReason(error, "VSwitchExhausted")) vSwitches.exhausted(vSwitchId);
        if (needsPerson(error)) creationCauses.failed(kind, error);
        throw error;
      } finally {
        // Nobody waits for it any more; or the cloud had forgotten the token, and this is a second one.
        if (creation.mayBeSecond || !this.#deps.isCurrent(name, uid)) this.#deps.requestSweep();
      }
    });
    return true;
  }

  attach(nodeName: string, call: { eniId: string; instanceId: string; attempt: number; tries: number }): void {
    const { cloud, inventory } = this.#deps;
    const { eniId, instanceId, attempt, tries } = call;
    this.#start(nodeName, { effect: "attach", attempt, tries }, async (signal) => {
      try {
        await cloud.attachEni({ eniId, instanceId }, { priority, signal });
      } catch (error) {
        inventory.doubt(eniId);
        // Whoever took the last place is to be seen, and counted.
        if (isReason(error, "InstanceInterfaceLimit")) inventory.refresh(instanceId);
        throw error;
      }
    });
  }

  #start(
    nodeName: string,
    call: Pick<TrunkCall, "effect" | "attempt" | "tries">,
    work: (signal: AbortSignal) => Promise<void>,
  ): void {
    const { operations, clock, log } = this.#deps;
    const former = this.#last.get(nodeName);
    const begun = { ...call, startedAtMs: clock.now() };
    const end = (outcome: TrunkCall["outcome"]): void => void this.#last.set(nodeName, { ...begun, outcome });
    const started = operations.start(nodeName, nodeName, async (signal) => {
      try {
        await work(signal);
        end({ type: "accepted", atMs: clock.now() });
      } catch (error) {
        if (error instanceof SuspendedError) {
          this.#undo(nodeName, former);
          return;
        }
        log.info("cloud call failed", { controller: "node-capacity", node: nodeName, effect: call.effect, error });
        const outcome = toOutcome(error, call, clock.now());
        end(outcome);
        if (outcome.type === "refused") this.#tellOnce(nodeName, call.effect, outcome.message);
      }
    });
    if (started) end({ type: "running" });
  }

  /** Nothing was sent: what was known before is what is known. */
  #undo(nodeName: string, former: TrunkCall | undefined): void {
    if (former === undefined) this.#last.delete(nodeName);
    else this.#last.set(nodeName, former);
  }

  /** The same refusal, tried again and again, is one piece of news. */
  #tellOnce(nodeName: string, effect: TrunkCall["effect"], note: string): void {
    if (this.#lastNote.get(nodeName) === note) return;
    this.#lastNote.set(nodeName, note);
    this.#deps.onEvent(nodeName, { reason: effect === "create" ? "CreateENIFailed" : "AttachENIFailed", note });
  }
}

/** What decides whether the cloud refuses it for the same cause as another one. */
function kindOf({ securityGroupIds, resourceGroupId }: TrunkSpec, vSwitchId: string): CreationKind {
  return { type: "Trunk", vSwitchId, securityGroupIds, resourceGroupId };
}

/** Among those of pods, which are named by namespace and name. */
function toKey(nodeName: string): string {
  return `trunk/${nodeName}`;
}

/** Whoever asks for the same is refused as well, until a person has acted. */
function needsPerson(error: unknown): error is OperatorError {
  if (!(error instanceof OperatorError) || cureOf(error.reason) !== undefined) return false;
  return personCategories.has(error.category) && !concernsEveryCall(error.reason);
}

const personCategories: ReadonlySet<OperatorError["category"]> = new Set(["capacity", "terminal", "invariant"]);

function isReason(error: unknown, reason: string): boolean {
  return error instanceof OperatorError && error.reason === reason;
}

function toOutcome(
  error: unknown,
  { effect, tries }: Pick<TrunkCall, "effect" | "tries">,
  atMs: number,
): Exclude<TrunkCall["outcome"], { readonly type: "running" | "accepted" }> {
  if (isAbort(error) || (error instanceof OperatorError && error.cloud?.outcome === "unknown"))
    return { type: "unknown", atMs };
  const { reason, message } = error instanceof OperatorError ? error : internal(error);
  const isNew = effect === "create" && cureOf(reason) !== undefined;
  // No pause of its own: the cause is held for all whom it stops.
  const retryAtMs = effect === "create" && needsPerson(error) ? atMs : atMs + retryDelayMs(error, tries);
  return { type: "refused", atMs, remedy: isNew ? "newIntent" : "repeat", retryAtMs, reason, message };
}

function internal(error: unknown): { readonly reason: string; readonly message: string } {
  return { reason: reasons.internal, message: error instanceof Error ? error.message : String(error) };
}

/** What the error says itself; otherwise 2 s, 4 s … at most a minute. */
function retryDelayMs(error: unknown, tries: number): number {
  if (error instanceof ThrottledError) return error.retryAfterMs;
  if (error instanceof WaitingError) return Math.max(error.requeueAfterMs, 500 * 2 ** Math.min(tries, 5));
  return Math.min(60_000, 1_000 * 2 ** Math.min(tries, 6));
}
