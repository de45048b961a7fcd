/** Puts pending pods on nodes, by one booking ledger and the decision of scheduling.ts. */
import { isStale } from "./api.ts";
import type { Cache, Change } from "./cache.ts";
import { isoSeconds, type ComponentContext } from "./component.ts";
import { KeyedWork } from "./keyed-work.ts";
import { keyOfObject, podIsFinished, resources, type Node, type Pod } from "./kinds.ts";
import { NodeLedger } from "./node-ledger.ts";
import { placePod, requestsOf } from "./scheduling.ts";

const schedulerName = "default-scheduler";
/** Bindings in flight. */
const concurrency = 32;
/** Milliseconds for which changes are gathered before pods that found no place are tried again. */
const retryGatherMs = 100;
/** Shortest time between two reports about one pod, milliseconds. */
const reportEveryMs = 10_000;

export class Scheduler {
  readonly #context: ComponentContext;
  readonly #pods: Cache<Pod>;
  readonly #ledger = new NodeLedger();
  /** Pods to be tried in the next pass. */
  readonly #active = new Set<string>();
  /** Pods that found no place, with the reason; tried again when a node or the use of one changes. */
  readonly #parked = new Map<string, string>();
  /** Pods that have a place and are being bound. */
  readonly #placed = new Map<string, { readonly pod: Pod; readonly nodeName: string }>();
  readonly #reported = new Map<string, { readonly message: string; readonly atMs: number }>();
  readonly #bindings: KeyedWork;
  readonly #reports: KeyedWork;
  #passPlanned = false;
  #retryPlanned = false;
  #startAt = 0;

  constructor(context: ComponentContext, pods: Cache<Pod>, nodes: Cache<Node>) {
    this.#context = context;
    this.#pods = pods;
    this.#bindings = new KeyedWork({ ...context, name: "bind", concurrency, work: (key) => this.#bind(key) });
    this.#reports = new KeyedWork({ ...context, name: "report", concurrency: 4, work: (key) => this.#report(key) });
    pods.onChange((change) => this.#onPod(change));
    nodes.onChange((change) => this.#onNode(change));
  }

  /** Resolves when no call is in flight. */
  async idle(): Promise<void> {
    await Promise.all([this.#bindings.idle(), this.#reports.idle()]);
  }

  #onPod({ before, after }: Change<Pod>): void {
    const pod = after ?? before;
    if (pod === undefined) return;
    if (after === undefined) {
      this.#forget(keyOfObject(pod));
      if (this.#ledger.release(pod.metadata.uid ?? "")) this.#planRetry();
      return;
    }
    if (this.#ledger.setPod(after)) this.#planRetry();
    const key = keyOfObject(after);
    if (!wantsNode(after)) this.#forget(key);
    else if (!this.#parked.has(key) && !this.#placed.has(key)) this.#activate(key);
  }

  #onNode({ before, after }: Change<Node>): void {
    if (after === undefined) {
      if (before !== undefined) this.#ledger.removeNode(before.metadata.name);
    } else {
      if (before !== undefined && placementFacts(before) === placementFacts(after)) return;
      this.#ledger.setNode(after);
    }
    this.#planRetry();
  }

  #forget(key: string): void {
    this.#active.delete(key);
    this.#parked.delete(key);
    this.#reported.delete(key);
  }

  #activate(key: string): void {
    this.#active.add(key);
    if (this.#passPlanned) return;
    this.#passPlanned = true;
    this.#after(1, () => {
      this.#passPlanned = false;
      this.#pass();
    });
  }

  #planRetry(): void {
    if (this.#retryPlanned || this.#parked.size === 0) return;
    this.#retryPlanned = true;
    this.#after(retryGatherMs, () => {
      this.#retryPlanned = false;
      for (const key of this.#parked.keys()) this.#activate(key);
    });
  }

  #after(ms: number, run: () => void): void {
    this.#context.clock.sleep(ms, this.#context.signal).then(run, () => undefined);
  }

