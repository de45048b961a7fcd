import { annotations, finalizers, labels } from "../../crds/v1beta1/names.ts";
import type { PodENI, PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";
import { setCondition } from "../../domain/conditions/conditions.ts";
import { toWireTime } from "../../domain/conditions/wire-time.ts";
import type { NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { CoreNode, Pod } from "../../domain/kubernetes/objects.ts";
import { parsePodNetworks, type PodNetwork } from "../../domain/pod-network/pod-networks.ts";
import type { UnreadVSwitch, VSwitch } from "../../domain/vswitch/vswitch.ts";
import { AlreadyExistsError, ConflictError, OperatorError } from "../../runtime/errors.ts";
import type { Lister, Logger, ObjectClient, Random, Recorder, SharedClock } from "../../runtime/ports.ts";
import { keyOf, type Reconciler, type Request, type Result } from "../../runtime/reconcile.ts";
import { toAllocations } from "./allocations.ts";
import { podGoneCondition } from "./conditions.ts";
import type { Gatekeeper } from "./gatekeeper.ts";
import { planPod, type PodAction } from "./plan.ts";
import { toState } from "./state.ts";

/** What this reconciler needs of the world; cmd/controlplane.ts supplies it. */
export interface PodDeps {
  readonly pods: Lister<Pod>;
  readonly nodes: Lister<CoreNode>;
  readonly podEnis: { readonly lister: Lister<PodENI>; readonly client: ObjectClient<PodENI> };
  readonly vSwitches: {
    get(ids: readonly string[], signal: AbortSignal): Promise<readonly (VSwitch | UnreadVSwitch)[]>;
    /** Free addresses as far as known at this instant; undefined: not known. */
    freeIpv4Count(id: string): number | undefined;
    /** Counts one address of each as taken until the returned function is called. */
    reserve(ids: readonly string[]): () => void;
  };
  /**
   * Networks of a pod whose annotation `pod-networks` is absent: from the PodNetworking that annotation `pod-networking`
   * names, else from eni-config. @throws TerminalError naming what is missing.
   */
  readonly fallbackNetworks: (pod: Pod, signal: AbortSignal) => Promise<readonly PodNetwork[]>;
  /** Lets pods go to the scheduler that admission kept from it. */
  readonly gatekeeper: Pick<Gatekeeper, "tend">;
  readonly recorder: Recorder;
  readonly enableTrunk: boolean;
  /** Configuration `ipamType: crd`: every pod has interfaces of its own. */
  readonly isCrdMode: boolean;
  readonly needsIpv6: boolean;
  readonly random: Random;
  /** Of the times that another replica will compare with. */
  readonly sharedClock: SharedClock;
  readonly log: Logger;
}

/** Keeps the record of a pod's interfaces in step with the pod: makes it, hands it on, lets it go. */
export class PodReconciler implements Reconciler {
  readonly #deps: PodDeps;

  constructor(deps: PodDeps) {
    this.#deps = deps;
  }

  async reconcile(request: Request, signal: AbortSignal): Promise<Result> {
    const { pods, nodes, podEnis, isCrdMode } = this.#deps;
    const key = keyOf(request);
    const pod = pods.get(key);
    const podEni = podEnis.lister.get(key);
    const plan = planPod(toState(pod, nodes.get(pod?.spec?.nodeName ?? ""), podEni, isCrdMode));
    if (plan.action !== undefined) await this.#execute(plan.action, pod, podEni, signal);
    if (plan.isGated === true && pod !== undefined) return this.#deps.gatekeeper.tend(pod, podEni, signal);
    return plan.requeueAfterMs === undefined ? {} : { requeueAfterMs: plan.requeueAfterMs };
  }

  async #execute(
    action: PodAction,
    pod: Pod | undefined,
    podEni: PodENI | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    switch (action.type) {
      case "createRecord":
        if (pod !== undefined) await this.#createRecord(pod, action.node, signal);
        return;
      case "complain":
      case "explainUnscheduled":
        if (pod !== undefined) this.#complain(pod, "PodCreateFailed", "CreatePod", action.message);
        return;
      case "detach":
        if (podEni !== undefined) await this.#detach(podEni, signal);
        return;
      case "release":
        if (podEni !== undefined) await this.#patchStatus(podEni, { phase: "Deleting" }, signal);
        return;
      case "rebind":
        if (podEni !== undefined) await this.#rebind(podEni, action, signal);
        return;
    }
  }

  async #createRecord(pod: Pod, node: NodeFacts, signal: AbortSignal): Promise<void> {
    const networks = await this.#networks(pod, signal);
    if ("problem" in networks) {
      this.#complain(pod, "PodCreateFailed", "CreatePod", networks.problem);
      return;
    }
    const read = await this.#readVSwitches(networks.list, signal);
    // Nothing is awaited between the counts and the reservation: other workers choose for their pods at the same time.
    const allocations = toAllocations({
      networks: networks.list,
      node,
      vSwitches: new Map(read.map((entry) => [entry.vSwitchId, this.#recounted(entry)])),
      enableTrunk: this.#deps.enableTrunk,
      needsIpv6: this.#deps.needsIpv6,
      pick: (n) => Math.floor(this.#deps.random() * n),
    });
    if ("problem" in allocations) {
      this.#complain(pod, "PodCreateFailed", "CreatePod", allocations.problem);
      return;
    }
    const release = this.#deps.vSwitches.reserve(allocations.flatMap(({ eni }) => eni?.vSwitchID ?? []));
    try {
      await this.#create(pod, node, allocations, signal);
    } finally {
      release();
    }
  }

  async #create(
    pod: Pod,
    node: NodeFacts,
    allocations: readonly PodEniAllocation[],
    signal: AbortSignal,
  ): Promise<void> {
    const { name, namespace = "", uid = "" } = pod.metadata;
    const record: PodENI = {
      apiVersion: "network.alibabacloud.com/v1beta1",
      kind: "PodENI",
      metadata: {
        name,
        namespace,
        // Before the first effect, or a deletion in between would leave the interface behind.
        finalizers: [finalizers.podEni],
        labels: { [labels.node]: node.name },
        annotations: { ...originOf(pod), [annotations.podUid]: uid },
      },
      spec: { zone: node.zone, allocations },
    };
    try {
      await this.#deps.podEnis.client.create(record, signal);
    } catch (error) {
      // Made a moment ago, by a former process or under a former pod: the cache learns of it and wakes this key.
      if (error instanceof AlreadyExistsError) return;
      if (error instanceof OperatorError && !(error instanceof ConflictError)) {
        this.#complain(pod, "PodCreateFailed", "CreatePod", error.message);
      }
      throw error;
    }
  }

  async #networks(
    pod: Pod,
    signal: AbortSignal,
  ): Promise<{ readonly list: readonly PodNetwork[] } | { readonly problem: string }> {
    const text = pod.metadata.annotations?.[annotations.podNetworks];
    if (text === undefined) {
      try {
        return { list: await this.#deps.fallbackNetworks(pod, signal) };
      } catch (error) {
        if (error instanceof OperatorError && error.category === "terminal") return { problem: error.message };
        throw error;
      }
    }
    try {
      return { list: parsePodNetworks(text) };
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      return { problem: `unable parse annotation field ${annotations.podNetworks}, ${detail}` };
    }
  }

  /** Nothing known is no obstacle here: the record is made without a vSwitch, and its own controller tries on. */
  #readVSwitches(networks: readonly PodNetwork[], signal: AbortSignal): Promise<readonly (VSwitch | UnreadVSwitch)[]> {
    const ids = [...new Set(networks.flatMap((network) => network.vSwitchOptions))];
    return this.#deps.vSwitches.get(ids, signal);
  }

  #recounted(entry: VSwitch | UnreadVSwitch): VSwitch | UnreadVSwitch {
    if ("error" in entry) return entry;
    return { ...entry, freeIpv4Count: this.#deps.vSwitches.freeIpv4Count(entry.vSwitchId) ?? entry.freeIpv4Count };
  }

  /**
   * One write: the phase and, durably, when the deletion was seen, which is when the time of a fixed address starts. Not
   * before it was seen, by anybody's clock.
   */
  async #detach(podEni: PodENI, signal: AbortSignal): Promise<void> {
    const now = toWireTime(this.#deps.sharedClock.bounds().latestMs);
    const conditions = setCondition(podEni.status?.conditions, podGoneCondition(), now);
    await this.#patchStatus(podEni, { phase: "Detaching", podLastSeen: now, conditions }, signal);
  }

  async #rebind(
    podEni: PodENI,
    { podUid, nodeName }: { readonly podUid: string; readonly nodeName: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { name, namespace = "", resourceVersion } = podEni.metadata;
    const isHandedOver =
      podEni.metadata.annotations?.[annotations.podUid] === podUid &&
      podEni.metadata.labels?.[labels.node] === nodeName;
    const metadata = {
      resourceVersion,
      labels: { [labels.node]: nodeName },
      annotations: { [annotations.podUid]: podUid },
    };
    const current = isHandedOver
      ? podEni
      : await this.#deps.podEnis.client.patch(namespace, name, { metadata }, signal);
    await this.#patchStatus(current, { phase: "Binding" }, signal);
  }

  async #patchStatus(podEni: PodENI, status: object, signal: AbortSignal): Promise<void> {
    const { name, namespace = "", resourceVersion } = podEni.metadata;
    await this.#deps.podEnis.client.patchStatus(namespace, name, { metadata: { resourceVersion }, status }, signal);
  }

  #complain(pod: Pod, reason: string, action: string, note: string): void {
    const { name, namespace = "", uid } = pod.metadata;
    this.#deps.recorder.event({
      regarding: { apiVersion: "v1", kind: "Pod", namespace, name, ...(uid !== undefined && { uid }) },
      type: "Warning",
      reason,
      action,
      note,
    });
    this.#deps.log.warn("pod cannot be given interfaces", { controller: "pod", namespace, name, reason: note });
  }
}

/** Which planes the pod has its interfaces from: the record of a pod that is gone is still a use of them. */
function originOf({ metadata }: Pod): Readonly<Record<string, string>> {
  const names: readonly string[] = [annotations.podNetworking, annotations.podNetworksRequest];
  return Object.fromEntries(Object.entries(metadata.annotations ?? {}).filter(([name]) => names.includes(name)));
}
