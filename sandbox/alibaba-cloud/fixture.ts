import { install } from "@sinonjs/fake-timers";
import { systemClock } from "../../runtime/clock.ts";
import { seededRandom } from "../../runtime/random.ts";
import type { Product } from "./api.ts";
import { productOf, isApi } from "./api.ts";
import { type CloudAnswer, createCloud, type SimulatedCloud } from "./cloud.ts";
import type { CloudOptions } from "./options.ts";

export const credentials = { accessKeyId: "testAK", accessKeySecret: "testSK" };

/**
 * Two zones (a, b) with a vSwitch each (`vsw-a` has IPv6), security groups `sg-1` and `sg-2` (and `sg-far` in another
 * VPC), machines `i-a` (ecs.g7.4xlarge: 8 adapters, 60 in all) and `i-small` (ecs.g6.large: 2 adapters, no trunk) in zone
 * a, `i-b` in zone b. No trunk.
 */
export function aCloud(overrides: Partial<CloudOptions> = {}): SimulatedCloud {
  const cloud = createCloud({
    clock: systemClock,
    random: seededRandom(1),
    regionId: "cn-hangzhou",
    accounts: [credentials],
    ...overrides,
  });
  const place = { vpcId: "vpc-1", zoneId: "cn-hangzhou-a" };
  cloud.addVSwitch({ vSwitchId: "vsw-a", ...place, cidr: "10.0.0.0/20", ipv6Cidr: "2408:4005:3aa:4f00::/64" });
  cloud.addVSwitch({ vSwitchId: "vsw-b", vpcId: "vpc-1", zoneId: "cn-hangzhou-b", cidr: "10.0.16.0/20" });
  cloud.addSecurityGroup({ securityGroupId: "sg-1", vpcId: "vpc-1" });
  cloud.addSecurityGroup({ securityGroupId: "sg-2", vpcId: "vpc-1", maxInterfaces: 2 });
  cloud.addSecurityGroup({ securityGroupId: "sg-far", vpcId: "vpc-2" });
  cloud.addInstance({ instanceId: "i-a", instanceType: "ecs.g7.4xlarge", ...place, vSwitchId: "vsw-a" });
  cloud.addInstance({ instanceId: "i-small", instanceType: "ecs.g6.large", ...place, vSwitchId: "vsw-a" });
  cloud.addInstance({
    instanceId: "i-b",
    instanceType: "ecs.g7.4xlarge",
    vpcId: "vpc-1",
    zoneId: "cn-hangzhou-b",
    vSwitchId: "vsw-b",
  });
  return cloud;
}

/** One call in process with the fixture's key. */
export function ask(
  cloud: SimulatedCloud,
  action: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<CloudAnswer> {
  const product: Product = isApi(action) ? productOf(action) : "ecs";
  return cloud.call({ product, action }, { RegionId: "cn-hangzhou", ...parameters }, credentials);
}

/** What CreateNetworkInterface needs at least. */
export const createParameters = { VSwitchId: "vsw-a", "SecurityGroupIds.1": "sg-1" };

/** The hand on the clock, with `tickAsync` and `uninstall`. */
export type VirtualTime = ReturnType<typeof install>;

/** Virtual time that starts at a full minute. */
export function virtualTime(): VirtualTime {
  return install({ now: Date.UTC(2026, 10, 21), toFake: ["Date", "setTimeout", "clearTimeout", "performance"] });
}

/** Lets virtual time pass until `work` settles. */
export async function settled<T>(time: VirtualTime, work: Promise<T>): Promise<T> {
  const state = { isDone: false };
  const done = (): void => {
    state.isDone = true;
  };
  work.then(done, done);
  while (!state.isDone) await time.tickAsync(5);
  return work;
}
