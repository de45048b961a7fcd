import { type Action, type ActionCall, getEni, refuseExhausted } from "./action.ts";
import { maxSecondaryIpv4sWhenAvailable, refusePrefixes } from "./eni-create.ts";
import type { SimulatedEni, VSwitch } from "./model.ts";
import { invalidEniState, invalidParameter, ipNotEnough, missingParameter, Refusal } from "./refusal.ts";
import { ipv6Of } from "./world.ts";

/** Synchronous. Source: cloud-api §B3, §C1, §C3. */
export const assignPrivateIpAddresses: Action = (call) => {
  const { world, parameters } = call;
  const eni = getAddressableEni(call);
  refusePrefixes(parameters);
  const named = parameters.list("PrivateIpAddress");
  const count = parameters.count("SecondaryPrivateIpAddressCount", { min: 1, max: maxSecondaryIpv4sWhenAvailable });
  const wanted = wantedCount(named, count, "SecondaryPrivateIpAddressCount");
  const limit = limitsOf(call, eni).ipv4;
  if (eni.ipv4s.length + wanted > limit) throw countExceeded("Ipv4CountExceeded", limit);
  refuseExhausted(call, eni.vSwitchId);
  const vSwitch = getVSwitch(call, eni);
  if (vSwitch.ipv4.free < wanted) throw ipNotEnough(eni.vSwitchId);
  refuseRepeated(named);
  const added = claimAll(named, {
    claim: (address) => world.claimIpv4(vSwitch, address),
    release: (address) => vSwitch.ipv4.release(address),
  });
  for (let taken = named.length; taken < wanted; taken++) added.push(world.takeIpv4(vSwitch));
  world.enis.put({ ...eni, ipv4s: [...eni.ipv4s, ...added] });
  return {
    AssignedPrivateIpAddressesSet: {
      NetworkInterfaceId: eni.eniId,
      PrivateIpSet: { PrivateIpAddress: added },
      Ipv4PrefixSet: { Ipv4Prefixes: [] },
    },
  };
};

/** Refused, with nothing done, when one address is not there or is the primary one. Source: cloud-api §C3. */
export const unassignPrivateIpAddresses: Action = (call) => {
  const { world, parameters } = call;
  const eni = getAddressableEni(call);
  refusePrefixes(parameters);
  const removed = parameters.list("PrivateIpAddress");
  refuseUnassigned(removed, eni.ipv4s.slice(1));
  for (const address of removed) getVSwitch(call, eni).ipv4.release(address);
  world.enis.put({ ...eni, ipv4s: eni.ipv4s.filter((address) => !removed.includes(address)) });
  return {};
};

/** Synchronous. Source: cloud-api §B3, §C3. */
export const assignIpv6Addresses: Action = (call) => {
  const { world, parameters } = call;
  const eni = getAddressableEni(call);
  refusePrefixes(parameters);
  const named = parameters.list("Ipv6Address");
  const wanted = wantedCount(named, parameters.count("Ipv6AddressCount", { min: 1, max: 10 }), "Ipv6AddressCount");
  const vSwitch = getVSwitch(call, eni);
  const pool = ipv6Of(vSwitch);
  const limit = limitsOf(call, eni).ipv6;
  if (eni.ipv6s.length + wanted > limit) throw countExceeded("Ipv6CountExceeded", limit);
  refuseRepeated(named);
  const added = claimAll(named, {
    claim: (address) => world.claimIpv6(vSwitch, address),
    release: (address) => pool.release(address),
  });
  for (let taken = named.length; taken < wanted; taken++) added.push(pool.take());
  world.enis.put({ ...eni, ipv6s: [...eni.ipv6s, ...added] });
  return { NetworkInterfaceId: eni.eniId, Ipv6Sets: { Ipv6Address: added }, Ipv6PrefixSets: { Ipv6Prefix: [] } };
};

/** Source: cloud-api §C3. */
export const unassignIpv6Addresses: Action = (call) => {
  const { world, parameters } = call;
  const eni = getAddressableEni(call);
  refusePrefixes(parameters);
  const removed = parameters.list("Ipv6Address").map((address) => address.toLowerCase());
  refuseUnassigned(removed, eni.ipv6s);
  for (const address of removed) getVSwitch(call, eni).ipv6?.release(address);
  world.enis.put({ ...eni, ipv6s: eni.ipv6s.filter((address) => !removed.includes(address)) });
  return {};
};

/** Addresses change only while the interface is Available or InUse. Source: cloud-api §C1. */
function getAddressableEni(call: ActionCall): SimulatedEni {
  const eni = getEni(call);
  if (eni.status !== "Available" && eni.status !== "InUse") throw invalidEniState(eni.eniId, eni.status);
  return eni;
}

function getVSwitch({ world }: ActionCall, eni: SimulatedEni): VSwitch {
  const vSwitch = world.vSwitches.get(eni.vSwitchId);
  if (vSwitch === undefined) throw new Refusal(404, "InvalidVSwitchId.NotFound", `VSwitch "${eni.vSwitchId}" is gone.`);
  return vSwitch;
}

// On a machine the instance type decides; off it, 49 secondary ones (§C1) and, for IPv6, the most that any type has.
function limitsOf({ world }: ActionCall, eni: SimulatedEni): { ipv4: number; ipv6: number } {
  const limits = eni.instanceId === undefined ? undefined : world.instances.get(eni.instanceId)?.limits;
  if (limits === undefined) return { ipv4: 1 + maxSecondaryIpv4sWhenAvailable, ipv6: 30 };
  return { ipv4: limits.ipv4PerEni, ipv6: limits.ipv6PerEni };
}

function wantedCount(named: readonly string[], count: number | undefined, countName: string): number {
  if (count !== undefined && named.length > 0) throw invalidParameter(countName, "addresses are named too");
  const wanted = count ?? named.length;
  if (wanted === 0) throw missingParameter(countName);
  return wanted;
}

function refuseRepeated(addresses: readonly string[]): void {
  if (new Set(addresses).size !== addresses.length) {
    throw new Refusal(403, "InvalidIp.IpRepeated", "The specified IP address is repeated.");
  }
}

function refuseUnassigned(removed: readonly string[], assigned: readonly string[]): void {
  if (removed.length === 0) throw missingParameter("PrivateIpAddress.N");
  const stranger = removed.find((address) => !assigned.includes(address));
  if (stranger !== undefined) {
    throw new Refusal(403, "InvalidIp.IpUnassigned", `The specified IP address "${stranger}" is not assigned.`);
  }
}

function claimAll(
  named: readonly string[],
  pool: { readonly claim: (address: string) => void; readonly release: (address: string) => void },
): string[] {
  const claimed: string[] = [];
  try {
    for (const address of named) {
      pool.claim(address);
      claimed.push(address);
    }
  } catch (error: unknown) {
    claimed.forEach(pool.release);
    throw error;
  }
  return claimed;
}

const countExceeded = (what: string, limit: number): Refusal =>
  new Refusal(403, `InvalidOperation.${what}`, `The network interface may have at most ${limit} such addresses.`);
