import { execFile, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { parse, stringify } from "yaml";
import { leaderIndex } from "../cmd/sandbox-run.ts";
import { systemClock } from "../runtime/clock.ts";
import { ControlplaneProcess, type Ending } from "../sandbox/controlplane-process.ts";
import { freePorts } from "../sandbox/free-ports.ts";
import { toKubeconfig } from "../sandbox/kube-apiserver/index.ts";
import { landscape } from "../sandbox/landscape.ts";
import { aNamespace, aPlane, aPod } from "./manifests.ts";
import { copyOfRepository } from "./repository-copy.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually, quickLease, startWorld, type World } from "./world.ts";

const root = join(import.meta.dirname, "..");
/** From SIGTERM to the end of a process. */
const endLimitMs = 5_000;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Script {
  readonly child: ChildProcess;
  readonly outcome: Promise<Outcome>;
}

const running = new Set<ChildProcess>();

/** Starts a script of ours with nothing of this process's environment that could change what it does. */
function startScript(cwd: string, args: readonly string[], limitMs = 20_000): Script {
  const env = { PATH: process.env["PATH"], HOME: process.env["HOME"] };
  let end: (outcome: Outcome) => void;
  const outcome = new Promise<Outcome>((resolve) => (end = resolve));
  const child = execFile(process.execPath, args, { cwd, env, timeout: limitMs }, (error, stdout, stderr) => {
    running.delete(child);
    // A process that a signal ended has no code; none of these may end so.
    end({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr });
  });
  running.add(child);
  return { child, outcome };
}

const runScript = (cwd: string, args: readonly string[]): Promise<Outcome> => startScript(cwd, args).outcome;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "terway-process-"));
});
afterAll(async () => {
  for (const child of running) child.kill();
  await eventually("every script has ended", () => running.size === 0);
  rmSync(folder, { recursive: true, force: true });
}, 40_000);

/** Writes a file of this suite and returns its path. */
function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const goodConfig = stringify({
  regionID: landscape.regionId,
  clusterID: landscape.clusterId,
  vpcID: landscape.vpcId,
  healthzBindAddress: "127.0.0.1:0",
});

const runControlplane = (configPath: string, credentialPath: string): Promise<Outcome> =>
  runScript(root, [join("cmd", "controlplane.ts"), "--config", configPath, "--credential", credentialPath]);

