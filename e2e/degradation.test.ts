/** What operators see and get when calls to the cloud are held back: because they say so, or because the cloud is down. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Condition } from "../crds/v1beta1/condition.ts";
import { systemClock } from "../runtime/clock.ts";
import { landscape } from "../sandbox/landscape.ts";
import { aNamespace, aPlane, aPod, aStatefulSet } from "./manifests.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "degraded";
/** The cloud fails here, not the leader, however busy the machine is. */
const patientLease = { leaseDuration: "60s", renewDeadline: "50s", retryPeriod: "2s" };
const fixedForMinutes = { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "10m" };

describe("degradation", () => {
  let world: World;
  let config: string;

  beforeAll(async () => {
    world = await startWorld({ nodes: 4, config: patientLease });
    config = readFileSync(world.sandbox.replicas[0]!.configPath, "utf8");
    const { kube } = world;
    await kube.apply(aNamespace(namespace));
    await kube.apply(aPlane("elastic"));
    await kube.apply(aPlane("fixed", { allocationType: fixedForMinutes }));
    for (const name of ["elastic", "fixed"]) await kube.untilPlaneSays(name, "VSwitchesFound");
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  const elasticPod = (name: string) => aPod({ namespace, name, plane: "elastic" });
  const metrics = async () => (await fetch(world.sandbox.replicas[0]!.metricsUrl)).text();
  const untilMetric = (line: string, limitMs?: number) =>
    eventually(`the metric ${line}`, async () => (await metrics()).includes(line), limitMs ? { limitMs } : {});
  const calls = () => {
    const { apis } = world.sandbox.cloud.report();
    return Object.values(apis).reduce((sum, { calls: count }) => sum + count, 0);
  };
  const interfaceOf = async (name: string) =>
    (await world.kube.podEni(namespace, name))?.spec?.allocations?.[0]?.eni?.id ?? "";
  const isInCloud = (eniId: string) => world.ownInterfaces().some((eni) => eni.eniId === eniId);
  const readyOf = (conditions: readonly Condition[] | undefined) => conditions?.find(({ type }) => type === "Ready");
  const untilInterfaceSays = (eniId: string, reason: string) =>
    eventually(
      `NetworkInterface ${eniId} says ${reason}`,
      async () => {
        const condition = readyOf((await world.kube.networkInterface(eniId))?.status?.conditions);
        return condition?.reason === reason ? condition : undefined;
      },
      { state: async () => (await world.kube.networkInterface(eniId))?.status },
    );
  const untilInterfaceIsGone = (eniId: string) =>
    eventually(`${eniId} is gone`, () => !isInCloud(eniId), { limitMs: 60_000, state: () => world.ownInterfaces() });

  /** Edits the configuration as an operator does, and waits until it counts. */
  const degrade = async (level: "" | "l0" | "l1") => {
    const line = level === "" ? "" : `degradation: ${level}\n`;
    writeFileSync(world.sandbox.replicas[0]!.configPath, config + line);
    for (const one of ["l0", "l1"]) await untilMetric(`terway_degradation{level="${one}"} ${Number(one === level)}`);
  };

  it("l0: no call of any kind, everything says why, and goes on by itself when it ends", async () => {
    const { kube, sandbox } = world;
    await kube.apply(elasticPod("leaving"));
    await kube.untilRunning(namespace, "leaving");
    const leaving = await interfaceOf("leaving");
    await degrade("l0");
    const before = calls();
    sandbox.cloud.addVSwitch({
      vSwitchId: "vsw-new",
      cidr: "10.30.0.0/24",
      zoneId: landscape.zones[0],
      vpcId: landscape.vpcId,
    });
    await kube.deletePod(namespace, "leaving");
    await kube.apply(elasticPod("coming"));
    await kube.apply(aPlane("new", { vSwitchOptions: ["vsw-new"] }));
    const words = "calls to the cloud are suspended: degradation l0 (configuration)";
    expect((await kube.untilPodEniSays(namespace, "coming", "Degraded")).message).toBe(words);
    expect((await kube.untilPodEniSays(namespace, "leaving", "Degraded")).message).toBe(words);
    expect((await untilInterfaceSays(leaving, "Degraded")).message).toBe(words);
    const ofPlane = await kube.untilPlaneSays("new", "CloudAPIUnavailable");
    expect(ofPlane.message).toContain(words);
    await untilMetric("terway_allocation_places_in_use 0");
    expect(calls()).toBe(before);
    expect(isInCloud(leaving)).toBe(true);

    await degrade("");
    await kube.untilRunning(namespace, "coming");
    await untilInterfaceIsGone(leaving);
    await kube.untilPlaneSays("new", "VSwitchesFound");
  }, 120_000);

  it("l1: nothing is released, but pods get interfaces, and a fixed address moves with its pod", async () => {
    const { kube } = world;
    await kube.apply(aStatefulSet({ namespace, name: "db", plane: "fixed", replicas: 1 }));
    const former = await kube.untilRunning(namespace, "db-0");
    await kube.apply(elasticPod("kept"));
    await kube.untilRunning(namespace, "kept");
    const kept = await interfaceOf("kept");
    await degrade("l1");
    const released = () => {
      const { apis } = world.sandbox.cloud.report();
      return apis.DeleteNetworkInterface?.calls ?? 0;
    };
    const before = released();
    await kube.deletePod(namespace, "kept");
    await kube.apply(elasticPod("another"));
    await kube.untilRunning(namespace, "another");
    const { message } = await untilInterfaceSays(kept, "Degraded");
    expect(message).toBe("releases in the cloud are suspended: degradation l1 (configuration)");

    await kube.deletePod(namespace, "db-0");
    const next = await kube.untilRunning(namespace, "db-0", { notUid: former.pod.metadata.uid ?? "" });
    expect(next.pod.status?.podIP).toBe(former.pod.status?.podIP);
    expect(released()).toBe(before);
    expect(world.ownInterfaces().find(({ eniId }) => eniId === kept)?.status).toBe("InUse");

    await degrade("");
    await untilInterfaceIsGone(kept);
  }, 120_000);

  it("a cloud that is down: few calls, every object says since when, and all pods run soon after it is back", async () => {
    const { kube, sandbox, logs } = world;
    const names = Array.from({ length: 40 }, (_, index) => `crowd-${index}`);
    sandbox.cloud.setFaults([{ name: "down", api: "*", effect: { type: "reset" } }]);
    for (const name of names) await kube.apply(elasticPod(name));
    await untilMetric('cloud_suspended{product="ecs"} 1');
    const atStart = calls();
    const startMs = systemClock.monotonic();
    const says = await Promise.all(names.map((name) => kube.untilPodEniSays(namespace, name, "CloudUnavailable")));
    for (const { message } of says) expect(message).toMatch(/ECS does not answer since \d{4}-.*Z \(ConnectionLost\)$/);
    await untilMetric("terway_allocation_places_in_use 0");
    const probesAtMost = 4 + (systemClock.monotonic() - startMs) / 4_000;
    expect(calls() - atStart).toBeLessThanOrEqual(probesAtMost);
    expect(logs).toContainEqual(
      expect.objectContaining({ level: "warn", message: expect.stringContaining("does not answer"), product: "ecs" }),
    );

    sandbox.cloud.setFaults([]);
    await untilMetric('cloud_suspended{product="ecs"} 0', 15_000);
    const addresses = await Promise.all(
      names.map(async (name) => (await kube.untilRunning(namespace, name, { limitMs: 60_000 })).pod.status?.podIP),
    );
    expect(new Set(addresses).size).toBe(names.length);
    expect(sandbox.cloud.report().peakAllocating).toBeLessThanOrEqual(100);
  }, 180_000);

  it("VPC alone is down: pods of known vSwitches run, and a new plane says what it waits for", async () => {
    const { kube, sandbox } = world;
    sandbox.cloud.addVSwitch({
      vSwitchId: "vsw-later",
      cidr: "10.31.0.0/24",
      zoneId: landscape.zones[0],
      vpcId: landscape.vpcId,
    });
    sandbox.cloud.setFaults([
      { name: "vpc", api: "DescribeVSwitches", effect: { type: "httpError", status: 503, code: "ServiceUnavailable" } },
    ]);
    for (const name of ["later-1", "later-2", "later-3"]) {
      await kube.apply(aPlane(name, { vSwitchOptions: [`vsw-${name}`, "vsw-later"] }));
    }
    await untilMetric('cloud_suspended{product="vpc"} 1');
    await kube.apply(elasticPod("known"));
    await kube.untilRunning(namespace, "known");
    expect((await metrics()).includes('cloud_suspended{product="ecs"} 0')).toBe(true);
    const { message } = await kube.untilPlaneSays("later-1", "CloudAPIUnavailable");
    expect(message).toContain("VPC does not answer since");
    sandbox.cloud.setFaults([]);
    await kube.untilPlaneSays("later-1", "VSwitchNotFound");
  }, 120_000);
});

describe("interfaces of somebody else", () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ nodes: 2, config: patientLease });
  }, 90_000);
  afterAll(() => world.stop(), 30_000);

  const path = "/apis/network.alibabacloud.com/v1beta1/networkinterfaces";
  const ours = { "ack.aliyun.com": landscape.clusterId, creator: "terway-controller" };

  /** An interface of that cloud account, made by other means. */
  const makeEni = async (tags: Readonly<Record<string, string>>): Promise<string> => {
    const parameters = Object.entries(tags).flatMap(([key, value], index): [string, string][] => [
      [`Tag.${index + 1}.Key`, key],
      [`Tag.${index + 1}.Value`, value],
    ]);
    const { body } = await world.sandbox.cloud.call(
      { product: "ecs", action: "CreateNetworkInterface" },
      {
        RegionId: landscape.regionId,
        VSwitchId: "vsw-hz-h-1",
        "SecurityGroupIds.1": landscape.securityGroupId,
        ...Object.fromEntries(parameters),
      },
      landscape.account,
    );
    return String(body["NetworkInterfaceId"]);
  };
  const enis = () => world.sandbox.cloud.report().enis;
  const statusOf = (eniId: string) => enis().find((eni) => eni.eniId === eniId)?.status;
  const record = async (eniId: string, phase: string, instanceID: string) => {
    const metadata = { name: eniId, finalizers: ["network.alibabacloud.com/eni"] };
    const spec = { eni: { id: eniId, mac: "00:16:3e:00:00:09", zone: landscape.zones[0], vSwitchID: "vsw-hz-h-1" } };
    const body = { apiVersion: "network.alibabacloud.com/v1beta1", kind: "NetworkInterface", metadata, spec };
    const { status } = await world.kube.request("POST", path, body);
    expect(status).toBe(201);
    await world.kube.patch(`${path}/${eniId}/status`, { status: { phase, eniInfo: { id: eniId }, instanceID } });
  };

  it("are left alone, even if records name them by mistake", async () => {
    const { kube, sandbox } = world;
    const { instanceId, trunkEniId = "" } = sandbox.nodes.find((node) => node.trunkEniId !== undefined)!;
    const primary = enis().find((eni) => eni.type === "Primary" && eni.instanceId === instanceId)!.eniId;
    const untagged = await makeEni({});
    const erdma = await makeEni({ "ack.aliyun.com": landscape.clusterId, creator: "alibabacloud-erdma-controller" });
    const excluded = await makeEni({ ...ours, "terway.alibabacloud.com/excluded": "true" });
    const wanted = await makeEni({});
    const before = sandbox.cloud.report().apis;
    for (const eniId of [primary, trunkEniId, untagged, erdma, excluded]) await record(eniId, "Detaching", instanceId);
    await record(wanted, "Binding", instanceId);
    await eventually(
      "the record of the wanted one says that it is foreign",
      async () => (await kube.networkInterface(wanted))?.status?.conditions?.[0]?.reason === "ForeignInterface",
      { state: () => kube.networkInterfaces() },
    );
    for (const eniId of [primary, trunkEniId, untagged, erdma, excluded]) {
      await eventually(
        `the record of ${eniId} is let go`,
        async () => {
          const found = await kube.networkInterface(eniId);
          return found === undefined || found.status?.phase === "Unbind";
        },
        { state: () => kube.networkInterface(eniId) },
      );
    }
    for (const eniId of [primary, trunkEniId, untagged, erdma, excluded, wanted]) {
      await kube.deletePath(`${path}/${eniId}`);
    }
    await eventually("all records are gone", async () => (await kube.networkInterfaces()).length === 0, {
      limitMs: 60_000,
      state: () => kube.networkInterfaces(),
    });
    expect([primary, trunkEniId].map(statusOf)).toEqual(["InUse", "InUse"]);
    expect([untagged, erdma, excluded, wanted].map(statusOf)).toEqual(Array(4).fill("Available"));
    const after = sandbox.cloud.report().apis;
    for (const api of ["AttachNetworkInterface", "DetachNetworkInterface", "DeleteNetworkInterface"] as const) {
      // The check of permissions asks each once, about nothing; it may come after the count before.
      expect((after[api]?.calls ?? 0) - (before[api]?.calls ?? 0)).toBeLessThanOrEqual(
        before[api] === undefined ? 1 : 0,
      );
    }
  }, 120_000);
});
