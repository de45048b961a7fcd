/**
 * `npm run soak -- --minutes 60 --seed S`: two replicas, pods of all sorts coming and going, a cloud that misbehaves in another
 * way each minute, replicas that are killed or paused. Prints a line a minute. At the end, with everything quiet, `terwayctl
 * audit` must find nothing; then all pods go, and no interface may be left.
 *
 * Memory. A process that was killed starts anew, so a replica that is to be judged must live on. In the first sixth of the time
 * both replicas are killed and paused at random. From then on only the second is; it loses the lease with its first
 * misfortune, so that the first replica leads, goes through all the work of takeovers, releases and faults in one life, and
 * has until the end of the first third to fill its caches and tables. Then its memory and handles of the last third are
 * compared with those of the middle third (figures.ts), if the soak takes 15 minutes or more. It must not end by itself: that
 * is a failure, too.
 *
 * Status 1 if memory or handles grew, an interface was left, the audit found drift, or the first replica ended.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { renderReport } from "../../audit/report.ts";
import { audit } from "../../cmd/audit.ts";
import { leaderIndex, until } from "../../cmd/sandbox-run.ts";
import { startSandbox, type Sandbox } from "../../cmd/sandbox-world.ts";
import { systemClock } from "../../runtime/clock.ts";
import { seededRandom } from "../../runtime/random.ts";
import { landscape } from "../../sandbox/landscape.ts";
import { toSample, toTrends, type Sample } from "./figures.ts";
import { Misfortune } from "./misfortune.ts";
import { Population } from "./population.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "60" }, seed: { type: "string", default: "1" } },
});
const totalMs = Number(values.minutes) * 60_000;
if (!(totalMs > 0)) {
  console.error(`--minutes ${values.minutes}: use a number above 0`);
  process.exit(2);
}

/** The one that is judged. */
const steady = 0;
const sampleEveryMs = 2_000;
/** In less time the heap has not been collected often enough to tell garbage from what stays. */
const judgedFromMs = 900_000;
/** The collector's quiet time, its second look and the release. */
const collectedWithinMs = 780_000;

const directory = join(import.meta.dirname, "..", "..", ".sandbox", "soak");
rmSync(directory, { recursive: true, force: true });
const sandbox = await startSandbox({ nodes: 10, replicas: 2, seed: values.seed, faults: [], directory });
await sandbox.ready(60_000);
const random = (name: string) => seededRandom(`${values.seed}/${name}`);
const population = new Population(sandbox.transport, random("pods"));
await until(
  () =>
    population.settle().then(
      () => true,
      () => false,
    ),
  60_000,
);
const misfortune = new Misfortune(sandbox, random("misfortune"));
const startedAtMs = systemClock.monotonic();
const elapsedMs = (): number => systemClock.monotonic() - startedAtMs;
const isRunning = (): boolean => elapsedMs() < totalMs;
const samples: Sample[] = [];

await Promise.all([live(), suffer(), measure(), tell(sandbox)]);
process.exitCode = (await judge()) ? 0 : 1;
await sandbox.stop();

async function live(): Promise<void> {
  const dice = random("pace");
  while (isRunning()) {
    await population.act();
    await systemClock.sleep(100 + 400 * dice());
  }
}

async function suffer(): Promise<void> {
  const dice = random("fate");
  const breath = Math.min(30_000, totalMs / 20);
  while (isRunning()) {
    await systemClock.sleep(breath * (0.5 + dice()));
    if (elapsedMs() < totalMs / 6) await misfortune.befall(dice() < 0.5 ? 0 : 1);
    else if ((await leaderIndex(sandbox)) === 1) await misfortune.kill(1);
    else await misfortune.befall(1);
  }
}

/** A reading every two seconds, from when the steady replica is left alone. */
async function measure(): Promise<void> {
  while (isRunning()) {
    const sample = elapsedMs() < totalMs / 6 ? undefined : await read(steady);
    if (sample !== undefined) samples.push(sample);
    await systemClock.sleep(sampleEveryMs);
  }
}

async function read(index: number): Promise<Sample | undefined> {
  try {
    const answer = await fetch(sandbox.replicas[index]?.metricsUrl ?? "", { signal: AbortSignal.timeout(2_000) });
    return toSample(await answer.text(), elapsedMs());
  } catch {
    return undefined;
  }
}

