import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { CloudAnswer, SimulatedCloud } from "./cloud.ts";
import type { CloudOptions } from "./options.ts";
import { aCloud, ask, createParameters, settled, virtualTime, type VirtualTime } from "./fixture.ts";

let time: VirtualTime;
let cloud: SimulatedCloud;

beforeEach(() => {
  time = virtualTime();
});
afterEach(() => {
  cloud.close();
  time.uninstall();
});
const start = (overrides?: Partial<CloudOptions>): void => {
  cloud = aCloud(overrides);
};
const run = (action: string, parameters?: Record<string, string>): Promise<CloudAnswer> =>
  settled(time, ask(cloud, action, parameters));
const looks = (count: number): Promise<readonly CloudAnswer[]> =>
  settled(time, Promise.all(Array.from({ length: count }, () => ask(cloud, "DescribeVSwitches"))));
const acceptedOf = (answers: readonly CloudAnswer[]): number => answers.filter(({ status }) => status === 200).length;

describe("quotas", () => {
  it("refuse with Throttling.User above the number, until the wall clock's next full minute", async () => {
    start({ quotas: { DescribeVSwitches: 5 } });
    await time.tickAsync(59_000);
    const answers = await looks(8);
    expect(acceptedOf(answers)).toBe(5);
    expect(answers[7]).toMatchObject({ status: 400, body: { Code: "Throttling.User" } });
    expect(acceptedOf(await looks(1))).toBe(0);
    await time.tickAsync(60_000 - (Date.now() % 60_000));
    expect(acceptedOf(await looks(8))).toBe(5);
    const { apis } = cloud.report();
    expect(apis.DescribeVSwitches).toMatchObject({ calls: 17, refusals: { "Throttling.User": 7 }, peakConcurrency: 8 });
    expect(Object.values(apis.DescribeVSwitches?.callsPerMinute ?? {})).toEqual([5, 5]);
    expect(Object.values(apis.DescribeVSwitches?.throttledPerMinute ?? {})).toEqual([4, 3]);
  });

  it("are shared with a neighbour", async () => {
    start({
      quotas: { DescribeVSwitches: 5 },
      faults: [{ name: "n", api: "*", effect: { type: "quotaShare", share: 0.5 } }],
    });
    expect(acceptedOf(await looks(8))).toBe(2);
  });

  it("are per API, with the published defaults", async () => {
    start({ latencies: { answerMs: [1, 1] } });
    expect(acceptedOf(await looks(301))).toBe(300);
    expect(await run("DescribeVSwitchAttributes", { VSwitchId: "vsw-a" })).toMatchObject({ status: 200 });
  });
});

