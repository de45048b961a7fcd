import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import type { Node } from "../../crds/v1beta1/node.gen.ts";
import type { PodENI, PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { CallPriority } from "../../domain/eni/eni.ts";
import type { NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { Suspension } from "../../domain/suspension/suspension.ts";
import type { CoreNode, Pod } from "../../domain/kubernetes/objects.ts";
import { labels } from "../../crds/v1beta1/names.ts";
import type { Clock, Lister, Random } from "../../runtime/ports.ts";
import { keyOf, type Reconciler, type Request, type Result } from "../../runtime/reconcile.ts";
import type { Explanation, PodEniAction, PodEniPlan } from "./actions.ts";
import { kindOf } from "./create-request.ts";
import { toCreationFailure } from "./creation.ts";
import { PodEniExecutor, type ExecutorDeps } from "./executor.ts";
import { NetworkCardLoads } from "./network-cards.ts";
import { planPodEni } from "./plan.ts";
import { toState, type CreationState, type Observation, type PodEniState, type Suspensions } from "./state.ts";

/** What this reconciler needs of the world; cmd/controlplane.ts supplies it. */
export interface PodEniDeps extends ExecutorDeps {
  readonly pods: Lister<Pod>;
  readonly nodes: Lister<CoreNode>;
  readonly needsIpv6: boolean;
  readonly enableTrunk: boolean;
  /** Why calls of that urgency would be held back now. */
  readonly suspensionOf: (
    work: "create" | "attach" | "detach" | "delete" | "look",
    priority: CallPriority,
  ) => Suspension | undefined;
  readonly nodeRecords: Lister<Node>;
  readonly random: Random;
  readonly clock: Clock;
}

/** A reconcile takes several steps when each write's answer already tells the next; more than this means a mistake. */
const maxPasses = 10;

/** Progress is told on the object only when it takes longer than binds usually do; a write for each would cost more than it helps. */
const progressIsSlowAfterMs = 8_000;

/** The watch tells of a deletion within milliseconds; should it fail to, the deletion is asked for again. */
const watchIsLateAfterMs = 10_000;

/** Takes the interfaces of one pod through their life: observe, plan, execute, until nothing more can be done at once. */
export class PodEniReconciler implements Reconciler {
  readonly #deps: PodEniDeps;
  readonly #executor: PodEniExecutor;
  readonly #networkCards: NetworkCardLoads;
  readonly #unfinishedSinceMs = new Map<string, number>();

  constructor(deps: PodEniDeps) {
    this.#deps = deps;
    this.#executor = new PodEniExecutor(deps);
    const { nodeRecords, networkInterfaces } = deps;
    this.#networkCards = new NetworkCardLoads({ nodeRecords, networkInterfaces: networkInterfaces.lister });
  }

  async reconcile(request: Request, signal: AbortSignal): Promise<Result> {
    const key = keyOf(request);
    let explanation: Explanation | undefined;
    for (let pass = 0; pass < maxPasses; pass++) {
      const podEni = this.#deps.podEnis.lister.get(key);
      if (podEni === undefined) {
        this.#forget(key);
        return {};
      }
      const seen = await this.#observe(key, podEni, signal);
      // Nothing is awaited from here until the choice of network cards is filed.
      const plan = planPodEni(toState(seen), (n) => Math.floor(this.#deps.random() * n));
      explanation = plan.explanation ?? explanation;
      if (plan.actions.length === 0)
        return this.#explain(key, podEni, { ...plan, ...(explanation && { explanation }) }, signal);
      await this.#execute(key, podEni, plan.actions, signal);
      if (plan.actions.some(isToldByWatch)) return { requeueAfterMs: watchIsLateAfterMs };
    }
    return { requeueAfterMs: 1_000 };
  }

  /** The record of `eniId` was deleted, which controller `eni` allows only once the cloud has no such interface. */
  interfaceGone(record: NetworkInterface): void {
    this.#executor.interfaceGone(record);
  }

  async #execute(key: string, podEni: PodENI, actions: readonly PodEniAction[], signal: AbortSignal): Promise<void> {
    const cardsAreWritten = this.#networkCards.decided(actions);
    try {
      for (const action of actions) await this.#executor.execute(key, podEni, action, signal);
    } finally {
      cardsAreWritten();
    }
  }

  async #observe(key: string, podEni: PodENI, signal: AbortSignal): Promise<Observation> {
    const { pods, nodes, networkInterfaces, vSwitches, places, creationCauses, clock, needsIpv6, enableTrunk } =
      this.#deps;
    const pod = pods.get(key);
    const nodeName = pod?.spec?.nodeName ?? podEni.metadata.labels?.[labels.node] ?? "";
    const placesAhead = places.position(key);
    const seen = {
      podEni,
      pod,
      node: nodes.get(nodeName),
      networkInterface: (eniId: string) => networkInterfaces.lister.get(eniId),
      creation: (name: string) => this.#creation(key, name),
      // In the name of the record: were each interface to try for itself, two of one pod would wait for each other.
      creationHold: (allocation: PodEniAllocation) => creationCauses.holdOf(kindOf(allocation), key),
      isKnownGone: (eniId: string) => this.#executor.isKnownGone(eniId),
      vSwitchIsUnusable: (id: string) => vSwitches.isExhausted(id),
      place: this.#place(key),
      placesAhead,
      retryAtMs: this.#executor.retryAtMs(key),
      needsIpv6,
      enableTrunk,
      suspensions: this.#suspensions(),
      networkCards: (node: NodeFacts, numaNode: number | undefined) => this.#networkCards.of(node, numaNode),
      nowMs: clock.now(),
      sharedNowMs: this.#deps.sharedClock.bounds().earliestMs,
      vSwitches: noVSwitches,
    };
    const candidates = seen.place === "held" ? choiceIsDue(toState(seen)) : [];
    return candidates.length === 0 ? seen : { ...seen, vSwitches: await this.#readVSwitches(candidates, signal) };
  }

  #suspensions(): Suspensions {
    const { suspensionOf } = this.#deps;
    const bind = suspensionOf("create", "bind");
    const attach = suspensionOf("attach", "bind") ?? suspensionOf("look", "bind");
    const release =
      suspensionOf("delete", "release") ?? suspensionOf("detach", "release") ?? suspensionOf("look", "release");
    return {
      ...(bind !== undefined && { bind }),
      ...(attach !== undefined && { attach }),
      ...(release !== undefined && { release }),
    };
  }

  async #readVSwitches(ids: readonly string[], signal: AbortSignal): Promise<PodEniState["vSwitches"]> {
    const { vSwitches } = this.#deps;
    await vSwitches.refreshExhausted(signal);
    const found = await vSwitches.get(ids, signal);
    return new Map(found.map((entry) => [entry.vSwitchId, entry]));
  }

  #creation(key: string, interfaceName: string): CreationState {
    const operation = this.#deps.operations.state(`${key}/${interfaceName}`);
    switch (operation?.status) {
      case undefined:
        return { type: "none" };
      case "running":
        return { type: "running" };
      case "done":
        return { type: "done", eni: operation.result };
      case "failed": {
        const failures = this.#executor.failures(`${key}/${interfaceName}`);
        return { type: "failed", failure: toCreationFailure(operation.error, failures + 1) };
      }
    }
  }

  #place(key: string): PodEniState["place"] {
    if (this.#deps.places.holds(key)) return "held";
    return this.#deps.places.isWaiting(key) ? "waiting" : "none";
  }

  async #explain(key: string, podEni: PodENI, plan: PodEniPlan, signal: AbortSignal): Promise<Result> {
    const { explanation, requeueAfterMs } = plan;
    if (explanation === undefined) {
      this.#unfinishedSinceMs.delete(key);
      return requeueAfterMs === undefined ? {} : { requeueAfterMs };
    }
    const nowMs = this.#deps.clock.now();
    const sinceMs = this.#unfinishedSinceMs.get(key) ?? nowMs;
    this.#unfinishedSinceMs.set(key, sinceMs);
    const { isFailure, tellAfterMs = isFailure ? 0 : progressIsSlowAfterMs } = explanation;
    const tellInMs = sinceMs + tellAfterMs - nowMs;
    if (tellInMs <= 0) await this.#executor.explain(podEni, explanation, signal);
    const waits = [...(requeueAfterMs === undefined ? [] : [requeueAfterMs]), ...(tellInMs > 0 ? [tellInMs] : [])];
    return waits.length === 0 ? {} : { requeueAfterMs: Math.min(...waits) };
  }

  #forget(key: string): void {
    this.#unfinishedSinceMs.delete(key);
    this.#executor.forget(key);
  }
}

/** What ends an object has no answer for the cache, so that a plan made at once would ask for it again. */
function isToldByWatch({ type }: PodEniAction): boolean {
  return type === "deleteSelf" || type === "deleteRecord" || type === "removeFinalizers";
}

const noVSwitches: PodEniState["vSwitches"] = new Map();

/** Ids of the vSwitches to read, when an interface is about to be made and has no usable one. */
function choiceIsDue(state: PodEniState): readonly string[] {
  if (state.isDeleting || state.suspensions.bind !== undefined) return [];
  return state.allocations
    .filter(({ eniId, creation, vSwitchIsUnusable }) => eniId === "" && creation.type === "none" && vSwitchIsUnusable)
    .flatMap(({ network }) => network?.vSwitchOptions ?? []);
}
