import type { NetworkInterface, NetworkInterfaceStatus } from "../../crds/v1beta1/network-interface.gen.ts";
import { finalizers, labels } from "../../crds/v1beta1/names.ts";
import { findCondition, setCondition, type NextCondition } from "../../domain/conditions/conditions.ts";
import type { CallPriority, Eni } from "../../domain/eni/eni.ts";
import type { Suspension } from "../../domain/suspension/suspension.ts";
import { OperatorError, SuspendedError } from "../../runtime/errors.ts";
import type { Operations } from "../../runtime/operations.ts";
import type { Clock, Lister, Logger, ObjectClient, Recorder } from "../../runtime/ports.ts";
import { keyOf, type Reconciler, type Request, type Result } from "../../runtime/reconcile.ts";
import {
  attachedCondition,
  detachedCondition,
  fellBackCondition,
  foreignCondition,
  missingCondition,
  refusedCondition,
} from "./conditions.ts";
import type { EniLedger } from "./ledger.ts";
import { planNetworkInterface, type NetworkInterfaceAction } from "./plan.ts";
import { isAboutTheCaller, isForThePerson, isOfUnknownOutcome, retryDelayMs } from "./refusal.ts";
import { goalOf, toState, type Effect, type NetworkInterfaceState, type Surroundings } from "./state.ts";

/** How a call went, for whoever adds up where a bind's time goes. */
export interface CallTiming {
  readonly api: string;
  readonly limiterWaitMs: number;
  readonly callMs: number;
}

interface CallOptions {
  readonly priority: CallPriority;
  readonly signal: AbortSignal;
  readonly onTiming?: (timing: CallTiming) => void;
}

/** What this reconciler needs of the world; cmd/controlplane.ts supplies it. */
export interface NetworkInterfaceDeps {
  readonly lister: Lister<NetworkInterface>;
  readonly client: ObjectClient<NetworkInterface>;
  /** Each @throws the errors of runtime/errors.ts; detaching and deleting what is gone succeeds. */
  readonly cloud: {
    attachEni(
      request: {
        readonly eniId: string;
        readonly instanceId: string;
        readonly trunkEniId?: string;
        readonly networkCardIndex?: number;
      },
      options: CallOptions,
    ): Promise<void>;
    detachEni(
      request: { readonly eniId: string; readonly instanceId: string; readonly trunkEniId?: string },
      options: CallOptions,
    ): Promise<void>;
    deleteEni(request: { readonly eniId: string }, options: CallOptions): Promise<void>;
  };
  readonly observer: {
    watch(
      eniId: string,
      watch: {
        readonly operation: Effect | "look";
        readonly startedAtMs: number;
        readonly priority: CallPriority;
      },
    ): void;
    stop(eniId: string): void;
  };
  readonly operations: Operations<void>;
  readonly ledger: EniLedger;
  readonly recorder: Recorder;
  /** Which work of this interface goes first when calls are scarce. */
  readonly isFixed: (record: NetworkInterface) => boolean;
  /** A pod waits for this interface to come off where it is: taking it off is a part of giving the pod its address. */
  readonly isAwaited: (record: NetworkInterface) => boolean;
  /** Why such a call would be held back now. */
  readonly suspensionOf: (work: Effect | "look", priority: CallPriority) => Suspension | undefined;
  readonly clusterId: string;
  readonly onTiming: (eniId: string, timing: CallTiming) => void;
  /** Told of each refused attach: what is known of the machine may be wrong. */
  readonly onAttachRefused: (refusal: {
    readonly instanceId: string;
    readonly trunkEniId: string;
    readonly reason: string;
  }) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Brings one cloud interface to where its record wants it, one call at a time: look, attach, detach or delete. */
export class NetworkInterfaceReconciler implements Reconciler {
  readonly #deps: NetworkInterfaceDeps;

  constructor(deps: NetworkInterfaceDeps) {
    this.#deps = deps;
  }

  async reconcile(request: Request, signal: AbortSignal): Promise<Result> {
    const { lister, ledger, observer } = this.#deps;
    const record = lister.get(keyOf(request));
    if (record === undefined) {
      observer.stop(request.name);
      ledger.forget(request.name);
      return {};
    }
    const state = toState(record, ledger.of(request.name), this.#surroundings(record));
    const plan = planNetworkInterface(state);
    if (plan.attachFellBack === true) {
      const condition = fellBackCondition(state.eniId, state.instanceId, state.lastCall?.tries ?? 1);
      this.#warn(record, "attach", condition.message);
      await this.#report(record, condition, {}, signal);
    }
    if (plan.action !== undefined) await this.#execute(record, state, plan.action, signal);
    if (plan.suspension !== undefined) {
      const { reason, message } = plan.suspension;
      await this.#report(record, refusedCondition(reason, message), {}, signal);
    }
    return plan.requeueAfterMs === undefined ? {} : { requeueAfterMs: plan.requeueAfterMs };
  }

  #surroundings(record: NetworkInterface): Surroundings {
    const { clock, clusterId, suspensionOf } = this.#deps;
    const priority = this.#priority(record);
    const suspensions: Partial<Record<Effect | "look", Suspension>> = {};
    for (const work of ["attach", "detach", "delete", "look"] as const) {
      const suspension = suspensionOf(work, priority);
      if (suspension !== undefined) suspensions[work] = suspension;
    }
    return { clusterId, suspensions, nowMs: clock.now() };
  }

