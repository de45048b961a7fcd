/**
 * `npm run test:fuzz -- --inputs N --seed S [--target name]`: N inputs, from seed S on, through the parsers, decisions and
 * handlers. One that breaks a promise is printed as small as it could be made, with the seed that draws it again.
 */
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { Draw } from "./draw.ts";
import { targets } from "./targets.ts";
import type { Assignment, Finding, Message } from "./worker.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    target: { type: "string" },
  },
});
const wanted = targets.filter(({ name }) => values.target === undefined || name === values.target);
if (wanted.length === 0) {
  console.error(`--target ${values.target ?? ""}: use one of ${targets.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const inputs = Number(values.inputs);
const firstSeed = Number(values.seed);

/** Without another input for so long, the one that runs hangs. A busy machine may be slow, but not so slow. */
const hangMs = 20_000;

const weights = wanted.reduce((sum, { weight }) => sum + weight, 0);
const assignment: Assignment = {
  parts: wanted.map(({ name, weight }) => ({ target: name, inputs: Math.ceil((inputs * weight) / weights) })),
  firstSeed,
  progress: new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT),
};
const startedAt = performance.now();
const status = await watch(assignment);
const seconds = (performance.now() - startedAt) / 1_000;
const count = new Int32Array(assignment.progress)[2] ?? 0;
console.log(
  `fuzz: ${count} inputs, seeds from ${firstSeed}, ${status === 0 ? "none" : "one"} broke a promise, ${seconds.toFixed(1)} s, ${Math.round(count / seconds)} inputs/s`,
);
process.exit(status);

/** The exit status. */
function watch(given: Assignment): Promise<number> {
  const progress = new Int32Array(given.progress);
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: given });
  return new Promise((resolve) => {
    let seen = 0;
    let seenAt = performance.now();
    const watchdog = setInterval(() => {
      const ran = (progress[2] ?? 0) + (progress[3] ?? 0);
      if (ran !== seen) [seen, seenAt] = [ran, performance.now()];
      else if (performance.now() - seenAt > hangMs) end(1, () => printHang(given, progress));
    }, 1_000);
    const end = (code: number, print: () => void = () => undefined): void => {
      clearInterval(watchdog);
      print();
      void worker.terminate().then(() => resolve(code));
    };
    worker.on("message", (message: Message) => {
      if (message.type === "part") printPart(message);
      else end(message.type === "finding" ? 1 : 0, () => message.type === "finding" && printFinding(message.finding));
    });
    worker.on("error", (error) => end(1, () => printCrash(given, progress, error)));
  });
}

function printPart({ target, inputs: ran, ms, slowestMs }: Extract<Message, { type: "part" }>): void {
  const each = ((ms * 1_000) / ran).toFixed(0);
  console.log(
    `${target}: ${ran} inputs, ${(ms / 1_000).toFixed(1)} s, ${each} µs each, ${slowestMs.toFixed(0)} ms the slowest`,
  );
}

function printFinding({ target, seed, error, input }: Finding): void {
  console.log(`${target}: a promise is broken`);
  console.log(error);
  console.log(`smallest input that breaks it: ${JSON.stringify(input).slice(0, 10_000)}`);
  printAgain(target, seed);
}

/** What is not caught belongs to the input that ran, or to one shortly before. */
function printCrash(given: Assignment, progress: Int32Array, error: unknown): void {
  const { target, seed } = runningAt(given, progress);
  console.log(`${target}: an error that nobody caught ended the process`);
  console.log(error);
  printAgain(target, seed);
}

function printHang(given: Assignment, progress: Int32Array): void {
  const { target, seed } = runningAt(given, progress);
  const input = targets.find(({ name }) => name === target)?.draw(new Draw(seed));
  console.log(`${target}: no end after ${hangMs / 1_000} s`);
  console.log(`the input: ${JSON.stringify(input).slice(0, 10_000)}`);
  printAgain(target, seed);
}

function runningAt({ parts }: Assignment, progress: Int32Array): { readonly target: string; readonly seed: number } {
  return { target: parts[progress[0] ?? 0]?.target ?? "", seed: progress[1] ?? 0 };
}

function printAgain(target: string, seed: number): void {
  console.log(`again: npm run test:fuzz -- --target ${target} --inputs 1 --seed ${seed}`);
}
