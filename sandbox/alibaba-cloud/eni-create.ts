import { type Action, type ActionCall, checkSecurityGroups, refuseExhausted } from "./action.ts";
import { toTagSet } from "./answers.ts";
import type { SimulatedEni, VSwitch } from "./model.ts";
import type { Parameters } from "./parameters.ts";
import { invalidParameter, ipNotEnough, Refusal } from "./refusal.ts";
import { ipv6Of, type World } from "./world.ts";

/** Secondary addresses of one interface while it is Available. Source: cloud-api §C1. */
export const maxSecondaryIpv4sWhenAvailable = 49;

/** Synchronous: the answer already says Available. Source: cloud-api §B3, §C1, §C3. */
export const createNetworkInterface: Action = (call) => {
  const { world, parameters } = call;
  const wanted = readCreate(parameters);
  const vSwitch = world.findVSwitch(wanted.vSwitchId);
  if (vSwitch === undefined) {
    const message = `The specified VSwitchId "${wanted.vSwitchId}" does not exist.`;
    throw new Refusal(404, "InvalidVSwitchId.NotFound", message);
  }
  checkSecurityGroups(world, wanted.eni.securityGroupIds, vSwitch.spec.vpcId);
  if (world.enis.size - world.instances.size >= world.eniQuota) {
    throw new Refusal(
      403,
      "MaxEniCountExceeded",
      "The maximum number of network interfaces of the account is exceeded.",
    );
  }
  refuseExhausted(call, wanted.vSwitchId);
  const addresses = takeAddresses(world, vSwitch, parameters);
  const eni = world.makeEni(vSwitch, { ...wanted.eni, ...addresses, creationTimeMs: call.startedAtMs });
  for (const id of eni.securityGroupIds) world.securityGroups.get(id)?.members.add(eni.eniId);
  world.enis.put(eni);
  world.allocating.add(eni.eniId);
  recordCreate(call, eni.eniId);
  return toCreateAnswer(eni);
};

function readCreate(parameters: Parameters): { vSwitchId: string; eni: Partial<SimulatedEni> & GroupIds } {
  const vSwitchId = parameters.need("VSwitchId");
  const type = oneOf(parameters, "InstanceType", ["Secondary", "Trunk"]);
  const trafficMode = oneOf(parameters, "NetworkInterfaceTrafficMode", ["Standard", "HighPerformance"]);
  const eni = {
    type,
    trafficMode,
    name: parameters.bounded("NetworkInterfaceName", 2, 128) ?? "",
    description: parameters.bounded("Description", 2, 256) ?? "",
    securityGroupIds: readSecurityGroupIds(parameters),
    resourceGroupId: parameters.text("ResourceGroupId") ?? "",
    // The SDK's comment names no default; true is what the console shows. [?]
    deleteOnRelease: parameters.flag("DeleteOnRelease") ?? true,
    sourceDestCheck: parameters.flag("SourceDestCheck") ?? false,
    tags: parameters.tags(),
  } as const;
  return { vSwitchId, eni };
}

/** The first of `choices` when the parameter is absent. @throws Refusal InvalidParameter */
function oneOf<T extends string>(parameters: Parameters, name: string, choices: readonly [T, ...T[]]): T {
  const value = parameters.text(name) ?? choices[0];
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined) throw invalidParameter(name, `expected ${choices.join(" or ")}`);
  return choice;
}

interface GroupIds {
  readonly securityGroupIds: readonly string[];
}

// One group in SecurityGroupId, or several in SecurityGroupIds.N; both together are refused.
function readSecurityGroupIds(parameters: Parameters): readonly string[] {
  const single = parameters.text("SecurityGroupId");
  const several = parameters.list("SecurityGroupIds");
  if (single !== undefined && several.length > 0) {
    throw invalidParameter("SecurityGroupIds", "SecurityGroupId is given too");
  }
  return single === undefined ? several : [single];
}

interface WantedAddresses {
  readonly primary: string | undefined;
  /** Secondary IPv4 addresses by name. */
  readonly named: readonly string[];
  /** Secondary IPv4 addresses that the cloud chooses. */
  readonly count: number;
  readonly ipv6Count: number;
}

