import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import type { Node } from "../../crds/v1beta1/node.gen.ts";
import { annotations } from "../../crds/v1beta1/names.ts";
import { findCondition } from "../../domain/conditions/conditions.ts";
import type { CallPriority, Eni } from "../../domain/eni/eni.ts";
import type { CoreNode, Pod } from "../../domain/kubernetes/objects.ts";
import type { Suspension } from "../../domain/suspension/suspension.ts";
import { selectVSwitch } from "../../domain/vswitch/select.ts";
import type { UnreadVSwitch, VSwitch } from "../../domain/vswitch/vswitch.ts";
import type { Lister, Random } from "../../runtime/ports.ts";
import type { Reconciler, Request, Result } from "../../runtime/reconcile.ts";
import { interfacesReady, reasons, type Explanation } from "./conditions.ts";
import { Inventory, type InventoryDeps } from "./inventory.ts";
import { toOccupancy } from "./occupancy.ts";
import { planTrunk, type TrunkPlan, type TrunkStep } from "./plan.ts";
import {
  explainServed,
  keep,
  toAttachable,
  withoutTrunk,
  type Occupancy,
  type Publication,
  type ServingTrunk,
  type Why,
} from "./publication.ts";
import { Publisher, type PublisherDeps } from "./publisher.ts";
import {
  isServed,
  recordedTrunkIds,
  toIntent,
  toMachine,
  type Machine,
  type TrunkIntent,
  type TrunkState,
  type TrunkWork,
} from "./state.ts";
import { TrunkCalls, type TrunkCallsDeps } from "./trunk-calls.ts";

/** What this reconciler needs of the world; cmd/controllers.ts supplies it. */
export interface NodeCapacityDeps
  extends PublisherDeps, Omit<TrunkCallsDeps, "inventory" | "isCurrent" | "onEvent" | "vSwitches" | "cloud"> {
  readonly cloud: TrunkCallsDeps["cloud"] & InventoryDeps["cloud"];
  readonly pods: Pick<Lister<Pod>, "get">;
  /** With an index `node`. */
  readonly networkInterfaces: Pick<Lister<NetworkInterface>, "get" | "byIndex">;
  readonly vSwitches: TrunkCallsDeps["vSwitches"] & {
    get(ids: readonly string[], signal: AbortSignal): Promise<readonly (VSwitch | UnreadVSwitch)[]>;
    refreshExhausted(signal: AbortSignal): Promise<readonly string[]>;
  };
  readonly observer: {
    watch(
      eniId: string,
      watch: { readonly operation: "attach" | "look"; readonly startedAtMs: number; readonly priority: CallPriority },
    ): void;
    stop(eniId: string): void;
  };
  /** Why calls for such work are held back now; undefined: they are not. */
  readonly suspensionOf: (work: TrunkWork, priority: CallPriority) => Suspension | undefined;
  /** Asks for a reconcile of that node. */
  readonly wake: (nodeName: string) => void;
  readonly vpcId: string;
  readonly random: Random;
}

/** What the cloud said of an interface that a pod was to get. */
export interface AttachRefusal {
  readonly instanceId: string;
  /** Empty for a whole interface. */
  readonly trunkEniId: string;
  readonly reason: string;
}

/** Refusals of a member that make the trunk doubtful. Source: cloud/error-codes.ts. */
const trunkReasons: ReadonlySet<string> = new Set(["TrunkNotReady", "TrunkNotSupported", "InterfaceNotFound"]);
const trunkWorks: readonly TrunkWork[] = ["create", "attach", "look"];
/** A vSwitch whose blocks could not be read. */
const unreadRetryMs = 5_000;

/** What only this process knows of one node. */
interface Memory {
  instanceId: string;
  watchedEniId: string | undefined;
  /** Attempt of the last intent that this process recorded. */
  ownAttempt: number;
}

/** Both objects of a machine that can be served. */
interface Served {
  readonly name: string;
  readonly machine: Exclude<Machine, { readonly gap: string }>;
  readonly record: Node;
  readonly core: CoreNode;
}

/** Gives each machine its trunk, and says on the core Node how many interfaces for pods can be attached now. */
export class NodeCapacityReconciler implements Reconciler {
  /** Runs beside the controller, with its leadership. */
  readonly inventory: Inventory;
  readonly #deps: NodeCapacityDeps;
  readonly #calls: TrunkCalls;
  readonly #publisher: Publisher;
  readonly #memory = new Map<string, Memory>();
  readonly #nodeByInstance = new Map<string, string>();
  readonly #nodeByTrunk = new Map<string, string>();

