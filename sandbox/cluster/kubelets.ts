/** Stand-ins for the kubelets of all nodes: a pod runs once its network is there, and ends with grace. */
import { annotations } from "../../crds/v1beta1/names.ts";
import { isStale } from "./api.ts";
import type { Cache } from "./cache.ts";
import { isoSeconds, type ComponentContext } from "./component.ts";
import { KeyedWork } from "./keyed-work.ts";
import { keyOfObject, podIsFinished, resources, type Node, type Pod, type PodEni } from "./kinds.ts";
import type { NodeSpec } from "./node-specs.ts";
import { PodCidr } from "./pod-cidr.ts";
import { podUsesPodEni, toPodNetwork, type PodNetwork } from "./pod-network.ts";
import { startedAtOf, toCreatingStatus, toRunningStatus, toSucceededStatus } from "./pod-status.ts";

/** Image of the first container that makes the pod end by itself. */
const exitImage = "sandbox/exit-0";
/** How long its containers run, milliseconds. */
const exitAfterMs = 1000;
/** Containers need between the first figure and the sum of both to stop, milliseconds; never more than the grace period. */
const stopMs = { least: 200, spread: 600 };
/** A pod that waits this long for its network gets an event, like after a failing CNI call; milliseconds. */
const complainAfterMs = 30_000;
/** A pod whose containers wait this long for its network says so in its status, milliseconds. */
const creatingAfterMs = 1_000;
/** Status writes and deletions in flight. */
const concurrency = 32;

export class Kubelets {
  readonly #context: ComponentContext;
  readonly #pods: Cache<Pod>;
  readonly #podEnis: Cache<PodEni>;
  readonly #nodes = new Map<string, NodeSpec>();
  readonly #nodeObjects: Cache<Node>;
  readonly #work: KeyedWork;
  readonly #cidr = new PodCidr();
  /** By pod uid: when the containers of a pod that is being deleted have stopped; monotonic milliseconds. */
  readonly #stoppedAtMs = new Map<string, number>();
  /** By pod uid: since when the pod waits for its network; monotonic milliseconds. */
  readonly #waitingSinceMs = new Map<string, number>();
  /** Uids of pods that were deleted for good and may be kept by a finalizer. */
  readonly #released = new Set<string>();

  constructor(context: ComponentContext, pods: Cache<Pod>, nodeObjects: Cache<Node>, podEnis: Cache<PodEni>) {
    this.#context = context;
    this.#nodeObjects = nodeObjects;
    this.#pods = pods;
    this.#podEnis = podEnis;
    this.#work = new KeyedWork({ ...context, name: "kubelet", concurrency, work: (key) => this.#sync(key) });
    pods.onChange(({ before, after }) => {
      if (after === undefined) this.#forget(before);
      else this.#wake(after);
    });
    podEnis.onChange(({ before, after }) => {
      const podEni = after ?? before;
      const pod = podEni === undefined ? undefined : pods.get(keyOfObject(podEni));
      if (pod !== undefined) this.#wake(pod);
    });
  }

  addNode(node: NodeSpec): void {
    this.#nodes.set(node.name, node);
    for (const pod of this.#pods.values()) this.#wake(pod);
  }

  /** The machine is off from here on: its pods are touched no more. */
  removeNode(name: string): void {
    this.#nodes.delete(name);
  }

  /** Resolves when no call is in flight. */
  async idle(): Promise<void> {
    await this.#work.idle();
  }

  #wake(pod: Pod): void {
    if (this.#nodeOf(pod) !== undefined) this.#work.add(keyOfObject(pod));
  }

  #nodeOf(pod: Pod): NodeSpec | undefined {
    return pod.spec.nodeName === undefined ? undefined : this.#nodes.get(pod.spec.nodeName);
  }

