import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { CloudAnswer, SimulatedCloud } from "./cloud.ts";
import { aCloud, ask, createParameters, settled, virtualTime, type VirtualTime } from "./fixture.ts";

let time: VirtualTime;
let cloud: SimulatedCloud;

beforeEach(() => {
  time = virtualTime();
  cloud = aCloud();
  const place = { vpcId: "vpc-1", zoneId: "cn-hangzhou-a", vSwitchId: "vsw-a" };
  cloud.addInstance({ instanceId: "i-cards", instanceType: "ecs.g7.32xlarge", ...place });
});
afterEach(() => {
  cloud.close();
  time.uninstall();
});

const run = (action: string, parameters?: Record<string, string>): Promise<CloudAnswer> =>
  settled(time, ask(cloud, action, parameters));

async function attach(
  instanceId: string,
  card?: string,
): Promise<{ readonly eniId: string; readonly answer: CloudAnswer }> {
  const { body } = await run("CreateNetworkInterface", createParameters);
  const eniId = String(body["NetworkInterfaceId"]);
  const where = { NetworkInterfaceId: eniId, InstanceId: instanceId };
  return { eniId, answer: await run("AttachNetworkInterface", { ...where, ...(card && { NetworkCardIndex: card }) }) };
}

async function cardOf(eniId: string): Promise<unknown> {
  await time.tickAsync(3_000);
  const { body } = await run("DescribeNetworkInterfaceAttribute", { NetworkInterfaceId: eniId });
  return (body["Attachment"] as Readonly<Record<string, unknown>>)["NetworkCardIndex"];
}

describe("network cards", () => {
  it("are told of a type that has several, and of no other", async () => {
    const { body } = await run("DescribeInstanceTypes", {
      "InstanceTypes.1": "ecs.g7.32xlarge",
      "InstanceTypes.2": "ecs.g7.xlarge",
    });
    expect(body["InstanceTypes"]).toMatchObject({
      InstanceType: [
        {
          NetworkCardQuantity: 2,
          NetworkCards: { NetworkCardInfo: [{ NetworkCardIndex: 0 }, { NetworkCardIndex: 1 }] },
        },
        expect.not.objectContaining({ NetworkCardQuantity: expect.anything() }),
      ],
    });
  });

  it("carry what an attach puts there, and show it when the attach named one", async () => {
    expect(await cardOf((await attach("i-cards", "1")).eniId)).toBe(1);
    expect(await cardOf((await attach("i-cards")).eniId)).toBeUndefined();
  });

  it.each([
    { name: "beyond the last one", instanceId: "i-cards", card: "2" },
    { name: "on a machine with one", instanceId: "i-a", card: "0" },
  ])("$name cannot be named", async ({ instanceId, card }) => {
    const { answer } = await attach(instanceId, card);
    expect(answer).toMatchObject({ status: 400, body: { Code: "InvalidParameter" } });
  });

  it("carry half of the machine's interfaces each, the primary interface on the first", async () => {
    const statuses: unknown[] = [];
    for (let count = 0; count < 8; count++) statuses.push((await attach("i-cards", "0")).answer.status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200, 403]);
    expect((await attach("i-cards", "1")).answer.status).toBe(200);
  });
});
