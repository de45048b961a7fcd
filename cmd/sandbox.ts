/** `npm start`: the whole system on this machine, to watch or to measure. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { parseFaults, type FaultRule } from "../sandbox/alibaba-cloud/index.ts";
import { startBindWatch } from "../sandbox/bind-watch.ts";
import { toBoundLine, type BoundLine } from "../sandbox/figures.ts";
import { parseCount } from "./options.ts";
import { show } from "./sandbox-show.ts";
import { isGood, measure } from "./sandbox-run.ts";
import { startSandbox } from "./sandbox-world.ts";

interface Options {
  readonly nodes: number;
  readonly pods: number;
  readonly replicas: number;
  readonly seed: string;
  readonly faults?: string;
  readonly killLeader?: true;
  readonly json?: true;
  readonly exit?: true;
}

const directory = join(import.meta.dirname, "..", ".sandbox");

function parseOptions(): Options {
  const command = new Command("npm start --")
    .description("Runs the controlplane against an embedded Kubernetes cluster and a simulated cloud.")
    .option("--nodes <n>", "machines in the cluster", parseCount, 20)
    .option("--pods <n>", "pods that get interfaces of their own", parseCount, 200)
    .option("--replicas <n>", "controlplane processes", parseCount, 1)
    .option("--seed <text>", "seed of latencies, names and faults", "1")
    .option("--faults <file>", "scenario of cloud faults (sandbox/alibaba-cloud/README.md)")
    .option("--kill-leader", "kill the leading controlplane process when half of the pods are bound")
    .option("--json", "print the figures of a measured run as one JSON object on the last line")
    .option("--exit", "run once, measure, and end with status 0 only if all went well")
    .showHelpAfterError();
  return command.parse().opts<Options>();
}

function readFaults(path: string | undefined): readonly FaultRule[] {
  return path === undefined ? [] : parseFaults(readFileSync(path, "utf8"), path);
}

async function main(): Promise<number> {
  const options = parseOptions();
  const faults = readFaults(options.faults);
  rmSync(directory, { recursive: true, force: true });
  const boundLines = new Map<string, BoundLine>();
  const sandbox = await startSandbox({
    ...options,
    faults,
    directory,
    onLogLine: (_, line) => {
      const bound = toBoundLine(line);
      if (bound !== undefined) boundLines.set(`${bound.namespace}/${bound.name}`, bound);
    },
  });
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stop.abort());
  try {
    const watch = startBindWatch(sandbox.transport, stop.signal);
    await sandbox.ready(30_000);
    if (options.exit !== true) {
      await show(sandbox, { ...options, watch, signal: stop.signal });
      return 0;
    }
    const say = (text: string): void => void process.stderr.write(`${text}\n`);
    const killLeader = options.killLeader === true;
    const measured = measure(sandbox, { pods: options.pods, killLeader, watch, boundLines, say });
    const result = await Promise.race([measured, interruption(stop.signal)]);
    process.stdout.write(`${options.json === true ? JSON.stringify(result) : JSON.stringify(result, undefined, 2)}\n`);
    return isGood(result) ? 0 : 1;
  } finally {
    stop.abort();
    await sandbox.stop();
  }
}

/** Rejects when the user does not want to wait for the figures. */
function interruption(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const interrupt = (): void => reject(new Error("interrupted: nothing was measured"));
    if (signal.aborted) interrupt();
    else signal.addEventListener("abort", interrupt, { once: true });
  });
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
