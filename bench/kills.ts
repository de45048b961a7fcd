/**
 * Leaders that die or freeze in the middle of their work, with two real processes. `node bench/kills.ts --kills 100`: each
 * burst of pods, up or down, meets one kill -9 of the leader. `node bench/kills.ts --pauses 1000`: the leader is stopped for
 * longer than its lease and goes on. The last line is JSON; status 1 when a pod is not bound, an interface leaks, or a
 * leader changed anything after its lease was lost.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { parseCount } from "../cmd/options.ts";
import { applyPlanes, burstNamespace, createPods, leaderIndex, podName, storiesIn, until } from "../cmd/sandbox-run.ts";
import { startSandbox, type Sandbox } from "../cmd/sandbox-world.ts";
import { RecordedReplicas } from "../e2e/recorded-replicas.ts";
import { systemClock } from "../runtime/clock.ts";
import { seededRandom } from "../runtime/random.ts";
import { remove } from "../sandbox/apply.ts";
import type { ControlplaneProcess } from "../sandbox/controlplane-process.ts";
import { startBindWatch, type PodStory } from "../sandbox/bind-watch.ts";
import { landscape } from "../sandbox/landscape.ts";

interface Options {
  readonly kills: number;
  readonly pauses: number;
  readonly pods: number;
  readonly seed: string;
}

interface Result extends Options {
  readonly podsMade: number;
  readonly bound: number;
  readonly leakedInterfaces: number;
  /** Calls to the cluster or the cloud that changed something and came from a replica that had lost the lease. */
  readonly lateChanges: number;
  readonly seconds: number;
}

interface Setting {
  /** Of the configuration. */
  readonly lease: Readonly<Record<string, string>>;
  readonly replicas: number;
  /** Of a burst. */
  readonly pods: number;
}

interface Trial {
  readonly sandbox: Sandbox;
  readonly recorded: RecordedReplicas;
  readonly stories: () => readonly PodStory[];
  readonly random: () => number;
  readonly pods: number;
}

/** A trial that takes longer has failed. */
const patienceMs = 120_000;
/** Short, so that many trials fit into an hour. */
const shortLease = { leaseDuration: "2s", renewDeadline: "1600ms", retryPeriod: "250ms" };
const shippedLease = { leaseDuration: "6s", renewDeadline: "4s", retryPeriod: "1s" };
const podsOfPause = 8;
/** A paused leader is in the middle of creations, attaches, releases or the looks after them. */
const pauseWithinMs = 1_000;
const pauseAfterMs = 300;
/** One leads, one can take over, and one may be starting. */
const replicasOfPauses = 3;

function parseOptions(): Options {
  const options = new Command("node bench/kills.ts")
    .option("--kills <n>", "bursts in which the leader is killed", parseCount, 0)
    .option("--pauses <n>", "leaders that are stopped beyond their lease", parseCount, 0)
    .option("--pods <n>", "pods of a burst in which the leader is killed", parseCount, 200)
    .option("--seed <text>", "of latencies, names and moments", "1")
    .showHelpAfterError()
    .parse()
    .opts<Options>();
  if (options.kills + options.pauses === 0) throw new Error("say how many: --kills <n> or --pauses <n>");
  return options;
}

async function main(): Promise<number> {
  const options = parseOptions();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => process.exit(1));
  const startMs = systemClock.monotonic();
  const total = { podsMade: 0, bound: 0, leakedInterfaces: 0, lateChanges: 0 };
  const add = (part: typeof total): void => {
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += part[key];
  };
  if (options.kills > 0)
    add(await inSandbox(options, { lease: shippedLease, replicas: 2, pods: options.pods }, killOften));
  if (options.pauses > 0) {
    add(await inSandbox(options, { lease: shortLease, replicas: replicasOfPauses, pods: podsOfPause }, pauseOften));
  }
  const seconds = Math.round((systemClock.monotonic() - startMs) / 1_000);
  const result: Result = { ...options, ...total, seconds };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return isGood(result) ? 0 : 1;
}

function isGood({ podsMade, bound, leakedInterfaces, lateChanges }: Result): boolean {
  return bound === podsMade && leakedInterfaces === 0 && lateChanges === 0;
}

