/** Starts the sandbox: API server, simulated cloud, cluster, and the unchanged controlplane as processes of their own. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { systemClock } from "../runtime/clock.ts";
import { createLogger } from "../runtime/log.ts";
import { seededRandom } from "../runtime/random.ts";
import type { Transport } from "../runtime/transport.ts";
import { createCloud, type FaultRule, type Latencies, type SimulatedCloud } from "../sandbox/alibaba-cloud/index.ts";
import { startCluster, type Cluster } from "../sandbox/cluster/cluster.ts";
import type { NodeSpec } from "../sandbox/cluster/node-specs.ts";
import { ControlplaneProcess } from "../sandbox/controlplane-process.ts";
import { createApiServer, toKubeconfig } from "../sandbox/kube-apiserver/index.ts";
import { freePorts } from "../sandbox/free-ports.ts";
import { landscape, layOut } from "../sandbox/landscape.ts";
import { webhookConfigurations } from "../webhook/configurations.ts";

export interface SandboxOptions {
  readonly nodes: number;
  readonly replicas: number;
  /** Of latencies, names and faults: the same seed gives the same history, as far as the processes' timing allows. */
  readonly seed: number | string;
  readonly faults: readonly FaultRule[];
  /** Where kubeconfig, configuration and logs go. */
  readonly directory: string;
  /** Keys that replace those of the controlplane's configuration file. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Times of the simulated cloud that are not the usual ones. */
  readonly latencies?: Partial<Latencies>;
  /** Members that replace those of the controlplane's credential file. */
  readonly credential?: Credential;
  readonly onLogLine?: (replica: string, line: Readonly<Record<string, unknown>>) => void;
  /** Machines come without trunks, and nodes without what they can carry: the controlplane is to see to both. @default false */
  readonly bareNodes?: boolean;
  /** The API server. @default the sandbox's own */
  readonly kubernetes?: StartKubernetes;
  /** Makes the API server ask the replicas, which serve at that port of their Service. @default both webhooks, failing closed */
  readonly installAdmission?: InstallAdmission;
  /** Puts something between the replica of that number and what it speaks to. Called at each start of a replica. */
  readonly between?: (index: number, access: ReplicaAccess) => Promise<ReplicaAccess>;
}

/** How a replica reaches the API server and the cloud. */
export interface ReplicaAccess {
  readonly kubeconfigPath: string;
  /** Host and port. */
  readonly cloudEndpoint: string;
  /** Added to the environment of the replica's process. */
  readonly env?: Readonly<Record<string, string>>;
}

export type InstallAdmission = (transport: Transport, port: number) => Promise<void>;

/** Starts an API server for a sandbox. */
export type StartKubernetes = (options: {
  readonly directory: string;
  readonly seed: SandboxOptions["seed"];
  /** Where the next call of the controlplane's Service goes: to each replica that serves in turn; undefined while none runs. */
  readonly webhookUrl: () => string | undefined;
}) => Promise<Kubernetes>;

export interface Kubernetes {
  /** As an administrator. */
  readonly transport: Transport;
  /** Of an administrator. */
  readonly kubeconfigPath: string;
  /** Of the controlplane. @default the administrator's */
  readonly replicaKubeconfigPath?: string;
  /** Port at which the API server reaches the Service of the webhooks. */
  readonly webhookPort: number;
  /** Whether scheduler and workload controllers come with it, so that the stand-ins for them must not run. */
  readonly hasControllers: boolean;
  stop(): Promise<void>;
}

/** Source: the credential file's keys. */
export interface Credential {
  readonly accessKey?: string;
  readonly accessSecret?: string;
}

export interface Replica {
  readonly process: ControlplaneProcess;
  readonly configPath: string;
  readonly healthUrl: string;
  readonly metricsUrl: string;
  readonly webhookUrl: string;
}

export interface Sandbox {
  readonly transport: Transport;
  readonly cloud: SimulatedCloud;
  readonly cluster: Cluster;
  readonly replicas: readonly Replica[];
  /** The machines of the start. */
  readonly nodes: readonly NodeSpec[];
  readonly kubeconfigPath: string;
  readonly cloudUrl: string;
  /** Starts the process of that number (from 0) again, after it has ended, with `changes` to the sandbox's options. */
  restart(index: number, changes?: Pick<SandboxOptions, "credential">): Promise<Replica>;
  /** Resolves when every replica says that it is ready. Rejects when one ends or `limitMs` passes. */
  ready(limitMs: number): Promise<void>;
  stop(): Promise<void>;
}

