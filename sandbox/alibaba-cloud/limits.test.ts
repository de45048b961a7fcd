import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { CloudAnswer, SimulatedCloud } from "./cloud.ts";
import { aCloud, ask, createParameters, settled, virtualTime, type VirtualTime } from "./fixture.ts";

let time: VirtualTime;
let cloud: SimulatedCloud;

beforeEach(() => {
  time = virtualTime();
  cloud = aCloud();
});
afterEach(() => {
  cloud.close();
  time.uninstall();
});

const run = (action: string, parameters?: Record<string, string>): Promise<CloudAnswer> =>
  settled(time, ask(cloud, action, parameters));
const refused = (status: number, code: string): object => ({ status, body: { Code: code } });
async function created(parameters: Record<string, string> = {}): Promise<string> {
  const { body } = await run("CreateNetworkInterface", { ...createParameters, ...parameters });
  return String(body["NetworkInterfaceId"]);
}
const attach = (eniId: string, instanceId: string, trunk?: string): Promise<CloudAnswer> =>
  run("AttachNetworkInterface", {
    NetworkInterfaceId: eniId,
    InstanceId: instanceId,
    ...(trunk === undefined ? {} : { TrunkNetworkInstanceId: trunk }),
  });

describe("CreateNetworkInterface refuses", () => {
  const rows: { name: string; given: Record<string, string>; status: number; code: string }[] = [
    { name: "no vSwitch", given: { VSwitchId: "" }, status: 400, code: "MissingParameter" },
    { name: "no security group", given: { "SecurityGroupIds.1": "" }, status: 400, code: "MissingParameter" },
    { name: "an unknown vSwitch", given: { VSwitchId: "vsw-no" }, status: 404, code: "InvalidVSwitchId.NotFound" },
    {
      name: "an unknown group",
      given: { "SecurityGroupIds.1": "sg-no" },
      status: 404,
      code: "InvalidSecurityGroupId.NotFound",
    },
    {
      name: "a group of another VPC",
      given: { "SecurityGroupIds.1": "sg-far" },
      status: 403,
      code: "InvalidOperation.VpcMismatch",
    },
    { name: "another region", given: { RegionId: "cn-beijing" }, status: 400, code: "Forbidden.RegionId" },
    { name: "an unknown kind", given: { InstanceType: "Member" }, status: 400, code: "InvalidParameter" },
    {
      name: "50 secondary addresses",
      given: { SecondaryPrivateIpAddressCount: "50" },
      status: 400,
      code: "InvalidParameter",
    },
    { name: "a description of one character", given: { Description: "x" }, status: 400, code: "InvalidParameter" },
    {
      name: "a client token of 65 characters",
      given: { ClientToken: "x".repeat(65) },
      status: 400,
      code: "InvalidParameter",
    },
    { name: "one tag twice", given: { "Tag.1.Key": "a", "Tag.2.Key": "a" }, status: 400, code: "Duplicate.TagKey" },
    {
      name: "IPv6 in a vSwitch without",
      given: { VSwitchId: "vsw-b", Ipv6AddressCount: "1" },
      status: 403,
      code: "InvalidOperation.Ipv6NotSupport",
    },
    {
      name: "an address elsewhere",
      given: { PrimaryIpAddress: "10.9.0.1" },
      status: 403,
      code: "InvalidVSwitchId.IpInvalid",
    },
    { name: "an address in use", given: { PrimaryIpAddress: "10.0.0.1" }, status: 403, code: "InvalidIp.IpAssigned" },
    { name: "prefixes", given: { Ipv4PrefixCount: "1" }, status: 400, code: "UnsupportedParameter" },
  ];
  it.each(rows)("$name with $code, and nothing is left", async ({ given, status, code }) => {
    const free = cloud.report().vSwitches;
    expect(await run("CreateNetworkInterface", { ...createParameters, ...given })).toMatchObject(refused(status, code));
    expect(cloud.report().vSwitches).toEqual(free);
    expect(cloud.report().allocating).toBe(0);
  });

  it("when the vSwitch is full, with the published text, until an address is free again", async () => {
    cloud.setFreeAddresses("vsw-a", 1);
    const eniId = await created();
    const refusal = await run("CreateNetworkInterface", createParameters);
    expect(refusal).toMatchObject(refused(403, "InvalidVSwitchId.IpNotEnough"));
    expect(refusal.body["Message"]).toBe('The specified VSwitch "vsw-a" has not enough IpAddress.');
    await run("DeleteNetworkInterface", { NetworkInterfaceId: eniId });
    await time.tickAsync(1_000);
    expect(await run("CreateNetworkInterface", createParameters)).toMatchObject({ status: 200 });
  });

  it("when the security group is full", async () => {
    const given = { ...createParameters, "SecurityGroupIds.1": "sg-2" };
    await run("CreateNetworkInterface", given);
    await run("CreateNetworkInterface", given);
    expect(await run("CreateNetworkInterface", given)).toMatchObject(refused(403, "SecurityGroupInstanceLimitExceed"));
  });

  it("above the account's quota of interfaces", async () => {
    cloud = aCloud({ eniQuota: 1 });
    await created();
    expect(await run("CreateNetworkInterface", createParameters)).toMatchObject(refused(403, "MaxEniCountExceeded"));
  });
});

