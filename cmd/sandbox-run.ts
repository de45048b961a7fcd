/** One measured run of the sandbox: a burst of pods up and down, then fixed addresses over a restart, then the leftovers. */
import { readFileSync } from "node:fs";
import { systemClock } from "../runtime/clock.ts";
import type { Transport } from "../runtime/transport.ts";
import { apply, remove, type Manifest } from "../sandbox/apply.ts";
import type { BindWatch, PodStory } from "../sandbox/bind-watch.ts";
import {
  callsBetween,
  distributionOf,
  ownMsOf,
  throttledIn,
  type BoundLine,
  type Distribution,
} from "../sandbox/figures.ts";
import { landscape } from "../sandbox/landscape.ts";
import type { Sandbox } from "./sandbox-world.ts";

/** The last line of `npm start -- --json --exit`; each field is explained in README.md. */
export interface RunResult {
  readonly pods: number;
  readonly bound: number;
  readonly seconds: number;
  readonly bindSeconds: Distribution;
  readonly ownMs: { readonly p50: number; readonly p99: number };
  readonly calls: Readonly<Record<string, number>>;
  readonly callsPerPod: number;
  readonly refusals: number;
  readonly peakInFlight: number;
  readonly releaseSeconds: number;
  readonly fixedIpKept: boolean;
  readonly leakedInterfaces: number;
  readonly leaderKills: number;
  readonly startToFirstBindSeconds: number;
  readonly controlplaneRssMiB: number;
}

export interface RunOptions {
  readonly pods: number;
  /** Kill the leader (SIGKILL) once half of the pods are bound. */
  readonly killLeader: boolean;
  readonly watch: BindWatch;
  /** Log lines of finished binds, by `namespace/name`. */
  readonly boundLines: ReadonlyMap<string, BoundLine>;
  readonly say: (text: string) => void;
}

/** Where the pods of a burst live; also the name of their plane. */
export const burstNamespace = "burst";
const fixedNamespace = "fixed-run";
const fixedReplicas = 3;
/** kube-controller-manager makes 20 with its default limit. */
const podsPerSecond = 50;
/** A killed replica is followed by then. */
const webhookPatienceMs = 30_000;

export async function measure(sandbox: Sandbox, options: RunOptions): Promise<RunResult> {
  const { watch, pods, say, boundLines } = options;
  const { transport, cloud } = sandbox;
  await applyPlanes(transport);
  await until(() => hasAskedForItsRights(cloud), 2_000);
  cloud.resetPeaks();
  const before = cloud.report();
  const startedAtMs = sandbox.replicas[0]?.process.startedAtMs ?? 0;
  say(`creating ${pods} pods`);
  const burst = () => storiesIn(watch, burstNamespace);
  await createPods(transport, pods);
  const leaderKills = await survive(sandbox, options, burst);
  const stories = burst();
  const bound = stories.filter(({ boundAtMs }) => boundAtMs !== undefined);
  const firstAtMs = Math.min(...stories.map(({ createdAtMs }) => createdAtMs));
  const lastAtMs = Math.max(firstAtMs, ...bound.map(({ boundAtMs = 0 }) => boundAtMs));
  const up = cloud.report();
  say(`${bound.length} of ${pods} bound in ${((lastAtMs - firstAtMs) / 1_000).toFixed(1)} s; deleting them`);
  const releaseStartMs = systemClock.now();
  await remove(transport, `/api/v1/namespaces/${burstNamespace}/pods`);
  const releaseLimitMs = 90_000 + pods * 300;
  await until(() => ownInterfaces(cloud) === 0, releaseLimitMs);
  const releaseSeconds = (systemClock.now() - releaseStartMs) / 1_000;
  const calls = callsBetween(before, cloud.report());
  const eniById = new Map(up.enis.map((eni) => [eni.eniId, eni]));
  const ownMs = distributionOf(bound.flatMap((story) => ownMsOf(story, boundLines.get(story.key), eniById) ?? []));
  const controlplaneRssMiB = peakRssMiB(sandbox);
  say(`released in ${releaseSeconds.toFixed(1)} s; checking fixed addresses over a restart`);
  const fixedIpKept = await checkFixedAddresses(sandbox, watch);
  const leakedInterfaces = await countLeaks(sandbox);
  return {
    pods,
    bound: bound.length,
    seconds: rounded((lastAtMs - firstAtMs) / 1_000),
    bindSeconds: distributionOf(bound.map(({ createdAtMs, boundAtMs = 0 }) => (boundAtMs - createdAtMs) / 1_000)),
    ownMs: { p50: Math.round(ownMs.p50), p99: Math.round(ownMs.p99) },
    calls,
    callsPerPod: rounded(Object.values(calls).reduce((sum, count) => sum + count, 0) / Math.max(1, pods)),
    refusals: throttledIn(cloud.report()),
    peakInFlight: up.peakAllocating,
    releaseSeconds: rounded(releaseSeconds),
    fixedIpKept,
    leakedInterfaces,
    leaderKills,
    startToFirstBindSeconds: rounded((Math.min(...bound.map(({ boundAtMs = 0 }) => boundAtMs)) - startedAtMs) / 1_000),
    controlplaneRssMiB,
  };
}

