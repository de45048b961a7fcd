/**
 * `npm test`: every check of this repository (outside of CI the quick ones), one line per stage with its time. The last line is
 * `N passed, N failed, N skipped`; the exit status is 1 if anything failed. Arguments narrow it: `lint`, `unit`, `sim`,
 * `fuzz`, `contract`, `e2e`, `image`; the cluster's by `--api sandbox` or `--api real` (a kube-apiserver: see hack/envtest).
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { whyNoControlPlane } from "../test/envtest/binaries.ts";
import { countsOf, failureMessages, skippedLines, sumOf, type Counts, type JestReport } from "./jest-report.ts";

const root = join(import.meta.dirname, "..");
const cache = join(root, ".cache");

/** A command that takes longer hangs: the longest takes ten minutes, and thirteen on a busy machine. */
const timeLimitMs = 2_400_000;

/** What tests of the cluster run against: the sandbox's API server, or a real one. */
type Api = "sandbox" | "real";

interface Stage {
  readonly name: string;
  /** Script of a package or of `hack/`, relative to the root, and its arguments; Node runs it. */
  readonly command: readonly string[];
  /** Only of jest: where it writes its results. */
  readonly reportPath?: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** In one line, why it cannot run here. */
  readonly skipped?: string | undefined;
}

interface Outcome extends Counts {
  readonly name: string;
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { api: { type: "string" } } });
if (values.api !== undefined && values.api !== "sandbox" && values.api !== "real") {
  console.error(`--api ${values.api}: use sandbox or real`);
  process.exit(2);
}

const lint: readonly Stage[] = [
  {
    name: "types (tsc)",
    command: ["node_modules/typescript/bin/tsc", "-p", ".", "--incremental", "--tsBuildInfoFile", ".cache/tsc.json"],
  },
  {
    name: "lint (eslint)",
    command: [
      "node_modules/eslint/bin/eslint.js",
      "--max-warnings=0",
      "--cache",
      "--cache-strategy=content",
      "--cache-location=.cache/eslint/",
      "--ignore-pattern=.cache/",
      "--ignore-pattern=.sandbox/",
      ".",
    ],
  },
  {
    name: "format (prettier)",
    command: [
      "node_modules/prettier/bin/prettier.cjs",
      "--check",
      "--log-level=warn",
      "--cache",
      "--cache-location=.cache/prettier",
      ".",
    ],
  },
  { name: "generated types of the CRDs", command: ["hack/generate-crd-types.ts", "--check"] },
  { name: "generated docs/errors.md", command: ["hack/generate-errors-doc.ts", "--check"] },
  { name: "generated schema and table of the configuration", command: ["hack/generate-config-schema.ts", "--check"] },
  { name: "generated manifests of the chart", command: ["hack/render-config.ts", "--check"] },
  { name: "dead code (knip)", command: ["node_modules/knip/bin/knip.js", "--no-progress"] },
];

const isCi = process.env["CI"] === "true";
/** The short form for a laptop, the long one, in parts for both cores, for CI. `npm run test:sim -- --steps N --seed S` runs any. */
const simulation: readonly Stage[] = isCi
  ? ["1", "1000001", "2000001", "3000001"].map((seed) => simulate("250000", seed))
  : [simulate("100000", "1")];
const crashes: readonly Stage[] = isCi
  ? [{ name: "a crash at every await of thirteen stories", command: ["test/simulation/crash-main.ts"] }]
  : [];

function simulate(steps: string, seed: string): Stage {
  return {
    name: `simulation, ${steps} steps from seed ${seed}`,
    command: ["test/simulation/main.ts", "--steps", steps, "--seed", seed],
  };
}

/** `npm run test:fuzz -- --inputs N --seed S` runs any. */
const fuzz: readonly Stage[] = isCi ? [feed("500000", "1"), feed("500000", "500001")] : [feed("20000", "1")];

function feed(inputs: string, seed: string): Stage {
  return {
    name: `fuzz, ${inputs} inputs from seed ${seed}`,
    command: ["test/fuzz/main.ts", "--inputs", inputs, "--seed", seed],
  };
}

