import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { leaderIndex } from "../cmd/sandbox-run.ts";
import type { Replica } from "../cmd/sandbox-world.ts";
import { systemClock } from "../runtime/clock.ts";
import { aNamespace, aPlane, aPod } from "./manifests.ts";
import { RecordedReplicas } from "./recorded-replicas.ts";
import { eventually, quickLease, startWorld, type World } from "./world.ts";

const namespace = "available";

describe("two replicas", () => {
  let world: World;
  let folder = "";
  let recorded: RecordedReplicas;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "terway-ha-"));
    recorded = new RecordedReplicas(folder);
    world = await startWorld({ nodes: 2, replicas: 2, config: quickLease, between: recorded.between });
    await world.kube.apply(aNamespace(namespace));
    await world.kube.apply(aPlane(namespace));
    await world.kube.untilPlaneSays(namespace, "VSwitchesFound");
  }, 120_000);

  afterAll(async () => {
    await world.stop();
    recorded.close();
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  const create = (names: readonly string[]) =>
    Promise.all(names.map((name) => world.kube.create(aPod({ namespace, name, plane: namespace }))));

  it("both serve the webhook, and one acts", async () => {
    await create(["first"]);
    await world.kube.untilRunning(namespace, "first");
    const before = await admissionsOf(world.sandbox.replicas);
    await create(Array.from({ length: 10 }, (_, index) => `admitted-${index}`));
    const after = await admissionsOf(world.sandbox.replicas);
    expect(after.map((count, index) => count > before[index]!)).toEqual([true, true]);
    const leader = await leaderIndex(world.sandbox);
    const standby = 1 - leader;
    expect(recorded.of(leader).cloudWrites).not.toHaveLength(0);
    expect(recorded.of(standby).cloudCalls).toEqual([]);
    for (const { healthUrl } of world.sandbox.replicas) {
      expect((await fetch(`${healthUrl}/readyz`)).status).toBe(200);
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
      const late = recorded.of(paused).changesSince(takenOverAtMs);
      const pods = await world.kube.pods(namespace);
      // Before anything is expected: the next trial needs two replicas, however this one ends.
      await world.sandbox.restart(paused);
      await world.sandbox.ready(30_000);
      expect(late.map(({ method, path, headers }) => [method, path, headers["x-acs-action"]])).toEqual([]);
      expect(next.index).not.toBe(paused);
      expect(new Set(pods.map(({ status }) => status?.podIP)).size).toBe(pods.length);
      expect(world.ownInterfaces()).toHaveLength(pods.length);
    },
    60_000,
  );

  it("a leader that has lost its lease ends at once, whatever the cloud owes it", async () => {
    const loser = await leaderIndex(world.sandbox);
    const { cloudWrites } = recorded.of(loser);
    recorded.of(loser).delayCloudWrites(30_000);
    await create(["owed"]);
    await eventually("a call is under way", () => recorded.of(loser).cloudWrites.length > cloudWrites.length);
    const { process } = world.sandbox.replicas[loser]!;
    // Not frozen, or the watchdog would end it.
    await world.kube.patch("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/terway-controlplane", {
      spec: { holderIdentity: "somebody-else" },
    });
    await eventually("the loser ends", () => !process.isRunning, { limitMs: 5_000 });
    expect(await process.ended).toEqual({ code: 1 });
    await eventually("the other replica leads", async () => (await leaderIndex(world.sandbox)) === 1 - loser);
    await world.sandbox.restart(loser);
    await world.sandbox.ready(30_000);
    await world.kube.untilRunning(namespace, "owed");
    expect(world.ownInterfaces()).toHaveLength((await world.kube.pods(namespace)).length);
  }, 60_000);

  it("a replica is not ready while it ends what it began, and the other one stays ready", async () => {
    const leader = await leaderIndex(world.sandbox);
    const { process, healthUrl } = world.sandbox.replicas[leader]!;
    const other = world.sandbox.replicas[1 - leader]!;
    const { cloudWrites } = recorded.of(leader);
    recorded.of(leader).delayCloudWrites(3_000);
    await create(["under-way"]);
    await eventually("a call is under way", () => recorded.of(leader).cloudWrites.length > cloudWrites.length);
    const ending = process.stop();
    const notReady = await eventually("it says that it is not ready", async () => {
      const answer = await fetch(`${healthUrl}/readyz`);
      return answer.status === 200 ? undefined : { status: answer.status, words: await answer.text() };
    });
    expect(notReady).toEqual({ status: 500, words: expect.stringContaining("the process is stopping") });
    expect((await fetch(`${healthUrl}/healthz`)).status).toBe(200);
    expect((await fetch(`${other.healthUrl}/readyz`)).status).toBe(200);
    await create(["meanwhile"]);
    expect(process.isRunning).toBe(true);
    expect(await ending).toEqual({ code: 0 });
    await Promise.all(["under-way", "meanwhile"].map((name) => world.kube.untilRunning(namespace, name)));
    expect(world.ownInterfaces()).toHaveLength((await world.kube.pods(namespace)).length);
  }, 60_000);
});

/** How many admissions each replica answered. */
async function admissionsOf(replicas: readonly Replica[]): Promise<readonly number[]> {
  return await Promise.all(
    replicas.map(async ({ metricsUrl }) => {
      const text = await (await fetch(metricsUrl)).text();
      const counts = text.matchAll(/^controller_runtime_webhook_requests_total\{[^}]*code="200"[^}]*\} (\d+)/gm);
      return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
    }),
  );
}
