import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { leaderIndex } from "../cmd/sandbox-run.ts";
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
    const leader = await leaderIndex(world.sandbox);
    const standby = 1 - leader;
    expect(recorded.of(leader).cloudWrites).not.toHaveLength(0);
    expect(recorded.of(standby).cloudCalls).toEqual([]);
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
      const late = recorded.of(paused).writes.filter(({ atMs }) => atMs >= takenOverAtMs);
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
