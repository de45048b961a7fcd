/**
 * How long bare machines take from eni-config to a trunk and what they can carry, with the quotas and the delays of the cloud:
 * `node bench/nodes-join.ts --nodes 500`. The last line is the result as JSON; status 1 when 500 take more than three minutes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startSandbox } from "../cmd/sandbox-world.ts";
import { anEniConfig, centralised, trunkConf } from "../e2e/node-records.ts";
import { Kube } from "../e2e/kube.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Node } from "../sandbox/cluster/kinds.ts";

const { values } = parseArgs({
  options: { nodes: { type: "string", default: "500" }, qps: { type: "string", default: "100" } },
});
/** For 500 machines at the published quotas. */
const limitSeconds = 180;
const directory = mkdtempSync(join(tmpdir(), "terway-join-"));
const sandbox = await startSandbox({
  nodes: Number(values.nodes),
  replicas: 1,
  seed: 1,
  faults: [],
  bareNodes: true,
  directory,
  config: { ...centralised, kubeClientQPS: Number(values.qps), kubeClientBurst: 30 },
});
try {
  await sandbox.ready(60_000);
  const kube = new Kube(sandbox.transport);
  const startMs = systemClock.monotonic();
  // Noticed within 10 s.
  await kube.apply(anEniConfig(trunkConf));
  const servedMs = new Map<string, number>();
  while (servedMs.size < sandbox.nodes.length && systemClock.monotonic() - startMs < 600_000) {
    await systemClock.sleep(500);
    const { body } = await kube.request("GET", "/api/v1/nodes");
    for (const node of (body as { readonly items: readonly Node[] }).items) {
      const allocatable = node.status?.allocatable ?? {};
      const isServed = Number(allocatable["aliyun/member-eni"] ?? 0) + Number(allocatable["aliyun/eni"] ?? 0) > 0;
      if (isServed && !servedMs.has(node.metadata.name)) {
        servedMs.set(node.metadata.name, systemClock.monotonic() - startMs);
      }
    }
  }
  const { enis, apis } = sandbox.cloud.report();
  const trunks = enis.filter(({ type, status }) => type === "Trunk" && status === "InUse").length;
  const times = [...servedMs.values()].sort((a, b) => a - b).map((ms) => Math.round(ms / 100) / 10);
  const at = (share: number): number => times[Math.floor(share * (times.length - 1))] ?? NaN;
  const result = { nodes: sandbox.nodes.length, served: times.length, p50: at(0.5), last: at(1), trunks, apis };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  if (times.length < sandbox.nodes.length || at(1) > limitSeconds) process.exitCode = 1;
} finally {
  await sandbox.stop();
  rmSync(directory, { recursive: true, force: true });
}
