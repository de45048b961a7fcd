import type { Instance, SimulatedEni, VSwitch } from "./model.ts";
import type { World } from "./world.ts";

/** A JSON object of an answer: PascalCase, lists wrapped. Source: cloud-api §B2, §B3. */
export type Answer = Readonly<Record<string, unknown>>;

/** ECS spells tags of answers TagKey and TagValue (the VPC product: Key and Value). Source: cloud-api §B2. */
export function toTagSet(tags: ReadonlyMap<string, string>): Answer {
  return { Tag: [...tags].map(([key, value]) => ({ TagKey: key, TagValue: value })) };
}

/** `2026-11-20T01:00:00Z`: RFC 3339 without fractions. */
function toTimestamp(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}

/** One row of DescribeNetworkInterfaces; `memberIds` only in DescribeNetworkInterfaceAttribute (cloud-api §B2, model gaps). */
export function toEniAnswer(eni: SimulatedEni, memberIds?: readonly string[]): Answer {
  return {
    NetworkInterfaceId: eni.eniId,
    NetworkInterfaceName: eni.name,
    Description: eni.description,
    Status: eni.status,
    Type: eni.type,
    ...(eni.instanceId === undefined ? {} : { InstanceId: eni.instanceId }),
    VpcId: eni.vpcId,
    VSwitchId: eni.vSwitchId,
    ZoneId: eni.zoneId,
    MacAddress: eni.macAddress,
    PrivateIpAddress: eni.ipv4s[0],
    CreationTime: toTimestamp(eni.creationTimeMs),
    NetworkInterfaceTrafficMode: eni.trafficMode,
    DeleteOnRelease: eni.deleteOnRelease,
    SourceDestCheck: eni.sourceDestCheck,
    ServiceManaged: false,
    ResourceGroupId: eni.resourceGroupId,
    OwnerId: "1000000000000001",
    SecurityGroupIds: { SecurityGroupId: eni.securityGroupIds },
    Attachment: toAttachment(eni, memberIds),
    PrivateIpSets: {
      PrivateIpSet: eni.ipv4s.map((address, index) => ({ PrivateIpAddress: address, Primary: index === 0 })),
    },
    Ipv6Sets: { Ipv6Set: eni.ipv6s.map((address) => ({ Ipv6Address: address })) },
    Ipv4PrefixSets: { Ipv4PrefixSet: [] },
    Ipv6PrefixSets: { Ipv6PrefixSet: [] },
    Tags: toTagSet(eni.tags),
  };
}

// DeviceIndex (a member's VLAN id) is shown only once the attach is done: nobody may rely on it before. Source: §C2. The
// card is shown only when the attach named it. Source: ECS user guide, network card index overview.
function toAttachment(eni: SimulatedEni, memberIds: readonly string[] | undefined): Answer {
  if (eni.instanceId === undefined) return {};
  const isAttached = eni.status === "InUse" || eni.status === "Detaching";
  return {
    InstanceId: eni.instanceId,
    ...(isAttached ? { DeviceIndex: eni.deviceIndex } : {}),
    ...(eni.trunkEniId === undefined ? {} : { TrunkNetworkInterfaceId: eni.trunkEniId }),
    ...(isAttached && eni.networkCardIndex !== undefined && { NetworkCardIndex: eni.networkCardIndex }),
    ...(memberIds === undefined ? {} : { MemberNetworkInterfaceIds: { MemberNetworkInterfaceId: memberIds } }),
  };
}

/** One row of DescribeInstances. */
export function toInstanceAnswer(world: World, instance: Instance): Answer {
  const { spec } = instance;
  const enis = [...world.enis.allSeen(0, spec.instanceId)];
  return {
    InstanceId: spec.instanceId,
    InstanceName: spec.instanceId,
    HostName: spec.instanceId,
    Status: spec.status ?? "Running",
    InstanceType: spec.instanceType,
    RegionId: world.regionId,
    ZoneId: spec.zoneId,
    VpcAttributes: toVpcAttributes(world, instance),
    SecurityGroupIds: { SecurityGroupId: [] },
    NetworkInterfaces: {
      NetworkInterface: enis.map((eni) => ({
        NetworkInterfaceId: eni.eniId,
        Type: eni.type,
        MacAddress: eni.macAddress,
        PrimaryIpAddress: eni.ipv4s[0],
      })),
    },
    Tags: { Tag: [] },
  };
}

export function toVpcAttributes(world: World, instance: Instance): Answer {
  const address = world.enis.find(instance.primaryEniId)?.ipv4s[0];
  return {
    VpcId: instance.spec.vpcId,
    VSwitchId: instance.spec.vSwitchId,
    PrivateIpAddress: { IpAddress: address === undefined ? [] : [address] },
  };
}

/** One row of DescribeVSwitches, which is also DescribeVSwitchAttributes without its `CloudResources`. */
export function toVSwitchAnswer(vSwitch: VSwitch, freeAddresses: number): Answer {
  const { spec } = vSwitch;
  return {
    VSwitchId: spec.vSwitchId,
    VSwitchName: spec.vSwitchId,
    VpcId: spec.vpcId,
    ZoneId: spec.zoneId,
    CidrBlock: spec.cidr,
    Ipv6CidrBlock: spec.ipv6Cidr ?? "",
    AvailableIpAddressCount: freeAddresses,
    Status: "Available",
    IsDefault: false,
  };
}
