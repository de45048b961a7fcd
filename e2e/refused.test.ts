/** What users see, and what it costs, when the cloud refuses a whole kind of call for a reason that a person must mend. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { Condition } from "../crds/v1beta1/condition.ts";
import { systemClock } from "../runtime/clock.ts";
import type { FaultRule } from "../sandbox/alibaba-cloud/index.ts";
import { landscape } from "../sandbox/landscape.ts";
import { aNamespace, aPlane, aPod } from "./manifests.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "refused";
const crowd = 25;
/** One kind of call is tried every 20 s. */
const tryWithinMs = 25_000;
const recoveryMs = 30_000;

type Interfaces = "CreateNetworkInterface" | "AttachNetworkInterface" | "DetachNetworkInterface";
type RefusedApi = Interfaces | "DeleteNetworkInterface" | "DescribeNetworkInterfaces";

describe("calls that the cloud refuses for a reason that a person must mend", () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ nodes: 4 });
    await world.kube.apply(aNamespace(namespace));
    await world.kube.apply(aPlane(namespace));
    await world.kube.untilPlaneSays(namespace, "VSwitchesFound");
  }, 90_000);
  afterAll(() => world.stop(), 30_000);
  // A test that failed in the middle leaves its cause to nobody.
  afterEach(() => {
    deny([]);
    world.sandbox.cloud.setFaults([]);
  });

  const named = (prefix: string) => Array.from({ length: crowd }, (_, index) => `${prefix}-${index}`);
  const create = (names: readonly string[]) =>
    Promise.all(names.map((name) => world.kube.create(aPod({ namespace, name, plane: namespace }))));
  const remove = (names: readonly string[]) => Promise.all(names.map((name) => world.kube.deletePod(namespace, name)));
  const untilAllRun = (names: readonly string[], limitMs?: number) =>
    Promise.all(names.map((name) => world.kube.untilRunning(namespace, name, limitMs ? { limitMs } : {})));
  const readyOf = (conditions: readonly Condition[] | undefined) => conditions?.find(({ type }) => type === "Ready");
  const callsOf = (apis?: readonly RefusedApi[]) =>
    Object.entries(world.sandbox.cloud.report().apis)
      .filter(([api]) => apis?.some((refused) => refused === api) ?? true)
      .reduce((sum, [, { calls }]) => sum + calls, 0);

  /** The records of these pods, gone ones left out, all say that, and so do their interfaces that wait to be given back. */
  const untilAllSay = (names: readonly string[], reason: string, text: string) =>
    eventually(
      `${names.length} records say ${reason}: ${text}`,
      async () => (await sayings(names)).every((says) => says.startsWith(`${reason}: `) && says.includes(text)),
      { limitMs: 40_000, state: () => sayings(names) },
    );
  const leftOvers = () => world.ownInterfaces().map(({ eniId, status }) => `${eniId} ${status}`);
  const sayings = async (names: readonly string[]) => {
    const records = (await world.kube.podEnis(namespace)).filter(({ metadata }) => names.includes(metadata.name));
    return records.map(({ status }) => {
      const condition = readyOf(status?.conditions);
      return `${condition?.reason ?? ""}: ${condition?.message ?? ""}`;
    });
  };
  /** Waits until it is tried again, and says by how many calls. */
  const nextTry = async (apis?: readonly RefusedApi[]) => {
    const before = callsOf(apis);
    await eventually("it is tried again", () => callsOf(apis) > before, { limitMs: tryWithinMs });
    await systemClock.sleep(1_000);
    return callsOf(apis) - before;
  };
  const deny = (apis: readonly RefusedApi[]) =>
    world.sandbox.cloud.setMissingActions(
      landscape.account.accessKeyId,
      apis.map((api) => `ecs:${api}`),
    );
  const untilNothingIsLeft = (limitMs: number) =>
    eventually("no interface is left", () => world.ownInterfaces().length === 0, {
      limitMs,
      state: async () => [
        leftOvers(),
        (await world.kube.networkInterfaces()).map(
          ({ metadata, status }) => `${metadata.name} ${metadata.deletionTimestamp ?? ""} ${JSON.stringify(status)}`,
        ),
      ],
    });

  it.each<{ readonly ofBinds: RefusedApi; readonly ofReleases: RefusedApi }>([
    { ofBinds: "CreateNetworkInterface", ofReleases: "DetachNetworkInterface" },
    { ofBinds: "AttachNetworkInterface", ofReleases: "DeleteNetworkInterface" },
    { ofBinds: "DescribeNetworkInterfaces", ofReleases: "DescribeNetworkInterfaces" },
  ])(
    "no right to $ofBinds and $ofReleases: each object that waits names it, one call is tried at a time, all goes on within 30 s of the grant",
    async ({ ofBinds, ofReleases }) => {
      const coming = named(`coming-${ofBinds.slice(0, 3).toLowerCase()}`);
      const leaving = named(`leaving-${ofBinds.slice(0, 3).toLowerCase()}`);
      await create(leaving);
      await untilAllRun(leaving, 60_000);
      const refused = [...new Set([ofBinds, ofReleases])];
      deny(refused);
      await Promise.all([create(coming), remove(leaving)]);
      await untilAllSay(coming, "AccessDenied", `ecs:${ofBinds}`);
      await untilAllSay(leaving, "AccessDenied", `ecs:${ofReleases}`);
      expect(await sayings([...coming, ...leaving])).toHaveLength(2 * crowd);
      expect(await nextTry(refused)).toBeLessThanOrEqual(refused.length);
      await world.kube.untilEvent("Pod", coming[crowd - 1]!, eventOf(ofBinds), `ecs:${ofBinds}`);

      deny([]);
      const grantedAtMs = systemClock.monotonic();
      await untilAllRun(coming, recoveryMs);
      const inCloud = () => world.ownInterfaces().length;
      await eventually("the others are given back", () => inCloud() === crowd, {
        limitMs: recoveryMs - (systemClock.monotonic() - grantedAtMs),
        state: inCloud,
      });
      await remove(coming);
      await untilNothingIsLeft(30_000);
    },
    180_000,
  );

  it("a key that the cloud does not know: no call but one that asks for its end, and every record says so", async () => {
    const [coming, leaving] = [named("coming-key"), named("leaving-key")];
    await create(leaving);
    await untilAllRun(leaving, 60_000);
    world.sandbox.cloud.setFaults([unknownKey]);
    await Promise.all([create(coming), remove(leaving)]);
    await untilAllSay([...coming, ...leaving], "InvalidCredential", "InvalidAccessKeyId.NotFound");
    expect(await nextTry()).toBeLessThanOrEqual(1);
    await world.kube.untilEvent("Pod", coming[0]!, "CreateENIFailed", "InvalidAccessKeyId.NotFound");

    world.sandbox.cloud.setFaults([]);
    await untilAllRun(coming, recoveryMs);
    await remove(coming);
    await untilNothingIsLeft(30_000);
  }, 180_000);

  it("no vSwitch has an address: the pods that wait are bound within 30 s of the first free ones", async () => {
    const waiting = named("waiting");
    const vSwitchIds = ["vsw-hz-h-1", "vsw-hz-i-1", "vsw-hz-h-2"];
    const { cloud } = world.sandbox;
    const before = cloud.report().vSwitches;
    for (const id of vSwitchIds) cloud.setFreeAddresses(id, 0);
    await create(waiting);
    await untilAllSay(waiting, "VSwitchesExhausted", "vsw-hz-");
    for (const id of vSwitchIds) cloud.setFreeAddresses(id, before[id]!.freeAddresses);
    await untilAllRun(waiting, recoveryMs);
    await remove(waiting);
    await untilNothingIsLeft(30_000);
  }, 120_000);
});

const unknownKey: FaultRule = {
  name: "unknown key",
  api: "*",
  effect: { type: "httpError", status: 404, code: "InvalidAccessKeyId.NotFound" },
};

function eventOf(api: RefusedApi): string {
  return api === "CreateNetworkInterface" ? "CreateENIFailed" : "AttachENIFailed";
}
