/** Two replicas on a real API server, each behind a proxy of its own that can be a bad connection, restarted when they end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "@jest/globals";
import { leaderIndex } from "../../cmd/sandbox-run.ts";
import type { ReplicaAccess, SandboxOptions } from "../../cmd/sandbox-world.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { Ending } from "../../sandbox/controlplane-process.ts";
import { landscape } from "../../sandbox/landscape.ts";
import { whyNoControlPlane } from "../../test/envtest/binaries.ts";
import type { ControlPlane, ControlPlaneOptions } from "../../test/envtest/control-plane.ts";
import { realKubernetes } from "../../test/envtest/kubernetes.ts";
import type { RecordingProxy } from "../../test/fixtures/recording-proxy.ts";
import { startKubeProxy } from "../kube-proxy.ts";
import { aNamespace, aPlane, aPod } from "../manifests.ts";
import { eventually, startWorld, type World } from "../world.ts";

/** The lease of these suites, which is the sandbox's own: a leader that hears nothing for 4 s ends. */
export const leaseKind = { leaseDuration: "6s", renewDeadline: "4s", retryPeriod: "1s" } as const;

const why =
  process.env["TEST_API"] === "real"
    ? whyNoControlPlane()
    : "only on a real API server: TEST_API=real, npm run test:e2e";

/** A `describe` of what only a real API server does; skipped, with the reason in its title, where there is none. */
export function describeReal(title: string, define: () => void): void {
  if (why === undefined) describe(title, define);
  else describe.skip(`${title}: ${why}`, define);
}

/** How a replica ended that nobody had told to. */
export interface Loss {
  readonly name: string;
  readonly ending: Ending;
  /** What its log says of its lease; undefined when it says nothing. */
  readonly lostLeaseWhy: string | undefined;
}

export interface Replicas {
  readonly world: World;
  readonly controlPlane: ControlPlane;
  /** Between replica and API server, by the replica's number. */
  readonly proxies: readonly RecordingProxy[];
  /** Replicas that ended by themselves or by a signal; each was started again, as a Deployment would. */
  readonly losses: readonly Loss[];
  /** Number of the replica that holds the lease. */
  leader(): Promise<number>;
  /** Creates pods of the suite's plane; one that cannot be created now is tried again. */
  readonly create: (namespace: string, names: readonly string[]) => Promise<void>;
  /** Deletes the namespace's pods and waits until their records and interfaces are gone. */
  untilNothingIsLeft(namespace: string, limitMs?: number): Promise<void>;
  stop(): Promise<void>;
}

export interface ReplicasOptions {
  readonly apiServer?: Pick<ControlPlaneOptions, "apiServerFlags">;
  /** The suite starts the API server anew, which knows no roles for a moment. @default false */
  readonly mayBeForbidden?: boolean;
  readonly sandbox?: Partial<SandboxOptions>;
  /** Environment of the replica of that number. */
  readonly envOf?: (index: number) => Readonly<Record<string, string>>;
  /** Namespaces to make, each with a plane of the same name. */
  readonly namespaces: readonly string[];
}