async function tell({ replicas }: Sandbox): Promise<void> {
  let before: ReadonlySet<string> = new Set();
  for (let minute = 1; isRunning(); minute += 1) {
    const weather = misfortune.changeWeather();
    await systemClock.sleep(Math.min(60_000, totalMs - elapsedMs()));
    const { pods, bound } = await population.count();
    const nameless = await namelessInterfaces();
    const leaks = [...nameless].filter((id) => before.has(id)).length;
    before = nameless;
    const leader = await leaderIndex(sandbox);
    const states = await Promise.all(replicas.map(async (_, index) => describe(await read(index), index, leader)));
    say(
      `minute ${minute} (cloud: ${weather}): ${pods} pods of ${population.made}, ${bound} bound, ` +
        `${ownInterfaces().length} interfaces, ${leaks} without record for a minute; ${states.join("; ")}; ` +
        `${misfortune.kills} kills, ${misfortune.pauses} pauses`,
    );
  }
}

function describe(sample: Sample | undefined, index: number, leader: number): string {
  const name = `replica ${index + 1}${index === leader ? " (leads)" : ""}`;
  if (sample === undefined) return `${name} does not answer`;
  const { rssMiB, heapMiB, fds, handles } = sample;
  return `${name} RSS ${rssMiB.toFixed(0)} MiB, heap ${heapMiB.toFixed(0)} MiB, ${fds} files, ${handles} handles`;
}

function ownInterfaces(): readonly string[] {
  const isOwn = ({ tags }: { readonly tags: ReadonlyMap<string, string> }): boolean =>
    tags.get("ack.aliyun.com") === landscape.clusterId;
  return sandbox.cloud
    .enis()
    .filter(isOwn)
    .map(({ eniId }) => eniId);
}

/** Interfaces of ours whose id is in no record. */
async function namelessInterfaces(): Promise<ReadonlySet<string>> {
  const root = "/apis/network.alibabacloud.com/v1beta1";
  const signal = new AbortController().signal;
  const own = ownInterfaces();
  const lists = await Promise.all(
    ["podenis", "networkinterfaces"].map((plural) =>
      sandbox.transport.request({ method: "GET", path: `${root}/${plural}` }, signal),
    ),
  );
  const text = JSON.stringify(lists.map(({ body }) => body));
  return new Set(own.filter((id) => !text.includes(`"${id}"`)));
}

async function judge(): Promise<boolean> {
  const { process: judged } = sandbox.replicas[steady] ?? {};
  const livedOn = judged?.isRunning === true && judged.startedAtMs <= Date.now() - totalMs * (5 / 6);
  if (!livedOn) say("FAILED: the first replica ended by itself; see its log");
  misfortune.clear();
  say("quiet: waiting for what is under way");
  await until(async () => {
    const { placed, bound } = await population.count();
    return bound >= placed && (await namelessInterfaces()).size === 0;
  }, collectedWithinMs);
  const isSound = await isAuditClean("with its pods");
  say("everything goes");
  await population.leave();
  await until(async () => (await population.count()).pods === 0, 120_000);
  await population.release();
  const isEmpty = async (): Promise<boolean> =>
    ownInterfaces().length === 0 && (await population.count()).records === 0;
  await until(isEmpty, collectedWithinMs);
  const left = ownInterfaces();
  if (left.length > 0) say(`FAILED: interfaces were left: ${left.join(", ")}`);
  const isSoundAfter = await isAuditClean("without pods");
  return [livedOn, isFlat(), isSound, left.length === 0, isSoundAfter].every((holds) => holds);
}

function isFlat(): boolean {
  const trends = toTrends(samples, totalMs);
  const isJudged = totalMs >= judgedFromMs;
  for (const { figure, middle, last, isFlat: holds } of trends) {
    const verdict = !isJudged ? "too short to judge" : holds ? "flat" : "FAILED: grew";
    say(`${verdict}: ${figure} ${middle.toFixed(1)} in the middle third, ${last.toFixed(1)} in the last`);
  }
  return !isJudged || trends.every(({ isFlat: holds }) => holds);
}

async function isAuditClean(when: string): Promise<boolean> {
  const configPath = sandbox.replicas[steady]?.configPath ?? "";
  const endpoint = sandbox.cloudUrl.replace("http://", "");
  const report = await audit({
    configPath,
    credentialPath: join(configPath, "..", "ctrl-secret.yaml"),
    kubeconfigPath: sandbox.kubeconfigPath,
    env: { ECS_ENDPOINT: endpoint, VPC_ENDPOINT: endpoint, ALICLOUD_CLIENT_SCHEME: "HTTP" },
    signal: new AbortController().signal,
  });
  say(`audit ${when}\n${renderReport(report).trimEnd()}`);
  return report.drift === 0;
}

function say(text: string): void {
  process.stdout.write(`${(elapsedMs() / 60_000).toFixed(1).padStart(5)} min  ${text}\n`);
}
