/** The sandbox to look at: applies the samples and a burst of pods, shows them live, shows that addresses stay, stays up. */
import { join } from "node:path";
import { createLogUpdate } from "log-update";
import { defaultCallsPerMinute } from "../cloud/call.ts";
import { systemClock } from "../runtime/clock.ts";
import { createLogger } from "../runtime/log.ts";
import { apply, readManifests, remove } from "../sandbox/apply.ts";
import type { BindWatch, PodStory } from "../sandbox/bind-watch.ts";
import { Cache } from "../sandbox/cluster/cache.ts";
import { resources } from "../sandbox/cluster/kinds.ts";
import { renderLine, renderPicture, type Picture } from "../sandbox/live-view.ts";
import type { KubeObject } from "../runtime/ports.ts";
import { applyPlanes, burstNamespace, createPods, leaderIndex, storiesIn, until } from "./sandbox-run.ts";
import type { Sandbox } from "./sandbox-world.ts";

export interface ShowOptions {
  readonly pods: number;
  readonly watch: BindWatch;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
}

const samples = join(import.meta.dirname, "..", "config", "samples");
const sampleNamespaces = ["elastic", "fixed", "exclusive"];
const fixedNamespace = "fixed";
const eventLines = 8;

/** Resolves after Ctrl-C. */
export async function show(sandbox: Sandbox, options: ShowOptions): Promise<void> {
  const { pods, watch, signal } = options;
  const screen = startScreen(sandbox, options);
  try {
    await applyPlanes(sandbox.transport);
    for (const manifest of readManifests(samples)) await apply(sandbox.transport, manifest);
    const startMs = systemClock.now();
    await createPods(sandbox.transport, pods);
    const boundCount = () => storiesIn(watch, burstNamespace).filter(({ boundAtMs }) => boundAtMs !== undefined).length;
    await until(() => signal.aborted || boundCount() >= pods, Infinity);
    screen.say(
      `${pods} pods have interfaces of their own, ${((systemClock.now() - startMs) / 1_000).toFixed(1)} s after the first was created.`,
    );
    await until(() => signal.aborted || sampleNamespaces.every((name) => allRun(watch, name)), 60_000);
    if (!signal.aborted) await showFixedAddresses(sandbox, options, screen.say);
    if (!signal.aborted) screen.say(hints(sandbox));
    await until(() => signal.aborted, Infinity);
  } finally {
    screen.stop();
  }
}

function allRun(watch: BindWatch, namespace: string): boolean {
  const alive = storiesIn(watch, namespace).filter(({ isGone }) => !isGone);
  return alive.length > 0 && alive.every(({ runningAtMs }) => runningAtMs !== undefined);
}

/** Deletes the pods of the sample StatefulSet and kills the controlplane; both come back, with the same addresses. */
async function showFixedAddresses(
  sandbox: Sandbox,
  { watch, signal }: ShowOptions,
  say: (text: string) => void,
): Promise<void> {
  const alive = (): readonly PodStory[] =>
    storiesIn(watch, fixedNamespace).filter(({ isGone, ipv4 }) => !isGone && ipv4 !== undefined);
  const before = new Map(alive().map(({ key, ipv4 }) => [key, ipv4]));
  const uids = new Set(alive().map(({ uid }) => uid));
  await remove(sandbox.transport, `/api/v1/namespaces/${fixedNamespace}/pods`);
  const index = await leaderIndex(sandbox);
  const leader = sandbox.replicas[index];
  leader?.process.kill("SIGKILL");
  await leader?.process.ended;
  if (leader !== undefined) await sandbox.restart(index);
  const isBack = () => alive().length === before.size && !alive().some(({ uid }) => uids.has(uid));
  await until(() => signal.aborted || isBack(), 120_000);
  for (const { key, ipv4 = "" } of alive()) {
    const verdict =
      before.get(key) === ipv4 ? "the same address" : `another address; it was ${before.get(key) ?? "none"}`;
    say(`${key} was deleted, and the controlplane killed: back with ${ipv4}, ${verdict}.`);
  }
}

function hints({ kubeconfigPath, cloudUrl }: Sandbox): string {
  return [
    "Look around (Ctrl-C ends everything):",
    `  export KUBECONFIG=${kubeconfigPath}`,
    "  kubectl get pn                     network planes",
    "  kubectl get pe -A                  the interfaces of each pod",
    "  kubectl get ni                     cloud interfaces",
    "  kubectl -n fixed delete pod db-0   its successor gets the same address",
    `  curl ${cloudUrl}/_sandbox/report   what the simulated cloud saw`,
  ].join("\n");
}

