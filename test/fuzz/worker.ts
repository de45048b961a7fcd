/** Runs the inputs of the targets, in a thread of its own: an input that never ends must not stop who watches. */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { Draw } from "./draw.ts";
import { shrink } from "./shrink.ts";
import type { Json, Target } from "./target.ts";
import { targets } from "./targets.ts";

/** What is to be run. */
export interface Assignment {
  /** Name of a target, and how many inputs of it: those of the seeds from `firstSeed` on. */
  readonly parts: readonly { readonly target: string; readonly inputs: number }[];
  readonly firstSeed: number;
  /** Int32: index of the part, seed of the input that runs now, how many were run, and how often one was made smaller. */
  readonly progress: SharedArrayBuffer;
}

/** An input that breaks a promise. */
export interface Finding {
  readonly target: string;
  readonly seed: number;
  readonly error: string;
  /** The smallest input that still breaks it. */
  readonly input: Json;
}

export type Message =
  | { readonly type: "finding"; readonly finding: Finding }
  | {
      readonly type: "part";
      readonly target: string;
      readonly inputs: number;
      readonly ms: number;
      readonly slowestMs: number;
    }
  | { readonly type: "done" };

/** An input that takes longer is a finding, if it does so again: once may be the machine's doing. */
const tooSlowMs = 1_000;

class TooSlow extends Error {
  override readonly name = "TooSlow";
}

async function run({ parts, firstSeed, progress }: Assignment, tell: (message: Message) => void): Promise<void> {
  const now = new Int32Array(progress);
  // Most inputs are refused by an exception, and its stack costs more than the refusal.
  Error.stackTraceLimit = 0;
  for (const [index, { target: name, inputs }] of parts.entries()) {
    const target = targets.find((each) => each.name === name)!;
    const startedAt = performance.now();
    let slowestMs = 0;
    for (let seed = firstSeed; seed < firstSeed + inputs; seed += 1) {
      now[0] = index;
      now[1] = seed;
      now[2]! += 1;
      const beganAt = performance.now();
      const error = await failureOf(target, target.draw(new Draw(seed)));
      slowestMs = Math.max(slowestMs, performance.now() - beganAt);
      if (error === undefined) continue;
      const beat = (): void => void (now[3]! += 1);
      tell({ type: "finding", finding: await toFinding(target, seed, error, beat) });
      return;
    }
    tell({ type: "part", target: name, inputs, ms: performance.now() - startedAt, slowestMs });
  }
  tell({ type: "done" });
}

async function toFinding(target: Target, seed: number, error: Error, beat: () => void): Promise<Finding> {
  Error.stackTraceLimit = 20;
  const smallest = await shrink(target.draw(new Draw(seed)), async (input) => {
    beat();
    if (target.isValid?.(input) === false) return false;
    return (await failureOf(target, input))?.name === error.name;
  });
  const shown = (await failureOf(target, smallest)) ?? error;
  return { target: target.name, seed, error: shown.stack ?? shown.message, input: smallest };
}

async function failureOf(target: Target, input: Json): Promise<Error | undefined> {
  const first = await timed(target, input);
  if (!(first instanceof TooSlow)) return first;
  return await timed(target, input);
}

async function timed(target: Target, input: Json): Promise<Error | undefined> {
  const beganAt = performance.now();
  try {
    const checked = target.check(input);
    if (checked !== undefined) await checked;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  const ms = performance.now() - beganAt;
  return ms > tooSlowMs ? new TooSlow(`it took ${Math.round(ms)} ms`) : undefined;
}

if (!isMainThread) {
  const port = parentPort!;
  await run(workerData as Assignment, (message) => port.postMessage(message));
}
