/** The program's own parts on the sandbox, in this process, with every request to the API server and the cloud written down. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { decodeAnswer, flattenParameters, productOf, type CloudCall } from "../../cloud/call.ts";
import { loadConfig, type ControlplaneConfig } from "../../cmd/config.ts";
import { createWebhook } from "../../cmd/webhook.ts";
import { SettableLevel } from "../../cloud/fixtures/settable-level.ts";
import { buildControlplane } from "../../cmd/wiring.ts";
import { Kube } from "../../e2e/kube.ts";
import { eventually } from "../../e2e/world.ts";
import { installCrds } from "../../kube/crd-installer.ts";
import { readCrdManifests } from "../../kube/crd-manifests.ts";
import { systemClock } from "../../runtime/clock.ts";
import { createLogger } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { seededRandom } from "../../runtime/random.ts";
import type { Transport, TransportRequest } from "../../runtime/transport.ts";
import { createCloud, type SimulatedCloud } from "../../sandbox/alibaba-cloud/index.ts";
import { startCluster } from "../../sandbox/cluster/cluster.ts";
import { createApiServer } from "../../sandbox/kube-apiserver/index.ts";
import { landscape, layOut } from "../../sandbox/landscape.ts";
import { readFiles } from "./manifests.ts";
import type { Call } from "./roles.ts";

export interface RecordedRun {
  readonly kube: Kube;
  readonly cloud: SimulatedCloud;
  /** Every different request of the program so far. */
  readonly calls: readonly Call[];
  /** Every different action of the cloud that was called so far, as RAM names it: `ecs:CreateNetworkInterface`. */
  readonly actions: ReadonlySet<string>;
  stop(): Promise<void>;
}

const quickLatencies = {
  answerMs: [5, 10],
  createAnswerMs: [10, 20],
  attachMs: [50, 100],
  detachMs: [50, 100],
  deleteMs: [20, 40],
} as const;

/** Starts everything. @param prepare changes the cluster before the program starts */
export async function startRecordedRun(prepare: (kube: Kube) => Promise<void>): Promise<RecordedRun> {
  const directory = mkdtempSync(join(tmpdir(), "terway-recorded-"));
  const stopped = new AbortController();
  const config = readConfig(directory);
  const apiServer = createApiServer({
    clock: systemClock,
    random: seededRandom("recorded/api"),
    resolveService: () => `https://127.0.0.1:${config.webhookPort}`,
  });
  const cloud = createCloud({
    clock: systemClock,
    random: seededRandom("recorded/cloud"),
    regionId: landscape.regionId,
    accounts: [landscape.account],
    latencies: quickLatencies,
  });
  const log = createLogger({ level: "error" });
  const kube = new Kube(apiServer.transport());
  for (const manifest of readFiles("config/webhook/configurations.yaml")) await kube.apply(manifest);
  await prepare(kube);
  const cluster = startCluster({
    transport: apiServer.transport(),
    clock: systemClock,
    random: seededRandom("recorded/cluster"),
    nodes: layOut(cloud, 2),
    log,
  });
  await cluster.ready();

  const calls = new Map<string, Call>();
  const transport = recording(apiServer.transport(), (call) => calls.set(JSON.stringify(call), call));
  const actions = new Set<string>();
  const { ended } = await startProgram({
    config,
    transport,
    call: recordingCloud(cloud, actions),
    stopped: stopped.signal,
  });
  return {
    kube,
    cloud,
    get calls() {
      return [...calls.values()];
    },
    actions,
    async stop() {
      stopped.abort();
      await ended;
      await cluster.stop();
      apiServer.close();
      cloud.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What cmd/controlplane.ts does, beside the command line and the probes. Resolves when it is ready. */
async function startProgram(world: {
  readonly config: ControlplaneConfig;
  readonly transport: Transport;
  readonly call: CloudCall;
  readonly stopped: AbortSignal;
}): Promise<{ readonly ended: Promise<void> }> {
  const { config, transport, stopped: signal } = world;
  const clock = systemClock;
  const log = createLogger({ level: "error" });
  const metrics = createMetrics();
  await installCrds({ transport, crds: await readCrdManifests(), clock, log, signal });
  const random = seededRandom("recorded/program");
  const { manager, routes } = buildControlplane({
    ...world,
    identity: "recorded",
    degradation: new SettableLevel(),
    clock,
    random,
    log,
    metrics,
  });
  manager.add(await createWebhook({ config, transport, routes, log, registry: metrics.registry, signal }));
  const ended = manager.run(signal);
  await eventually("the program is ready", () => manager.notReady().length === 0, { state: () => manager.notReady() });
  return { ended };
}

/** The installed configuration with every controller, what is the cluster's own, and places that this process may use. */
function readConfig(directory: string): ControlplaneConfig {
  const [installed] = readFiles("config/manager/ctrl-config.yaml");
  const configPath = join(directory, "ctrl-config.yaml");
  const { regionId: regionID, clusterId: clusterID, vpcId: vpcID } = landscape;
  const everything = { controllers: ["*"], centralizedIPAM: true };
  const changes = { regionID, clusterID, vpcID, certDir: join(directory, "certs"), kubeClientQPS: 500, ...everything };
  writeFileSync(configPath, stringify({ ...installed, ...changes }));
  const credentialPath = join(directory, "ctrl-secret.yaml");
  writeFileSync(credentialPath, "{}\n");
  return loadConfig({ configPath, credentialPath, env: {} }).config;
}

function recording(transport: Transport, record: (call: Call) => void): Transport {
  return {
    request: (request, signal) => {
      record(toCall(request, false));
      return transport.request(request, signal);
    },
    stream: (request, onEvent, signal) => {
      record(toCall(request, true));
      return transport.stream(request, onEvent, signal);
    },
  };
}

function recordingCloud(cloud: SimulatedCloud, actions: Set<string>): CloudCall {
  return async (api, parameters) => {
    const { product } = productOf(api)!;
    actions.add(`${product}:${api}`);
    return decodeAnswer(await cloud.call({ product, action: api }, flattenParameters(parameters), landscape.account));
  };
}

/** A request in the terms of RBAC. Source: k8s.io/apiserver pkg/endpoints/request, `RequestInfo`. */
function toCall({ method, path }: TransportRequest, isWatch: boolean): Call {
  const parts = (path.split("?", 1)[0] ?? "").split("/").filter((part) => part !== "");
  const isCore = parts[0] === "api";
  const rest = parts.slice(isCore ? 2 : 3).map(decodeURIComponent);
  // `/namespaces/a` is the namespace itself.
  const isScoped = rest[0] === "namespaces" && rest.length > 2;
  const [plural = "", name = "", subresource] = isScoped ? rest.slice(2) : rest;
  return {
    verb: verbOf(method, name, isWatch),
    group: isCore ? "" : (parts[1] ?? ""),
    resource: subresource === undefined ? plural : `${plural}/${subresource}`,
    namespace: isScoped ? (rest[1] ?? "") : "",
    name: method === "POST" ? "" : name,
  };
}

function verbOf(method: TransportRequest["method"], name: string, isWatch: boolean): string {
  if (isWatch) return "watch";
  if (method === "GET") return name === "" ? "list" : "get";
  return { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" }[method];
}
