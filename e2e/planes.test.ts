/** Planes over time: their vSwitches come, go and fill up; their specs change; several of them want the same pods. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Condition } from "../crds/v1beta1/condition.ts";
import { systemClock } from "../runtime/clock.ts";
import { landscape } from "../sandbox/landscape.ts";
import { aNamespace, aPlane, aPod, inZone } from "./manifests.ts";
import { pathOf } from "./kube.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "planes";
const { vpcId } = landscape;
const zoneId = "cn-hangzhou-h";

/** A survey is begun every 22 s. */
const surveyMs = 22_000;
const learnedMs = 30_000;

/** Nobody else could lead, so a machine that is slow for a while is no reason to end. */
const patientLease = { leaseDuration: "60s", renewDeadline: "40s", retryPeriod: "2s" };

describe("planes", () => {
  let world: World;
  const { scenario, start } = concurrentScenarios();

  const addVSwitch = (vSwitchId: string, cidr: string, freeAddresses?: number): void =>
    world.sandbox.cloud.addVSwitch({
      vSwitchId,
      vpcId,
      zoneId,
      cidr,
      ...(freeAddresses !== undefined && { freeAddresses }),
    });

  const conditionOf = async (plane: string, type: string): Promise<Condition | undefined> =>
    (await world.kube.plane(plane))?.status?.conditions?.find((condition) => condition.type === type);

  const untilPlaneHas = (
    plane: string,
    wanted: { readonly type: string; readonly status: string; readonly text?: string },
    limitMs = learnedMs,
  ): Promise<Condition> =>
    eventually(
      `PodNetworking ${plane} has ${wanted.type} ${wanted.status} ${wanted.text ?? ""}`,
      async () => {
        const condition = await conditionOf(plane, wanted.type);
        const fits = condition?.status === wanted.status && condition.message.includes(wanted.text ?? "");
        return fits ? condition : undefined;
      },
      { limitMs, state: async () => (await world.kube.plane(plane))?.status },
    );

  const untilGauge = (name: string, value: number): Promise<unknown> => {
    const text = async () => (await fetch(world.sandbox.replicas[0]!.metricsUrl)).text();
    return eventually(`${name} is ${value}`, async () => (await text()).includes(`\n${name} ${value}\n`));
  };

  const describeCalls = (): number => world.sandbox.cloud.report().apis.DescribeVSwitches?.calls ?? 0;

  beforeAll(async () => {
    world = await startWorld({ nodes: 6, config: patientLease });
    const { kube, sandbox } = world;
    await kube.apply(aNamespace(namespace));
    sandbox.cloud.addSecurityGroup({ securityGroupId: "sg-next", vpcId });
    // Free counts do not show what happened within the last half minute.
    sandbox.cloud.setFaults([{ name: "lag", api: ["DescribeVSwitches"], effect: { type: "lateReads", ms: 30_000 } }]);
    start();
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  scenario(
    "a vSwitch that vanishes makes its planes Fail within 30 s, and its return mends them as soon; others stay Ready",
    async () => {
      const { kube, sandbox } = world;
      addVSwitch("vsw-passing", "10.20.0.0/24");
      await kube.apply(aPlane("passing", { vSwitchOptions: ["vsw-passing", "vsw-hz-i-1"] }));
      await kube.apply(aPlane("staying", { vSwitchOptions: ["vsw-hz-h-1"] }));
      await kube.untilPlaneSays("passing", "VSwitchesFound");
      expect((await kube.plane("passing"))?.status?.vSwitches).toEqual([
        { id: "vsw-passing", zone: "cn-hangzhou-h" },
        { id: "vsw-hz-i-1", zone: "cn-hangzhou-i" },
      ]);
      await kube.untilPlaneSays("staying", "VSwitchesFound");
      const before = (await kube.plane("staying"))?.metadata.resourceVersion;

      sandbox.cloud.removeVSwitch("vsw-passing");
      const { message } = await kube.untilPlaneSays("passing", "VSwitchNotFound", learnedMs);
      expect(message).toContain("vsw-passing");
      expect((await kube.plane("passing"))?.status?.status).toBe("Fail");
      await kube.untilEvent("PodNetworking", "passing", "SyncPodNetworkingFailed", "vsw-passing");
      await kube.apply(aPod({ namespace, name: "early", plane: "passing" }));
      await kube.untilEvent("Pod", "early", "WaitingForPodNetworking", "vsw-passing");

      sandbox.cloud.restoreVSwitch("vsw-passing");
      await kube.untilPlaneSays("passing", "VSwitchesFound", learnedMs);
      await kube.untilRunning(namespace, "early");
      expect((await kube.plane("passing"))?.status).toMatchObject({ status: "Ready", message: "" });
      expect((await kube.plane("staying"))?.metadata.resourceVersion).toBe(before);
    },
    120_000,
  );

  scenario("a full vSwitch whose addresses return serves the pod that waits within 30 s", async () => {
    const { kube, sandbox } = world;
    addVSwitch("vsw-full", "10.20.1.0/24", 0);
    await kube.apply(aPlane("full", { vSwitchOptions: ["vsw-full"] }));
    await kube.untilPlaneSays("full", "VSwitchesFound");
    await kube.apply(aPod({ namespace, name: "waiting", plane: "full", spec: inZone(zoneId) }));
    await kube.untilPodEniSays(namespace, "waiting", "VSwitchesExhausted");
    await kube.untilEvent("Pod", "waiting", "CreateENIFailed", "vsw-full");
    sandbox.cloud.setFreeAddresses("vsw-full", 5);
    await kube.untilPodEniSays(namespace, "waiting", "Bound", learnedMs);
    await kube.untilRunning(namespace, "waiting");
  });

  scenario(
    "60 pods at once leave three vSwitches of policy `most` about equally full, although free counts lag",
    async () => {
      const { kube, sandbox } = world;
      const free = { "vsw-most-1": 120, "vsw-most-2": 110, "vsw-most-3": 100 };
      for (const [index, [id, count]] of Object.entries(free).entries()) addVSwitch(id, `10.21.${index}.0/24`, count);
      const vSwitchSelectOptions = { vSwitchSelectionPolicy: "most" };
      await kube.apply(aPlane("most", { vSwitchOptions: Object.keys(free), vSwitchSelectOptions }));
      await kube.untilPlaneSays("most", "VSwitchesFound");
      const names = Array.from({ length: 60 }, (_, index) => `most-${index}`);
      await Promise.all(
        names.map((name) => kube.apply(aPod({ namespace, name, plane: "most", spec: inZone(zoneId) }))),
      );
      await Promise.all(names.map((name) => kube.untilRunning(namespace, name, { limitMs: 60_000 })));
      const { vSwitches } = sandbox.cloud.report();
      const left = Object.keys(free).map((id) => vSwitches[id]!.freeAddresses);
      expect(left.reduce((sum, count) => sum + count, 0)).toBe(330 - 60);
      // A few, for choices are made while others are being recorded; they began 20 apart.
      expect(Math.max(...left) - Math.min(...left)).toBeLessThanOrEqual(8);
    },
  );

  scenario(
    "a pod that is older than its plane stays on the shared network, and the plane names it until it is gone",
    async () => {
      const { kube } = world;
      await kube.apply(aPod({ namespace, name: "senior", plane: "late" }));
      await kube.apply(aPlane("late"));
      const late = await untilPlaneHas("late", { type: "PodsUpToDate", status: "False", text: "senior" });
      expect(late).toMatchObject({ reason: "PodsPredatePlane" });
      expect(late.message).toContain("on the shared network");
      expect((await kube.plane("late"))?.status?.status).toBe("Ready");
      await kube.deletePod(namespace, "senior");
      await untilPlaneHas("late", { type: "PodsUpToDate", status: "True" });
    },
  );

  scenario("an edit applies to new pods, and the plane says which pods it does not apply to", async () => {
    const { kube, sandbox } = world;
    await kube.apply(aPlane("edited"));
    await kube.untilPlaneSays("edited", "VSwitchesFound");
    for (const name of ["edited-1", "edited-2"]) await kube.apply(aPod({ namespace, name, plane: "edited" }));
    const { podEni } = await kube.untilRunning(namespace, "edited-1");
    await kube.untilRunning(namespace, "edited-2");
    expect(await conditionOf("edited", "PodsUpToDate")).toMatchObject({ status: "True", reason: "PodsFollowSpec" });

    await kube.patch(pathOf.plane("edited"), { spec: { securityGroupIDs: ["sg-next"] } });
    const behind = await untilPlaneHas("edited", { type: "PodsUpToDate", status: "False", text: "2 pods" });
    expect(behind).toMatchObject({ reason: "PodsPredateChange" });
    expect(behind.message).toContain(`for instance ${namespace}/edited-1`);
    expect((await kube.podEni(namespace, "edited-1"))?.spec).toEqual(podEni.spec);

    await kube.deletePod(namespace, "edited-1");
    await kube.apply(aPod({ namespace, name: "edited-3", plane: "edited" }));
    const { podEni: made } = await kube.untilRunning(namespace, "edited-3");
    expect(made.spec?.allocations?.[0]?.eni?.securityGroupIDs).toEqual(["sg-next"]);
    await untilPlaneHas("edited", { type: "PodsUpToDate", status: "False", text: "1 pod (" });
    await kube.deletePod(namespace, "edited-2");
    await untilPlaneHas("edited", { type: "PodsUpToDate", status: "True" });
    expect((await kube.plane("edited"))?.status?.status).toBe("Ready");
    expect(sandbox.cloud.report().apis.ModifyNetworkInterfaceAttribute).toBeUndefined();
  });

  scenario("30 pods of policy `random` use both vSwitches", async () => {
    const { kube } = world;
    const ids = ["vsw-dice-1", "vsw-dice-2"];
    for (const [index, id] of ids.entries()) addVSwitch(id, `10.22.${index}.0/24`);
    const vSwitchSelectOptions = { vSwitchSelectionPolicy: "random" };
    await kube.apply(aPlane("dice", { vSwitchOptions: ids, vSwitchSelectOptions }));
    await kube.untilPlaneSays("dice", "VSwitchesFound");
    const names = Array.from({ length: 30 }, (_, index) => `dice-${index}`);
    await Promise.all(names.map((name) => kube.apply(aPod({ namespace, name, plane: "dice", spec: inZone(zoneId) }))));
    const running = await Promise.all(names.map((name) => kube.untilRunning(namespace, name, { limitMs: 60_000 })));
    const used = running.map(({ podEni }) => podEni.spec?.allocations?.[0]?.eni?.vSwitchID ?? "none");
    expect([...new Set(used)].sort()).toEqual(ids);
  });

  scenario("vSwitches that are taken from a plane keep its pods, and the plane says which these are", async () => {
    const { kube } = world;
    await kube.apply(aPlane("moving", { vSwitchOptions: ["vsw-hz-h-1"] }));
    await kube.untilPlaneSays("moving", "VSwitchesFound");
    await kube.apply(aPod({ namespace, name: "moving-1", plane: "moving" }));
    const { podEni } = await kube.untilRunning(namespace, "moving-1");
    await kube.patch(pathOf.plane("moving"), { spec: { vSwitchOptions: ["vsw-hz-h-2"] } });
    const behind = await untilPlaneHas("moving", { type: "PodsUpToDate", status: "False", text: "1 pod" });
    expect(behind).toMatchObject({ reason: "PodsPredateChange" });
    expect(behind.message).toContain(`${namespace}/moving-1`);
    expect((await kube.podEni(namespace, "moving-1"))?.spec).toEqual(podEni.spec);

    await kube.apply(aPod({ namespace, name: "moving-2", plane: "moving" }));
    const { podEni: made } = await kube.untilRunning(namespace, "moving-2");
    expect(made.spec?.allocations?.[0]?.eni?.vSwitchID).toBe("vsw-hz-h-2");
    await kube.patch(pathOf.plane("moving"), { spec: { vSwitchOptions: ["vsw-hz-h-2", "vsw-hz-h-1"] } });
    await untilPlaneHas("moving", { type: "PodsUpToDate", status: "True" });
  });

  scenario("planes that match the same pod both say so, name each other, and stop when it is gone", async () => {
    const { kube } = world;
    const selecting = (label: string) => ({ selector: { podSelector: { matchLabels: { [label]: "yes" } } } });
    await kube.apply(aPlane("first", selecting("first")));
    await kube.untilPlaneSays("first", "VSwitchesFound");
    // The order of planes is that of their creation, which has seconds.
    await systemClock.sleep(1_000);
    await kube.apply(aPlane("second", selecting("second")));
    await kube.untilPlaneSays("second", "VSwitchesFound");
    await kube.apply(aPod({ namespace, name: "of-one", labels: { second: "yes" } }));
    await kube.untilRunning(namespace, "of-one");
    expect(await conditionOf("second", "Ambiguous")).toBeUndefined();

    await kube.apply(aPod({ namespace, name: "of-both", labels: { first: "yes", second: "yes" } }));
    for (const [plane, other] of [
      ["first", "second"],
      ["second", "first"],
    ] as const) {
      const { message, reason } = await untilPlaneHas(plane, { type: "Ambiguous", status: "True" });
      expect(reason).toBe("SeveralPlanesMatch");
      expect(message).toContain(`pods also match ${other}, for instance ${namespace}/of-both; first is used`);
    }
    await untilGauge("terway_pod_networkings_ambiguous", 2);
    await kube.deletePod(namespace, "of-both");
    for (const plane of ["first", "second"]) await untilPlaneHas(plane, { type: "Ambiguous", status: "False" });
    await untilGauge("terway_pod_networkings_ambiguous", 0);
  });

  // The following ones count calls or change the whole account, so they run alone.

  it("a survey that fails is logged, and no plane that was Ready fails by it", async () => {
    const { kube, sandbox, logs } = world;
    const versions = async () => {
      const planes = await Promise.all(["staying", "edited", "most"].map((name) => kube.plane(name)));
      return planes.map((plane) => [plane?.status?.status, plane?.metadata.resourceVersion]);
    };
    const before = await versions();
    const logged = (): number =>
      logs.filter(({ message }) => String(message).includes("could not be looked at")).length;
    expect(logged()).toBe(0);
    sandbox.cloud.setFaults([
      { name: "broken", api: ["DescribeVSwitches"], effect: { type: "httpError", status: 500, code: "InternalError" } },
    ]);
    await eventually("a survey fails", () => logged() === 1, { limitMs: learnedMs });
    sandbox.cloud.setFaults([]);
    sandbox.cloud.setMissingActions(landscape.account.accessKeyId, ["vpc:DescribeVSwitches"]);
    await eventually("another one fails", () => logged() === 2, { limitMs: learnedMs });
    sandbox.cloud.setMissingActions(landscape.account.accessKeyId, []);
    expect(await versions()).toEqual(before);
    expect(before.map(([phase]) => phase)).toEqual(["Ready", "Ready", "Ready"]);
  }, 90_000);

  it("all planes together cost one call a survey, and no write", async () => {
    const { kube } = world;
    const names = Array.from({ length: 12 }, (_, index) => `quiet-${index}`);
    await Promise.all(names.map((name) => kube.apply(aPlane(name))));
    for (const name of names) await kube.untilPlaneSays(name, "VSwitchesFound");
    const versionsOf = async () =>
      Promise.all(names.map(async (name) => (await kube.plane(name))?.metadata.resourceVersion));
    const calls = describeCalls();
    await eventually("a survey", () => describeCalls() > calls);
    const atSurvey = describeCalls();
    const versions = await versionsOf();
    await systemClock.sleep(2 * surveyMs + 5_000);
    expect(describeCalls() - atSurvey).toBe(2);
    expect(await versionsOf()).toEqual(versions);
  }, 120_000);
});