const controllerName = "terway-controlplane";

export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { directory, seed } = options;
  mkdirSync(directory, { recursive: true });
  const replicas: Replica[] = [];
  const serving = new Set<Replica>();
  let calls = 0;
  const webhookUrl = (): string | undefined => {
    const running = replicas.filter(({ process }) => process.isRunning);
    const ready = running.filter((replica) => serving.has(replica));
    const targets = ready.length > 0 ? ready : running;
    return targets[calls++ % targets.length]?.webhookUrl;
  };
  const kubernetes = await (options.kubernetes ?? startSandboxKubernetes)({ directory, seed, webhookUrl });
  const { transport, kubeconfigPath } = kubernetes;
  const cloud = createCloud({
    clock: systemClock,
    random: seededRandom(`${seed}/cloud`),
    regionId: landscape.regionId,
    accounts: [landscape.account],
    faults: options.faults,
    ...(options.latencies !== undefined && { latencies: options.latencies }),
  });
  const specs = layOut(cloud, options.nodes, { bareNodes: options.bareNodes ?? false });
  const cloudListening = await cloud.listen({ host: "127.0.0.1" });
  await (options.installAdmission ?? registerWebhooks)(transport, kubernetes.webhookPort);
  const cluster = startCluster({
    transport,
    clock: systemClock,
    random: seededRandom(`${seed}/cluster`),
    nodes: specs,
    controllers: { scheduler: !kubernetes.hasControllers, workloads: !kubernetes.hasControllers },
    log: createLogger({ level: "error" }),
  });
  const access: ReplicaAccess = {
    kubeconfigPath: kubernetes.replicaKubeconfigPath ?? kubeconfigPath,
    cloudEndpoint: cloudListening.endpoint,
  };
  const start = async (index: number, changes: Pick<SandboxOptions, "credential"> = {}): Promise<Replica> => {
    const ownAccess = (await options.between?.(index, access)) ?? access;
    const replica = await startReplica(index, { ...options, ...changes }, ownAccess);
    void probeReadiness(replica, serving);
    return replica;
  };
  await cluster.ready();
  for (let index = 0; index < options.replicas; index++) replicas.push(await start(index));
  return {
    transport,
    cloud,
    cluster,
    replicas,
    nodes: specs,
    kubeconfigPath,
    cloudUrl: `http://${cloudListening.endpoint}`,
    restart: async (index, changes) => {
      const replica = await start(index, changes);
      replicas[index] = replica;
      return replica;
    },
    ready: (limitMs) => untilReady(replicas, limitMs),
    stop: async () => {
      await Promise.all(replicas.map(({ process }) => process.stop()));
      await cluster.stop();
      await Promise.all([kubernetes.stop(), cloudListening.close()]);
      cloud.close();
    },
  };
}

/** The sandbox's own, in this process. */
async function startSandboxKubernetes({
  directory,
  seed,
  webhookUrl,
}: Parameters<StartKubernetes>[0]): Promise<Kubernetes> {
  const apiServer = createApiServer({
    clock: systemClock,
    random: seededRandom(`${seed}/api`),
    resolveService: webhookUrl,
  });
  const listening = await apiServer.listen({
    host: "127.0.0.1",
    tokens: { [sandboxToken]: { name: "sandbox-admin", groups: ["system:masters"] } },
  });
  const kubeconfigPath = join(directory, "kubeconfig");
  writeFileSync(kubeconfigPath, toKubeconfig({ ...listening, token: sandboxToken }), { mode: 0o600 });
  return {
    transport: apiServer.transport(),
    kubeconfigPath,
    webhookPort: 443,
    hasControllers: false,
    stop: async () => {
      await listening.close();
      apiServer.close();
    },
  };
}

/** Known to the kubeconfig that is written with mode 0600, on loopback, for the life of one sandbox. */
const sandboxToken = crypto.randomUUID();

