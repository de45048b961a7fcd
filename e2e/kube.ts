/** The cluster as its users see it: objects, their conditions, their events, and the API server's refusals. */
import type { Condition } from "../crds/v1beta1/condition.ts";
import type { NetworkInterface } from "../crds/v1beta1/network-interface.gen.ts";
import type { Node as NodeRecord } from "../crds/v1beta1/node.gen.ts";
import type { PodENI } from "../crds/v1beta1/pod-eni.gen.ts";
import type { PodNetworking } from "../crds/v1beta1/pod-networking.gen.ts";
import type { Transport, TransportResponse } from "../runtime/transport.ts";
import { apply, remove, type Manifest } from "../sandbox/apply.ts";
import type { Node, Pod } from "../sandbox/cluster/kinds.ts";
import type { AnyManifest } from "./manifests.ts";
import { eventually } from "./world.ts";

const ours = "/apis/network.alibabacloud.com/v1beta1";

/** Paths of objects that suites patch or delete. */
export const pathOf = {
  plane: (name: string) => `${ours}/podnetworkings/${name}`,
  pod: (namespace: string, name: string) => `/api/v1/namespaces/${namespace}/pods/${name}`,
  node: (name: string) => `/api/v1/nodes/${name}`,
  nodeRecord: (name: string) => `${ours}/nodes/${name}`,
  configMap: (namespace: string, name: string) => `/api/v1/namespaces/${namespace}/configmaps/${name}`,
  statefulSet: (namespace: string, name: string) => `/apis/apps/v1/namespaces/${namespace}/statefulsets/${name}`,
} as const;

/** Source: events.k8s.io/v1 Event, the members that users read. */
export interface KubeEvent {
  readonly metadata: { readonly name: string };
  readonly type?: string;
  readonly reason?: string;
  readonly note?: string;
  readonly regarding?: { readonly kind?: string; readonly name?: string; readonly namespace?: string };
}

const never = new AbortController().signal;

