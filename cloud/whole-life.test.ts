/** The adapter against the simulated cloud: through the official SDK and HTTP, and in process under virtual time. */
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { Registry } from "prom-client";
import {
  createCloud as createSimulatedCloud,
  type CloudOptions as SimulationOptions,
} from "../sandbox/alibaba-cloud/index.ts";
import { decodeAnswer, flattenParameters, productOf, type CloudCall } from "./call.ts";
import { createCloud, type Cloud } from "./client.ts";
import { createCredentialProvider, staticSource } from "./credentials.ts";
import { SettableLevel } from "./fixtures/settable-level.ts";
import { installVirtualTime, silentLogger, type VirtualTime } from "./fixtures/virtual-time.ts";
import { createSdkCall } from "./sdk.ts";
import type { Clock } from "../runtime/ports.ts";

const key = { accessKeyId: "testAK", accessKeySecret: "testSK" };
const signal = new AbortController().signal;
const regionId = "cn-hangzhou";
// Loading the SDK and 2 500 simulated calls take seconds on a busy machine.
jest.setTimeout(60_000);

function aSimulation(clock: Clock, options: Partial<SimulationOptions> = {}) {
  let seed = 7;
  // A small linear generator: the same history in every run.
  const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  const simulation = createSimulatedCloud({ clock, random, regionId, accounts: [key], ...options });
  const place = { vpcId: "vpc-1", zoneId: "cn-hangzhou-h" };
  simulation.addVSwitch({ vSwitchId: "vsw-1", ...place, cidr: "10.0.0.0/16" });
  simulation.addSecurityGroup({ securityGroupId: "sg-1", vpcId: "vpc-1" });
  const nodes = Array.from({ length: 20 }, (_, n) => {
    const instanceId = `i-${n}`;
    simulation.addInstance({ instanceId, instanceType: "ecs.g7.4xlarge", ...place, vSwitchId: "vsw-1" });
    return { instanceId, trunkEniId: simulation.addTrunk(instanceId) };
  });
  return { simulation, random, nodes };
}

function aClient(call: CloudCall, clock: Clock, random: () => number) {
  const cloud = createCloud({
    call,
    clock,
    random,
    logger: silentLogger,
    registry: new Registry(),
    regionId,
    vpcId: "vpc-1",
    fence: { assertHeld: () => undefined },
    degradation: new SettableLevel(),
  });
  cloud.start(signal);
  const waiters = new Map<string, () => void>();
  cloud.observer.onObserved((eniId) => waiters.get(eniId)?.());
  /** Resolves when the interface is in that state. */
  const until = (eniId: string, operation: "attach" | "detach" | "delete", status: string | undefined) =>
    new Promise<void>((resolve) => {
      waiters.set(eniId, () => {
        const latest = cloud.observer.latest(eniId);
        if (latest === undefined || latest.eni?.status !== status) return;
        cloud.observer.stop(eniId);
        resolve();
      });
      const priority = operation === "attach" ? "bind" : "release";
      cloud.observer.watch(eniId, { operation, startedAtMs: clock.now(), priority });
    });
  return { cloud, until };
}

const bind = { priority: "bind", signal } as const;
const release = { priority: "release", signal } as const;

const create = (cloud: Cloud, name: string) =>
  cloud.enis.createEni(
    {
      vSwitchId: "vsw-1",
      securityGroupIds: ["sg-1"],
      clientToken: name,
      tags: { creator: "terway-controller", name },
      deleteOnRelease: true,
      ipv6Count: 0,
    },
    bind,
  );