/** Runs trials one after the other, and counts what is left of them at the end. */
async function inSandbox(
  options: Options,
  { lease, replicas, pods }: Setting,
  work: (trial: Trial, options: Options) => Promise<{ readonly trials: number; readonly lateChanges: number }>,
): Promise<{ podsMade: number; bound: number; leakedInterfaces: number; lateChanges: number }> {
  const directory = mkdtempSync(join(tmpdir(), "terway-kills-"));
  const recorded = new RecordedReplicas(directory);
  const { between } = recorded;
  const { seed } = options;
  const sandbox = await startSandbox({ nodes: 20, replicas, seed, faults: [], directory, config: lease, between });
  const stop = new AbortController();
  for (const index of sandbox.replicas.keys()) void keepRunning(sandbox, index, stop.signal);
  let isOver = false;
  try {
    const watch = startBindWatch(sandbox.transport, stop.signal);
    const stories = (): readonly PodStory[] => storiesIn(watch, burstNamespace);
    await sandbox.ready(patienceMs);
    await applyPlanes(sandbox.transport);
    const { trials, lateChanges } = await work(
      { sandbox, recorded, stories, random: seededRandom(seed), pods },
      options,
    );
    isOver = true;
    return {
      podsMade: trials * pods,
      bound: boundOf(stories()),
      leakedInterfaces: ownInterfaces(sandbox),
      lateChanges,
    };
  } finally {
    stop.abort();
    await sandbox.stop();
    recorded.close();
    if (isOver) rmSync(directory, { recursive: true, force: true });
    else process.stdout.write(`what the replicas said is in ${directory}\n`);
  }
}

/** Starts the replica again whenever it ends, as a Deployment does. */
async function keepRunning(sandbox: Sandbox, index: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    await sandbox.replicas[index]?.process.ended;
    if (signal.aborted) return;
    await sandbox.restart(index);
  }
}

// ---- kill -9 ----

async function killOften(trial: Trial, { kills }: Options): Promise<{ trials: number; lateChanges: number }> {
  for (let kill = 1; kill <= kills; kill++) {
    const beganMs = systemClock.monotonic();
    const isInRelease = kill % 3 === 0;
    const outcome = await burst(trial, isInRelease);
    const seconds = ((systemClock.monotonic() - beganMs) / 1_000).toFixed(1);
    process.stdout.write(
      `kill ${kill} ${isInRelease ? "while releasing" : "while binding"}: ${outcome}, ${seconds} s\n`,
    );
  }
  return { trials: kills, lateChanges: 0 };
}

/** One burst up and down; the leader dies at a random moment of either. */
async function burst(trial: Trial, isInRelease: boolean): Promise<string> {
  const { sandbox, stories, random, pods } = trial;
  const before = new Set(stories().map(({ uid }) => uid));
  const ours = () => stories().filter(({ uid }) => !before.has(uid));
  const boundCount = () => boundOf(ours());
  const share = random();
  const killed = isInRelease ? undefined : killWhen(sandbox, () => boundCount() >= share * (pods - 1));
  await createPods(sandbox.transport, pods);
  await killed;
  const isBound = await until(() => boundCount() === pods, patienceMs);
  const bound = boundCount();
  const releasing = isInRelease ? killWhen(sandbox, () => ownInterfaces(sandbox) <= share * pods) : undefined;
  await removePods(sandbox);
  await releasing;
  await untilNothingIsLeft(trial);
  await sandbox.ready(patienceMs);
  return `${bound} of ${pods} bound${isBound ? "" : " IN TIME"}, ${ownInterfaces(sandbox)} left`;
}

async function killWhen(sandbox: Sandbox, isTime: () => boolean): Promise<void> {
  if (!(await until(isTime, patienceMs))) throw new Error("the moment of the kill never came");
  const { index, leader } = await leaderOf(sandbox);
  leader.kill("SIGKILL");
  if (!(await until(() => sandbox.replicas[index]?.process !== leader, patienceMs))) {
    throw new Error("the killed leader was not started again");
  }
}

// ---- SIGSTOP, SIGCONT ----

