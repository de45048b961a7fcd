/** One sandbox for a suite: started quickly, spoken to as a user does, and described when a wait is in vain. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSandbox, type Replica, type Sandbox, type SandboxOptions } from "../cmd/sandbox-world.ts";
import { systemClock } from "../runtime/clock.ts";
import type { EniReport } from "../sandbox/alibaba-cloud/index.ts";
import { landscape } from "../sandbox/landscape.ts";
import { realKubernetes } from "../test/envtest/kubernetes.ts";
import { Kube } from "./kube.ts";

/** The suites run on the sandbox's API server, or with `--api real` on a real one with the real controllers. */
const isReal = process.env["TEST_API"] === "real";

/** An interface reaches each state in a tenth of the usual time, so that suites are short; the order of things is the same. */
const quickLatencies = {
  answerMs: [10, 30],
  createAnswerMs: [30, 60],
  attachMs: [150, 300],
  detachMs: [100, 200],
  deleteMs: [50, 100],
} as const;

/** Keys of the configuration with which a killed leader is followed after 3 s instead of 6. */
export const quickLease = { leaseDuration: "3s", renewDeadline: "2s", retryPeriod: "500ms" } as const;

/**
 * The published lease, for what has nothing to do with leadership: a busy machine may hold a renewal back for longer than the
 * 4 s of the sandbox's own, and nobody starts a replica again that ends.
 */
export const steadyLease = { leaseDuration: "15s", renewDeadline: "10s", retryPeriod: "2s" } as const;

export interface World {
  readonly sandbox: Sandbox;
  readonly kube: Kube;
  /** Every line that a controlplane process logged so far, decoded. */
  readonly logs: readonly Readonly<Record<string, unknown>>[];
  /** Interfaces in the cloud that carry this cluster's tag. */
  readonly ownInterfaces: () => readonly EniReport[];
  stop(): Promise<void>;
}

export interface WorldOptions extends Partial<SandboxOptions> {
  /** @default true */
  readonly waitUntilReady?: boolean;
  /** The suite takes rights away, or starts the API server anew, which knows no roles for a moment. @default false */
  readonly mayBeForbidden?: boolean;
}

/** Starts it and waits until every controlplane process is ready, unless `waitUntilReady: false`. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), "terway-e2e-"));
  const logs: Readonly<Record<string, unknown>>[] = [];
  const { waitUntilReady = true, mayBeForbidden = false, ...given } = options;
  const sandbox = await startSandbox({
    nodes: 4,
    replicas: 1,
    seed: 1,
    faults: [],
    latencies: quickLatencies,
    ...(isReal && { kubernetes: realKubernetes() }),
    ...given,
    config: { ...steadyLease, ...given.config },
    directory,
    onLogLine: (_, line) => logs.push(line),
  });
  const end = async (): Promise<void> => {
    await sandbox.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  const stop = async (): Promise<void> => {
    const forbidden = isReal && !mayBeForbidden ? await forbiddenOf(sandbox.replicas) : [];
    await end();
    if (forbidden.length > 0) throw new Error(`the installed roles forbade requests:\n${forbidden.join("\n")}`);
  };
  try {
    if (waitUntilReady) await sandbox.ready(60_000);
  } catch (error) {
    const log = readFileSync(join(directory, "terway-controlplane-1", "log.jsonl"), "utf8").slice(-4_000);
    await end();
    throw new Error(`the controlplane did not start; its log ends with\n${log}`, { cause: error });
  }
  return {
    sandbox,
    kube: new Kube(sandbox.transport),
    logs,
    ownInterfaces: () =>
      sandbox.cloud
        .report()
        .enis.filter(({ status, tags }) => status !== "Gone" && tags["ack.aliyun.com"] === landscape.clusterId),
    stop,
  };
}

/** Requests that the API server answered with 403, as counted by the replicas that run, one line each. */
async function forbiddenOf(replicas: readonly Replica[]): Promise<readonly string[]> {
  const counts = await Promise.all(
    replicas.map(async ({ process, metricsUrl }) => {
      // One that has ended, or is held, is not asked.
      const answer = await fetch(metricsUrl, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
      const text = (await answer?.text()) ?? "";
      const lines = text.match(/^rest_client_requests_total\{[^}]*code="403"[^}]*\} .*$/gm) ?? [];
      return lines.map((line) => `${process.name}: ${line}`);
    }),
  );
  return counts.flat();
}

/**
 * Polls until `look` gives something, and returns that. Undefined and false count as nothing.
 * @throws Error naming `what` and the last thing that `state` describes
 */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  options: { readonly limitMs?: number; readonly state?: () => unknown } = {},
): Promise<T> {
  const { limitMs = 30_000, state } = options;
  const endMs = systemClock.monotonic() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (systemClock.monotonic() > endMs) break;
    await systemClock.sleep(50);
  }
  const seen = state === undefined ? "" : `; seen last: ${JSON.stringify(await state(), undefined, 1)}`;
  throw new Error(`not within ${limitMs} ms: ${what}${seen}`);
}
