/** The API methods that the simulated cloud serves, with their product and their quota. */

/** Every method served. Source: cloud-api reference §B3. */
export const apis = [
  "CreateNetworkInterface",
  "AttachNetworkInterface",
  "DetachNetworkInterface",
  "DeleteNetworkInterface",
  "DescribeNetworkInterfaces",
  "DescribeNetworkInterfaceAttribute",
  "AssignPrivateIpAddresses",
  "UnassignPrivateIpAddresses",
  "AssignIpv6Addresses",
  "UnassignIpv6Addresses",
  "ModifyNetworkInterfaceAttribute",
  "DescribeInstances",
  "DescribeInstanceAttribute",
  "DescribeInstanceTypes",
  "TagResources",
  "DescribeVSwitches",
  "DescribeVSwitchAttributes",
] as const;

/** Name of an API method, spelt as in the header `x-acs-action`. */
export type Api = (typeof apis)[number];

/** The two OpenAPI products; the header `x-acs-version` tells them apart (2014-05-26, 2016-04-28). */
export type Product = "ecs" | "vpc";

/** `x-acs-version` of each product. Source: cloud-api §B2. */
export const versionByProduct: Readonly<Record<Product, string>> = { ecs: "2014-05-26", vpc: "2016-04-28" };

const vpcApis: ReadonlySet<Api> = new Set<Api>(["DescribeVSwitches", "DescribeVSwitchAttributes"]);

/** The product that an API method belongs to. */
export function productOf(api: Api): Product {
  return vpcApis.has(api) ? "vpc" : "ecs";
}

export function isApi(name: string): name is Api {
  return (apis as readonly string[]).includes(name);
}

/**
 * Calls per account, region, API and wall-clock minute. Source: the published client-side limits (controlplane reference
 * §5.6); Quota Center has the real numbers of an account. Methods that are not in that table have 500 each.
 */
export const defaultQuotas: Readonly<Record<Api, number>> = {
  CreateNetworkInterface: 500,
  AttachNetworkInterface: 500,
  DetachNetworkInterface: 400,
  DeleteNetworkInterface: 500,
  DescribeNetworkInterfaces: 800,
  DescribeNetworkInterfaceAttribute: 2_000,
  AssignPrivateIpAddresses: 400,
  UnassignPrivateIpAddresses: 400,
  AssignIpv6Addresses: 400,
  UnassignIpv6Addresses: 400,
  ModifyNetworkInterfaceAttribute: 500,
  DescribeInstances: 500,
  DescribeInstanceAttribute: 500,
  DescribeInstanceTypes: 400,
  TagResources: 500,
  DescribeVSwitches: 300,
  DescribeVSwitchAttributes: 500,
};

/** Length of a quota window: it starts at every full minute of the wall clock, not at the first call. */
export const quotaWindowMs = 60_000;

/** The parameter that names the instance, vSwitch and so on is a flat map, as on the wire: `Tag.1.Key`, `InstanceId`. */
export type WireParameters = Readonly<Record<string, string>>;
