/** `npm run test:sim -- --steps N --seed S`: episodes from seed S on until N steps were made, or one promise was broken. */
import { parseArgs } from "node:util";
import { readCrdManifests } from "../../kube/crd-manifests.ts";
import { runEpisode } from "./episode.ts";
import { drawPlot } from "./schedule.ts";
import { shrink } from "./shrink.ts";

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    /** Prints the log of the replicas. */
    verbose: { type: "boolean", default: false },
    /** Goes on after a broken promise. */
    "keep-going": { type: "boolean", default: false },
  },
});
const stepsWanted = Number(values.steps);
const firstSeed = Number(values.seed);
const crds = await readCrdManifests();
const startedAt = process.hrtime.bigint();
let steps = 0;
let seeds = 0;
let broken = 0;
while (steps < stepsWanted) {
  const seed = firstSeed + seeds;
  seeds += 1;
  const plot = drawPlot(seed);
  const { schedule } = plot;
  const result = await runEpisode({
    ...plot,
    seed,
    crds,
    ...(values.verbose && {
      onLog: (line, nowMs) => {
        console.log(new Date(nowMs).toISOString(), line.replica, line.level, line.message, describe(line.fields));
      },
    }),
  });
  steps += result.steps;
  const [violation] = result.violations;
  if (violation === undefined) continue;
  broken += 1;
  console.log(`seed ${seed}: broken promise: ${violation.invariant}`);
  console.log(`  ${violation.detail} (${JSON.stringify(plot.setting)})`);
  if (values["keep-going"]) continue;
  const shortest = await shrink({ seed, plot, crds, invariant: violation.invariant });
  console.log(`  shortest history with which it breaks (${shortest.length} of ${schedule.length} happenings):`);
  for (const { atMs, what } of shortest) console.log(`    ${(atMs / 1_000).toFixed(3)} s ${JSON.stringify(what)}`);
  console.log(`  again: npm run test:sim -- --steps 1 --seed ${seed}`);
  break;
}
const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
console.log(
  `simulation: ${steps} steps, ${seeds} seeds from ${firstSeed}, ${broken} broken, ${seconds.toFixed(1)} s, ${Math.round(steps / seconds)} steps/s`,
);
process.exit(broken === 0 ? 0 : 1);

function describe(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(fields, (_, value: unknown) =>
    value instanceof Error ? `${value.name}: ${value.message}` : value,
  );
}
