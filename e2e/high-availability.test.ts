import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { leaderIndex } from "../cmd/sandbox-run.ts";
import type { ReplicaAccess } from "../cmd/sandbox-world.ts";
import { systemClock } from "../runtime/clock.ts";
import { startRecordingProxy, type RecordedCall, type RecordingProxy } from "../test/fixtures/recording-proxy.ts";
import { startKubeProxy } from "./kube-proxy.ts";
import { aNamespace, aPlane, aPod } from "./manifests.ts";
import { eventually, quickLease, startWorld, type World } from "./world.ts";

const namespace = "available";
const leasePath = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/terway-controlplane";

describe("two replicas", () => {
  let world: World;
  let folder = "";
  /** What each replica asks, by its number; a restarted one gets a new pair. */
  const kubes: RecordingProxy[] = [];
  const clouds: RecordingProxy[] = [];

  /** Every replica speaks through proxies of its own, so that each call has a known sender. */
  const between = async (index: number, { kubeconfigPath, cloudEndpoint }: ReplicaAccess): Promise<ReplicaAccess> => {
    const ownKubeconfigPath = join(folder, `kubeconfig-${index}`);
    const kube = await startKubeProxy(kubeconfigPath, ownKubeconfigPath);
    const cloud = await startRecordingProxy({ url: `http://${cloudEndpoint}` });
    kubes[index]?.close();
    clouds[index]?.close();
    kubes[index] = kube;
    clouds[index] = cloud;
    return { kubeconfigPath: ownKubeconfigPath, cloudEndpoint: new URL(cloud.url).host };
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "terway-ha-"));
    world = await startWorld({ nodes: 2, replicas: 2, config: quickLease, between });
    await world.kube.apply(aNamespace(namespace));
    await world.kube.apply(aPlane(namespace));
    await world.kube.untilPlaneSays(namespace, "VSwitchesFound");
  }, 120_000);

  afterAll(async () => {
    await world.stop();
    for (const proxy of [...kubes, ...clouds]) proxy.close();
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  const create = (names: readonly string[]) =>
    Promise.all(names.map((name) => world.kube.create(aPod({ namespace, name, plane: namespace }))));

  it("both serve the webhook, and one acts", async () => {
    await create(["first"]);
    await world.kube.untilRunning(namespace, "first");
    const leader = await leaderIndex(world.sandbox);
    const standby = 1 - leader;
    expect(writes(clouds[leader]!)).not.toHaveLength(0);
    expect(writes(clouds[standby]!)).toEqual([]);
    expect(clouds[standby]!.calls).toEqual([]);
    for (const { webhookUrl, healthUrl } of world.sandbox.replicas) {
      expect((await fetch(`${healthUrl}/readyz`)).status).toBe(200);
      // Nobody here trusts its certificate; that there is one is what counts.
      const refusal: unknown = await fetch(webhookUrl).catch((error: unknown) => error);
      expect(refusal).toHaveProperty("cause.code", expect.stringMatching(/CERT|VERIFY|SELF_SIGNED/));
    }
  }, 60_000);

  it.each([1, 2, 3])(
    "a leader that was paused beyond its lease changes nothing when it goes on (trial %i)",
    async (trial) => {
      const paused = await leaderIndex(world.sandbox);
      const names = Array.from({ length: 8 }, (_, index) => `paused-${trial}-${index}`);
      await create(names);
      // In the middle of its work: creations are under way.
      await systemClock.sleep(100 * trial);
      const { process } = world.sandbox.replicas[paused]!;
      process.kill("SIGSTOP");
      const next = await eventually("the other replica leads", async () => {
        const index = await leaderIndex(world.sandbox);
        return index >= 0 && index !== paused ? { index } : undefined;
      });
      const takenOverAtMs = Date.now();
      await Promise.all(names.map((name) => world.kube.untilRunning(namespace, name)));
      process.kill("SIGCONT");
      await eventually("the paused one ends", () => !process.isRunning, { limitMs: 10_000 });
      const late = [...writes(kubes[paused]!), ...writes(clouds[paused]!)].filter(({ atMs }) => atMs >= takenOverAtMs);
      expect(late.map(({ method, path, headers }) => [method, path, headers["x-acs-action"]])).toEqual([]);
      expect(next.index).not.toBe(paused);

      const pods = await world.kube.pods(namespace);
      expect(new Set(pods.map(({ status }) => status?.podIP)).size).toBe(pods.length);
      expect(world.ownInterfaces()).toHaveLength(pods.length);
      await world.sandbox.restart(paused);
      await world.sandbox.ready(30_000);
    },
    60_000,
  );

  it("a replica is not ready while it stops, and the other one stays ready", async () => {
    const standby = 1 - (await leaderIndex(world.sandbox));
    const { process, healthUrl } = world.sandbox.replicas[standby]!;
    const stopping = process.stop();
    await stopping;
    await expect(fetch(`${healthUrl}/readyz`)).rejects.toThrow();
    const other = world.sandbox.replicas[1 - standby]!;
    expect((await fetch(`${other.healthUrl}/readyz`)).status).toBe(200);
    await create(["without-standby"]);
    await world.kube.untilRunning(namespace, "without-standby");
  }, 60_000);
});

/** Calls that change something; those at the lease are guarded by its version. */
function writes({ calls }: RecordingProxy): readonly RecordedCall[] {
  return calls.filter(({ method, path, headers }) => {
    const action = String(headers["x-acs-action"] ?? "");
    if (action !== "") return !action.startsWith("Describe");
    return method !== "GET" && !path.startsWith(leasePath);
  });
}