export async function startReplicas(options: ReplicasOptions): Promise<Replicas> {
  const folder = mkdtempSync(join(tmpdir(), "terway-real-"));
  const proxies: RecordingProxy[] = [];
  const between = async (index: number, access: ReplicaAccess): Promise<ReplicaAccess> => {
    proxies[index]?.close();
    const kubeconfigPath = join(folder, `kubeconfig-${index}`);
    proxies[index] = await startKubeProxy(access.kubeconfigPath, kubeconfigPath);
    return { ...access, kubeconfigPath, env: options.envOf?.(index) ?? {} };
  };
  let controlPlane: ControlPlane | undefined;
  const kubernetes = realKubernetes({ ...options.apiServer, onStarted: (started) => (controlPlane = started) });
  const world = await startWorld({
    nodes: 4,
    replicas: 2,
    config: leaseKind,
    ...options.sandbox,
    kubernetes,
    between,
    mayBeForbidden: options.mayBeForbidden ?? false,
  });
  if (controlPlane === undefined) throw new Error("there is no control plane");
  const keeper = keepRunning(world);
  for (const namespace of options.namespaces) {
    await world.kube.apply(aNamespace(namespace));
    await world.kube.apply(aPlane(namespace));
  }
  for (const namespace of options.namespaces) await world.kube.untilPlaneSays(namespace, "VSwitchesFound");
  return {
    world,
    controlPlane,
    proxies,
    losses: keeper.losses,
    leader: () =>
      eventually("somebody leads", async () => {
        const index = await leaderIndex(world.sandbox);
        return index >= 0 ? { index } : undefined;
      }).then(({ index }) => index),
    create: async (namespace, names) => {
      await Promise.all(names.map((name) => world.kube.create(aPod({ namespace, name, plane: namespace }))));
    },
    untilNothingIsLeft: (namespace, limitMs) => untilNothingIsLeft(world, namespace, limitMs),
    async stop() {
      keeper.stop();
      await world.stop();
      for (const proxy of proxies) proxy.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** How many interfaces were ever made for this cluster's pods, those that are gone included. */
export function madeCount({ sandbox }: World): number {
  return sandbox.cloud.report().enis.filter(({ tags }) => tags["ack.aliyun.com"] === landscape.clusterId).length;
}

/** What is wrong with the interfaces of the pods that run now, in words; one interface and one address each is right. */
export async function faultsOf(world: World, namespace: string): Promise<readonly string[]> {
  const podEnis = await world.kube.podEnis(namespace);
  const allocations = podEnis.flatMap(({ metadata, spec }) =>
    (spec?.allocations ?? []).map(({ eni, ipv4 }) => ({ name: metadata.name, eniId: eni?.id ?? "", ipv4: ipv4 ?? "" })),
  );
  const own = new Set(world.ownInterfaces().map(({ eniId }) => eniId));
  return [
    ...repeated(allocations.map(({ eniId }) => eniId)).map((id) => `interface ${id} belongs to two pods`),
    ...repeated(allocations.map(({ ipv4 }) => ipv4)).map((ipv4) => `address ${ipv4} belongs to two pods`),
    ...allocations.filter(({ eniId }) => !own.has(eniId)).map(({ name }) => `the interface of ${name} does not exist`),
    ...(allocations.length === podEnis.length ? [] : [`${allocations.length} allocations of ${podEnis.length} pods`]),
  ];
}

function repeated(values: readonly string[]): readonly string[] {
  return values.filter((value, index) => values.indexOf(value) !== index);
}

/** What a Deployment does for its pods. */
function keepRunning(world: World): { readonly losses: readonly Loss[]; stop(): void } {
  const losses: Loss[] = [];
  let isStopped = false;
  const isOver = (): boolean => isStopped;
  const keep = async (index: number): Promise<void> => {
    for (;;) {
      const { process } = world.sandbox.replicas[index]!;
      const ending = await process.ended;
      if (isOver()) return;
      // Its last lines may still be on their way.
      await systemClock.sleep(200);
      losses.push({ name: process.name, ending, lostLeaseWhy: lostLeaseWhy(world, process.name, process.startedAtMs) });
      await world.sandbox.restart(index);
    }
  };
  world.sandbox.replicas.forEach((_, index) => void keep(index));
  return { losses, stop: () => void (isStopped = true) };
}

function lostLeaseWhy({ logs }: World, name: string, sinceMs: number): string | undefined {
  const line = logs.findLast(
    ({ message, identity, time }) =>
      message === "leader lease lost" &&
      String(identity).startsWith(`${name}_`) &&
      !(Date.parse(String(time)) < sinceMs),
  );
  return line === undefined ? undefined : String(line["why"]);
}

async function untilNothingIsLeft({ kube, sandbox }: World, namespace: string, limitMs = 40_000): Promise<void> {
  await kube.deletePath(`/api/v1/namespaces/${namespace}/pods`);
  const left = async () => ({
    pods: (await kube.pods(namespace)).length,
    podEnis: (await kube.podEnis(namespace)).map(({ metadata, status }) => `${metadata.name} ${status?.phase ?? ""}`),
    interfaces: (await kube.networkInterfaces()).length,
    inCloud: sandbox.cloud.enis().filter(({ tags }) => tags.get("ack.aliyun.com") === landscape.clusterId).length,
  });
  await eventually(
    `nothing is left of ${namespace}`,
    async () => {
      const { pods, podEnis, interfaces, inCloud } = await left();
      return pods + podEnis.length + interfaces + inCloud === 0;
    },
    { limitMs, state: left },
  );
}
