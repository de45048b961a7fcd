/**
 * A burst of pods up and down under each fault of this folder, with real processes: `npm run test:faults -- --pods 100
 * [--fault NAME] [--seed TEXT]`. One line per fault, the last line is JSON; status 1 when a pod is not bound, an interface
 * leaks, a fixed address is lost, or a fault costs more calls than it may.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { parseCount } from "../../cmd/options.ts";
import { isGood as isSound, measure, type RunResult } from "../../cmd/sandbox-run.ts";
import { startSandbox } from "../../cmd/sandbox-world.ts";
import { parseFaults, type FaultRule } from "../../sandbox/alibaba-cloud/index.ts";
import { startBindWatch } from "../../sandbox/bind-watch.ts";
import { steadyLease } from "../world.ts";

interface Options {
  readonly pods: number;
  readonly fault?: string;
  readonly seed: string;
}

interface Row {
  readonly fault: string;
  readonly pods: number;
  readonly bound: number;
  readonly leakedInterfaces: number;
  readonly fixedIpKept: boolean;
  readonly bindSeconds: number;
  readonly releaseSeconds: number;
  /** All calls that reached the cloud, refused ones included. */
  readonly calls: number;
  /** Calls by those of the run without faults. */
  readonly ratio: number;
  readonly isGood: boolean;
}

const ratioAtMost = 1.5;
const withoutFaults = "none";

function parseOptions(names: readonly string[]): Options {
  return new Command("npm run test:faults --")
    .option("--pods <n>", "pods up and down under each fault", parseCount, 100)
    .option("--fault <name>", `one of ${names.join(", ")}`, (name) => parseName(name, names))
    .option("--seed <text>", "of latencies and faults", "1")
    .showHelpAfterError()
    .parse()
    .opts<Options>();
}

function parseName(name: string, names: readonly string[]): string {
  if (!names.includes(name)) throw new InvalidArgumentError(`must be one of ${names.join(", ")}.`);
  return name;
}

async function main(): Promise<number> {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".yaml"));
  const names = files.map((file) => file.replace(/\.yaml$/, ""));
  const { pods, fault, seed } = parseOptions(names);
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => process.exit(1));
  const clean = await run([], { pods, seed });
  const rows: Row[] = [];
  const report = (row: Row): void => {
    rows.push(row);
    process.stdout.write(toLine(row));
  };
  report(toRow(withoutFaults, clean, clean));
  for (const name of fault === undefined ? names : [fault]) {
    const file = join(import.meta.dirname, `${name}.yaml`);
    report(toRow(name, await run(parseFaults(readFileSync(file, "utf8"), file), { pods, seed }), clean));
  }
  process.stdout.write(`${JSON.stringify({ pods, seed, ratioAtMost, rows })}\n`);
  return rows.every(({ isGood }) => isGood) ? 0 : 1;
}

async function run(faults: readonly FaultRule[], { pods, seed }: Options): Promise<RunResult> {
  const directory = mkdtempSync(join(tmpdir(), "terway-faults-"));
  const sandbox = await startSandbox({ nodes: 20, replicas: 1, seed, faults, directory, config: steadyLease });
  const stop = new AbortController();
  try {
    const watch = startBindWatch(sandbox.transport, stop.signal);
    await sandbox.ready(60_000);
    // The times of the rules count from the burst.
    sandbox.cloud.setFaults(faults);
    return await measure(sandbox, { pods, killLeader: false, watch, boundLines: new Map(), say: () => undefined });
  } finally {
    stop.abort();
    await sandbox.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function toRow(fault: string, result: RunResult, clean: RunResult): Row {
  const { pods, bound, leakedInterfaces, fixedIpKept, seconds, releaseSeconds } = result;
  const ratio = Math.round((callsOf(result) / callsOf(clean)) * 100) / 100;
  const isGood = isSound(result) && ratio <= ratioAtMost;
  const outcome = { fault, pods, bound, leakedInterfaces, fixedIpKept };
  return { ...outcome, bindSeconds: seconds, releaseSeconds, calls: callsOf(result), ratio, isGood };
}

function callsOf({ calls }: RunResult): number {
  return Object.values(calls).reduce((sum, count) => sum + count, 0);
}

function toLine({ fault, pods, bound, leakedInterfaces, fixedIpKept, isGood, ...row }: Row): string {
  const { bindSeconds, releaseSeconds, calls, ratio } = row;
  return (
    `${isGood ? "ok  " : "FAIL"} ${fault.padEnd(16)} ${bound}/${pods} bound in ${bindSeconds} s, released in ` +
    `${releaseSeconds} s, ${leakedInterfaces} leaked, fixed address ${fixedIpKept ? "kept" : "LOST"}, ` +
    `${calls} calls, ratio ${ratio}\n`
  );
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