  #pass(): void {
    const nodes = this.#ledger.nodes();
    const pods = [...this.#active].map((key) => this.#pods.get(key)).filter((pod) => pod !== undefined);
    this.#active.clear();
    for (const pod of pods.filter(wantsNode).sort(byPriority)) {
      const key = keyOfObject(pod);
      const placement = placePod(pod, nodes, this.#startAt++);
      if (placement.type === "unschedulable") {
        this.#parked.set(key, placement.message);
        this.#reports.add(key);
        continue;
      }
      this.#parked.delete(key);
      this.#ledger.book(pod.metadata.uid ?? "", placement.nodeName, requestsOf(pod));
      this.#placed.set(key, { pod, nodeName: placement.nodeName });
      this.#bindings.add(key);
    }
  }

  async #bind(key: string): Promise<undefined> {
    const placed = this.#placed.get(key);
    if (placed === undefined) return undefined;
    const { pod, nodeName } = placed;
    try {
      await this.#context.api.bind(pod, nodeName);
    } catch (error) {
      if (!isStale(error)) throw error;
      this.#giveBack(key, pod);
    }
    this.#placed.delete(key);
    return undefined;
  }

  /** The pod was deleted, or bound by somebody else; what the cache has decides whether it needs another try. */
  #giveBack(key: string, pod: Pod): void {
    const { uid = "" } = pod.metadata;
    const current = this.#pods.get(key);
    if (current?.metadata.uid === uid && current.spec.nodeName) return;
    this.#ledger.release(uid);
    if (current !== undefined && wantsNode(current)) this.#after(retryGatherMs, () => this.#activate(key));
  }

  /** Tells a parked pod why, at most every 10 s and only what it has not been told. */
  async #report(key: string): Promise<number | undefined> {
    const message = this.#parked.get(key);
    const pod = this.#pods.get(key);
    const last = this.#reported.get(key);
    if (message === undefined || pod === undefined || last?.message === message) return undefined;
    const nowMs = this.#context.clock.now();
    if (last !== undefined && nowMs - last.atMs < reportEveryMs) return last.atMs + reportEveryMs - nowMs;
    this.#reported.set(key, { message, atMs: nowMs });
    const text = { type: "Warning", reason: "FailedScheduling", action: "Scheduling", note: message } as const;
    this.#context.reporter.event(resources.pods, pod, { component: schedulerName, ...text });
    await this.#markUnschedulable(pod, message, isoSeconds(nowMs));
    return undefined;
  }

  async #markUnschedulable(pod: Pod, message: string, nowIso: string): Promise<void> {
    const known = pod.status?.conditions?.find((condition) => condition.type === "PodScheduled");
    if (known?.message === message) return;
    const lastTransitionTime = known?.status === "False" ? known.lastTransitionTime : nowIso;
    const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message, lastTransitionTime };
    try {
      await this.#context.api.patch(resources.pods, pod, { status: { conditions: [condition] } }, "status");
    } catch (error) {
      if (!isStale(error)) throw error;
    }
  }
}

function wantsNode(pod: Pod): boolean {
  const { nodeName, schedulerName: wanted, schedulingGates = [] } = pod.spec;
  if (nodeName || schedulingGates.length > 0) return false;
  return (
    (wanted ?? schedulerName) === schedulerName && pod.metadata.deletionTimestamp === undefined && !podIsFinished(pod)
  );
}

/** Higher priority first, then older, then by name. */
function byPriority(a: Pod, b: Pod): number {
  const priority = (b.spec.priority ?? 0) - (a.spec.priority ?? 0);
  if (priority !== 0) return priority;
  return orderOf(a) < orderOf(b) ? -1 : 1;
}

function orderOf(pod: Pod): string {
  return `${pod.metadata.creationTimestamp ?? ""} ${pod.metadata.name}`;
}

/** What of a node decides about placement; a heartbeat changes none of it. */
function placementFacts(node: Node): string {
  const { unschedulable, taints } = node.spec ?? {};
  return JSON.stringify([node.metadata.labels, unschedulable, taints, node.status?.allocatable]);
}