/** Whoever begins to lead asks once for each right; on a busy machine the last of these calls would count as a pod's. */
function hasAskedForItsRights(cloud: Sandbox["cloud"]): boolean {
  const { apis } = cloud.report();
  const asked = [
    "CreateNetworkInterface",
    "AttachNetworkInterface",
    "DetachNetworkInterface",
    "DeleteNetworkInterface",
  ];
  return asked.every((api) => api in apis);
}

/** Pods of a namespace that were ever seen. */
export function storiesIn(watch: BindWatch, namespace: string): readonly PodStory[] {
  return watch.stories().filter(({ key }) => key.startsWith(`${namespace}/`));
}

/** True when everything bound, nothing leaked, and fixed addresses were kept. */
export function isGood(result: RunResult): boolean {
  return result.bound === result.pods && result.leakedInterfaces === 0 && result.fixedIpKept;
}

export async function applyPlanes(transport: Transport): Promise<void> {
  const plane = (name: string, allocationType: object): Manifest & Record<string, unknown> => ({
    apiVersion: "network.alibabacloud.com/v1beta1",
    kind: "PodNetworking",
    metadata: { name },
    spec: {
      allocationType,
      selector: { podSelector: { matchLabels: { plane: name } } },
      securityGroupIDs: [landscape.securityGroupId],
      vSwitchOptions: ["vsw-hz-h-1", "vsw-hz-i-1", "vsw-hz-h-2"],
    },
  });
  const planes = [
    plane(burstNamespace, { type: "Elastic" }),
    plane(fixedNamespace, { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "10m" }),
  ];
  for (const name of [burstNamespace, fixedNamespace]) {
    await apply(transport, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  for (const manifest of planes) await apply(transport, manifest);
  for (const { metadata } of planes) {
    const path = `/apis/network.alibabacloud.com/v1beta1/podnetworkings/${metadata.name}`;
    const isReady = async () => statusOf((await get(transport, path)).body) === "Ready";
    if (!(await until(isReady, 30_000))) throw new Error(`PodNetworking ${metadata.name} did not become Ready in 30 s`);
  }
}

/**
 * Creates pods at a steady rate, however long each takes: faster than the controllers of a real cluster make them. Their
 * names are numbers from `first` on.
 */
export async function createPods(transport: Transport, count: number, first = 0): Promise<void> {
  const startMs = systemClock.monotonic();
  const creations: Promise<void>[] = [];
  for (let index = 0; index < count; index++) {
    await systemClock.sleep(startMs + (index * 1_000) / podsPerSecond - systemClock.monotonic());
    const creation = createPod(transport, podName(first + index));
    creation.catch(() => undefined); // Awaited below, maybe later.
    creations.push(creation);
  }
  await Promise.all(creations);
}

/** Of the pod that {@link createPods} makes with that number. */
export function podName(number: number): string {
  return `pod-${String(number).padStart(5, "0")}`;
}

async function createPod(transport: Transport, name: string): Promise<void> {
  const path = `/api/v1/namespaces/${burstNamespace}/pods`;
  const body = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { plane: burstNamespace } },
    spec: { containers: [{ name: "main", image: "sandbox/pause", resources: { requests: { cpu: "10m" } } }] },
  };
  let refusal = "";
  const isCreated = await until(async () => {
    const { status, body: answer } = await transport.request({ method: "POST", path, body }, never);
    refusal = `pod ${name} was refused: HTTP ${status} ${JSON.stringify(answer)}`;
    // The replica that is asked may be ending or starting; a controller would try again, too.
    if (status !== 201 && !refusal.includes("failed calling webhook")) throw new Error(refusal);
    return status === 201;
  }, webhookPatienceMs);
  if (!isCreated) throw new Error(refusal);
}

/** Waits until all are bound, and kills the leader on the way when that is asked for. Returns how often it was killed. */
async function survive(
  sandbox: Sandbox,
  { pods, killLeader }: RunOptions,
  burst: () => readonly PodStory[],
): Promise<number> {
  const boundCount = () => burst().filter(({ boundAtMs }) => boundAtMs !== undefined).length;
  const limitMs = 120_000 + pods * 300;
  if (!killLeader) {
    await until(() => boundCount() === pods, limitMs);
    return 0;
  }
  await until(() => boundCount() >= pods / 2, limitMs);
  const index = await leaderIndex(sandbox);
  const victim = sandbox.replicas[index];
  if (victim === undefined) throw new Error("no replica holds the lease");
  victim.process.kill("SIGKILL");
  await victim.process.ended;
  await sandbox.restart(index);
  await until(() => boundCount() === pods, limitMs);
  return 1;
}