  #forget(pod: Pod | undefined): void {
    const uid = pod?.metadata.uid ?? "";
    this.#cidr.release(uid);
    this.#stoppedAtMs.delete(uid);
    this.#waitingSinceMs.delete(uid);
    this.#released.delete(uid);
  }

  async #sync(key: string): Promise<number | undefined> {
    const pod = this.#pods.get(key);
    const node = pod === undefined ? undefined : this.#nodeOf(pod);
    if (pod === undefined || node === undefined) return undefined;
    if (pod.metadata.deletionTimestamp !== undefined) return this.#stop(pod);
    if (podIsFinished(pod)) return undefined;
    if (pod.status?.phase === "Running") return this.#runToEnd(pod, node);
    return this.#start(pod, node);
  }

  /** Lets the containers stop, then deletes the pod for good. */
  async #stop(pod: Pod): Promise<number | undefined> {
    const { clock, random, api } = this.#context;
    const { uid = "" } = pod.metadata;
    if (this.#released.has(uid)) return undefined;
    if (startedAtOf(pod) !== undefined) {
      const graceMs = (pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
      const dueMs =
        this.#stoppedAtMs.get(uid) ??
        clock.monotonic() + Math.min(graceMs, stopMs.least + Math.floor(random() * stopMs.spread));
      this.#stoppedAtMs.set(uid, dueMs);
      const remainingMs = dueMs - clock.monotonic();
      if (remainingMs > 0) return remainingMs;
    }
    await api.delete(resources.pods, pod, 0);
    // Only a pod that is still there, kept by a finalizer, needs the mark; #forget takes it off.
    if (this.#pods.get(keyOfObject(pod))?.metadata.uid === uid) this.#released.add(uid);
    return undefined;
  }

  /** A pod of the exit image ends one second after it started; every other one runs on. */
  async #runToEnd(pod: Pod, node: NodeSpec): Promise<number | undefined> {
    const { clock } = this.#context;
    // After a restart of the sandbox the addresses in use are learned from the pods themselves.
    if (!podUsesPodEni(pod, node) && pod.status?.podIP) this.#cidr.adopt(pod.metadata.uid ?? "", pod.status.podIP);
    if (pod.spec.containers[0]?.image !== exitImage) return undefined;
    const startedAt = startedAtOf(pod);
    // Times in the status have whole seconds, so the second is counted from the start of the one written there.
    const remainingMs = startedAt === undefined ? 0 : Date.parse(startedAt) + exitAfterMs - clock.now();
    if (remainingMs > 0) return remainingMs;
    await this.#write(pod, toSucceededStatus(pod, isoSeconds(clock.now())));
    return undefined;
  }

  async #start(pod: Pod, node: NodeSpec): Promise<number | undefined> {
    const { clock } = this.#context;
    const { uid = "" } = pod.metadata;
    const network = this.#networkOf(pod, node);
    const nowIso = isoSeconds(clock.now());
    if (network.type === "ready") {
      this.#waitingSinceMs.delete(uid);
      await this.#write(pod, toRunningStatus(pod, node.internalIp, network.addresses, nowIso));
      return undefined;
    }
    const waitedMs = clock.monotonic() - this.#waitingSince(uid);
    if (pod.status?.containerStatuses !== undefined) return this.#complain(pod, network.reason);
    if (waitedMs < creatingAfterMs) return creatingAfterMs - waitedMs;
    await this.#write(pod, toCreatingStatus(pod, node.internalIp, nowIso));
    return this.#complain(pod, network.reason);
  }

  /** Monotonic milliseconds at which the pod began to wait for its network: now, when it did not wait yet. */
  #waitingSince(uid: string): number {
    const sinceMs = this.#waitingSinceMs.get(uid) ?? this.#context.clock.monotonic();
    this.#waitingSinceMs.set(uid, sinceMs);
    return sinceMs;
  }

  #networkOf(pod: Pod, node: NodeSpec): PodNetwork {
    if (podUsesPodEni(pod, node)) return toPodNetwork(pod, this.#withTrunk(node), this.#podEnis.get(keyOfObject(pod)));
    if (pod.spec.hostNetwork === true) return { type: "ready", addresses: [node.internalIp] };
    return { type: "ready", addresses: [this.#cidr.assign(pod.metadata.uid ?? "", node.name)] };
  }

  /** The trunk that its Node object names: it may have come, or changed, since the machine was registered. */
  #withTrunk(node: NodeSpec): NodeSpec {
    const trunkEniId = this.#nodeObjects.get(node.name)?.metadata.annotations?.[annotations.trunkOn];
    return trunkEniId === undefined ? node : { ...node, trunkEniId };
  }

  /** Milliseconds until the next complaint is due. */
  #complain(pod: Pod, reason: string): number {
    const { clock, reporter } = this.#context;
    const { uid = "", name, namespace = "" } = pod.metadata;
    const remainingMs = this.#waitingSince(uid) + complainAfterMs - clock.monotonic();
    if (remainingMs > 0) return remainingMs;
    this.#waitingSinceMs.set(uid, clock.monotonic());
    reporter.event(resources.pods, pod, {
      component: "kubelet",
      type: "Warning",
      reason: "FailedCreatePodSandBox",
      action: "Binding",
      note: `Failed to create pod sandbox: failed to setup network for pod "${namespace}/${name}": ${reason}`,
    });
    return complainAfterMs;
  }

  async #write(pod: Pod, status: object): Promise<void> {
    try {
      // The uid makes the server refuse the status for a successor of the same name.
      const patch = { metadata: { uid: pod.metadata.uid }, status };
      this.#pods.observe(await this.#context.api.patch(resources.pods, pod, patch, "status"));
    } catch (error) {
      // Gone or replaced: the watch brings what there is to do.
      if (!isStale(error)) throw error;
    }
  }
}
