/** The parts of a Kubernetes cluster around its API server: scheduler, workload controllers, nodes, kubelet stand-ins. */
import type { Clock, KubeObject, Logger, Random } from "../../runtime/ports.ts";
import type { Transport } from "../../runtime/transport.ts";
import { ApiRefusal, createApi } from "./api.ts";
import { Cache } from "./cache.ts";
import { isoSeconds, Reporter, type ComponentContext } from "./component.ts";
import { Deployments } from "./deployments.ts";
import { KeyedWork } from "./keyed-work.ts";
import { Kubelets } from "./kubelets.ts";
import {
  resources,
  type Deployment,
  type Node,
  type Pod,
  type PodEni,
  type ReplicaSet,
  type Resource,
  type StatefulSet,
} from "./kinds.ts";
import { toNode, type NodeSpec } from "./node-specs.ts";
import { PodCollector } from "./pod-collector.ts";
import { ReplicaSets } from "./replica-sets.ts";
import { Scheduler } from "./scheduler.ts";
import { StatefulSets } from "./stateful-sets.ts";

export interface ClusterOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** Registered at start; one that is there already is brought to this shape. */
  readonly nodes: readonly NodeSpec[];
  /** Each part runs unless it is `false`. Workloads: StatefulSets, Deployments, ReplicaSets, the pod garbage collector. */
  readonly controllers?: { readonly scheduler?: boolean; readonly workloads?: boolean; readonly kubelets?: boolean };
  readonly log: Logger;
}

export interface Cluster {
  /** Resolves when the first nodes are registered and pods, nodes and workloads have been listed once. */
  ready(): Promise<void>;
  /** The machine's kubelet dies: its pods are touched no more, and its Node object stays. `addNode` starts it again. */
  stopKubelet(name: string): void;
  /** Ends everything; resolves when nothing is in flight. The objects stay in the API server. */
  stop(): Promise<void>;
  /** Registers the Node and starts its kubelet. Idempotent. Resolves when the API server has it. */
  addNode(spec: NodeSpec): Promise<void>;
  /**
   * The machine disappears: its kubelet stops, its Node object is deleted; the pod garbage collector deletes its pods
   * a little later, as in a real cluster. Resolves when the Node object is gone. @throws ApiRefusal
   */
  removeNode(name: string): Promise<void>;
}

/** Starts at once and never fails: an API server that cannot be reached is tried again. */
export function startCluster(options: ClusterOptions): Cluster {
  const { transport, clock, random, log, controllers = {} } = options;
  const controller = new AbortController();
  const { signal } = controller;
  const api = createApi(transport, signal);
  const context: ComponentContext = { api, clock, random, log, signal, reporter: new Reporter(api, clock, log) };
  const caches: { run(signal: AbortSignal): Promise<void>; synced(): Promise<void> }[] = [];
  const cacheOf = <T extends KubeObject>(resource: Resource): Cache<T> => {
    const cache = new Cache<T>({ transport, resource, clock, random, log });
    caches.push(cache);
    return cache;
  };
  const pods = cacheOf<Pod>(resources.pods);
  const nodes = cacheOf<Node>(resources.nodes);
  const parts: { idle(): Promise<void> }[] = [];
  if (controllers.scheduler !== false) parts.push(new Scheduler(context, pods, nodes));
  if (controllers.workloads !== false) {
    const replicaSets = cacheOf<ReplicaSet>(resources.replicaSets);
    parts.push(new StatefulSets(context, cacheOf<StatefulSet>(resources.statefulSets), pods));
    parts.push(new ReplicaSets(context, replicaSets, pods));
    parts.push(new Deployments(context, cacheOf<Deployment>(resources.deployments), replicaSets));
    parts.push(new PodCollector(context, pods, nodes));
  }
  const synced = Promise.all(caches.map((cache) => cache.synced()));
  let kubelets: Kubelets | undefined;
  if (controllers.kubelets !== false) {
    // PodENIs are served only once their CRD is installed, which the controlplane does: nobody waits for this list.
    kubelets = new Kubelets(context, pods, nodes, cacheOf<PodEni>(resources.podEnis));
    parts.push(kubelets);
  }
  const specs = new Map<string, NodeSpec>();
  const registered = new Map<string, () => void>();
  const registrations = new KeyedWork({
    ...context,
    name: "node",
    concurrency: 16,
    work: async (name) => {
      const spec = specs.get(name);
      if (spec !== undefined) await registerNode(context, spec);
      registered.get(name)?.();
      registered.delete(name);
      return undefined;
    },
  });
  parts.push(registrations);
  const running = caches.map((cache) => cache.run(signal));

  const addNode = async (spec: NodeSpec): Promise<void> => {
    specs.set(spec.name, spec);
    kubelets?.addNode(spec);
    await new Promise<void>((resolve) => {
      registered.set(spec.name, resolve);
      registrations.add(spec.name);
    });
  };
  const firstNodes = Promise.all(options.nodes.map(addNode));
  return {
    addNode,
    async ready() {
      await Promise.all([firstNodes, synced]);
    },
    async removeNode(name) {
      specs.delete(name);
      kubelets?.removeNode(name);
      await api.delete(resources.nodes, { metadata: { name } });
    },
    stopKubelet(name) {
      kubelets?.removeNode(name);
    },
    async stop() {
      controller.abort();
      await Promise.all([...running, ...parts.map((part) => part.idle())]);
    },
  };
}

/** Creates the Node; one of that name gets this spec's labels, annotations and status. @throws ApiRefusal */
async function registerNode({ api, clock }: ComponentContext, spec: NodeSpec): Promise<void> {
  const node = toNode(spec, isoSeconds(clock.now()));
  const { status } = node;
  const created = await createNode(api, node);
  if (created?.status?.allocatable !== undefined && Object.keys(created.status.allocatable).length > 0) return;
  const { labels, annotations } = node.metadata;
  await api.patch(resources.nodes, node, { metadata: { labels, annotations }, spec: node.spec });
  await api.patch(resources.nodes, node, { status }, "status");
}

/** Undefined when it exists already. */
async function createNode(api: ComponentContext["api"], node: Node): Promise<Node | undefined> {
  try {
    return await api.create(resources.nodes, node);
  } catch (error) {
    if (error instanceof ApiRefusal && error.status === 409) return undefined;
    throw error;
  }
}