const ignoring = (...folders: readonly string[]): readonly string[] =>
  ["/node_modules/", ...folders].flatMap((folder) => ["--testPathIgnorePatterns", folder]);
/** In two halves, one for each core. */
const unit: readonly Stage[] = ["1/2", "2/2"].map((half) =>
  jestStage(`unit tests, half ${half}`, `unit-${half.replace("/", "-of-")}`, [
    "--runInBand",
    `--shard=${half}`,
    ...ignoring("<rootDir>/e2e/", "<rootDir>/test/contract/", "<rootDir>/test/image/"),
  ]),
);

/**
 * In a run of everything these are not repeated on a real API server: they are about the cloud and this program, and what
 * they write is written there by others too. `npm run test:e2e -- --api real` runs them on it.
 */
const sandboxIsEnough = [
  "degradation",
  "fixed-life",
  "interfaces",
  "network-cards",
  "node-capacity",
  "node-changes",
  "node-loss",
  "planes",
  "refused",
  "show",
  "trunk-degradation",
];

/** Of a run of everything outside of CI: minutes of waiting for leases, retention times, surveys and machines that come and go. */
const leftToCi = [
  "audit",
  "bad-input",
  "defaults",
  "degradation",
  "drop-in",
  "drop-in-ttl",
  "fixed-life",
  "high-availability",
  "network-cards",
  "node-changes",
  "node-loss",
  "node-record",
  "planes",
  "refused",
  "trunk-degradation",
];
const isShortForm = !isCi && positionals.length === 0 && values.api === undefined;

/** Suites on an API server, which start processes and mostly wait: three at once. */
function clusterStage(name: string, folder: string, api: Api): Stage {
  const isOfAll = positionals.length === 0;
  const left = [...(isOfAll && api === "real" ? sandboxIsEnough : []), ...(isShortForm ? leftToCi : [])];
  const filter = [
    "--maxWorkers=3",
    // What only a real API server can do is tried on it alone.
    ...(api === "real" ? [] : ignoring("<rootDir>/e2e/real/")),
    ...ignoring(...left.map((suite) => `<rootDir>/e2e/${suite}.test.ts`)),
  ];
  const id = `${folder.replace("/", "-")}-${api}`;
  return {
    ...jestStage(`${name}, ${api === "real" ? "real API server" : "sandbox"}`, id, [
      ...filter,
      "--testPathPatterns",
      `^${root}/${folder}/`,
    ]),
    env: { TEST_API: api },
    skipped: api === "real" ? whyNoControlPlane() : undefined,
  };
}

function jestStage(name: string, id: string, filter: readonly string[]): Stage {
  const reportPath = join(cache, `jest-${id}.json`);
  const command = [
    // ES modules under jest need this flag of Node; its warning would be printed once per worker.
    "--experimental-vm-modules",
    "--disable-warning=ExperimentalWarning",
    "node_modules/jest/bin/jest.js",
    "--ci",
    "--silent",
    "--json",
    `--outputFile=${reportPath}`,
    "--cacheDirectory=.cache/jest",
    // Other stages run beside: a test that is slow because of them is not a failure.
    "--testTimeout=30000",
    ...filter,
  ];
  return { name, command, reportPath };
}

/** Runs a stage, and prints its line; then, if it failed, what it said. */
async function run(stage: Stage): Promise<Outcome> {
  const startedAt = performance.now();
  const { reportPath, skipped } = stage;
  if (skipped !== undefined) {
    console.log(`skip   ${stage.name}: ${skipped}`);
    return { name: stage.name, passed: 0, failed: 0, skipped: 1 };
  }
  if (reportPath !== undefined) rmSync(reportPath, { force: true });
  const { status, output } = await execute(stage);
  const report = reportPath === undefined ? undefined : readReport(reportPath);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  return {
    name: stage.name,
    ...(report === undefined
      ? printCommand(stage.name, seconds, status, output)
      : printTests(stage.name, seconds, report, status)),
  };
}

