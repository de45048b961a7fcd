/** An hour without the cloud, and what follows, against the simulated cloud under virtual time. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { Registry } from "prom-client";
import { OperatorError, SuspendedError } from "../runtime/errors.ts";
import { createCloud as createSimulatedCloud, type FaultRule } from "../sandbox/alibaba-cloud/index.ts";
import { CallFailed, decodeAnswer, flattenParameters, productOf, type CloudCall } from "./call.ts";
import { createCloud } from "./client.ts";
import { SettableLevel } from "./fixtures/settable-level.ts";
import { installVirtualTime, silentLogger, type VirtualTime } from "./fixtures/virtual-time.ts";
import { toCallFailed } from "./sdk.ts";

const key = { accessKeyId: "testAK", accessKeySecret: "testSK" };
const { signal } = new AbortController();
const regionId = "cn-hangzhou";
const pods = 100;
const hourMs = 3_600_000;
const down: FaultRule = { name: "down", api: "*", effect: { type: "reset" } };

describe("an outage of the whole cloud", () => {
  let time: VirtualTime;
  beforeEach(() => {
    time = installVirtualTime(10_000);
  });
  afterEach(() => time.timers.uninstall());

  const world = () => {
    const { clock } = time;
    const simulation = createSimulatedCloud({ clock, random: () => 0.5, regionId, accounts: [key] });
    const place = { vpcId: "vpc-1", zoneId: "cn-hangzhou-h" };
    simulation.addVSwitch({ vSwitchId: "vsw-1", ...place, cidr: "10.0.0.0/16" });
    simulation.addSecurityGroup({ securityGroupId: "sg-1", vpcId: "vpc-1" });
    const nodes = Array.from({ length: 20 }, (_, n) => {
      const instanceId = `i-${n}`;
      simulation.addInstance({ instanceId, instanceType: "ecs.g7.4xlarge", ...place, vSwitchId: "vsw-1" });
      return { instanceId, trunkEniId: simulation.addTrunk(instanceId) };
    });
    const call: CloudCall = async (api, parameters) => {
      const product = productOf(api)?.product ?? "ecs";
      try {
        return decodeAnswer(await simulation.call({ product, action: api }, flattenParameters(parameters), key));
      } catch (error) {
        throw error instanceof CallFailed ? error : toCallFailed(error);
      }
    };
    const registry = new Registry();
    const cloud = createCloud({
      call,
      clock,
      random: () => 0.5,
      logger: silentLogger,
      registry,
      regionId,
      vpcId: "vpc-1",
      fence: { assertHeld: () => undefined },
      degradation: new SettableLevel(),
    });
    cloud.start(signal);
    const wakes = new Set<() => void>();
    cloud.onSuspensionChange(() => {
      for (const wake of wakes) wake();
      wakes.clear();
    });
    cloud.observer.onObserved((eniId) => waiters.get(eniId)?.());
    const waiters = new Map<string, () => void>();
    /** Repeats as the controllers do: woken after a suspension, after a second otherwise. */
    const persistently = async <T>(work: () => Promise<T>): Promise<T> => {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          if (!(error instanceof OperatorError)) throw error;
          if (error instanceof SuspendedError) await new Promise<void>((resolve) => wakes.add(resolve));
          else await clock.sleep(1_000);
        }
      }
    };
    const attached = (eniId: string) =>
      new Promise<void>((resolve) => {
        waiters.set(eniId, () => {
          if (cloud.observer.latest(eniId)?.eni?.status !== "InUse") return;
          cloud.observer.stop(eniId);
          resolve();
        });
        cloud.observer.watch(eniId, { operation: "attach", startedAtMs: clock.now(), priority: "bind" });
      });
    /** The life of a pod's interface until it is attached. @returns when it is */
    const bind = async (n: number): Promise<number> => {
      const request = {
        vSwitchId: "vsw-1",
        securityGroupIds: ["sg-1"],
        clientToken: `pod-${n}`,
        tags: {},
        deleteOnRelease: true,
        ipv6Count: 0,
      };
      const options = { priority: "bind", signal } as const;
      const { eniId } = await persistently(() => cloud.enis.createEni(request, options));
      await persistently(() => cloud.enis.attachEni({ eniId, ...nodes[n % nodes.length]! }, options));
      await attached(eniId);
      return clock.now();
    };
    const callsTotal = () => Object.values(simulation.report().apis).reduce((sum, { calls }) => sum + calls, 0);
    return { cloud, simulation, registry, bind, callsTotal };
  };

  it("of an hour costs few calls, and 100 waiting pods are bound within 30 s after it, begun slowly", async () => {
    const { cloud, simulation, registry, bind, callsTotal } = world();
    simulation.setFaults([down]);
    const binding = Array.from({ length: pods }, (_, n) => bind(n));
    await time.timers.tickAsync(60_000);
    expect(await registry.metrics()).toContain('cloud_suspended{product="ecs"} 1');
    const atStart = callsTotal();
    // What is sent before the outage is believed: each pod's first tries, for some seconds.
    expect(atStart).toBeLessThanOrEqual(pods * 5);
    await time.timers.tickAsync(hourMs - 60_000);
    expect(callsTotal() - atStart).toBeLessThanOrEqual(360);

    simulation.setFaults([]);
    const backAtMs = time.clock.now();
    const before = callsTotal();
    while (callsTotal() === before) await time.timers.tickAsync(100);
    await time.timers.tickAsync(1_000);
    expect(callsTotal() - before).toBeLessThanOrEqual(8);
    await time.timers.tickAsync(60_000);
    const boundAtMs = await Promise.all(binding);
    expect(Math.max(...boundAtMs) - backAtMs).toBeLessThanOrEqual(30_000);
    expect(simulation.enis().filter(({ status, type }) => status === "InUse" && type === "Member")).toHaveLength(pods);
    expect(await registry.metrics()).toContain('cloud_suspended{product="ecs"} 0');
    cloud.stop();
  }, 60_000);

  it("of DescribeVSwitches leaves the other product alone, and what was known of vSwitches is used on", async () => {
    const { cloud, simulation, bind } = world();
    await Promise.all([cloud.vSwitches.get(["vsw-1"], signal), time.timers.tickAsync(1_000)]);
    simulation.setFaults([{ ...down, api: "DescribeVSwitches" }]);
    await time.timers.tickAsync(hourMs);
    for (let n = 0; n < 5; n += 1) {
      void cloud.vSwitches.get(["vsw-2"], signal);
      await time.timers.tickAsync(5_000);
    }
    const asked = cloud.vSwitches.get(["vsw-1", "vsw-2"], signal);
    await time.timers.tickAsync(10);
    expect(await asked).toMatchObject([
      { vSwitchId: "vsw-1", zoneId: "cn-hangzhou-h" },
      { vSwitchId: "vsw-2", error: { reason: "CloudUnavailable" } },
    ]);
    const bound = bind(1);
    await time.timers.tickAsync(10_000);
    expect(await bound).toBeGreaterThan(0);
    cloud.stop();
  }, 60_000);
});