  constructor(deps: NodeCapacityDeps) {
    this.#deps = deps;
    this.#publisher = new Publisher(deps);
    this.inventory = new Inventory({
      ...deps,
      isRecorded: (eniId) => deps.networkInterfaces.get(eniId) !== undefined,
      onChanged: (instanceId) => this.#wakeInstance(instanceId),
    });
    this.#calls = new TrunkCalls({
      ...deps,
      inventory: this.inventory,
      isCurrent: (nodeName, uid) => deps.records.lister.get(nodeName)?.metadata.uid === uid,
      onEvent: (nodeName, event) => this.#publisher.tell(nodeName, event),
    });
  }

  /** The observer looked at an interface. @returns false when it is no trunk that is waited for */
  observed(eniId: string, eni: Eni | undefined, observedAtMs: number): boolean {
    const nodeName = this.#nodeByTrunk.get(eniId);
    if (nodeName === undefined) return false;
    this.inventory.observe(eniId, eni, observedAtMs);
    this.#deps.wake(nodeName);
    return true;
  }

  /** The cloud refused to attach an interface of a pod: what is known of the machine may be wrong. */
  attachRefused({ instanceId, trunkEniId, reason }: AttachRefusal): void {
    if (reason === "InstanceInterfaceLimit") this.inventory.refresh(instanceId);
    if (trunkEniId === "" || !trunkReasons.has(reason)) return;
    this.inventory.doubt(trunkEniId);
    this.#wakeInstance(instanceId);
  }

  /** Other calls than before are held back, or creations were allowed again: whoever waits may go on, or must wait. */
  wakeWaiting(): void {
    this.inventory.retry();
    for (const { metadata, status } of this.#deps.records.lister.list()) {
      if (findCondition(status?.conditions, interfacesReady)?.status !== "True") this.#deps.wake(metadata.name);
    }
  }

  async reconcile({ name }: Request, signal: AbortSignal): Promise<Result> {
    const record = this.#deps.records.lister.get(name);
    const core = this.#deps.nodes.lister.get(name);
    if (record === undefined || core === undefined || !isServed(record, core)) {
      this.#forget(name);
      return {};
    }
    const machine = toMachine(record, core);
    if (machine.gap === undefined) return this.#serve({ name, machine, record, core }, signal);
    const publication = keep({ reason: reasons.incomplete, message: machine.gap });
    return soonest(await this.#publisher.publish(name, publication, signal));
  }

  async #serve(served: Served, signal: AbortSignal): Promise<Result> {
    const { name, machine } = served;
    this.#know(name, machine.instanceId);
    if (this.inventory.instance(machine.instanceId) === undefined) this.inventory.need(machine.instanceId);
    const plan = machine.capability.mode === "trunk" ? await this.#plan(served, signal) : undefined;
    const publication = await this.#toPublication(served, plan, signal);
    const moreInMs = await this.#publisher.publish(name, publication, signal);
    if (plan !== undefined) await this.#execute(served, plan.step, signal);
    return soonest(moreInMs, plan?.requeueAfterMs, publication.retryAfterMs);
  }

  // ---- the trunk ----

  async #plan(served: Served, signal: AbortSignal): Promise<TrunkPlan> {
    const state = this.#toTrunkState(served);
    const plan = planTrunk(state);
    if (plan.step.type !== "selectVSwitch") return plan;
    const { vSwitches, random } = this.#deps;
    const { vSwitchIds, policy, needsIpv6 } = state.wanted;
    await vSwitches.refreshExhausted(signal);
    const results = await vSwitches.get(vSwitchIds, signal);
    const { vSwitch, shortage } = selectVSwitch({
      vSwitchIds,
      vSwitches: new Map(results.map((result) => [result.vSwitchId, result])),
      zone: state.zone,
      policy,
      pick: (n) => Math.floor(random() * n),
      needsIpv6,
    });
    return planTrunk({ ...state, selection: vSwitch === undefined ? { shortage } : { vSwitch } });
  }

  #toTrunkState({ name, machine, record, core }: Served): TrunkState {
    const { inventory } = this;
    const recordedIds = recordedTrunkIds(record, core);
    const onInstance = inventory.instance(machine.instanceId)?.trunkIds;
    const taggedIds = inventory.trunksOf(record.metadata.uid ?? "");
    const knowledge = [...recordedIds, ...(onInstance ?? []), ...taggedIds].flatMap((id) => {
      const known = inventory.trunk(id);
      return known === undefined ? [] : [[id, known] as const];
    });
    const intent = toIntent(record);
    const lastCall = this.#calls.last(name);
    const hold = this.#calls.holdOf(record, machine.trunk, intent);
    return {
      instanceId: machine.instanceId,
      zone: machine.facts.zone,
      wanted: machine.trunk,
      intent,
      isOwnIntent: this.#memoryOf(name).ownAttempt === intent.attempt,
      publishedId: core.metadata.annotations?.[annotations.trunkOn] ?? "",
      recordedIds,
      onInstance,
      taggedIds,
      knowledge: new Map(knowledge),
      ...(inventory.failure !== undefined && { listingFailure: inventory.failure }),
      ...(lastCall !== undefined && { lastCall }),
      suspensions: this.#suspensions(),
      ...(hold !== undefined && { hold }),
      nowMs: this.#deps.clock.now(),
    };
  }

  #suspensions(): TrunkState["suspensions"] {
    const found = trunkWorks.flatMap((work) => {
      const suspension = this.#deps.suspensionOf(work, "bind");
      return suspension === undefined ? [] : [[work, suspension] as const];
    });
    return Object.fromEntries(found);
  }

  async #execute(served: Served, step: TrunkStep, signal: AbortSignal): Promise<void> {
    const { name, machine } = served;
    this.#watch(name, step);
    // The report may have written: the newest version is in the cache.
    const record = this.#deps.records.lister.get(name) ?? served.record;
    switch (step.type) {
      case "recordIntent":
        await this.#recordIntent(record, step.intent, signal);
        this.#deps.wake(name);
        return;
      case "create":
        if (!this.#calls.create(record, machine.trunk, step)) this.#deps.wake(name);
        return;
      case "attach": {
        const { attempt } = toIntent(record);
        this.#calls.attach(name, { ...step, instanceId: machine.instanceId, attempt });
        return;
      }
      case "forget":
        await this.#recordIntent(record, step.intent, signal);
        await this.#forgetTrunk(name, step.eniId, signal);
        this.#deps.wake(name);
        return;
      case "ready":
        this.#settle(name, machine.instanceId, step.eni);
        return;
      default:
        return;
    }
  }

  #settle(name: string, instanceId: string, eni: Eni): void {
    if (this.#calls.last(name)?.effect === "attach") {
      this.#publisher.tell(name, { reason: "AttachENISucceed", note: `attached trunk ${eni.eniId} to ${instanceId}` });
    }
    this.#calls.settle(name);
  }

  #watch(name: string, step: TrunkStep): void {
    const memory = this.#memoryOf(name);
    const eniId = step.type === "watch" ? step.eniId : undefined;
    if (memory.watchedEniId !== undefined && memory.watchedEniId !== eniId) {
      this.#nodeByTrunk.delete(memory.watchedEniId);
      this.#deps.observer.stop(memory.watchedEniId);
    }
    memory.watchedEniId = eniId;
    if (step.type !== "watch") return;
    this.#nodeByTrunk.set(step.eniId, name);
    this.#deps.observer.watch(step.eniId, { operation: step.operation, startedAtMs: step.sinceMs, priority: "bind" });
  }

  /** Written before the call that it names, and only over what was decided upon. */
  async #recordIntent({ metadata }: Node, { attempt, vSwitchId }: TrunkIntent, signal: AbortSignal): Promise<void> {
    const intent = JSON.stringify({ attempt, vSwitch: vSwitchId });
    const { name, resourceVersion } = metadata;
    const patch = { metadata: { resourceVersion, annotations: { [annotations.trunkIntent]: intent } } };
    await this.#deps.records.client.patch("", name, patch, signal);
    this.#memoryOf(name).ownAttempt = attempt;
  }

  async #forgetTrunk(name: string, eniId: string, signal: AbortSignal): Promise<void> {
    const { records, nodes } = this.#deps;
    const record = records.lister.get(name);
    if (record?.status?.networkInterfaces?.[eniId] !== undefined) {
      const { resourceVersion } = record.metadata;
      const patch = { metadata: { resourceVersion }, status: { networkInterfaces: { [eniId]: null } } };
      await records.client.patchStatus("", name, patch, signal);
    }
    if (nodes.lister.get(name)?.metadata.annotations?.[annotations.trunkOn] === eniId) {
      await nodes.client.patch("", name, { metadata: { annotations: { [annotations.trunkOn]: null } } }, signal);
    }
    this.inventory.forgetTrunk(eniId);
  }

  // ---- what is said ----

  async #toPublication(served: Served, plan: TrunkPlan | undefined, signal: AbortSignal): Promise<Said> {
    const { machine, record } = served;
    const view = this.inventory.instance(machine.instanceId);
    if (view === undefined) return keep(this.inventory.failure ?? listing);
    if (plan?.isDoubtful === true) return keep(plan.explanation ?? listing);
    const { capability } = machine;
    const occupancy = toOccupancy(record, capability.mode, view, this.#deps);
    const explanation = explainServed(machine.capability, occupancy);
    if (plan?.step.type === "ready")
      return this.#toTrunkPublication(plan.step.eni, { explanation, occupancy }, served, signal);
    const attachable = toAttachable(capability, occupancy, false);
    if (plan === undefined) return { explanation, attachable, trunk: "keep" };
    const why = plan.explanation ?? listing;
    return {
      explanation: { isReady: false, ...why },
      attachable: withoutTrunk(attachable, why.reason),
      trunk: undefined,
    };
  }

  async #toTrunkPublication(
    eni: Eni,
    { explanation, occupancy }: { readonly explanation: Explanation; readonly occupancy: Occupancy },
    { machine, record }: Served,
    signal: AbortSignal,
  ): Promise<Said> {
    const trunk = await this.#toServing(eni, record, signal);
    if ("reason" in trunk) return { ...keep(trunk), retryAfterMs: unreadRetryMs };
    return { explanation, attachable: toAttachable(machine.capability, occupancy, true), trunk };
  }

  /** The node daemon computes its gateway from the blocks of the trunk's vSwitch. */
  async #toServing(eni: Eni, record: Node, signal: AbortSignal): Promise<ServingTrunk | Why> {
    const entry = record.status?.networkInterfaces?.[eni.eniId];
    if (entry?.ipv4CIDR !== undefined && entry.vSwitchID === eni.vSwitchId) {
      return { eni, ipv4Cidr: entry.ipv4CIDR, ipv6Cidr: entry.ipv6CIDR ?? "" };
    }
    const missing = { vSwitchId: eni.vSwitchId, error: "NotFound" } as const;
    const [vSwitch = missing] = await this.#deps.vSwitches.get([eni.vSwitchId], signal);
    if (!("error" in vSwitch)) return { eni, ipv4Cidr: vSwitch.ipv4Cidr, ipv6Cidr: vSwitch.ipv6Cidr };
    if (vSwitch.error !== "NotFound") return vSwitch.error;
    const message = `vSwitch ${eni.vSwitchId} of trunk ${eni.eniId} was not found`;
    return { reason: reasons.vSwitchNotFound, message };
  }

  // ---- what only this process knows ----

  #memoryOf(name: string): Memory {
    const memory = this.#memory.get(name) ?? { instanceId: "", watchedEniId: undefined, ownAttempt: 0 };
    this.#memory.set(name, memory);
    return memory;
  }

  /** Another machine of the same name begins anew. */
  #know(name: string, instanceId: string): void {
    if (this.#memoryOf(name).instanceId === instanceId) return;
    this.#forget(name);
    this.#memoryOf(name).instanceId = instanceId;
    this.#nodeByInstance.set(instanceId, name);
  }

  #forget(name: string): void {
    const memory = this.#memory.get(name);
    if (memory === undefined) return;
    this.#watch(name, { type: "wait" });
    // A trunk that was not attached yet does not go with its machine.
    if (this.#calls.last(name) !== undefined) this.#deps.requestSweep();
    this.#calls.settle(name);
    this.#publisher.forget(name);
    if (this.#nodeByInstance.get(memory.instanceId) === name) this.#nodeByInstance.delete(memory.instanceId);
    this.inventory.forgetInstance(memory.instanceId);
    this.#memory.delete(name);
  }

  #wakeInstance(instanceId: string): void {
    const nodeName = this.#nodeByInstance.get(instanceId);
    if (nodeName !== undefined) this.#deps.wake(nodeName);
  }
}

type Said = Publication & { readonly retryAfterMs?: number };

const listing = { reason: reasons.looking, message: "the instance's interfaces are being listed" } as const;

/** The result with the shortest of the delays; undefined asks for none. */
function soonest(...delays: readonly (number | undefined)[]): Result {
  const asked = delays.filter((ms) => ms !== undefined);
  return asked.length === 0 ? {} : { requeueAfterMs: Math.min(...asked) };
}