export class Kube {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  request(
    method: "GET" | "POST" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<TransportResponse> {
    return this.#transport.request({ method, path, headers, ...(body !== undefined && { body }) }, never);
  }

  /** @throws Error with the API server's words */
  apply(manifest: Manifest & Readonly<Record<string, unknown>>): Promise<void> {
    return apply(this.#transport, manifest);
  }

  /** Merges into an object as `kubectl patch --type merge` does. @throws Error with the API server's words */
  async patch(path: string, patch: object): Promise<void> {
    const answer = await this.request("PATCH", path, patch, { "content-type": "application/merge-patch+json" });
    if (answer.status !== 200) throw new Error(`${path}: HTTP ${answer.status}: ${JSON.stringify(answer.body)}`);
  }

  /** The API server's words, or undefined when it accepted. */
  async refusalOf(manifest: Manifest & Readonly<Record<string, unknown>>): Promise<string | undefined> {
    try {
      await this.apply(manifest);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /**
   * Applies a pod as a workload controller does: a refused one is tried again. The webhook that is asked may have seen the
   * plane a moment later than the suite has.
   */
  async create(pod: AnyManifest): Promise<void> {
    let refusal: string | undefined;
    await eventually(
      `pod ${pod.metadata.name} is created`,
      async () => {
        refusal = await this.refusalOf(pod);
        return refusal === undefined;
      },
      { state: () => refusal },
    );
  }

  pod(namespace: string, name: string): Promise<Pod | undefined> {
    return this.#get<Pod>(`/api/v1/namespaces/${namespace}/pods/${name}`);
  }

  podEni(namespace: string, name: string): Promise<PodENI | undefined> {
    return this.#get<PodENI>(`${ours}/namespaces/${namespace}/podenis/${name}`);
  }

  networkInterface(name: string): Promise<NetworkInterface | undefined> {
    return this.#get<NetworkInterface>(`${ours}/networkinterfaces/${name}`);
  }

  plane(name: string): Promise<PodNetworking | undefined> {
    return this.#get<PodNetworking>(`${ours}/podnetworkings/${name}`);
  }

  node(name: string): Promise<Node | undefined> {
    return this.#get<Node>(`/api/v1/nodes/${name}`);
  }

  nodeRecord(name: string): Promise<NodeRecord | undefined> {
    return this.#get<NodeRecord>(pathOf.nodeRecord(name));
  }

  async pods(namespace: string): Promise<readonly Pod[]> {
    return this.#list<Pod>(`/api/v1/namespaces/${namespace}/pods`);
  }

  async podEnis(namespace: string): Promise<readonly PodENI[]> {
    return this.#list<PodENI>(`${ours}/namespaces/${namespace}/podenis`);
  }

  networkInterfaces(): Promise<readonly NetworkInterface[]> {
    return this.#list<NetworkInterface>(`${ours}/networkinterfaces`);
  }

  /** Of one object; `kind` as in `regarding`. */
  async events(kind: string, name: string): Promise<readonly KubeEvent[]> {
    const all = await this.#list<KubeEvent>("/apis/events.k8s.io/v1/events");
    return all.filter(({ regarding }) => regarding?.kind === kind && regarding.name === name);
  }

  deletePod(namespace: string, name: string): Promise<void> {
    return remove(this.#transport, `/api/v1/namespaces/${namespace}/pods/${name}`);
  }

  deletePodEni(namespace: string, name: string): Promise<void> {
    return remove(this.#transport, `${ours}/namespaces/${namespace}/podenis/${name}`);
  }

  deletePath(path: string): Promise<void> {
    return remove(this.#transport, path);
  }

  /** Waits until the pod runs with the address of its PodENI, which is for this very pod; returns both. */
  async untilRunning(
    namespace: string,
    name: string,
    options: { readonly limitMs?: number; readonly notUid?: string } = {},
  ): Promise<{ readonly pod: Pod; readonly podEni: PodENI }> {
    return eventually(
      `pod ${namespace}/${name} runs with the address of its PodENI`,
      async () => {
        const pod = await this.pod(namespace, name);
        if (pod?.status?.phase !== "Running" || pod.metadata.uid === options.notUid) return undefined;
        const podEni = await this.podEni(namespace, name);
        if (podEni?.metadata.annotations?.["k8s.aliyun.com/pod-uid"] !== pod.metadata.uid) return undefined;
        return podEni?.status?.phase === "Bind" &&
          podEni.spec?.allocations?.some(({ ipv4 }) => ipv4 === pod.status?.podIP)
          ? { pod, podEni }
          : undefined;
      },
      { limitMs: options.limitMs ?? 30_000, state: () => this.storyOf(namespace, name) },
    );
  }

  /** Waits until condition `Ready` of the PodENI has the reason. */
  untilPodEniSays(namespace: string, name: string, reason: string, limitMs = 30_000): Promise<Condition> {
    return eventually(
      `PodENI ${namespace}/${name} says ${reason}`,
      async () => withReason((await this.podEni(namespace, name))?.status?.conditions, reason),
      { limitMs, state: () => this.storyOf(namespace, name) },
    );
  }

  untilPlaneSays(name: string, reason: string, limitMs = 30_000): Promise<Condition> {
    return eventually(
      `PodNetworking ${name} says ${reason}`,
      async () => withReason((await this.plane(name))?.status?.conditions, reason),
      { limitMs, state: async () => (await this.plane(name))?.status },
    );
  }

  /** Waits until condition `Ready` of the machine's record has the reason; returns the record. */
  untilNodeRecordSays(name: string, reason: string, limitMs = 30_000): Promise<NodeRecord> {
    return eventually(
      `Node ${name} says ${reason}`,
      async () => {
        const record = await this.nodeRecord(name);
        return withReason(record?.status?.conditions, reason) === undefined ? undefined : record;
      },
      { limitMs, state: () => this.nodeRecord(name) },
    );
  }

  /** Waits for an event on the object whose note has `text`. */
  untilEvent(kind: string, name: string, reason: string, text: string, limitMs = 30_000): Promise<KubeEvent> {
    return eventually(
      `event ${reason} on ${kind} ${name} with ${text}`,
      async () =>
        (await this.events(kind, name)).find((event) => event.reason === reason && event.note?.includes(text) === true),
      { limitMs, state: async () => (await this.events(kind, name)).map(({ reason, note }) => `${reason}: ${note}`) },
    );
  }

  /** What a user would look at when the pod does not run. */
  async storyOf(namespace: string, name: string): Promise<object> {
    const pod = await this.pod(namespace, name);
    const podEni = await this.podEni(namespace, name);
    const events = [...(await this.events("Pod", name)), ...(await this.events("PodENI", name))];
    return {
      pod: pod && {
        uid: pod.metadata.uid,
        node: pod.spec.nodeName,
        phase: pod.status?.phase,
        ip: pod.status?.podIP,
        conditions: pod.status?.conditions?.filter(({ status }) => status !== "True"),
        deletion: pod.metadata.deletionTimestamp,
      },
      podEni: podEni && { metadata: podEni.metadata.annotations, spec: podEni.spec, status: podEni.status },
      events: events.map(({ reason, note }) => `${reason}: ${note}`),
    };
  }

  async #get<T>(path: string): Promise<T | undefined> {
    const { status, body } = await this.request("GET", path);
    return status === 200 ? (body as T) : undefined;
  }

  async #list<T>(path: string): Promise<readonly T[]> {
    const { status, body } = await this.request("GET", path);
    if (status !== 200) throw new Error(`${path}: HTTP ${status}`);
    return (body as { readonly items: readonly T[] }).items;
  }
}

function withReason(conditions: readonly Condition[] | undefined, reason: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === "Ready" && condition.reason === reason);
}
