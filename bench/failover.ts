/**
 * How long no pod gets an interface when the leader dies: two replicas, a pod every half second that lives for 5 s, and the
 * leader killed again and again. `node bench/failover.ts --kills 20 [--lease ours|published] [--graceful] [--api
 * sandbox|real]`; status 1 when a bound is exceeded, a pod is not bound, or an interface leaks.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { parseCount } from "../cmd/options.ts";
import { applyPlanes, burstNamespace, leaderIndex, storiesIn, until } from "../cmd/sandbox-run.ts";
import { startSandbox, type Sandbox } from "../cmd/sandbox-world.ts";
import { systemClock } from "../runtime/clock.ts";
import { apply, remove, type Manifest } from "../sandbox/apply.ts";
import { startBindWatch, type BindWatch, type PodStory } from "../sandbox/bind-watch.ts";
import { distributionOf, throttledIn, type Distribution } from "../sandbox/figures.ts";
import { landscape } from "../sandbox/landscape.ts";
import { realKubernetes } from "../test/envtest/kubernetes.ts";

interface Options {
  readonly kills: number;
  readonly lease: keyof typeof leases;
  readonly graceful?: true;
  readonly api: "sandbox" | "real";
}

interface Result extends Options {
  /** From the kill to the other replica's name on the lease. */
  readonly leaderSeconds: Distribution;
  /** From the kill to the first Bind under the new leader, of whichever pod. */
  readonly bindSeconds: Distribution;
  readonly boundSeconds: number;
  readonly pods: number;
  readonly bound: number;
  /** Interfaces that were made, those that are gone included. */
  readonly interfacesMade: number;
  readonly leakedInterfaces: number;
  readonly refusals: number;
  /** Attempts to create a pod that failed because no webhook answered; each was repeated. */
  readonly admissionsFailed: number;
}

/** `ours`: config/; `published`: the defaults of client-go, which the published program has. */
const leases = {
  ours: { leaseDuration: "6s", renewDeadline: "4s", retryPeriod: "1s" },
  published: { leaseDuration: "15s", renewDeadline: "10s", retryPeriod: "2s" },
} as const;
const hardBoundSeconds = { ours: 10, published: 20 } as const;
const gracefulBoundSeconds = 5;
const podEveryMs = 500;
const podLifeMs = 5_000;
/** Between the moment that both replicas are ready and the next kill; with the failover it makes about 15 s. */
const calmMs = [4_000, 10_000] as const;
/** A failover that takes longer is none. */
const patienceMs = 60_000;

function parseOptions(): Options {
  return new Command("node bench/failover.ts")
    .option("--kills <n>", "how often the leader ends", parseCount, 20)
    .addOption(new Option("--lease <kind>", "its durations").choices(Object.keys(leases)).default("ours"))
    .option("--graceful", "SIGTERM instead of SIGKILL")
    .addOption(new Option("--api <kind>", "the API server").choices(["sandbox", "real"]).default("sandbox"))
    .showHelpAfterError()
    .parse()
    .opts<Options>();
}