  async #execute(
    record: NetworkInterface,
    state: NetworkInterfaceState,
    action: NetworkInterfaceAction,
    signal: AbortSignal,
  ): Promise<void> {
    switch (action.type) {
      case "watch":
        this.#deps.observer.watch(state.eniId, {
          operation: action.operation,
          startedAtMs: action.sinceMs,
          priority: this.#priority(record),
        });
        return;
      case "call":
        this.#startCall(record, state, action);
        return;
      case "reportBind":
        this.#deps.observer.stop(state.eniId);
        await this.#reportBind(record, action.eni, signal);
        return;
      case "reportUnbind":
        this.#deps.observer.stop(state.eniId);
        await this.#reportUnbind(record, signal);
        return;
      case "reportMissing":
        this.#deps.observer.stop(state.eniId);
        await this.#report(record, missingCondition(state.eniId), {}, signal);
        return;
      case "reportForeign":
        this.#deps.observer.stop(state.eniId);
        await this.#reportForeign(record, signal);
        return;
      case "removeFinalizer":
        await this.#removeFinalizer(record, signal);
        return;
    }
  }

  #startCall(
    record: NetworkInterface,
    state: NetworkInterfaceState,
    action: NetworkInterfaceAction & { type: "call" },
  ): void {
    const { operations, ledger, clock, log } = this.#deps;
    const { eniId } = state;
    const started = operations.start(eniId, eniId, async (signal) => {
      try {
        await this.#call(record, state, action, signal);
        ledger.endCall(eniId, { type: "accepted", atMs: clock.now() });
      } catch (error) {
        const level = error instanceof SuspendedError ? "debug" : "info";
        log[level]("cloud call failed", { controller: "eni", eniId, effect: action.effect, error });
        await this.#onCallFailed(state, action, error, signal);
      }
    });
    if (started) ledger.startCall(eniId, action.effect, action.tries, clock.now());
  }

  #call(
    record: NetworkInterface,
    state: NetworkInterfaceState,
    action: NetworkInterfaceAction & { type: "call" },
    signal: AbortSignal,
  ): Promise<void> {
    const { cloud, onTiming, ledger, clock } = this.#deps;
    const { eniId } = state;
    const options: CallOptions = {
      priority: this.#priority(record),
      signal,
      onTiming: (timing) => {
        ledger.sent(eniId, clock.now() - timing.callMs);
        onTiming(eniId, timing);
      },
    };
    switch (action.effect) {
      case "attach":
        return cloud.attachEni(
          {
            eniId,
            instanceId: state.instanceId,
            ...(state.trunkEniId !== "" && { trunkEniId: state.trunkEniId }),
            ...(state.networkCardIndex !== undefined && { networkCardIndex: state.networkCardIndex }),
          },
          options,
        );
      case "detach":
        return cloud.detachEni(
          {
            eniId,
            instanceId: action.instanceId,
            ...(action.trunkEniId !== "" && { trunkEniId: action.trunkEniId }),
          },
          options,
        );
      case "delete":
        return cloud.deleteEni({ eniId }, options);
    }
  }

  async #onCallFailed(
    state: NetworkInterfaceState,
    action: NetworkInterfaceAction & { type: "call" },
    error: unknown,
    signal: AbortSignal,
  ): Promise<void> {
    const { ledger, clock, lister } = this.#deps;
    const nowMs = clock.now();
    if (isOfUnknownOutcome(error)) {
      ledger.endCall(state.eniId, { type: "unknown", atMs: nowMs });
      return;
    }
    const knowledgeHolds = isAboutTheCaller(error);
    // Whatever was believed when the call was made was wrong, or the world has moved: read before the next call.
    if (!knowledgeHolds) ledger.forgetKnowledge(state.eniId);
    const retryAtMs = nowMs + retryDelayMs(error, action.tries);
    ledger.endCall(state.eniId, { type: "refused", atMs: nowMs, retryAtMs, knowledgeHolds });
    if (action.effect === "attach" && error instanceof OperatorError) {
      const { instanceId, trunkEniId } = state;
      this.#deps.onAttachRefused({ instanceId, trunkEniId, reason: error.reason });
    }
    const record = lister.get(state.eniId);
    if (record === undefined || !(error instanceof OperatorError) || !isForThePerson(error, action.tries)) return;
    this.#warn(record, action.effect, error.message);
    await this.#report(record, refusedCondition(error.reason, error.message), {}, signal).catch((failure: unknown) => {
      // The condition is repeated by the next refusal; the call's own outcome must not be lost over it.
      this.#deps.log.debug("condition not written", { controller: "eni", eniId: state.eniId, error: failure });
    });
  }

  #priority(record: NetworkInterface): CallPriority {
    const goal = goalOf(record);
    const isForPod = goal === "attached" || (goal === "detached" && this.#deps.isAwaited(record));
    if (!isForPod) return "release";
    return this.#deps.isFixed(record) ? "bind-fixed" : "bind";
  }

  async #reportForeign(record: NetworkInterface, signal: AbortSignal): Promise<void> {
    const condition = foreignCondition(record.metadata.name);
    if (findCondition(record.status?.conditions, condition.type)?.reason === condition.reason) return;
    await this.#report(record, condition, {}, signal);
    this.#warn(record, "attach", condition.message);
  }

  async #reportBind(record: NetworkInterface, eni: Eni, signal: AbortSignal): Promise<void> {
    const eniInfo: NetworkInterfaceStatus["eniInfo"] = {
      id: eni.eniId,
      type: eni.type,
      vid: eni.deviceIndex ?? 0,
      status: "Bind",
      ...(eni.networkCardIndex !== undefined && { networkCardIndex: eni.networkCardIndex }),
    };
    const condition = attachedCondition(record.status?.instanceID ?? "");
    await this.#report(record, condition, { phase: "Bind", eniInfo }, signal);
  }

  async #reportUnbind(record: NetworkInterface, signal: AbortSignal): Promise<void> {
    let { resourceVersion } = record.metadata;
    // The label goes first: were it last, a crash in between would leave it for ever on a record that is done.
    if (record.metadata.labels?.[nodeLabel] !== undefined) {
      const patch = { metadata: { resourceVersion, labels: { [nodeLabel]: null } } };
      ({ resourceVersion } = (await this.#deps.client.patch("", record.metadata.name, patch, signal)).metadata);
    }
    const id = record.metadata.name;
    const type = record.status?.eniInfo.type;
    await this.#deps.client.patchStatus(
      "",
      id,
      {
        metadata: { resourceVersion },
        status: {
          phase: "Unbind",
          eniInfo: {
            id,
            ...(type !== undefined && { type }),
            status: "Unbind",
            vid: 0,
            networkCardIndex: null,
            vfID: null,
          },
          instanceID: null,
          trunkENIID: null,
          nodeName: null,
          networkCardIndex: null,
          conditions: this.#conditions(record, detachedCondition()),
        },
      },
      signal,
    );
  }

  async #report(
    record: NetworkInterface,
    condition: NextCondition,
    change: Partial<NetworkInterfaceStatus>,
    signal: AbortSignal,
  ): Promise<void> {
    const conditions = this.#conditions(record, condition);
    const isUnchanged = conditions === record.status?.conditions && Object.keys(change).length === 0;
    if (isUnchanged) return;
    // `phase` and `eniInfo` are required by the schema, also on a record that has no status yet.
    const required = record.status === undefined ? { phase: "", eniInfo: {} } : {};
    await this.#deps.client.patchStatus(
      "",
      record.metadata.name,
      // A leader that was paused in the middle of this call changes nothing that its successor has written.
      {
        metadata: { resourceVersion: record.metadata.resourceVersion },
        status: { ...required, ...change, conditions },
      },
      signal,
    );
  }

  #conditions(record: NetworkInterface, condition: NextCondition): NetworkInterfaceStatus["conditions"] {
    return setCondition(record.status?.conditions, condition, new Date(this.#deps.clock.now()).toISOString());
  }

  async #removeFinalizer(record: NetworkInterface, signal: AbortSignal): Promise<void> {
    const { client, observer, ledger } = this.#deps;
    observer.stop(record.metadata.name);
    if (record.metadata.deletionTimestamp === undefined) {
      // Phase Deleting without a deletion: the published program's way of asking for it.
      await client.delete("", record.metadata.name, uidOf(record), signal);
      return;
    }
    const left = (record.metadata.finalizers ?? []).filter((finalizer) => finalizer !== finalizers.networkInterface);
    if (left.length === (record.metadata.finalizers ?? []).length) return;
    const { resourceVersion } = record.metadata;
    await client.patch("", record.metadata.name, { metadata: { resourceVersion, finalizers: left } }, signal);
    ledger.forget(record.metadata.name);
  }

  #warn(record: NetworkInterface, effect: Effect, note: string): void {
    const pod = record.spec?.podENIRef;
    const reason = { attach: "AttachENIFailed", detach: "DetachENIFailed", delete: "DeleteENIFailed" }[effect];
    const action = { attach: "AttachENI", detach: "DetachENI", delete: "DeleteENI" }[effect];
    const self = { apiVersion: "network.alibabacloud.com/v1beta1", kind: "NetworkInterface", ...record.metadata };
    this.#deps.recorder.event({
      regarding:
        pod?.name === undefined
          ? { apiVersion: self.apiVersion, kind: self.kind, name: record.metadata.name }
          : { apiVersion: "v1", kind: "Pod", namespace: pod.namespace ?? "", name: pod.name },
      related: { apiVersion: self.apiVersion, kind: self.kind, name: record.metadata.name },
      type: "Warning",
      reason,
      action,
      note,
    });
  }
}

const nodeLabel = labels.node;

function uidOf(record: NetworkInterface): { readonly uid?: string } {
  return record.metadata.uid === undefined ? {} : { uid: record.metadata.uid };
}