describe("AttachNetworkInterface refuses", () => {
  const rows: {
    name: string;
    given: Record<string, string>;
    create?: Record<string, string>;
    status: number;
    code: string;
  }[] = [
    {
      name: "a machine elsewhere",
      given: { InstanceId: "i-b" },
      status: 403,
      code: "InvalidOperation.AvailabilityZoneMismatch",
    },
    { name: "no machine", given: { InstanceId: "i-no" }, status: 404, code: "InvalidEcsId.NotFound" },
    { name: "no interface", given: { NetworkInterfaceId: "eni-no" }, status: 404, code: "InvalidEniId.NotFound" },
    { name: "no trunk", given: { TrunkNetworkInstanceId: "eni-no" }, status: 404, code: "InvalidEniId.NotFound" },
    {
      name: "a trunk on a type without",
      create: { InstanceType: "Trunk" },
      given: { InstanceId: "i-small" },
      status: 403,
      code: "InvalidOperation.InstanceTypeNotSupportEniTrunking",
    },
    {
      name: "more addresses than the type has",
      create: { SecondaryPrivateIpAddressCount: "6" },
      given: { InstanceId: "i-small" },
      status: 403,
      code: "InvalidOperation.Ipv4CountExceeded",
    },
  ];
  it.each(rows)("$name with $code", async ({ given, create, status, code }) => {
    const eniId = await created(create);
    const parameters = { NetworkInterfaceId: eniId, InstanceId: "i-a", ...given };
    expect(await run("AttachNetworkInterface", parameters)).toMatchObject(refused(status, code));
    expect(cloud.enis().find((eni) => eni.eniId === eniId)?.status).toBe("Available");
  });

  it("a trunk that is not in use on that machine, and a trunk that is none", async () => {
    const loose = await created({ InstanceType: "Trunk" });
    expect(await attach(await created(), "i-a", loose)).toMatchObject(
      refused(403, "InvalidOperation.InvalidTrunkEniStatus"),
    );
    expect(await attach(await created(), "i-a", await created())).toMatchObject(
      refused(403, "InvalidOperation.TrunkingIsNotAllowed"),
    );
  });

  it("the second adapter of a machine that has one besides the primary, until it is gone", async () => {
    const first = await created();
    await attach(first, "i-small");
    expect(await attach(await created(), "i-small")).toMatchObject(refused(403, "EniPerInstanceLimitExceeded"));
    await time.tickAsync(3_000);
    await run("DetachNetworkInterface", { NetworkInterfaceId: first, InstanceId: "i-small" });
    await time.tickAsync(2_000);
    expect(await attach(await created(), "i-small")).toMatchObject({ status: 200 });
  });

  it("the 59th member of a type with 60 interfaces in all, of which two are primary and trunk", async () => {
    const trunk = cloud.addTrunk("i-a");
    const ids = await settled(
      time,
      Promise.all(Array.from({ length: 59 }, () => ask(cloud, "CreateNetworkInterface", createParameters))),
    );
    const attaches = ids.map(({ body }) => ({
      NetworkInterfaceId: String(body["NetworkInterfaceId"]),
      InstanceId: "i-a",
      TrunkNetworkInstanceId: trunk,
    }));
    const answers = await settled(
      time,
      Promise.all(attaches.map((given) => ask(cloud, "AttachNetworkInterface", given))),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(58);
    expect(answers.filter(({ body }) => body["Code"] === "EniPerInstanceLimitExceeded")).toHaveLength(1);
    const vlans = cloud.enis().flatMap((eni) => (eni.trunkEniId === trunk ? (eni.deviceIndex ?? -1) : []));
    expect(new Set(vlans).size).toBe(58);
    expect(Math.min(...vlans)).toBe(1);
  });
});

describe("addresses of an interface", () => {
  it("are limited by 50 off a machine and by the type on it", async () => {
    const eniId = await created();
    const base = { NetworkInterfaceId: eniId };
    const assign = (count: number): Promise<CloudAnswer> =>
      run("AssignPrivateIpAddresses", { ...base, SecondaryPrivateIpAddressCount: String(count) });
    expect(await assign(29)).toMatchObject({ status: 200 });
    await attach(eniId, "i-a");
    expect(await assign(1)).toMatchObject(refused(400, "InvalidOperation.InvalidEniState"));
    await time.tickAsync(3_000);
    expect(await assign(1)).toMatchObject(refused(403, "InvalidOperation.Ipv4CountExceeded"));
  });

  it("cannot be given back twice, nor can the primary one", async () => {
    const eniId = await created({ SecondaryPrivateIpAddressCount: "1" });
    const [primary, second] = cloud.enis().find((eni) => eni.eniId === eniId)?.ipv4s ?? [];
    const unassign = (address: string | undefined): Promise<CloudAnswer> =>
      run("UnassignPrivateIpAddresses", { NetworkInterfaceId: eniId, "PrivateIpAddress.1": address ?? "" });
    expect(await unassign(second)).toMatchObject({ status: 200 });
    expect(await unassign(second)).toMatchObject(refused(403, "InvalidIp.IpUnassigned"));
    expect(await unassign(primary)).toMatchObject(refused(403, "InvalidIp.IpUnassigned"));
  });

  it("do not change in two tasks at once", async () => {
    const eniId = await created();
    const assign = (): Promise<CloudAnswer> =>
      ask(cloud, "AssignPrivateIpAddresses", { NetworkInterfaceId: eniId, SecondaryPrivateIpAddressCount: "1" });
    const [first, second] = await settled(time, Promise.all([assign(), assign()]));
    expect(first).toMatchObject({ status: 200 });
    expect(second).toMatchObject(refused(403, "Operation.Conflict"));
  });
});

describe("reads", () => {
  it("answer ten interfaces when no page size is given, even for twelve ids", async () => {
    const ids = await Promise.all([...Array(12).keys()].map(() => created()));
    const asked = Object.fromEntries(ids.map((id, index) => [`NetworkInterfaceId.${index + 1}`, id]));
    const rowsOf = ({ body }: CloudAnswer): unknown[] =>
      (body["NetworkInterfaceSets"] as { NetworkInterfaceSet: unknown[] }).NetworkInterfaceSet;
    expect(rowsOf(await run("DescribeNetworkInterfaces", asked))).toHaveLength(10);
    expect(rowsOf(await run("DescribeNetworkInterfaces", { ...asked, MaxResults: "100" }))).toHaveLength(12);
    expect(rowsOf(await run("DescribeNetworkInterfaces", { ...asked, PageSize: "10", PageNumber: "2" }))).toHaveLength(
      2,
    );
  });

  it("refuse more than a hundred ids", async () => {
    const asked = Object.fromEntries(
      [...Array(101).keys()].map((index) => [`NetworkInterfaceId.${index + 1}`, `eni-${index}`]),
    );
    expect(await run("DescribeNetworkInterfaces", asked)).toMatchObject(refused(400, "InvalidParameter"));
  });

  it("know the product's own way of saying not found", async () => {
    expect(await run("DescribeVSwitchAttributes", { VSwitchId: "vsw-no" })).toMatchObject(
      refused(404, "InvalidVswitchID.NotFound"),
    );
    expect(await run("DescribeInstanceAttribute", { InstanceId: "i-no" })).toMatchObject(
      refused(404, "InvalidInstanceId.NotFound"),
    );
    expect(await run("DescribeVSwitches", { VSwitchId: "vsw-no" })).toMatchObject({
      status: 200,
      body: { TotalCount: 0 },
    });
  });

  it("refuse an unknown action, and an action of the other product", async () => {
    expect(await run("RunInstances")).toMatchObject(refused(404, "InvalidAction.NotFound"));
    const call = cloud.call(
      { product: "ecs", action: "DescribeVSwitches" },
      {},
      { accessKeyId: "testAK", accessKeySecret: "testSK" },
    );
    expect(await settled(time, call)).toMatchObject(refused(404, "InvalidAction.NotFound"));
  });
});

describe("TagResources", () => {
  it("is all or nothing", async () => {
    const eniId = await created();
    const given = { ResourceType: "eni", "ResourceId.1": eniId, "Tag.1.Key": "k", "Tag.1.Value": "v" };
    expect(await run("TagResources", { ...given, "ResourceId.2": "eni-no" })).toMatchObject(
      refused(400, "InvalidResourceId.NotFound"),
    );
    expect(cloud.enis().find((eni) => eni.eniId === eniId)?.tags.size).toBe(0);
    expect(await run("TagResources", given)).toMatchObject({ status: 200 });
    expect(
      cloud
        .enis()
        .find((eni) => eni.eniId === eniId)
        ?.tags.get("k"),
    ).toBe("v");
  });
});