async function main(): Promise<number> {
  const options = parseOptions();
  const directory = mkdtempSync(join(tmpdir(), "terway-failover-"));
  const sandbox = await startSandbox({
    nodes: 8,
    replicas: 2,
    seed: 1,
    faults: [],
    directory,
    config: leases[options.lease],
    ...(options.api === "real" && { kubernetes: realKubernetes() }),
  });
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => process.exit(1));
  try {
    const result = await measure(sandbox, options, startBindWatch(sandbox.transport, stop.signal));
    printTable(result);
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return isGood(result) ? 0 : 1;
  } finally {
    stop.abort();
    await sandbox.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(sandbox: Sandbox, options: Options, watch: BindWatch): Promise<Result> {
  await sandbox.ready(patienceMs);
  await applyPlanes(sandbox.transport);
  const stories = (): readonly PodStory[] => storiesIn(watch, burstNamespace);
  const traffic = startTraffic(sandbox, stories);
  const failovers = await Promise.race([traffic.failed, failOverOften(sandbox, options, stories)]);
  const { pods, admissionsFailed } = await traffic.stop();
  const boundCount = (): number => stories().filter(({ boundAtMs }) => boundAtMs !== undefined).length;
  await until(() => boundCount() >= pods, patienceMs);
  await remove(sandbox.transport, `/api/v1/namespaces/${burstNamespace}/pods`);
  const own = (): number => ownInterfaces(sandbox).filter(({ status }) => status !== "Gone").length;
  await until(() => own() === 0, patienceMs);
  return {
    ...options,
    leaderSeconds: distributionOf(failovers.map(({ leaderSeconds }) => leaderSeconds)),
    bindSeconds: distributionOf(failovers.map(({ bindSeconds }) => bindSeconds)),
    boundSeconds: options.graceful === true ? gracefulBoundSeconds : hardBoundSeconds[options.lease],
    pods,
    bound: boundCount(),
    interfacesMade: ownInterfaces(sandbox).length,
    leakedInterfaces: own(),
    refusals: throttledIn(sandbox.cloud.report()),
    admissionsFailed,
  };
}

async function failOverOften(
  sandbox: Sandbox,
  { kills, graceful }: Options,
  stories: () => readonly PodStory[],
): Promise<readonly Failover[]> {
  const failovers: Failover[] = [];
  await until(() => stories().some(({ boundAtMs }) => boundAtMs !== undefined), patienceMs);
  for (let kill = 1; kill <= kills; kill++) {
    await systemClock.sleep(calmMs[0] + Math.random() * (calmMs[1] - calmMs[0]));
    const failover = await failOver(sandbox, stories, graceful === true ? "SIGTERM" : "SIGKILL");
    failovers.push(failover);
    process.stderr.write(`${kill}: leader ${failover.leaderSeconds} s, bind ${failover.bindSeconds} s\n`);
  }
  return failovers;
}

interface Failover {
  readonly leaderSeconds: number;
  readonly bindSeconds: number;
}

/** Ends the leader, measures, and starts it again as soon as it is gone, as a Deployment does. */
async function failOver(
  sandbox: Sandbox,
  stories: () => readonly PodStory[],
  signal: "SIGTERM" | "SIGKILL",
): Promise<Failover> {
  const victim = await leaderIndex(sandbox);
  const leader = sandbox.replicas[victim];
  if (leader === undefined) throw new Error("nobody holds the lease");
  const killedAtMs = systemClock.now();
  leader.process.kill(signal);
  const restarted = leader.process.ended.then(() => sandbox.restart(victim));
  const hasNewLeader = await until(async () => (await leaderIndex(sandbox)) === 1 - victim, patienceMs);
  if (!hasNewLeader) throw new Error(`nobody took the lease within ${patienceMs} ms`);
  const ledAtMs = systemClock.now();
  const next = (): number =>
    Math.min(
      ...stories().flatMap(({ boundAtMs }) => (boundAtMs !== undefined && boundAtMs > ledAtMs ? boundAtMs : [])),
    );
  // Whoever leads; a Bind that the victim wrote must not count.
  if (!(await until(() => Number.isFinite(next()), patienceMs))) throw new Error(`no Bind within ${patienceMs} ms`);
  const bindAtMs = next();
  await restarted;
  await sandbox.ready(patienceMs);
  return { leaderSeconds: (ledAtMs - killedAtMs) / 1_000, bindSeconds: (bindAtMs - killedAtMs) / 1_000 };
}

interface Traffic {
  /** Rejects when a pod could not be created or deleted. */
  readonly failed: Promise<never>;
  stop(): Promise<Pick<Result, "pods" | "admissionsFailed">>;
}

/** Creates a pod every half second and deletes each 5 s after its Bind. */
function startTraffic(sandbox: Sandbox, stories: () => readonly PodStory[]): Traffic {
  const stopped = new AbortController();
  const deleted = new Set<string>();
  let pods = 0;
  let admissionsFailed = 0;
  const create = async (): Promise<void> => {
    const startMs = systemClock.monotonic();
    while (!stopped.signal.aborted) {
      try {
        await apply(sandbox.transport, podNamed(`pod-${String(pods).padStart(5, "0")}`));
        pods += 1;
      } catch (error) {
        // The replica that is asked may be ending or starting; a controller would try again, too.
        if (!String(error).includes("webhook")) throw error;
        admissionsFailed += 1;
      }
      const pauseMs = startMs + pods * podEveryMs - systemClock.monotonic();
      await systemClock.sleep(Math.max(pauseMs, podEveryMs / 10), stopped.signal).catch(() => undefined);
    }
  };
  const removeOld = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      const nowMs = systemClock.now();
      const old = stories().filter(
        ({ uid, isGone, boundAtMs }) => !isGone && !deleted.has(uid) && (boundAtMs ?? nowMs) + podLifeMs < nowMs,
      );
      for (const { uid, key } of old) {
        deleted.add(uid);
        await remove(sandbox.transport, `/api/v1/namespaces/${key.replace("/", "/pods/")}`);
      }
      await systemClock.sleep(100, stopped.signal).catch(() => undefined);
    }
  };
  const working = Promise.all([create(), removeOld()]);
  const failed = new Promise<never>((_, reject) => void working.catch(reject));
  return {
    failed,
    async stop() {
      stopped.abort();
      await working;
      return { pods, admissionsFailed };
    },
  };
}

function podNamed(name: string): Manifest & Record<string, unknown> {
  const metadata: Manifest["metadata"] & Record<string, unknown> = {
    name,
    namespace: burstNamespace,
    labels: { plane: burstNamespace },
  };
  const containers = [{ name: "main", image: "sandbox/pause", resources: { requests: { cpu: "10m" } } }];
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { terminationGracePeriodSeconds: 0, containers } };
}

function ownInterfaces({ cloud }: Sandbox): readonly { readonly status: string }[] {
  return cloud.report().enis.filter(({ tags }) => tags["ack.aliyun.com"] === landscape.clusterId);
}

function isGood({ bindSeconds, boundSeconds, pods, bound, leakedInterfaces }: Result): boolean {
  return bindSeconds.max <= boundSeconds && bound === pods && leakedInterfaces === 0;
}

function printTable(result: Result): void {
  const { kills, lease, graceful, api, leaderSeconds, bindSeconds, boundSeconds } = result;
  const how = graceful === true ? "SIGTERM" : "SIGKILL";
  const row = (name: string, { p50, max }: Distribution, bound: string): string =>
    `${name.padEnd(24)}${p50.toFixed(2).padStart(8)}${max.toFixed(2).padStart(8)}${bound.padStart(8)}\n`;
  process.stdout.write(
    `${kills} × ${how}, lease ${lease}, API server ${api}\n` +
      `${"seconds".padEnd(24)}${"p50".padStart(8)}${"max".padStart(8)}${"bound".padStart(8)}\n` +
      row("to the new leader", leaderSeconds, "") +
      row("to the next Bind", bindSeconds, String(boundSeconds)) +
      `${result.bound} of ${result.pods} pods bound, ${result.interfacesMade} interfaces made, ` +
      `${result.leakedInterfaces} leaked, ${result.refusals} calls refused, ` +
      `${result.admissionsFailed} admissions repeated\n`,
  );
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