describe("client tokens", () => {
  const withToken = { ...createParameters, ClientToken: "token-1", "Tag.1.Key": "owner", "Tag.1.Value": "uid" };
  const secondaries = (): number => cloud.enis().filter((eni) => eni.type === "Secondary").length;

  it("give the same answer to the same parameters, also to two calls at once", async () => {
    start();
    const [first, second] = await settled(
      time,
      Promise.all([ask(cloud, "CreateNetworkInterface", withToken), ask(cloud, "CreateNetworkInterface", withToken)]),
    );
    const third = await run("CreateNetworkInterface", withToken);
    expect(second.body["NetworkInterfaceId"]).toBe(first.body["NetworkInterfaceId"]);
    expect(third.body["NetworkInterfaceId"]).toBe(first.body["NetworkInterfaceId"]);
    expect(third.body["RequestId"]).not.toBe(first.body["RequestId"]);
    expect(secondaries()).toBe(1);
    expect(cloud.report().apis.CreateNetworkInterface?.replays).toBe(2);
    expect(cloud.report().allocating).toBe(1);
  });

  it("refuse other parameters", async () => {
    start();
    await run("CreateNetworkInterface", withToken);
    const other = { ...withToken, "Tag.1.Value": "another" };
    expect(await run("CreateNetworkInterface", other)).toMatchObject({
      status: 400,
      body: { Code: "IdempotentParameterMismatch" },
    });
    expect(secondaries()).toBe(1);
  });

  it("forget a refused call", async () => {
    start();
    cloud.setFreeAddresses("vsw-a", 0);
    expect(await run("CreateNetworkInterface", withToken)).toMatchObject({
      body: { Code: "InvalidVSwitchId.IpNotEnough" },
    });
    cloud.setFreeAddresses("vsw-a", 10);
    expect(await run("CreateNetworkInterface", withToken)).toMatchObject({ status: 200 });
  });

  it("find the interface again whose answer was lost", async () => {
    start({
      faults: [{ name: "lost", api: "CreateNetworkInterface", first: 1, effect: { type: "resetAfterEffect" } }],
    });
    await expect(run("CreateNetworkInterface", withToken)).rejects.toMatchObject({ code: "ECONNRESET" });
    const again = await run("CreateNetworkInterface", withToken);
    expect(cloud.enis().at(-1)?.eniId).toBe(again.body["NetworkInterfaceId"]);
    expect(secondaries()).toBe(1);
  });

  it("mean nothing to APIs that have none", async () => {
    start();
    const { body } = await run("CreateNetworkInterface", createParameters);
    const given = { NetworkInterfaceId: String(body["NetworkInterfaceId"]), InstanceId: "i-a", ClientToken: "t" };
    await run("AttachNetworkInterface", given);
    expect(await run("AttachNetworkInterface", given)).toMatchObject({
      body: { Code: "InvalidOperation.InvalidEniState" },
    });
  });
});

describe("who may call in process", () => {
  it("is checked as over HTTP", async () => {
    start({
      accounts: [{ accessKeyId: "k", accessKeySecret: "s", securityToken: "t", expiresAtMs: Date.now() + 1_000 }],
    });
    const look = (given: {
      accessKeyId: string;
      accessKeySecret: string;
      securityToken?: string;
    }): Promise<CloudAnswer> => settled(time, cloud.call({ product: "vpc", action: "DescribeVSwitches" }, {}, given));
    const good = { accessKeyId: "k", accessKeySecret: "s", securityToken: "t" };
    expect(await look({ ...good, accessKeyId: "x" })).toMatchObject({
      status: 404,
      body: { Code: "InvalidAccessKeyId.NotFound" },
    });
    expect(await look({ ...good, accessKeySecret: "x" })).toMatchObject({ body: { Code: "SignatureDoesNotMatch" } });
    expect(await look(good)).toMatchObject({ status: 200 });
    await time.tickAsync(1_000);
    expect(await look(good)).toMatchObject({ body: { Code: "InvalidSecurityToken.Expired" } });
  });

  it("is told which RAM action is missing, and nothing happens", async () => {
    start({
      accounts: [{ accessKeyId: "testAK", accessKeySecret: "testSK", missingActions: ["ecs:CreateNetworkInterface"] }],
    });
    expect(await run("CreateNetworkInterface", createParameters)).toMatchObject({
      status: 403,
      body: { Code: "Forbidden.RAM", AccessDeniedDetail: { AuthAction: "ecs:CreateNetworkInterface" } },
    });
    expect(cloud.enis()).toHaveLength(3);
  });
});

describe("a seed", () => {
  it("gives one history", async () => {
    const historyOf = async (): Promise<string> => {
      start({
        faults: [
          { name: "f", api: "*", probability: 0.3, effect: { type: "httpError", status: 500, code: "InternalError" } },
        ],
      });
      await settled(
        time,
        Promise.all(Array.from({ length: 20 }, () => ask(cloud, "CreateNetworkInterface", createParameters))),
      );
      return JSON.stringify(cloud.report().enis.map(({ eniId, ipv4s }) => [eniId, ipv4s]));
    };
    expect(await historyOf()).toBe(await historyOf());
  });
});