describe("processes", () => {
  /** Copy of the repository in which the sandbox program runs. */
  let copy = "";
  const { scenario, start } = concurrentScenarios();

  beforeAll(() => {
    copy = copyOfRepository(join(folder, "copy"));
    start();
  });

  // The measured run takes half a minute, most of it waiting. The others run one after the other in that time.

  it("a configuration with mistakes: every one is named at once with its remedy, and no secret is shown", async () => {
    const mistakes = [
      { key: "vpcID", value: "7", remedy: "must be a text; put it in quotes" },
      { key: "podMaxConcurrent", value: '"many"', remedy: "must be a number; write it without quotes" },
      { key: "ipStack", value: '"ipv5"', remedy: "use ipv4, ipv6, dual" },
      { key: "vSwitchCacheTTL", value: '"soon"', remedy: "write it as 500ms, 30s, 20m0s or 12h" },
      { key: "healthzBindAddress", value: '"here"', remedy: "must be host:port; write it as 0.0.0.0:8080" },
      { key: "rateLimit", value: '{"AttachNetworkInterfaces":50}', remedy: "use AttachNetworkInterface" },
    ];
    const config = mistakes.map(({ key, value }) => `${key}: ${value}\n`).join("");
    const configPath = written("mistakes.yaml", `regionID: cn-hangzhou\nclusterID: c1\n${config}`);
    const credentialPath = written("half.yaml", "accessSecret: never-to-be-seen\n");
    const { code, stdout, stderr } = await runControlplane(configPath, credentialPath);
    expect(code).toBe(1);
    const lines = stderr.trimEnd().split("\n").sort();
    const expected = [
      ...mistakes.map(({ key, value, remedy }) => ({ begin: `${key} = ${value}: `, remedy })),
      { begin: "accessKey: ", remedy: "set both, or neither to use another source" },
    ];
    for (const { begin, remedy } of expected) {
      expect(lines.filter((line) => line.startsWith(begin))).toEqual([expect.stringContaining(remedy)]);
    }
    expect(lines).toHaveLength(expected.length);
    expect(stdout + stderr).not.toContain("never-to-be-seen");
  }, 30_000);

  it("a configuration or credential file that is not there: each is named, and what to do", async () => {
    const none = { config: join(folder, "no-config.yaml"), credential: join(folder, "no-credential.yaml") };
    const { code, stderr } = await runControlplane(none.config, none.credential);
    expect(code).toBe(1);
    const lines = stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    for (const flag of ["config", "credential"] as const) {
      const line = lines.find((text) => text.startsWith(`--${flag} = `));
      expect(line).toContain(none[flag]);
      expect(line).toContain(`make the file, or name another one with --${flag}`);
    }
  }, 30_000);

  it.each([
    { wrong: "a count that is none", flags: ["--pods", "nought"], says: ["--pods", "nought", "whole number from 1"] },
    { wrong: "an unknown option", flags: ["--colour"], says: ["unknown option '--colour'", "--pods <n>"] },
    { wrong: "a faults file that is not there", flags: ["--faults", "none.yaml"], says: ["none.yaml"] },
    {
      wrong: "an unknown effect in the faults file",
      flags: ["--faults", "odd.yaml"],
      says: ["odd.yaml", "rule 1 (odd)", "`effect` must be", "timeoutAfterEffect"],
    },
  ])(
    "the sandbox program refuses $wrong by name",
    async ({ flags, says }) => {
      writeFileSync(join(copy, "odd.yaml"), 'faults:\n  - name: odd\n    api: "*"\n    effect: explode\n');
      const { code, stdout, stderr } = await runScript(copy, ["cmd/sandbox.ts", "--exit", ...flags]);
      expect(code).toBe(1);
      for (const text of says) expect(stderr).toContain(text);
      expect(stderr).not.toMatch(/^ +at /m);
      expect(stdout).toBe("");
    },
    30_000,
  );

  it("an API server that does not answer: says which, tries again, and ends at SIGTERM", async () => {
    const server = `127.0.0.1:${(await freePorts(1))[0]}`;
    const lines: Readonly<Record<string, unknown>>[] = [];
    const alone = new ControlplaneProcess({
      name: "alone",
      program: join(root, "cmd", "controlplane.ts"),
      configPath: written("good.yaml", goodConfig),
      credentialPath: written("empty.yaml", ""),
      logPath: join(folder, "alone.jsonl"),
      env: { KUBECONFIG: written("kubeconfig", toKubeconfig({ url: `https://${server}`, caPem: "", token: "t" })) },
      onLine: (line) => lines.push(line),
    });
    try {
      const tries = () =>
        lines.filter(({ level, error }) => level === "warn" && JSON.stringify(error).includes(server));
      await eventually("it has tried twice", () => tries().length >= 2, { state: () => lines });
      expect(tries()[0]?.["message"]).toMatch(/API server.*trying again/);
      expect(await endingOf(alone)).toEqual({ code: 0 });
      expect(lines.filter(({ level }) => level === "error")).toEqual([]);
    } finally {
      await alone.stop();
    }
  }, 60_000);

  it("a measured run that is interrupted ends at once, with its controlplane and without figures", async () => {
    const other = copyOfRepository(join(folder, "other"));
    const args = ["cmd/sandbox.ts", "--nodes", "1", "--pods", "1", "--exit"];
    const { child, outcome } = startScript(other, args, 80_000);
    await eventually(
      "the controlplane is ready",
      async () => {
        try {
          return (await fetch(healthUrlIn(other))).ok;
        } catch {
          return false; // Neither its configuration nor its port is there at first.
        }
      },
      { limitMs: 60_000 },
    );
    child.kill("SIGINT");
    const startMs = systemClock.monotonic();
    const { code, stdout, stderr } = await outcome;
    expect(systemClock.monotonic() - startMs).toBeLessThan(endLimitMs);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("interrupted");
    await expect(fetch(healthUrlIn(other))).rejects.toThrow();
  }, 100_000);

  describe("two replicas", () => {
    const namespace = "follow";
    let world: World;

    beforeAll(async () => {
      world = await startWorld({ nodes: 2, replicas: 2, config: quickLease });
      await world.kube.apply(aNamespace(namespace));
      await world.kube.apply(aPlane(namespace));
      await world.kube.untilPlaneSays(namespace, "VSwitchesFound");
    }, 90_000);

    afterAll(() => world.stop(), 30_000);

    const podsOf = (name: string) => Array.from({ length: 4 }, (_, index) => `${name}-${index}`);
    const create = (names: readonly string[]) =>
      Promise.all(names.map((name) => world.kube.create(aPod({ namespace, name, plane: namespace }))));
    const untilRun = (names: readonly string[], limitMs: number) =>
      Promise.all(names.map((name) => world.kube.untilRunning(namespace, name, { limitMs })));

    it("a leader that is stopped ends in order, and the other one leads at once and finishes its pods", async () => {
      const leader = await leaderOf(world);
      await create(podsOf("stopped"));
      expect(await endingOf(leader.process)).toEqual({ code: 0 });
      expect(await holderOf(world)).not.toContain(leader.process.name);
      await untilOtherLeads(world, leader.index, 5_000);
      await create(["after-stop"]);
      await untilRun([...podsOf("stopped"), "after-stop"], 5_000);
      await world.sandbox.restart(leader.index);
      await world.sandbox.ready(30_000);
    }, 60_000);

    it("a leader that is killed is followed within ten seconds, and no interface is made twice", async () => {
      const leader = await leaderOf(world);
      await create(podsOf("killed"));
      leader.process.kill("SIGKILL");
      const endMs = systemClock.monotonic() + 10_000;
      expect(await leader.process.ended).toEqual({ signal: "SIGKILL" });
      await create(["after-kill"]);
      await untilRun([...podsOf("killed"), "after-kill"], endMs - systemClock.monotonic());
      expect((await leaderOf(world)).index).not.toBe(leader.index);

      const pods = await world.kube.pods(namespace);
      expect(new Set(pods.map(({ status }) => status?.podIP)).size).toBe(pods.length);
      expect(world.ownInterfaces()).toHaveLength(pods.length);
      await world.kube.deletePath(`/api/v1/namespaces/${namespace}`);
      await eventually("nothing is left", () => world.ownInterfaces().length === 0);
    }, 60_000);
  });

  scenario(
    "the measured run of the sandbox: everything bound, its figures on the last line, nothing left",
    async () => {
      // More than may be given interfaces at once.
      const pods = 130;
      const args = ["cmd/sandbox.ts", "--nodes", "20", "--pods", String(pods), "--json", "--exit"];
      const { code, stdout, stderr } = await startScript(copy, args, 180_000).outcome;
      // Standard error says how far it came.
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const result = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Figures;
      expect({ ...result, failedCalls: failedCallsIn(copy) }).toMatchObject({
        failedCalls: [],
        pods,
        bound: pods,
        refusals: 0,
        fixedIpKept: true,
        leakedInterfaces: 0,
        leaderKills: 0,
        calls: { CreateNetworkInterface: pods, AttachNetworkInterface: pods, DeleteNetworkInterface: pods },
      });
      expect(outOfBounds(result)).toEqual([]);
      const { p50, p90, p99, max } = result.bindSeconds;
      expect([p50, p90, p99, max].toSorted((one, other) => one - other)).toEqual([p50, p90, p99, max]);
      const sum = Object.values(result.calls).reduce((total, count) => total + count, 0);
      expect(result.callsPerPod).toBeCloseTo(sum / pods, 1);

      await expect(fetch(healthUrlIn(copy))).rejects.toThrow();
    },
  );
});