/** A command is one test: it passes when it exits with 0. */
function printCommand(name: string, seconds: string, status: number, output: string): Counts {
  const counts = single(status);
  console.log(`${mark(counts)} ${name}, ${seconds} s`);
  if (counts.failed > 0) console.log(output.trimEnd());
  return counts;
}

function printTests(name: string, seconds: string, report: JestReport, status: number): Counts {
  const counts = withStatus(countsOf(report), status);
  console.log(`${mark(counts)} ${name}, ${seconds} s: ${textOf(counts)}`);
  for (const line of skippedLines(report, root)) console.log(`       skipped: ${line}`);
  for (const message of failureMessages(report)) console.log(message.trimEnd());
  return counts;
}

function mark({ failed }: Counts): string {
  return failed === 0 ? "ok    " : "FAILED";
}

function single(status: number): Counts {
  return status === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/** Jest can fail without a failing test (nothing found, a crash at the end): then the stage itself is the failed test. */
function withStatus(counts: Counts, status: number): Counts {
  return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

function execute({ command, env = {} }: Stage): Promise<{ readonly status: number; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    let output = "";
    const collect = (chunk: string): void => void (output += chunk);
    child.stdout.setEncoding("utf8").on("data", collect);
    child.stderr.setEncoding("utf8").on("data", collect);
    const timer = setTimeout(() => {
      output += `\nstopped: it ran for more than ${timeLimitMs / 1000} s\n`;
      child.kill("SIGKILL");
    }, timeLimitMs);
    child.once("error", reject);
    child.once("close", (status) => {
      clearTimeout(timer);
      resolve({ status: status ?? 1, output });
    });
  });
}

/** `undefined` when jest ended before it could write its results. */
function readReport(path: string): JestReport | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as JestReport) : undefined;
}

/** So many at once; whoever is free takes the next. */
async function runAll(stages: readonly Stage[], atOnce: number): Promise<Outcome[]> {
  const waiting = [...stages];
  const outcomes: Outcome[] = [];
  const take = async (): Promise<void> => {
    for (let stage = waiting.shift(); stage !== undefined; stage = waiting.shift()) outcomes.push(await run(stage));
  };
  await Promise.all(Array.from({ length: atOnce }, take));
  return outcomes;
}

function textOf({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

const startedAt = performance.now();
const apis: readonly Api[] = values.api === undefined ? ["sandbox", "real"] : [values.api];
const isWanted = (group: string): boolean => positionals.length === 0 || positionals.includes(group);
mkdirSync(cache, { recursive: true });
const ofOneCore: readonly Stage[] = [
  ...(isWanted("unit") ? unit : []),
  ...(isWanted("lint") ? lint : []),
  ...(isWanted("fuzz") ? fuzz : []),
  ...(isWanted("sim") ? [...crashes, ...simulation] : []),
];
const ofCluster: readonly Stage[] = [
  ...(isWanted("contract") ? apis.map((api) => clusterStage("contract", "test/contract", api)) : []),
  ...(isWanted("e2e")
    ? (isShortForm ? apis.slice(0, 1) : apis).map((api) => clusterStage("end-to-end tests", "e2e", api))
    : []),
  ...(isWanted("image") && !isShortForm && apis.includes("real")
    ? [clusterStage("the image", "test/image", "real")]
    : []),
];
// Suites on an API server measure time, so each has the machine for itself.
const outcomes = [...(await runAll(ofOneCore, 2)), ...(await runAll(ofCluster, 1))];
const total = sumOf(outcomes);
if (isShortForm) {
  console.log(
    `left   to CI and \`npm run test:e2e\`: the suites ${leftToCi.join(", ")}, all on a real API server, the image, the crash points`,
  );
}
console.log(`total ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
if (total.failed > 0) {
  console.log(
    `failed: ${outcomes
      .filter(({ failed }) => failed > 0)
      .map(({ name }) => name)
      .join("; ")}`,
  );
  process.exitCode = 1;
}
console.log(textOf(total));
