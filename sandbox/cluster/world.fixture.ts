/** A cluster on the sandbox API server under virtual time, for the tests of this folder. */
import { readFile } from "node:fs/promises";
import { install } from "@sinonjs/fake-timers";
import { parse } from "yaml";
import { annotations } from "../../crds/v1beta1/names.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { KubeObject, Logger } from "../../runtime/ports.ts";
import { seededRandom } from "../../runtime/random.ts";
import type { Transport, TransportRequest, TransportResponse } from "../../runtime/transport.ts";
import { createApiServer } from "../kube-apiserver/index.ts";
import { createApi, type Api } from "./api.ts";
import { startCluster, type Cluster, type ClusterOptions } from "./cluster.ts";
import { pathOf, resources, type Pod, type PodEni, type Resource } from "./kinds.ts";
import { nodeSpecs, type NodeSpec } from "./node-specs.ts";

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

export interface World {
  readonly api: Api;
  /** The one that runs; another after `restart`. */
  readonly cluster: Cluster;
  readonly nodes: readonly NodeSpec[];
  /** Requests that the cluster's components have sent, as `METHOD path` without the query. */
  readonly requests: readonly string[];
  /** What the components get instead of the server's answer: the hook returns undefined for "ask the server". */
  interfere: (request: TransportRequest) => TransportResponse | undefined;
  /** Lets virtual time pass. */
  pass(ms: number): Promise<void>;
  /** Lets virtual time pass until `look` gives a value. @throws Error after 20 virtual seconds, with what there is */
  until<T>(look: () => Promise<T | undefined | false>): Promise<T>;
  list<T extends KubeObject>(resource: Resource): Promise<T[]>;
  pod(name: string): Promise<Pod | undefined>;
  createPod(name: string, change?: { annotations?: Record<string, string>; spec?: Partial<Pod["spec"]> }): Promise<Pod>;
  /** A complete PodENI of the pod on the node's trunk, as the controlplane leaves it in phase Bind. */
  bindPodEni(pod: Pod, node: NodeSpec, ipv4: string, uid?: string): Promise<void>;
  mergePatch(resource: Resource, name: string, patch: object, subresource?: "status"): Promise<void>;
  /** Ends the cluster's components and starts them anew on the same API server. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startWorld(
  options: { nodes?: readonly NodeSpec[]; controllers?: NonNullable<ClusterOptions["controllers"]> } = {},
): Promise<World> {
  const { nodes = nodeSpecs({ count: 3, zones: ["cn-hangzhou-h", "cn-hangzhou-i"] }), controllers = {} } = options;
  const crd: unknown = parse(await readFile("crds/network.alibabacloud.com_podenis.yaml", "utf8"));
  const time = install();
  const server = createApiServer({ clock: systemClock });
  const direct = server.transport();
  const requests: string[] = [];
  const transport: Transport = {
    request: (request, signal) => {
      requests.push(`${request.method} ${request.path.split("?")[0] ?? ""}`);
      const answer = world.interfere(request);
      return answer === undefined ? direct.request(request, signal) : Promise.resolve(answer);
    },
    stream: (request, onEvent, signal) => direct.stream(request, onEvent, signal),
  };
  const ended = new AbortController();
  const call = async (request: TransportRequest): Promise<void> => {
    const { status, body } = await settle(direct.request(request, ended.signal));
    if (status >= 300) throw new Error(`${request.method} ${request.path}: ${status} ${JSON.stringify(body)}`);
  };
  /** Resolves a call whose handler may wait for virtual time. */
  const settle = async <T>(promise: Promise<T>): Promise<T> => {
    const state = { isDone: false };
    const done = promise.finally(() => (state.isDone = true));
    done.catch(() => undefined);
    for (let step = 0; step < 1000 && !state.isDone; step++) await time.tickAsync(1);
    return done;
  };
  const json = { "content-type": "application/json" };
  const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  await call({ method: "POST", path: crds, headers: json, body: crd });
  const start = (): Cluster =>
    startCluster({ transport, clock: systemClock, random: seededRandom(1), nodes, controllers, log: silent });
  let cluster: Cluster;
  const api = createApi(direct, ended.signal);
  const world: World = {
    api,
    get cluster() {
      return cluster;
    },
    nodes,
    requests,
    interfere: () => undefined,
    pass: async (ms) => {
      await time.tickAsync(ms);
    },
    async until(look) {
      for (let step = 0; step < 400; step++) {
        const found = await settle(look());
        if (found !== undefined && found !== false) return found;
        await time.tickAsync(50);
      }
      const pods = await settle(world.list<Pod>(resources.pods));
      throw new Error(
        `it never came; pods: ${JSON.stringify(pods.map(({ metadata, status }) => [metadata.name, status]))}`,
      );
    },
    async list<T extends KubeObject>(resource: Resource) {
      const request = { method: "GET", path: pathOf(resource) } as const;
      const { body } = await settle(direct.request(request, ended.signal));
      return (body as { items: T[] }).items;
    },
    pod: async (name) => (await settle(api.get(resources.pods, "default", name))) as Pod | undefined,
    async createPod(name, change = {}) {
      const pod: Pod = {
        metadata: { name, namespace: "default", annotations: change.annotations ?? {} },
        spec: { containers: [{ name: "app", image: "app:1" }], ...change.spec },
      };
      return (await settle(api.create(resources.pods, pod))) as Pod;
    },
    async mergePatch(resource, name, patch, subresource) {
      const headers = { "content-type": "application/merge-patch+json" };
      const path = pathOf(resource, "default", name) + (subresource === undefined ? "" : `/${subresource}`);
      await call({ method: "PATCH", path, headers, body: patch });
    },
    async bindPodEni(pod, node, ipv4, uid = pod.metadata.uid ?? "") {
      const { name, namespace = "default" } = pod.metadata;
      const id = `eni-of-${name}`;
      const eni = { id, mac: "00:16:3e:00:00:01", attachmentOptions: { trunk: true } };
      const podEni: PodEni & object = {
        metadata: { name, namespace, annotations: { [annotations.podUid]: uid } },
        spec: { allocations: [{ eni, ipv4, interface: "eth0" }] },
      };
      await settle(api.create(resources.podEnis, podEni));
      const eniInfos = { [id]: { id, type: "Member", vid: 5, status: "Bind" } };
      const status = { phase: "Bind", trunkENIID: node.trunkEniId, eniInfos };
      await world.mergePatch(resources.podEnis, name, { status }, "status");
    },
    async restart() {
      await settle(cluster.stop());
      cluster = start();
      await settle(cluster.ready());
    },
    async stop() {
      await settle(cluster.stop());
      server.close();
      ended.abort();
      time.uninstall();
    },
  };
  cluster = start();
  await settle(cluster.ready());
  return world;
}
