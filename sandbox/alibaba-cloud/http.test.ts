import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import ecsModule, * as ecs from "@alicloud/ecs20140526";
import vpcModule, * as vpc from "@alicloud/vpc20160428";
import { $OpenApiUtil } from "@alicloud/openapi-core";
import { RuntimeOptions } from "@darabonba/typescript";
import type { SimulatedCloud } from "./cloud.ts";
import { aCloud, credentials } from "./fixture.ts";
import type { FaultRule } from "./faults.ts";
import type { Report } from "./report.ts";
import type { Listening } from "./server.ts";

// The CommonJS packages put their class on `default` once more when Node loads them as ES modules.
const classOf = <T>(module: T | { default: T }): T => (module as { default?: T }).default ?? (module as T);
const EcsClient = classOf(ecsModule);
const VpcClient = classOf(vpcModule);
const fast = {
  answerMs: [1, 2],
  createAnswerMs: [1, 2],
  attachMs: [5, 6],
  detachMs: [5, 6],
  deleteMs: [5, 6],
} as const;
const RegionId = "cn-hangzhou";
const runtime = new RuntimeOptions({});

let cloud: SimulatedCloud;
let listening: Listening;

const sts = { accessKeyId: "stsAK", accessKeySecret: "stsSK", securityToken: "token+/=" };
beforeAll(async () => {
  cloud = aCloud({ latencies: fast, accounts: [credentials, sts] });
  listening = await cloud.listen({ host: "127.0.0.1" });
});
afterAll(async () => {
  cloud.close();
  await listening.close();
});

const configOf = (overrides: object = {}): InstanceType<typeof $OpenApiUtil.Config> =>
  new $OpenApiUtil.Config({
    ...credentials,
    endpoint: listening.endpoint,
    protocol: "http",
    regionId: RegionId,
    readTimeout: 20_000,
    connectTimeout: 20_000,
    ...overrides,
  });
const ecsClient = (overrides?: object): InstanceType<typeof EcsClient> => new EcsClient(configOf(overrides));
const vpcClient = (): InstanceType<typeof VpcClient> => new VpcClient(configOf());

async function created(parameters: object = {}): Promise<string> {
  const request = new ecs.CreateNetworkInterfaceRequest({
    regionId: RegionId,
    vSwitchId: "vsw-a",
    securityGroupIds: ["sg-1"],
    ...parameters,
  });
  const { body } = await ecsClient().createNetworkInterfaceWithOptions(request, runtime);
  return body?.networkInterfaceId ?? "";
}

async function described(
  eniId: string,
): Promise<ecs.DescribeNetworkInterfacesResponseBodyNetworkInterfaceSetsNetworkInterfaceSet | undefined> {
  const request = new ecs.DescribeNetworkInterfacesRequest({
    regionId: RegionId,
    networkInterfaceId: [eniId],
    maxResults: 100,
  });
  const { body } = await ecsClient().describeNetworkInterfacesWithOptions(request, runtime);
  return body?.networkInterfaceSets?.networkInterfaceSet?.[0];
}

async function until(eniId: string, status: string | undefined): Promise<void> {
  const deadlineMs = Date.now() + 900;
  while ((await described(eniId))?.status !== status) {
    if (Date.now() > deadlineMs) throw new Error(`${eniId} did not become ${status ?? "gone"}`);
  }
}

