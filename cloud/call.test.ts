import { describe, expect, it } from "@jest/globals";
import { apiNames, defaultCallsPerMinute, productOf, type ApiName } from "./call.ts";

/** Those that the published limiter names; all others share 500 there. */
const published: Partial<Record<ApiName, number>> = {
  AttachNetworkInterface: 500,
  CreateNetworkInterface: 500,
  DeleteNetworkInterface: 500,
  DescribeNetworkInterfaces: 800,
  DescribeNetworkInterfaceAttribute: 2_000,
  DetachNetworkInterface: 400,
  AssignPrivateIpAddresses: 400,
  UnassignPrivateIpAddresses: 400,
  AssignIpv6Addresses: 400,
  UnassignIpv6Addresses: 400,
  DescribeInstanceTypes: 400,
  DescribeVSwitches: 300,
  AssignLeniPrivateIpAddress: 300,
  AttachElasticNetworkInterface: 300,
  DetachElasticNetworkInterface: 300,
  ListElasticNetworkInterfaces: 6_000,
  CreateElasticNetworkInterface: 1_200,
  DeleteElasticNetworkInterface: 1_200,
  CreateHighDensityElasticNetworkInterface: 900,
  AttachHighDensityElasticNetworkInterface: 300,
  DetachHighDensityElasticNetworkInterface: 300,
  DeleteHighDensityElasticNetworkInterface: 300,
  ListHighDensityElasticNetworkInterfaces: 6_000,
  GetNodeInfoForPod: 6_000,
};

describe("the quota of a minute", () => {
  it("is the published one of each API", () => {
    expect(defaultCallsPerMinute).toEqual(Object.fromEntries(apiNames.map((api) => [api, published[api] ?? 500])));
  });
});

describe("the product that serves an API", () => {
  it.each<{ api: ApiName; want: ReturnType<typeof productOf> }>([
    { api: "CreateNetworkInterface", want: { product: "ecs", version: "2014-05-26" } },
    { api: "DescribeVSwitches", want: { product: "vpc", version: "2016-04-28" } },
    { api: "CreateElasticNetworkInterface", want: undefined },
    { api: "AssignLeniPrivateIpAddress", want: undefined },
  ])("of $api", ({ api, want }) => {
    expect(productOf(api)).toEqual(want);
  });
});