describe("through the official SDK", () => {
  it("makes, attaches, detaches and deletes a member interface", async () => {
    const clock: Clock = {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    };
    const quick = {
      answerMs: [1, 3],
      createAnswerMs: [1, 3],
      attachMs: [20, 40],
      detachMs: [20, 40],
      deleteMs: [20, 40],
    } as const;
    const { simulation, random, nodes } = aSimulation(clock, { latencies: quick });
    const server = await simulation.listen({ host: "127.0.0.1" });
    const credentials = createCredentialProvider({ sources: [staticSource(key)], clock, logger: silentLogger });
    const call = createSdkCall({
      regionId,
      credentials,
      ecsEndpoint: server.endpoint,
      vpcEndpoint: server.endpoint,
      scheme: "http",
      userAgent: "terway-controlplane/test",
    });
    const { cloud } = aClient(call, clock, random);
    const [node] = nodes;
    try {
      expect(await cloud.vSwitches.get(["vsw-1", "vsw-none"], signal)).toMatchObject([
        { vSwitchId: "vsw-1", zoneId: "cn-hangzhou-h" },
        { vSwitchId: "vsw-none", error: "NotFound" },
      ]);
      const eni = await create(cloud, "pod-1");
      expect(await create(cloud, "pod-1")).toMatchObject({ eniId: eni.eniId });
      await cloud.enis.attachEni({ eniId: eni.eniId, ...node! }, bind);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const [attached] = await cloud.enis.listEnis({ tags: { name: "pod-1" } }, bind);
      expect(attached).toMatchObject({ eniId: eni.eniId, status: "InUse", type: "Member", ...node });
      expect(attached?.deviceIndex).toBeGreaterThan(0);
      await expect(cloud.enis.deleteEni({ eniId: eni.eniId }, release)).rejects.toMatchObject({ category: "waiting" });
      await cloud.enis.detachEni({ eniId: eni.eniId, ...node! }, release);
      await new Promise((resolve) => setTimeout(resolve, 100));
      await cloud.enis.deleteEni({ eniId: eni.eniId }, release);
      await new Promise((resolve) => setTimeout(resolve, 100));
      await cloud.enis.deleteEni({ eniId: eni.eniId }, release);
      expect(await cloud.enis.listEnis({ tags: { name: "pod-1" } }, release)).toEqual([]);
    } finally {
      cloud.stop();
      await server.close();
    }
  });
});

describe("under virtual time", () => {
  let time: VirtualTime;
  afterEach(() => {
    time.timers.uninstall();
  });
  beforeEach(() => {
    time = installVirtualTime(40_000);
  });

  const world = (options: Partial<SimulationOptions> = {}) => {
    const { simulation, random, nodes } = aSimulation(time.clock, options);
    const call: CloudCall = async (api, parameters) => {
      const product = productOf(api)?.product ?? "ecs";
      return decodeAnswer(await simulation.call({ product, action: api }, flattenParameters(parameters), key));
    };
    return { simulation, nodes, ...aClient(call, time.clock, random) };
  };

  it.each([{ pods: 50 }, { pods: 100 }, { pods: 600 }])(
    "serves $pods whole lives at most 100 at once with few calls, none refused",
    async ({ pods }) => {
      const { simulation, nodes, cloud, until } = world();
      let next = 0;
      const bound: { eniId: string; instanceId: string; trunkEniId: string }[] = [];
      const place = async () => {
        while (next < pods) {
          const n = (next += 1);
          const { eniId } = await create(cloud, `pod-${n}`);
          const target = { eniId, ...nodes[n % nodes.length]! };
          await cloud.enis.attachEni(target, bind);
          await until(eniId, "attach", "InUse");
          bound.push(target);
        }
      };
      const startedAtMs = time.clock.now();
      const binding = Promise.all(Array.from({ length: 100 }, place)).then(() => time.clock.now() - startedAtMs);
      await time.timers.tickAsync(120_000);
      const boundMs = await binding;
      const unbind = async (target: (typeof bound)[number]) => {
        await cloud.enis.detachEni(target, release);
        await until(target.eniId, "detach", "Available");
        await cloud.enis.deleteEni(target, release);
        await until(target.eniId, "delete", undefined);
      };
      const releasing = Promise.all(bound.map(unbind));
      await time.timers.tickAsync(180_000);
      await releasing;
      const report = simulation.report();
      const apis = Object.values(report.apis);
      const calls = apis.reduce((sum, api) => sum + api.calls, 0);
      const refusals = apis.reduce((sum, api) => sum + Object.keys(api.refusals).length, 0);
      expect(boundMs).toBeLessThan(pods > 500 ? 90_000 : 5_000);
      // Four that change something, and at most half a look: pods wait for the looks, so they are frequent.
      expect(calls / pods).toBeLessThanOrEqual(4.5);
      expect(refusals).toBe(0);
      cloud.stop();
    },
  );
});
