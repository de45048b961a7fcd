/** The land that the sandbox's cluster stands on: one VPC, vSwitches in two zones, machines with trunks. */
import type { SimulatedCloud } from "./alibaba-cloud/index.ts";
import { nodeSpecs, type NodeSpec } from "./cluster/node-specs.ts";

/** Ids that config/samples, the configuration of the controlplane and the tests name. */
export const landscape = {
  regionId: "cn-hangzhou",
  clusterId: "c-sandbox",
  vpcId: "vpc-sandbox",
  securityGroupId: "sg-sandbox",
  zones: ["cn-hangzhou-h", "cn-hangzhou-i"],
  account: { accessKeyId: "sandbox-key", accessKeySecret: "sandbox-secret" },
} as const;

const vSwitches = [
  { vSwitchId: "vsw-hz-h-1", zoneId: "cn-hangzhou-h", cidr: "10.1.0.0/16" },
  { vSwitchId: "vsw-hz-i-1", zoneId: "cn-hangzhou-i", cidr: "10.2.0.0/16" },
  { vSwitchId: "vsw-hz-h-2", zoneId: "cn-hangzhou-h", cidr: "10.3.0.0/20" },
] as const;

/** Machines stand in vSwitches of their own, so that free addresses of the pods' vSwitches are easy to follow. */
const machineVSwitches = [
  { vSwitchId: "vsw-nodes-h", zoneId: "cn-hangzhou-h", cidr: "10.10.0.0/20" },
  { vSwitchId: "vsw-nodes-i", zoneId: "cn-hangzhou-i", cidr: "10.11.0.0/20" },
] as const;

/**
 * ecs.g6.16xlarge: 8 interfaces, 60 in all with members, so 52 members a trunk. Source: DescribeInstanceTypes
 * (EniQuantity 8, EniTotalQuantity 60).
 */
const instanceType = "ecs.g6.16xlarge";

/**
 * Fills an empty account and returns its machines as nodes; one in ten is in exclusive mode, at least one.
 * `bareNodes`: without trunks, and nodes that say nothing of what they can carry.
 */
export function layOut(
  cloud: SimulatedCloud,
  nodeCount: number,
  { bareNodes = false }: { readonly bareNodes?: boolean } = {},
): readonly NodeSpec[] {
  const { vpcId, securityGroupId, zones } = landscape;
  cloud.addVpc(vpcId);
  for (const vSwitch of [...vSwitches, ...machineVSwitches]) cloud.addVSwitch({ ...vSwitch, vpcId });
  cloud.addSecurityGroup({ securityGroupId, vpcId });
  const exclusiveShare = nodeCount > 1 ? 0.1 : 0;
  const specs = nodeSpecs({
    count: nodeCount,
    zones,
    instanceType,
    exclusiveShare,
    memberEnis: 52,
    enis: 7,
    cpu: "64",
    memory: "256Gi",
    pods: 256,
  });
  return specs.map((spec) => {
    const vSwitch = machineVSwitches.find(({ zoneId }) => zoneId === spec.zone) ?? machineVSwitches[0];
    cloud.addInstance({
      instanceId: spec.instanceId,
      instanceType,
      zoneId: spec.zone,
      vpcId,
      vSwitchId: vSwitch.vSwitchId,
    });
    if (bareNodes) return toBare(spec);
    return spec.exclusive === true ? spec : { ...spec, trunkEniId: cloud.addTrunk(spec.instanceId) };
  });
}

function toBare({ trunkEniId: _, capacity: { cpu, memory, pods }, ...spec }: NodeSpec): NodeSpec {
  return { ...spec, capacity: { cpu, memory, pods } };
}
