/**
 * `npm run test:mutation [-- --only <text>] [--workers 2]`: breaks the program in each of the places of mutants.ts, in a copy,
 * and looks whether somebody notices. One line for each; the last one is JSON. Exit status 1 when a mutant survives.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { stripTypeScriptTypes } from "node:module";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { mutants, type Mutant } from "./mutants.ts";

const root = join(import.meta.dirname, "..", "..");

/** What looks for a fault, the quickest first. Seconds after which it hangs, which notices as well. */
interface Check {
  readonly name: string;
  readonly command: readonly string[];
  readonly limitSeconds: number;
}

const jest = ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning", "node_modules/jest/bin/jest.js"];

function checksOf({ tests }: Mutant): readonly Check[] {
  const simulation = ["test/simulation/main.ts", "--steps", "40000", "--seed", "1"];
  return [
    ...(tests.length === 0 ? [] : [{ name: "tests", command: [...jest, "--bail", ...tests], limitSeconds: 180 }]),
    { name: "simulation", command: simulation, limitSeconds: 240 },
    { name: "crash points", command: ["test/simulation/crash-main.ts"], limitSeconds: 600 },
  ];
}

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    workers: { type: "string", default: String(availableParallelism()) },
  },
});

const chosen = mutants.filter(({ name, file }) => name.includes(values.only) || file.includes(values.only));
if (!(await isWhole())) {
  console.error("the program as it is fails a check: mend that first");
  process.exit(2);
}
const outcomes: { readonly name: string; readonly by: string | undefined }[] = [];
const waiting = [...chosen];
await Promise.all(Array.from({ length: Number(values.workers) }, work));
const survivors = outcomes.filter(({ by }) => by === undefined).map(({ name }) => name);
const caughtBy = (by: string): number => outcomes.filter((outcome) => outcome.by === by).length;
console.log(
  JSON.stringify({
    mutants: outcomes.length,
    tests: caughtBy("tests"),
    simulation: caughtBy("simulation"),
    crashPoints: caughtBy("crash points"),
    survivors,
  }),
);
process.exitCode = survivors.length > 0 || outcomes.length === 0 ? 1 : 0;

/** Whether all checks pass while nothing is broken; otherwise they would catch everything. */
async function isWhole(): Promise<boolean> {
  const copy = copyOfRepository();
  try {
    const tests = [...new Set(chosen.flatMap((mutant) => mutant.tests))];
    for (const check of checksOf({ name: "", file: "", find: "", replace: "", tests })) {
      if (!(await passes({ ...check, limitSeconds: 900 }, copy))) return false;
    }
    return true;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

async function work(): Promise<void> {
  const copy = copyOfRepository();
  try {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) await tryOut(mutant, copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

async function tryOut(mutant: Mutant, copy: string): Promise<void> {
  const path = join(copy, mutant.file);
  const whole = readFileSync(path, "utf8");
  const startedAtMs = performance.now();
  const broken = whole.replace(mutant.find, () => mutant.replace);
  // A mutant that is no program would be noticed by everything.
  stripTypeScriptTypes(broken);
  writeFileSync(path, broken);
  try {
    let by: string | undefined;
    for (const check of checksOf(mutant)) {
      if (await passes(check, copy)) continue;
      by = check.name;
      break;
    }
    outcomes.push({ name: mutant.name, by });
    const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
    console.log(
      `${by === undefined ? "SURVIVED" : "caught"}  ${mutant.name} (${mutant.file}), ${by ?? "by nothing"}, ${seconds} s`,
    );
  } finally {
    writeFileSync(path, whole);
  }
}

function passes({ command, limitSeconds }: Check, cwd: string): Promise<boolean> {
  const child = spawn(process.execPath, command, {
    cwd,
    stdio: "ignore",
    timeout: limitSeconds * 1_000,
    killSignal: "SIGKILL",
  });
  return new Promise((resolve) => child.once("exit", (code) => resolve(code === 0)));
}

function copyOfRepository(): string {
  const target = mkdtempSync(join(tmpdir(), "terway-mutation-"));
  const left = new Set(["node_modules", ".git", ".cache", ".sandbox", "coverage"]);
  cpSync(root, target, { recursive: true, filter: (source) => source === root || !left.has(basename(source)) });
  symlinkSync(join(root, "node_modules"), join(target, "node_modules"));
  return target;
}