/** Draws the picture again and again; what is said stays above it. */
function startScreen(
  sandbox: Sandbox,
  { watch, signal }: ShowOptions,
): { readonly say: (text: string) => void; readonly stop: () => void } {
  const isTerminal = process.stdout.isTTY;
  const update = createLogUpdate(process.stdout);
  const events = watchEvents(sandbox, signal);
  const startMs = systemClock.now();
  let last = "";
  let places = { inUse: 0, waiting: 0, limit: 100 };
  const draw = (): void => {
    const picture = toPicture(sandbox, watch, {
      places,
      events: events(),
      elapsedSeconds: (systemClock.now() - startMs) / 1_000,
    });
    if (isTerminal) {
      update(renderPicture(picture));
      return;
    }
    const line = renderLine(picture);
    const withoutTime = line.replace(/^ *\d+ s/, "");
    if (withoutTime !== last) process.stdout.write(`${line}\n`);
    last = withoutTime;
  };
  const timers = [
    setInterval(draw, isTerminal ? 250 : 1_000),
    setInterval(() => void readPlaces(sandbox).then((read) => (places = read ?? places)), 500),
  ];
  return {
    say: (text) => {
      if (isTerminal) update.clear();
      process.stdout.write(`${text}\n`);
      if (isTerminal) draw();
    },
    stop: () => {
      timers.forEach((timer) => clearInterval(timer));
      if (isTerminal) update.done();
    },
  };
}

function toPicture(
  sandbox: Sandbox,
  watch: BindWatch,
  rest: Pick<Picture, "places" | "events" | "elapsedSeconds">,
): Picture {
  const alive = watch.stories().filter(({ isGone }) => !isGone);
  const running = alive.filter(({ runningAtMs }) => runningAtMs !== undefined).length;
  const bound = alive.filter(
    ({ boundAtMs, runningAtMs }) => boundAtMs !== undefined && runningAtMs === undefined,
  ).length;
  const minute = String(Math.floor(systemClock.now() / 60_000));
  const limits: Readonly<Record<string, number>> = defaultCallsPerMinute;
  const quotas = Object.entries(sandbox.cloud.report().apis).map(([api, { callsPerMinute }]) => ({
    api,
    used: callsPerMinute[minute] ?? 0,
    limit: limits[api] ?? 500,
  }));
  const exclusive = sandbox.nodes.filter((node) => node.exclusive === true).length;
  return {
    ...rest,
    nodes: { trunk: sandbox.nodes.length - exclusive, exclusive },
    pods: { pending: alive.length - running - bound, bound, running },
    quotas,
  };
}

/** Of the replica that leads: the others have none in use. Undefined while none answers. */
async function readPlaces(sandbox: Sandbox): Promise<Picture["places"] | undefined> {
  const answers = await Promise.all(
    sandbox.replicas.map(async ({ metricsUrl }) => {
      try {
        return await (await fetch(metricsUrl)).text();
      } catch {
        return "";
      }
    }),
  );
  const sum = (name: string): number =>
    answers.reduce((total, text) => total + Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1] ?? 0), 0);
  const limit = Number(/^terway_allocation_places (\d+)/m.exec(answers.join("\n"))?.[1] ?? 0);
  return limit === 0
    ? undefined
    : { inUse: sum("terway_allocation_places_in_use"), waiting: sum("terway_allocation_places_waiting"), limit };
}

interface EventObject extends KubeObject {
  readonly reason?: string;
  readonly note?: string;
  readonly regarding?: { readonly kind?: string; readonly name?: string };
}

/** The newest events of the cluster, one line each. */
function watchEvents(sandbox: Sandbox, signal: AbortSignal): () => readonly string[] {
  const lines: string[] = [];
  const cache = new Cache<EventObject>({
    transport: sandbox.transport,
    resource: resources.events,
    clock: systemClock,
    random: Math.random,
    log: createLogger({ level: "error" }),
  });
  cache.onChange(({ after }) => {
    if (after === undefined) return;
    const { reason = "", note = "", regarding } = after;
    lines.push(`${reason.padEnd(22)} ${regarding?.kind ?? ""} ${regarding?.name ?? ""}: ${note}`.slice(0, 110));
    if (lines.length > eventLines) lines.shift();
  });
  void cache.run(signal);
  return () => [...lines];
}
