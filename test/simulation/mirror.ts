/** What the API server stores, as a checker that misses nothing sees it: every change, at once, in order. */
import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import type { Node as NodeRecord } from "../../crds/v1beta1/node.gen.ts";
import type { PodNetworking } from "../../crds/v1beta1/pod-networking.gen.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { KubeObject } from "../../runtime/ports.ts";
import type { Transport } from "../../runtime/transport.ts";
import type { Node, Pod } from "../../sandbox/cluster/kinds.ts";

export interface Lease extends KubeObject {
  readonly spec?: { readonly holderIdentity?: string };
}

export interface ClusterEvent extends KubeObject {
  readonly regarding?: { readonly kind?: string; readonly name?: string; readonly uid?: string };
  readonly reason?: string;
}

export interface Kinds {
  readonly pods: Pod;
  readonly nodes: Node;
  readonly podEnis: PodENI;
  readonly networkInterfaces: NetworkInterface;
  readonly nodeRecords: NodeRecord;
  readonly planes: PodNetworking;
  readonly leases: Lease;
  readonly events: ClusterEvent;
}

const paths: Readonly<Record<keyof Kinds, string>> = {
  pods: "/api/v1/pods",
  nodes: "/api/v1/nodes",
  podEnis: "/apis/network.alibabacloud.com/v1beta1/podenis",
  networkInterfaces: "/apis/network.alibabacloud.com/v1beta1/networkinterfaces",
  nodeRecords: "/apis/network.alibabacloud.com/v1beta1/nodes",
  planes: "/apis/network.alibabacloud.com/v1beta1/podnetworkings",
  leases: "/apis/coordination.k8s.io/v1/leases",
  events: "/apis/events.k8s.io/v1/events",
};

export type Change = {
  readonly [K in keyof Kinds]: {
    readonly kind: K;
    readonly before: Kinds[K] | undefined;
    readonly after: Kinds[K] | undefined;
  };
}[keyof Kinds];

export class Mirror {
  readonly #transport: Transport;
  readonly #onChange: (change: Change) => void;
  readonly #tables: { readonly [K in keyof Kinds]: Map<string, Kinds[K]> } = {
    pods: new Map(),
    nodes: new Map(),
    podEnis: new Map(),
    networkInterfaces: new Map(),
    nodeRecords: new Map(),
    planes: new Map(),
    leases: new Map(),
    events: new Map(),
  };
  readonly #over = new AbortController();

  constructor(transport: Transport, onChange: (change: Change) => void) {
    this.#transport = transport;
    this.#onChange = onChange;
  }

  /** Follows from now on; the kinds must be served. */
  start(): void {
    for (const kind of Object.keys(paths)) void this.#follow(kind as keyof Kinds);
  }

  end(): void {
    this.#over.abort();
  }

  get<K extends keyof Kinds>(kind: K, namespace: string, name: string): Kinds[K] | undefined {
    return this.#tables[kind].get(`${namespace}/${name}`);
  }

  /** In the order of their names. */
  list<K extends keyof Kinds>(kind: K): readonly Kinds[K][] {
    const table: ReadonlyMap<string, Kinds[K]> = this.#tables[kind];
    return [...table].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, object]) => object);
  }

  async #follow(kind: keyof Kinds): Promise<void> {
    const isOver = (): boolean => this.#over.signal.aborted;
    let version = "";
    while (!isOver()) {
      try {
        if (version === "") version = await this.#list(kind);
        const path = `${paths[kind]}?watch=true&resourceVersion=${version}`;
        const onEvent = (event: unknown): void => {
          const { type, object } = event as { readonly type: string; readonly object: Kinds[typeof kind] };
          // The version was forgotten: what happened meanwhile is seen by a list.
          version = type === "ERROR" ? "" : (object.metadata.resourceVersion ?? "");
          if (type !== "ERROR") this.#put(kind, type, object);
        };
        await this.#transport.stream({ method: "GET", path }, onEvent, this.#over.signal);
      } catch (error) {
        if (!isOver()) throw error;
      }
    }
  }

  /** Brings the table to what is stored now. @returns its version */
  async #list(kind: keyof Kinds): Promise<string> {
    const answer = await this.#transport.request({ method: "GET", path: paths[kind] }, this.#over.signal);
    const list = answer.body as {
      readonly metadata: { readonly resourceVersion: string };
      readonly items: readonly Kinds[typeof kind][];
    };
    const stored = new Set(list.items.map(({ metadata }) => `${metadata.namespace ?? ""}/${metadata.name}`));
    for (const [key, object] of [...this.#tables[kind]]) if (!stored.has(key)) this.#put(kind, "DELETED", object);
    for (const object of list.items) this.#put(kind, "ADDED", object);
    return list.metadata.resourceVersion;
  }

  #put<K extends keyof Kinds>(kind: K, type: string, object: Kinds[K]): void {
    const key = `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
    const table = this.#tables[kind] as Map<string, Kinds[K]>;
    const before = table.get(key);
    const after = type === "DELETED" ? undefined : object;
    if (after === undefined) table.delete(key);
    else table.set(key, after);
    this.#onChange({ kind, before, after } as Change);
  }
}