/** Members of the measured run's last line that are looked at one by one. Source: README.md */
interface Figures extends Readonly<Record<string, unknown>> {
  readonly bindSeconds: Readonly<Record<"p50" | "p90" | "p99" | "max", number>>;
  readonly ownMs: Readonly<Record<"p50" | "p99", number>>;
  readonly calls: Readonly<Record<string, number>>;
  readonly callsPerPod: number;
}

/** Figures that cannot be: the cloud's own delays are the lower bounds, a busy machine and the quota the upper ones. */
function outOfBounds(result: Figures): readonly object[] {
  const { seconds, peakInFlight, releaseSeconds, startToFirstBindSeconds, controlplaneRssMiB } = result;
  const figures = [
    { name: "seconds", value: seconds, min: 1.8, max: 60 },
    { name: "bindSeconds.p50", value: result.bindSeconds.p50, min: 1.8, max: 60 },
    { name: "bindSeconds.max", value: result.bindSeconds.max, min: 1.8, max: Number(seconds) + 0.01 },
    { name: "ownMs.p50", value: result.ownMs.p50, min: 1, max: 5_000 },
    { name: "ownMs.p99", value: result.ownMs.p99, min: result.ownMs.p50, max: 10_000 },
    { name: "callsPerPod", value: result.callsPerPod, min: 4, max: 5 },
    { name: "peakInFlight", value: peakInFlight, min: 25, max: 100 },
    { name: "releaseSeconds", value: releaseSeconds, min: 1, max: 60 },
    { name: "startToFirstBindSeconds", value: startToFirstBindSeconds, min: 1.8, max: 30 },
    // 0 where /proc does not say.
    { name: "controlplaneRssMiB", value: controlplaneRssMiB, min: process.platform === "linux" ? 50 : 0, max: 600 },
  ];
  return figures.filter(({ value, min, max }) => !(typeof value === "number" && value >= min && value <= max));
}