describe("the official SDK over HTTP", () => {
  it("creates an interface with every kind of parameter and reads back all of its fields", async () => {
    const request = new ecs.CreateNetworkInterfaceRequest({
      regionId: RegionId,
      vSwitchId: "vsw-a",
      securityGroupIds: ["sg-1"],
      clientToken: "11111111-2222-3333-4444-555555555555",
      deleteOnRelease: true,
      description: "中文 a b+c*~/",
      instanceType: "Secondary",
      ipv6AddressCount: 1,
      secondaryPrivateIpAddressCount: 3,
      networkInterfaceName: "k8s-eni",
      resourceGroupId: "rg-1",
      sourceDestCheck: true,
      tag: [
        { key: "creator", value: "op (!')" },
        { key: "cluster", value: "c 1" },
      ],
    });
    const { body, statusCode } = await ecsClient().createNetworkInterfaceWithOptions(request, runtime);
    expect(statusCode).toBe(200);
    expect(body).toMatchObject({
      status: "Available",
      type: "Secondary",
      description: "中文 a b+c*~/",
      vpcId: "vpc-1",
      vSwitchId: "vsw-a",
      zoneId: "cn-hangzhou-a",
      resourceGroupId: "rg-1",
      sourceDestCheck: true,
      securityGroupIds: { securityGroupId: ["sg-1"] },
      tags: {
        tag: [
          { tagKey: "creator", tagValue: "op (!')" },
          { tagKey: "cluster", tagValue: "c 1" },
        ],
      },
    });
    expect(body?.privateIpSets?.privateIpSet).toHaveLength(4);
    expect(body?.ipv6Sets?.ipv6Set?.[0]?.ipv6Address).toMatch(/^2408:4005:3aa:4f00::/);
    const seen = await described(body?.networkInterfaceId ?? "");
    expect(seen?.creationTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(seen?.macAddress).toBe(body?.macAddress);
  });

  it("takes a member through attach, detach and delete", async () => {
    const trunk = cloud.addTrunk("i-a");
    const eniId = await created();
    const place = { regionId: RegionId, networkInterfaceId: eniId, instanceId: "i-a", trunkNetworkInstanceId: trunk };
    await ecsClient().attachNetworkInterfaceWithOptions(new ecs.AttachNetworkInterfaceRequest(place), runtime);
    await until(eniId, "InUse");
    expect(await described(eniId)).toMatchObject({
      type: "Member",
      instanceId: "i-a",
      attachment: { deviceIndex: 1, instanceId: "i-a", trunkNetworkInterfaceId: trunk },
    });
    const attribute = await ecsClient().describeNetworkInterfaceAttributeWithOptions(
      new ecs.DescribeNetworkInterfaceAttributeRequest({
        regionId: RegionId,
        networkInterfaceId: trunk,
        attribute: "attachment",
      }),
      runtime,
    );
    expect(attribute.body?.attachment?.memberNetworkInterfaceIds?.memberNetworkInterfaceId).toEqual([eniId]);
    await ecsClient().detachNetworkInterfaceWithOptions(new ecs.DetachNetworkInterfaceRequest(place), runtime);
    await until(eniId, "Available");
    expect(await described(eniId)).toMatchObject({ type: "Secondary" });
    const gone = new ecs.DeleteNetworkInterfaceRequest({ regionId: RegionId, networkInterfaceId: eniId });
    await ecsClient().deleteNetworkInterfaceWithOptions(gone, runtime);
    await until(eniId, undefined);
  });

  it("assigns and unassigns addresses of both families", async () => {
    const eniId = await created();
    const base = { regionId: RegionId, networkInterfaceId: eniId };
    const v4 = await ecsClient().assignPrivateIpAddressesWithOptions(
      new ecs.AssignPrivateIpAddressesRequest({ ...base, secondaryPrivateIpAddressCount: 2, clientToken: "a-1" }),
      runtime,
    );
    const privateIpAddress = v4.body?.assignedPrivateIpAddressesSet?.privateIpSet?.privateIpAddress ?? [];
    expect(privateIpAddress).toHaveLength(2);
    const v6 = await ecsClient().assignIpv6AddressesWithOptions(
      new ecs.AssignIpv6AddressesRequest({ ...base, ipv6AddressCount: 1 }),
      runtime,
    );
    const ipv6Address = v6.body?.ipv6Sets?.ipv6Address ?? [];
    expect(ipv6Address).toHaveLength(1);
    await ecsClient().unassignPrivateIpAddressesWithOptions(
      new ecs.UnassignPrivateIpAddressesRequest({ ...base, privateIpAddress }),
      runtime,
    );
    await ecsClient().unassignIpv6AddressesWithOptions(
      new ecs.UnassignIpv6AddressesRequest({ ...base, ipv6Address }),
      runtime,
    );
    const seen = await described(eniId);
    expect(seen?.privateIpSets?.privateIpSet).toHaveLength(1);
    expect(seen?.ipv6Sets?.ipv6Set).toHaveLength(0);
  });

  it("modifies and tags an interface", async () => {
    const eniId = await created();
    await ecsClient().modifyNetworkInterfaceAttributeWithOptions(
      new ecs.ModifyNetworkInterfaceAttributeRequest({
        regionId: RegionId,
        networkInterfaceId: eniId,
        securityGroupId: ["sg-1", "sg-2"],
        deleteOnRelease: false,
      }),
      runtime,
    );
    await ecsClient().tagResourcesWithOptions(
      new ecs.TagResourcesRequest({
        regionId: RegionId,
        resourceType: "eni",
        resourceId: [eniId],
        tag: [{ key: "a", value: "b" }],
      }),
      runtime,
    );
    expect(await described(eniId)).toMatchObject({
      deleteOnRelease: false,
      securityGroupIds: { securityGroupId: ["sg-1", "sg-2"] },
      tags: { tag: [{ tagKey: "a", tagValue: "b" }] },
    });
  });

  it("describes machines and instance types", async () => {
    const client = ecsClient();
    const instances = await client.describeInstancesWithOptions(
      new ecs.DescribeInstancesRequest({
        regionId: RegionId,
        instanceIds: JSON.stringify(["i-b", "i-none"]),
        maxResults: 100,
      }),
      runtime,
    );
    expect(instances.body?.instances?.instance).toHaveLength(1);
    expect(instances.body?.instances?.instance?.[0]).toMatchObject({
      instanceId: "i-b",
      zoneId: "cn-hangzhou-b",
      vpcAttributes: { vSwitchId: "vsw-b" },
      networkInterfaces: { networkInterface: [{ type: "Primary" }] },
    });
    const attribute = await client.describeInstanceAttributeWithOptions(
      new ecs.DescribeInstanceAttributeRequest({ instanceId: "i-a" }),
      runtime,
    );
    expect(attribute.body).toMatchObject({ instanceType: "ecs.g7.4xlarge", status: "Running" });
    const types = await client.describeInstanceTypesWithOptions(
      new ecs.DescribeInstanceTypesRequest({ instanceTypes: ["ecs.g7.xlarge", "ecs.none"], maxResults: 100 }),
      runtime,
    );
    expect(types.body?.instanceTypes?.instanceType).toEqual([
      expect.objectContaining({
        eniQuantity: 4,
        eniTotalQuantity: 20,
        eniTrunkSupported: true,
        eniPrivateIpAddressQuantity: 15,
      }),
    ]);
  });

  it("describes vSwitches of the VPC product", async () => {
    const list = await vpcClient().describeVSwitchesWithOptions(
      new vpc.DescribeVSwitchesRequest({ regionId: RegionId, vSwitchId: "vsw-b" }),
      runtime,
    );
    expect(list.body?.vSwitches?.vSwitch).toEqual([
      expect.objectContaining({
        vSwitchId: "vsw-b",
        zoneId: "cn-hangzhou-b",
        cidrBlock: "10.0.16.0/20",
        availableIpAddressCount: 4091,
      }),
    ]);
    const one = await vpcClient().describeVSwitchAttributesWithOptions(
      new vpc.DescribeVSwitchAttributesRequest({ regionId: RegionId, vSwitchId: "vsw-a" }),
      runtime,
    );
    expect(one.body).toMatchObject({ vpcId: "vpc-1", ipv6CidrBlock: "2408:4005:3aa:4f00::/64" });
  });

  it("lists by tag, page after page", async () => {
    const tag = [{ key: "batch", value: "7" }];
    const ids = await Promise.all(Array.from({ length: 23 }, () => created({ tag })));
    const seen: string[] = [];
    let nextToken: string | undefined;
    do {
      const request = new ecs.DescribeNetworkInterfacesRequest({
        regionId: RegionId,
        tag,
        maxResults: 10,
        ...(nextToken === undefined ? {} : { nextToken }),
      });
      const { body } = await ecsClient().describeNetworkInterfacesWithOptions(request, runtime);
      seen.push(...(body?.networkInterfaceSets?.networkInterfaceSet ?? []).map((eni) => eni.networkInterfaceId ?? ""));
      nextToken = body?.nextToken;
    } while (nextToken !== undefined && nextToken !== "");
    expect(seen.sort()).toEqual(ids.sort());
  });
});

describe("who may call", () => {
  const look = (overrides?: object): Promise<unknown> =>
    ecsClient(overrides).describeInstanceAttributeWithOptions(
      new ecs.DescribeInstanceAttributeRequest({ instanceId: "i-a" }),
      runtime,
    );

  it("refuses a wrong secret", () =>
    expect(look({ accessKeySecret: "wrong" })).rejects.toMatchObject({
      code: "SignatureDoesNotMatch",
      statusCode: 400,
    }));
  it("refuses an unknown key", () =>
    expect(look({ accessKeyId: "nobody" })).rejects.toMatchObject({
      code: "InvalidAccessKeyId.NotFound",
      statusCode: 404,
    }));
  it("takes a temporary key with its token", () => expect(look(sts)).resolves.toMatchObject({ statusCode: 200 }));
  it("refuses a temporary key with another token", () =>
    expect(look({ ...sts, securityToken: "other" })).rejects.toMatchObject({
      code: "InvalidSecurityToken.MismatchWithAccessKey",
    }));
  it("tells which permission is missing", async () => {
    cloud.setMissingActions(credentials.accessKeyId, ["ecs:DescribeInstanceAttribute"]);
    await expect(look()).rejects.toMatchObject({
      code: "Forbidden.RAM",
      statusCode: 403,
      accessDeniedDetail: { AuthAction: "ecs:DescribeInstanceAttribute" },
    });
    cloud.setMissingActions(credentials.accessKeyId, []);
    await expect(look()).resolves.toMatchObject({ statusCode: 200 });
  });
});

describe("faults on the wire", () => {
  const withFault = async (effect: FaultRule["effect"], run: () => Promise<void>): Promise<void> => {
    cloud.setFaults([{ name: "f", api: "CreateNetworkInterface", first: 1, effect }]);
    await run();
    cloud.setFaults([]);
  };

  it("an HTML page reaches the caller as a bare SyntaxError", () =>
    withFault({ type: "html", status: 502 }, () => expect(created()).rejects.toMatchObject({ name: "SyntaxError" })));
  it("a broken connection reaches the caller as ECONNRESET", () =>
    withFault({ type: "reset" }, () => expect(created()).rejects.toMatchObject({ code: "ECONNRESET" })));
  it("a connection that breaks after the effect leaves the interface", async () => {
    const before = cloud.enis().length;
    await withFault({ type: "resetAfterEffect" }, () =>
      expect(created()).rejects.toMatchObject({ code: "ECONNRESET" }),
    );
    expect(cloud.enis()).toHaveLength(before + 1);
  });
  it("an answer that never comes reaches the caller as a time-out", async () => {
    cloud.setFaults([{ name: "f", api: "CreateNetworkInterface", first: 1, effect: { type: "timeoutAfterEffect" } }]);
    const request = new ecs.CreateNetworkInterfaceRequest({
      regionId: RegionId,
      vSwitchId: "vsw-a",
      securityGroupIds: ["sg-1"],
    });
    const impatient = new RuntimeOptions({ readTimeout: 100, connectTimeout: 100 });
    await expect(ecsClient().createNetworkInterfaceWithOptions(request, impatient)).rejects.toMatchObject({
      name: "RequestTimeoutError",
    });
    cloud.setFaults([]);
  });
});

describe("the HTTP front", () => {
  it("serves the report", async () => {
    const response = await fetch(`http://${listening.endpoint}/_sandbox/report`);
    const report = (await response.json()) as Report;
    expect(report.apis.CreateNetworkInterface?.calls).toBeGreaterThan(20);
    expect(report.vSwitches["vsw-b"]).toEqual({ freeAddresses: 4091 });
  });
  it("refuses a request without signature", async () => {
    const response = await fetch(`http://${listening.endpoint}/`, {
      method: "POST",
      headers: { "x-acs-version": "2014-05-26" },
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ Code: "IncompleteSignature" });
  });
});