async function pauseOften(trial: Trial, { pauses }: Options): Promise<{ trials: number; lateChanges: number }> {
  let lateChanges = 0;
  for (let pause = 0; pause < pauses; pause++) {
    const late = await pauseLeader(trial, pause);
    lateChanges += late.length;
    if (late.length > 0 || (pause + 1) % 20 === 0) {
      process.stdout.write(`pause ${pause + 1}: ${lateChanges} late changes ${late.join(", ")}\n`);
    }
  }
  await until(() => boundOf(trial.stories()) === pauses * trial.pods, patienceMs);
  await removePods(trial.sandbox);
  await untilNothingIsLeft(trial);
  return { trials: pauses, lateChanges };
}

/**
 * While the pods of this trial come and those of an earlier one go.
 * @returns what the paused leader changed after another had the lease
 */
async function pauseLeader(trial: Trial, pause: number): Promise<readonly string[]> {
  const { sandbox, recorded, random, pods } = trial;
  await Promise.all([createPods(sandbox.transport, pods, pause * pods), removeBound(trial, (pause - 2) * pods)]);
  await systemClock.sleep(random() * pauseWithinMs);
  const { index: paused, leader } = await leaderOf(sandbox);
  const asked = recorded.of(paused);
  leader.kill("SIGSTOP");
  const isTakenOver = await until(async () => {
    const next = await leaderIndex(sandbox);
    return next >= 0 && next !== paused;
  }, patienceMs);
  if (!isTakenOver) throw new Error("nobody took the lease over");
  const takenOverAtMs = Date.now();
  // Its successor writes first.
  await systemClock.sleep(pauseAfterMs);
  leader.kill("SIGCONT");
  if (!(await until(() => !leader.isRunning, patienceMs))) throw new Error("the paused leader did not end");
  const late = asked.changesSince(takenOverAtMs);
  return late.map(({ method, path, headers }) => String(headers["x-acs-action"] ?? `${method} ${path}`));
}

/** Removes the pods of a former trial once all of them are bound. */
async function removeBound({ sandbox, stories, pods }: Trial, first: number): Promise<void> {
  if (first < 0) return;
  const keys = Array.from({ length: pods }, (_, index) => `${burstNamespace}/${podName(first + index)}`);
  const isBound = await until(() => boundOf(stories().filter(({ key }) => keys.includes(key))) === pods, patienceMs);
  if (!isBound) throw new Error(`not all of ${keys.join(", ")} are bound`);
  await Promise.all(keys.map((key) => remove(sandbox.transport, `/api/v1/namespaces/${key.replace("/", "/pods/")}`)));
}

// ---- both ----

/**
 * The replica that holds the lease and says so: nobody leads for a moment when a machine with too much to do kept the leader
 * from renewing its lease, and the lease may still name a process that has ended.
 */
async function leaderOf(sandbox: Sandbox): Promise<{ readonly index: number; readonly leader: ControlplaneProcess }> {
  let index = -1;
  const isFound = async (): Promise<boolean> => {
    index = await leaderIndex(sandbox);
    const { metricsUrl = "" } = sandbox.replicas[index] ?? {};
    const leads = /^leader_election_master_status\{.*\} 1$/m;
    return await fetch(metricsUrl).then(
      async (answer) => leads.test(await answer.text()),
      () => false,
    );
  };
  const { process: leader } = (await until(isFound, patienceMs)) ? (sandbox.replicas[index] ?? {}) : {};
  if (leader === undefined) throw new Error(`nobody led for ${patienceMs} ms`);
  return { index, leader };
}

function boundOf(stories: readonly PodStory[]): number {
  return stories.filter(({ boundAtMs }) => boundAtMs !== undefined).length;
}

async function removePods({ transport }: Sandbox): Promise<void> {
  await remove(transport, `/api/v1/namespaces/${burstNamespace}/pods`);
}

/** The names are used again, so that the former pods must be gone, too. */
async function untilNothingIsLeft({ sandbox, stories }: Trial): Promise<void> {
  await until(() => ownInterfaces(sandbox) === 0 && stories().every(({ isGone }) => isGone), patienceMs);
}

function ownInterfaces({ cloud }: Sandbox): number {
  return cloud.enis().filter(({ tags }) => tags.get("ack.aliyun.com") === landscape.clusterId).length;
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
