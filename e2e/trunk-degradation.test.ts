/** What operators see of machines that join while calls to the cloud are held back: by them, by an outage, by a missing right. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { systemClock } from "../runtime/clock.ts";
import { landscape } from "../sandbox/landscape.ts";
import { startMachines, type Machines } from "./machines.ts";
import { eventually } from "./world.ts";

const recoveryMs = 30_000;
const failures = ["CreateENIFailed", "AttachENIFailed", "ConfigError"];

describe("machines that join while calls to the cloud are held back", () => {
  let machines: Machines;
  let configPath: string;
  let config: string;

  beforeAll(async () => {
    machines = await startMachines({ namespace: "held-back", planes: {} });
    configPath = machines.world.sandbox.replicas[0]!.configPath;
    config = readFileSync(configPath, "utf8");
    // The cloud fails here, not the process: it knows the instance type.
    await machines.join("first");
    await machines.untilServing("first");
  }, 120_000);

  afterAll(() => machines.world.stop(), 30_000);

  const calls = () =>
    Object.values(machines.world.sandbox.cloud.report().apis).reduce((sum, { calls: count }) => sum + count, 0);
  const named = (prefix: string) => Array.from({ length: 4 }, (_, index) => `${prefix}-${index}`);
  const joinAll = (names: readonly string[]) => Promise.all(names.map((name) => machines.join(name)));
  /** What the Node CR and the core Node say, one line each. */
  const saying = async (name: string) => {
    const [record, node] = [await machines.world.kube.nodeRecord(name), await machines.world.kube.node(name)];
    const ofRecord = record?.status?.conditions?.find(({ type }) => type === "InterfacesReady");
    const ofNode = node?.status?.conditions?.find(({ type }) => type === "TerwayInterfaces");
    return [ofRecord, ofNode].map((condition) => `${condition?.reason ?? ""}: ${condition?.message ?? ""}`);
  };
  const untilAllSay = (names: readonly string[], words: RegExp) =>
    eventually(
      `both objects of ${names.join(", ")} say ${words.source}`,
      async () => (await Promise.all(names.map(saying))).flat().every((says) => words.test(says)),
      { limitMs: 60_000, state: () => Promise.all(names.map(saying)) },
    );
  const untilAllServe = async (names: readonly string[]) => {
    await Promise.all(names.map((name) => machines.untilServing(name, recoveryMs)));
    for (const name of names) expect(machines.trunksOf(`i-${name}`)).toHaveLength(1);
  };
  const failedEvents = async (names: readonly string[]) => {
    const events = await Promise.all(names.map((name) => machines.world.kube.events("Node", name)));
    return events.flat().filter(({ reason }) => failures.includes(reason ?? ""));
  };
  const degrade = async (level: "" | "l0" | "l1") => {
    writeFileSync(configPath, config + (level === "" ? "" : `degradation: ${level}\n`));
    const { metricsUrl } = machines.world.sandbox.replicas[0]!;
    const line = `terway_degradation{level="${level === "" ? "l0" : level}"} ${level === "" ? 0 : 1}`;
    await eventually(`the metric ${line}`, async () => (await (await fetch(metricsUrl)).text()).includes(line));
  };

  it("l0: no call, no event, the reason on both node objects, and the trunks after the end", async () => {
    const names = named("level");
    await degrade("l0");
    const before = calls();
    await joinAll(names);
    // Nobody has asked for what a machine of that type can carry.
    await machines.join("new-type", { instanceType: "ecs.g7.4xlarge" });
    await untilAllSay(names, /^Degraded: calls to the cloud are suspended: degradation l0 \(configuration\)$/);
    await untilAllSay(["new-type"], /^NodeRecordIncomplete: .*degradation l0/);
    expect(calls()).toBe(before);
    expect(await failedEvents([...names, "new-type"])).toEqual([]);
    await degrade("");
    await untilAllServe([...names, "new-type"]);
  }, 180_000);

  it("a cloud that is down: the same, and since when", async () => {
    const names = named("outage");
    machines.world.sandbox.cloud.setFaults([{ name: "down", api: "*", effect: { type: "reset" } }]);
    await joinAll(names);
    await untilAllSay(names, /^CloudUnavailable: .*ECS does not answer since \d{4}-.*Z \(ConnectionLost\)$/);
    expect(await failedEvents(names)).toEqual([]);
    machines.world.sandbox.cloud.setFaults([]);
    await untilAllServe(names);
  }, 180_000);

  it.each(["CreateNetworkInterface", "AttachNetworkInterface"] as const)(
    "no right to %s: each node says so, one call is tried every 20 s, and all go on within 30 s of the grant",
    async (api) => {
      const names = named(api.slice(0, 3).toLowerCase());
      const { cloud } = machines.world.sandbox;
      const { accessKeyId } = landscape.account;
      cloud.setMissingActions(accessKeyId, [`ecs:${api}`]);
      await joinAll(names);
      await untilAllSay(names, new RegExp(`^AccessDenied: .*ecs:${api}`));
      const refused = () => cloud.report().apis[api]?.calls ?? 0;
      const before = refused();
      await eventually("it is tried again", () => refused() > before, { limitMs: 25_000 });
      await systemClock.sleep(1_000);
      expect(refused() - before).toBeLessThanOrEqual(1);
      cloud.setMissingActions(accessKeyId, []);
      await untilAllServe(names);
    },
    180_000,
  );
});
