/**
 * What an admission costs with 10 000 pods and 100 PodNetworkings in the caches: through the handlers alone, and over HTTPS
 * as an API server asks. `node bench/admission.bench.ts`; status 1 when the median of the handlers is above 5 ms.
 */
import { Agent, request as httpsRequest } from "node:https";
import { annotations, group } from "../crds/v1beta1/names.ts";
import type { Plane } from "../domain/pod-network/plane.ts";
import { ObjectStore } from "../runtime/object-store.ts";
import type { KubeObject, Logger } from "../runtime/ports.ts";
import type { AdmissionHandler, AdmissionRequest } from "../webhook/admission.ts";
import { generateCertificate } from "../webhook/certificate.ts";
import type { PodEniRecord } from "../domain/pod-network/zone-affinity.ts";
import { planeIndex, planesOf } from "../webhook/pod-networking/use.ts";
import { createRoutes } from "../webhook/routes.ts";
import { WebhookServer } from "../webhook/server.ts";

const podCount = 10_000;
const planeCount = 100;
const admissions = 1_000;
const warmUp = 200;
const limitMs = 5;

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

type PodRecord = PodEniRecord & KubeObject;

function fill<T extends KubeObject>(store: ObjectStore<T>, count: number, make: (index: number) => T): ObjectStore<T> {
  for (let index = 0; index < count; index++) {
    const object = make(index);
    const { namespace, name } = object.metadata;
    store.set(namespace === undefined ? name : `${namespace}/${name}`, object);
  }
  return store;
}

/** The plane that matches is the last one that is looked at. */
const planes = fill(new ObjectStore<Plane & KubeObject>(), planeCount, (index): Plane & KubeObject => ({
  metadata: { name: `plane-${index}`, creationTimestamp: "2026-01-01T00:00:00Z" },
  spec: {
    selector: {
      podSelector: { matchExpressions: [{ key: "app", operator: "In", values: [`app-${index}`, `other-${index}`] }] },
      namespaceSelector: { matchLabels: { team: "shop" } },
    },
    vSwitchOptions: ["vsw-a", "vsw-b"],
    securityGroupIDs: ["sg-1"],
    allocationType: { type: "Elastic" },
  },
  status: {
    status: "Ready",
    vSwitches: [
      { id: "vsw-a", zone: "zone-a" },
      { id: "vsw-b", zone: "zone-b" },
    ],
  },
}));
const annotated = (index: number): PodRecord => ({
  metadata: {
    namespace: "shop",
    name: `pod-${index}`,
    annotations: { [annotations.podNetworking]: `plane-${index % planeCount}` },
  },
});
const indexes = { [planeIndex]: planesOf };
const pods = fill(new ObjectStore<KubeObject>(indexes), podCount, annotated);
const podEnis = fill(new ObjectStore<PodRecord>(indexes), podCount, annotated);
const namespaces = fill(new ObjectStore<KubeObject>(), 1, () => ({
  metadata: { name: "shop", labels: { team: "shop" } },
}));

const routes = createRoutes({
  planes,
  livePlanes: () => Promise.resolve(planes.list()),
  pods,
  podEnis,
  namespaces: { lister: namespaces, getLive: () => Promise.resolve(undefined) },
  eniConfig: { get: () => Promise.resolve(undefined) },
  recorder: { event: () => undefined },
  config: {
    enableTrunk: true,
    enableWebhookInjectResource: true,
    isCrdMode: false,
    customStatefulWorkloadKinds: [],
  },
});

interface Load {
  readonly name: string;
  readonly path: "/mutating" | "/validate";
  readonly count: number;
  readonly request: (index: number) => AdmissionRequest;
}

/** A pod as a Deployment makes it: three containers, thirty variables each. */
function aPod(index: number, more: { readonly containers?: number; readonly padding?: number } = {}): object {
  const env = Array.from({ length: 30 }, (_, at) => ({ name: `VARIABLE_${at}`, value: `value ${at}` }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: "web-",
      namespace: "shop",
      labels: { app: `app-${planeCount - 1 - (index % 3)}` },
      annotations: { padding: "x".repeat(more.padding ?? 100) },
      ownerReferences: [{ kind: "ReplicaSet", name: "web" }],
    },
    spec: {
      containers: Array.from({ length: more.containers ?? 3 }, (_, at) => ({ name: `c-${at}`, image: "i:1", env })),
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: "a", operator: "Exists" }] }],
          },
        },
      },
    },
  };
}