function readAddresses(parameters: Parameters): WantedAddresses {
  refusePrefixes(parameters);
  const range = { min: 1, max: maxSecondaryIpv4sWhenAvailable };
  const count = parameters.count("SecondaryPrivateIpAddressCount", range) ?? 0;
  const named = parameters.list("PrivateIpAddress");
  if (count > 0 && named.length > 0) {
    throw invalidParameter("PrivateIpAddress", "SecondaryPrivateIpAddressCount is given too");
  }
  const ipv6Count = parameters.count("Ipv6AddressCount", { min: 1, max: 10 }) ?? 0;
  return { primary: parameters.text("PrimaryIpAddress"), named, count, ipv6Count };
}

/** Takes all addresses or none. */
function takeAddresses(world: World, vSwitch: VSwitch, parameters: Parameters): { ipv4s: string[]; ipv6s: string[] } {
  const { primary, named, count, ipv6Count } = readAddresses(parameters);
  const ipv6Pool = ipv6Count > 0 ? ipv6Of(vSwitch) : undefined;
  if (vSwitch.ipv4.free < 1 + count + named.length) throw ipNotEnough(vSwitch.spec.vSwitchId);
  const ipv4s: string[] = [];
  try {
    for (const address of [...(primary === undefined ? [] : [primary]), ...named]) {
      world.claimIpv4(vSwitch, address);
      ipv4s.push(address);
    }
    if (primary === undefined) ipv4s.unshift(world.takeIpv4(vSwitch));
    for (let taken = 0; taken < count; taken++) ipv4s.push(world.takeIpv4(vSwitch));
  } catch (error: unknown) {
    for (const address of ipv4s) vSwitch.ipv4.release(address);
    throw error;
  }
  const ipv6s = Array.from({ length: ipv6Count }, () => ipv6Pool?.take() ?? "");
  return { ipv4s, ipv6s };
}

/** Prefix delegation is not simulated; refusing is better than an interface without its prefixes. */
export function refusePrefixes(parameters: Parameters): void {
  for (const name of ["Ipv4PrefixCount", "Ipv6PrefixCount", "Ipv4Prefix.1", "Ipv6Prefix.1"]) {
    if (parameters.text(name) !== undefined) {
      throw new Refusal(400, "UnsupportedParameter", `The parameter "${name}" is not supported by the sandbox.`);
    }
  }
}

function recordCreate(call: ActionCall, eniId: string): void {
  const timings = call.world.enis.timings(eniId);
  timings.createStartedAt = call.startedAtMs;
  call.onAnswered((answeredAtMs) => {
    timings.createAnsweredAt = answeredAtMs;
  });
}

// The answer of a create has no CreationTime and no Attachment. Source: cloud-api §B3.
function toCreateAnswer(eni: SimulatedEni): Readonly<Record<string, unknown>> {
  return {
    NetworkInterfaceId: eni.eniId,
    NetworkInterfaceName: eni.name,
    Description: eni.description,
    Status: eni.status,
    Type: eni.type,
    MacAddress: eni.macAddress,
    VpcId: eni.vpcId,
    VSwitchId: eni.vSwitchId,
    ZoneId: eni.zoneId,
    PrivateIpAddress: eni.ipv4s[0],
    OwnerId: "1000000000000001",
    ServiceManaged: false,
    ResourceGroupId: eni.resourceGroupId,
    SourceDestCheck: eni.sourceDestCheck,
    SecurityGroupIds: { SecurityGroupId: eni.securityGroupIds },
    PrivateIpSets: {
      PrivateIpSet: eni.ipv4s.map((address, index) => ({ PrivateIpAddress: address, Primary: index === 0 })),
    },
    Ipv6Sets: { Ipv6Set: eni.ipv6s.map((address) => ({ Ipv6Address: address })) },
    Ipv4PrefixSets: { Ipv4PrefixSet: [] },
    Ipv6PrefixSets: { Ipv6PrefixSet: [] },
    Tags: toTagSet(eni.tags),
  };
}
