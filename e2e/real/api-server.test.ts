import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { systemClock } from "../../runtime/clock.ts";
import { eventually, steadyLease } from "../world.ts";
import { describeReal, madeCount, faultsOf, startReplicas, type Replicas } from "./replicas.ts";

/** So slow that the faults meet interfaces at every step. */
const slowCloud = {
  answerMs: [10, 30],
  createAnswerMs: [100, 300],
  attachMs: [1_000, 2_000],
  detachMs: [300, 600],
  deleteMs: [50, 100],
} as const;

const podNames = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

describeReal("an API server that fails", () => {
  describe("kill -9", () => {
    const namespace = "killed";
    let replicas: Replicas;

    beforeAll(async () => {
      const sandbox = { nodes: 8, latencies: slowCloud };
      replicas = await startReplicas({ namespaces: [namespace], sandbox, mayBeForbidden: true });
    }, 120_000);
    afterAll(() => replicas.stop(), 30_000);

    it("twice in the middle of a burst: all pods run, each with one interface that was made once, and nothing leaks", async () => {
      const { world, controlPlane } = replicas;
      const { kube, sandbox } = world;
      const bursts = [podNames("one", 20), podNames("two", 20)];
      const creations: Promise<void>[] = [];
      for (const names of bursts) {
        const before = madeCount(world);
        creations.push(replicas.create(namespace, names));
        await eventually("some of them are being given interfaces", () => madeCount(world) >= before + 5);
        await controlPlane.killApiServer();
        await controlPlane.startApiServer();
      }
      await Promise.all(creations);
      await Promise.all(bursts.flat().map((name) => kube.untilRunning(namespace, name, { limitMs: 50_000 })));

      expect(await faultsOf(world, namespace)).toEqual([]);
      expect(madeCount(world)).toBe(40);
      expect(sandbox.replicas[await replicas.leader()]?.process.isRunning).toBe(true);
      // A leader that cannot renew must end, and ends for nothing else.
      expect(replicas.losses.filter(({ lostLeaseWhy }) => lostLeaseWhy !== "no renewal succeeded in time")).toEqual([]);
      expect(replicas.losses.map(({ ending }) => ending)).toEqual(replicas.losses.map(() => ({ code: 1 })));
      await sandbox.ready(30_000);

      await replicas.untilNothingIsLeft(namespace);
      expect(madeCount(world)).toBe(40);
    }, 180_000);
  });

  describe("that forgets its versions within a second", () => {
    const namespace = "forgotten";
    const apiServerFlags = ["--watch-cache=false", "--etcd-compaction-interval=1s"];
    let replicas: Replicas;

    beforeAll(async () => {
      const sandbox = { config: steadyLease };
      replicas = await startReplicas({ namespaces: [namespace], apiServer: { apiServerFlags }, sandbox });
    }, 120_000);
    afterAll(() => replicas.stop(), 30_000);

    it("pods that live and die meanwhile all run and leave nothing, although every watch is refused again and again", async () => {
      const { world, proxies } = replicas;
      const { kube } = world;
      const live = async (name: string): Promise<void> => {
        await replicas.create(namespace, [name]);
        await kube.untilRunning(namespace, name);
        await kube.deletePod(namespace, name);
      };
      const lives: Promise<void>[] = [];
      for (const [index, name] of podNames("brief", 30).entries()) {
        lives.push(live(name));
        lives.at(-1)?.catch(() => undefined); // Awaited below.
        // A watch that is open goes on; only one that is opened anew meets what was forgotten.
        if (index % 10 === 4) for (const proxy of proxies) proxy.cutWatches();
        await systemClock.sleep(660);
      }
      await Promise.all(lives);
      await replicas.untilNothingIsLeft(namespace);

      expect(madeCount(world)).toBe(30);
      expect(replicas.losses).toEqual([]);
      const refused = world.logs.filter(({ failure }) => /\b410\b/.test(String(failure)));
      expect(refused.length).toBeGreaterThanOrEqual(10);
    }, 150_000);
  });
});