export async function leaderIndex(sandbox: Sandbox): Promise<number> {
  const path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/terway-controlplane";
  const { body } = await get(sandbox.transport, path);
  const holder = JSON.stringify(body);
  return sandbox.replicas.findIndex(({ process }) => holder.includes(`"holderIdentity":"${process.name}_`));
}

/** Pods of a StatefulSet get their addresses again after they and the controlplane were killed. */
async function checkFixedAddresses(sandbox: Sandbox, watch: BindWatch): Promise<boolean> {
  const { transport } = sandbox;
  const running = () =>
    watch
      .stories()
      .filter((story) => story.key.startsWith(`${fixedNamespace}/`) && !story.isGone && story.ipv4 !== undefined);
  await apply(transport, statefulSet());
  if (!(await until(() => running().length === fixedReplicas, 60_000))) return false;
  const before = addressesOf(running());
  const beforeUids = new Set(running().map(({ uid }) => uid));
  await remove(transport, `/api/v1/namespaces/${fixedNamespace}/pods`);
  const index = await leaderIndex(sandbox);
  sandbox.replicas[index]?.process.kill("SIGKILL");
  await sandbox.replicas[index]?.process.ended;
  await sandbox.restart(index);
  const isBack = await until(
    () => running().length === fixedReplicas && !running().some(({ uid }) => beforeUids.has(uid)),
    90_000,
  );
  const after = addressesOf(running());
  return isBack && [...before].every(([key, ipv4]) => after.get(key) === ipv4);
}

function addressesOf(stories: readonly PodStory[]): Map<string, string> {
  return new Map(stories.map(({ key, ipv4 = "" }) => [key, ipv4]));
}

function statefulSet(): Manifest & Record<string, unknown> {
  const labels = { plane: fixedNamespace };
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "db", namespace: fixedNamespace },
    spec: {
      serviceName: "db",
      replicas: fixedReplicas,
      podManagementPolicy: "Parallel",
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "main", image: "sandbox/pause" }] },
      },
    },
  };
}

/** Deletes what keeps addresses on purpose, and counts what is still there a minute later. */
async function countLeaks(sandbox: Sandbox): Promise<number> {
  const { transport, cloud } = sandbox;
  await remove(transport, `/apis/apps/v1/namespaces/${fixedNamespace}/statefulsets/db`);
  const podsPath = `/api/v1/namespaces/${fixedNamespace}/pods`;
  const podsAreGone = async () => itemsOf((await get(transport, podsPath)).body) === 0;
  await until(podsAreGone, 30_000);
  await remove(transport, `/apis/network.alibabacloud.com/v1beta1/namespaces/${fixedNamespace}/podenis`);
  await until(() => ownInterfaces(cloud) === 0, 60_000);
  return ownInterfaces(cloud);
}

/** Interfaces of the controlplane that exist in the cloud. */
function ownInterfaces(cloud: Sandbox["cloud"]): number {
  return cloud.enis().filter(({ tags }) => tags.get("ack.aliyun.com") === landscape.clusterId).length;
}

/** Highest resident memory that any replica reached, MiB; 0 where /proc does not say. */
function peakRssMiB(sandbox: Sandbox): number {
  const peaks = sandbox.replicas.map(({ process }) => {
    try {
      const status = readFileSync(`/proc/${process.pid}/status`, "utf8");
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1_024;
    } catch {
      return 0;
    }
  });
  return Math.round(Math.max(0, ...peaks));
}

const never = new AbortController().signal;

function get(transport: Transport, path: string): Promise<{ readonly status: number; readonly body: unknown }> {
  return transport.request({ method: "GET", path }, never);
}

function statusOf(body: unknown): unknown {
  if (typeof body !== "object" || body === null || !("status" in body)) return undefined;
  const { status } = body;
  return typeof status === "object" && status !== null && "status" in status ? status.status : undefined;
}

function itemsOf(body: unknown): number {
  const items = typeof body === "object" && body !== null && "items" in body ? body.items : [];
  return Array.isArray(items) ? items.length : 0;
}

/** True once `condition` holds, false after `limitMs`. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs: number): Promise<boolean> {
  const endMs = systemClock.monotonic() + limitMs;
  while (!(await condition())) {
    if (systemClock.monotonic() > endMs) return false;
    await systemClock.sleep(50);
  }
  return true;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