function aPodRequest(object: object): AdmissionRequest {
  return {
    uid: "u",
    kind: { group: "", version: "v1", kind: "Pod" },
    operation: "CREATE",
    name: "",
    namespace: "shop",
    dryRun: false,
    object,
    oldObject: undefined,
  };
}

const planeKind = { group, version: "v1beta1", kind: "PodNetworking" };
const loads: readonly Load[] = [
  { name: "pod", path: "/mutating", count: admissions, request: (index) => aPodRequest(aPod(index)) },
  {
    name: "pod of 1 MB",
    path: "/mutating",
    count: 100,
    request: (index) => aPodRequest(aPod(index, { padding: 1024 * 1024 })),
  },
  {
    name: "pod of 500 containers (0.7 MB)",
    path: "/mutating",
    count: 100,
    request: (index) => aPodRequest(aPod(index, { containers: 500 })),
  },
  {
    name: "deletion of a plane that 100 pods use",
    path: "/validate",
    count: admissions,
    request: (index) => ({
      ...aPodRequest({}),
      kind: planeKind,
      operation: "DELETE",
      name: `plane-${index % planeCount}`,
      object: undefined,
      oldObject: planes.get(`plane-${index % planeCount}`),
    }),
  },
];

/** Milliseconds of each of `count` runs, sorted; `prepare` is not counted. */
async function measure<T>(
  count: number,
  prepare: (index: number) => T,
  run: (input: T) => Promise<void>,
): Promise<number[]> {
  const times: number[] = [];
  const first = Math.min(warmUp, count);
  for (let index = 0; index < first + count; index++) {
    const input = prepare(index);
    const startMs = performance.now();
    await run(input);
    if (index >= first) times.push(performance.now() - startMs);
  }
  return times.sort((one, other) => one - other);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

function report(name: string, sorted: readonly number[]): void {
  const [p50, p99] = [0.5, 0.99].map((share) => quantile(sorted, share).toFixed(2));
  process.stdout.write(`${name.padEnd(56)} p50 ${String(p50).padStart(7)} ms   p99 ${String(p99).padStart(7)} ms\n`);
}

const signal = new AbortController().signal;

async function throughHandler({ name, path, count, request }: Load): Promise<number> {
  const handler: AdmissionHandler | undefined = routes[path];
  if (handler === undefined) throw new Error(`no handler at ${path}`);
  // As it comes from the wire: no two objects share a part.
  const prepare = (index: number): AdmissionRequest => structuredClone(request(index));
  const times = await measure(count, prepare, async (input) => {
    const answer = await handler(input, signal);
    if (!answer.allowed || ((answer.patch ?? []).length === 0 && path === "/mutating")) throw new Error("not admitted");
  });
  report(`handler, ${name}`, times);
  return quantile(times, 0.5);
}

async function overHttps(server: WebhookServer, ca: string, { name, path, count, request }: Load): Promise<void> {
  const agent = new Agent({ keepAlive: true, ca });
  const prepare = (index: number): string =>
    JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request: request(index) });
  const times = await measure(count, prepare, async (body) => {
    const status = await post(agent, server.port, path, body);
    if (status !== 200) throw new Error(`HTTP ${status}`);
  });
  agent.destroy();
  report(`HTTPS, ${name}`, times);
}

function post(agent: Agent, port: number, path: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const sent = httpsRequest({ host: "127.0.0.1", port, path, method: "POST", agent, headers }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const bundle = await generateCertificate(
  { controllerName: "c", controllerNamespace: "n", clusterDomain: "d", extraNames: ["127.0.0.1"] },
  Date.now(),
);
const server = new WebhookServer({
  port: 0,
  host: "127.0.0.1",
  tls: { cert: bundle.certPem, key: bundle.keyPem },
  routes,
  log: silent,
});
await server.listen();
try {
  process.stdout.write(`${podCount} pods and ${planeCount} PodNetworkings in the caches\n`);
  let worstMs = 0;
  for (const load of loads) {
    const p50 = await throughHandler(load);
    if (load.count === admissions) worstMs = Math.max(worstMs, p50);
  }
  for (const load of loads) await overHttps(server, bundle.caPem, load);
  if (worstMs > limitMs) {
    process.stdout.write(`above the limit of ${limitMs} ms\n`);
    process.exitCode = 1;
  }
} finally {
  await server.close();
}