/** They fail closed, so that no suite passes with pods that nobody admitted. */
async function registerWebhooks(transport: Transport, port: number): Promise<void> {
  const { mutating, validating } = webhookConfigurations({
    controllerName,
    target: { type: "service", namespace: "kube-system", port },
    failurePolicy: "Fail",
  });
  for (const [plural, body] of [
    ["mutatingwebhookconfigurations", mutating],
    ["validatingwebhookconfigurations", validating],
  ] as const) {
    const path = `/apis/admissionregistration.k8s.io/v1/${plural}`;
    const { status } = await transport.request({ method: "POST", path, body }, new AbortController().signal);
    if (status !== 201) throw new Error(`the API server refused ${plural}: HTTP ${status}`);
  }
}

async function startReplica(index: number, options: SandboxOptions, world: ReplicaAccess): Promise<Replica> {
  const name = `${controllerName}-${index + 1}`;
  const directory = join(options.directory, name);
  mkdirSync(directory, { recursive: true });
  const [healthPort, metricsPort, webhookPort] = await freePorts(3);
  const configPath = join(directory, "ctrl-config.yaml");
  const credentialPath = join(directory, "ctrl-secret.yaml");
  const { regionId, clusterId, vpcId, account } = landscape;
  const config = {
    regionID: regionId,
    clusterID: clusterId,
    vpcID: vpcId,
    controllerName,
    leaderElection: true,
    leaseDuration: "6s",
    renewDeadline: "4s",
    retryPeriod: "1s",
    healthzBindAddress: `127.0.0.1:${healthPort}`,
    metricsBindAddress: `127.0.0.1:${metricsPort}`,
    webhookPort,
    certDir: join(directory, "certs"),
    kubeClientQPS: 500,
    kubeClientBurst: 1000,
    podMaxConcurrent: 100,
    podENIMaxConcurrent: 100,
    enableTrunk: true,
    ...options.config,
  };
  writeFileSync(configPath, stringify(config));
  const credential = { accessKey: account.accessKeyId, accessSecret: account.accessKeySecret, ...options.credential };
  writeFileSync(credentialPath, stringify(credential), { mode: 0o600 });
  const process = new ControlplaneProcess({
    name,
    program: join(import.meta.dirname, "controlplane.ts"),
    configPath,
    credentialPath,
    logPath: join(directory, "log.jsonl"),
    env: {
      KUBECONFIG: world.kubeconfigPath,
      ECS_ENDPOINT: world.cloudEndpoint,
      VPC_ENDPOINT: world.cloudEndpoint,
      ALICLOUD_CLIENT_SCHEME: "HTTP",
      ...world.env,
    },
    onLine: (line) => options.onLogLine?.(name, line),
  });
  return {
    process,
    configPath,
    healthUrl: `http://127.0.0.1:${healthPort}`,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    webhookUrl: `https://127.0.0.1:${webhookPort}`,
  };
}

async function untilReady(replicas: readonly Replica[], limitMs: number): Promise<void> {
  const endMs = systemClock.monotonic() + limitMs;
  for (const { process, healthUrl } of replicas) {
    while (!(await isReady(healthUrl))) {
      if (!process.isRunning) throw new Error(`${process.name} ended while starting; see its log`);
      if (systemClock.monotonic() > endMs) throw new Error(`${process.name} was not ready within ${limitMs} ms`);
      await systemClock.sleep(50);
    }
  }
}

/** What the kubelet does for a Service, until the process ends: `serving` has the replica while it says that it is ready. */
async function probeReadiness(replica: Replica, serving: Set<Replica>): Promise<void> {
  while (replica.process.isRunning) {
    const isServing = await isReady(replica.healthUrl);
    if (isServing) serving.add(replica);
    else serving.delete(replica);
    await systemClock.sleep(isServing ? 500 : 50);
  }
  serving.delete(replica);
}

/** False also when it does not answer: a process that is paused accepts the connection. */
async function isReady(healthUrl: string): Promise<boolean> {
  try {
    const answer = await fetch(`${healthUrl}/readyz`, { signal: AbortSignal.timeout(2_000) });
    return answer.ok;
  } catch {
    return false;
  }
}