/** Of the controlplane that the sandbox program of that folder started. */
function healthUrlIn(repository: string): string {
  const path = join(repository, ".sandbox", "terway-controlplane-1", "ctrl-config.yaml");
  const { healthzBindAddress } = parse(readFileSync(path, "utf8")) as { readonly healthzBindAddress: string };
  return `http://${healthzBindAddress}/readyz`;
}

/** What the controlplane's log says of calls to the cloud that it has to repeat. */
function failedCallsIn(repository: string): readonly string[] {
  const path = join(repository, ".sandbox", "terway-controlplane-1", "log.jsonl");
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.includes("cloud call failed"));
}

/** Sends SIGTERM. @throws Error when the process is still there at the limit */
async function endingOf(process: ControlplaneProcess): Promise<Ending> {
  process.kill("SIGTERM");
  await eventually(`${process.name} ends`, () => !process.isRunning, { limitMs: endLimitMs });
  return process.ended;
}

async function leaderOf({ sandbox }: World): Promise<{ index: number; process: ControlplaneProcess }> {
  const index = await leaderIndex(sandbox);
  const leader = sandbox.replicas[index];
  if (leader === undefined) throw new Error("no replica holds the lease");
  return { index, process: leader.process };
}

async function holderOf({ kube }: World): Promise<string> {
  const path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/terway-controlplane";
  const { body } = await kube.request("GET", path);
  return (body as { readonly spec: { readonly holderIdentity: string } }).spec.holderIdentity;
}

function untilOtherLeads(world: World, index: number, limitMs: number): ReturnType<typeof leaderOf> {
  return eventually(
    "the other replica leads",
    async () => {
      const found = await leaderIndex(world.sandbox);
      return found >= 0 && found !== index ? leaderOf(world) : undefined;
    },
    { limitMs, state: () => holderOf(world) },
  );
}
