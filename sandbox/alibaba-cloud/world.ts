import { abortError } from "../../runtime/clock.ts";
import type { Clock, Random } from "../../runtime/ports.ts";
import { Ipv4Pool, Ipv6Pool } from "./address-pool.ts";
import { EniStore } from "./eni-store.ts";
import { findInstanceType } from "./instance-types.ts";
import type { Instance, SecurityGroup, SimulatedEni, VSwitch } from "./model.ts";
import type { InstanceSpec, Latencies, SecurityGroupSpec, VSwitchSpec } from "./options.ts";
import { ipNotEnough, Refusal } from "./refusal.ts";

export interface WorldOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly regionId: string;
  readonly latencies: Latencies;
  readonly eniQuota: number;
  readonly retainMs: number;
}

/** Every resource of the account in one region, and the rules that hold whichever API is used. */
export class World {
  readonly clock: Clock;
  readonly random: Random;
  readonly regionId: string;
  readonly latencies: Latencies;
  eniQuota: number;
  readonly enis: EniStore;
  readonly vpcs = new Set<string>();
  /** Those that were deleted, too: they take their addresses back. */
  readonly vSwitches = new Map<string, VSwitch>();
  /** Ids of the deleted ones. */
  readonly removedVSwitches = new Set<string>();
  readonly securityGroups = new Map<string, SecurityGroup>();
  readonly instances = new Map<string, Instance>();
  /** Interfaces that are created, or being created, and have not been InUse yet. */
  readonly allocating = new Set<string>();
  /** Ids of deleted interfaces with their timings, newest last, at most {@link keptDeletions}. */
  readonly deletions: { readonly eni: SimulatedEni; readonly timings: Readonly<Record<string, number>> }[] = [];
  readonly #stopping = new AbortController();
  #sequence = 0;

  constructor(options: WorldOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.regionId = options.regionId;
    this.latencies = options.latencies;
    this.eniQuota = options.eniQuota;
    this.enis = new EniStore(options.clock, options.retainMs);
  }

  addVSwitch(spec: VSwitchSpec): void {
    this.vpcs.add(spec.vpcId);
    const ipv4 = new Ipv4Pool(spec.cidr);
    if (spec.freeAddresses !== undefined) ipv4.setFree(spec.freeAddresses);
    const ipv6 = spec.ipv6Cidr === undefined ? undefined : new Ipv6Pool(spec.ipv6Cidr);
    this.vSwitches.set(spec.vSwitchId, { spec, ipv4, ipv6 });
  }

  /** As callers see it: not, once it is deleted. */
  findVSwitch(vSwitchId: string): VSwitch | undefined {
    return this.removedVSwitches.has(vSwitchId) ? undefined : this.vSwitches.get(vSwitchId);
  }

  addSecurityGroup(spec: SecurityGroupSpec): void {
    this.vpcs.add(spec.vpcId);
    this.securityGroups.set(spec.securityGroupId, { spec, members: new Set() });
  }

  addInstance(spec: InstanceSpec): void {
    const limits = findInstanceType(spec.instanceType);
    if (limits === undefined) throw new RangeError(`the sandbox does not know instance type ${spec.instanceType}`);
    const vSwitch = this.#vSwitchFor(spec);
    const primary = this.makeEni(vSwitch, {
      type: "Primary",
      status: "InUse",
      instanceId: spec.instanceId,
      deviceIndex: 0,
      ipv4s: [this.takeIpv4(vSwitch)],
      deleteOnRelease: true,
    });
    const slots = new Map([[primary.eniId, 0]]);
    this.instances.set(spec.instanceId, { spec, limits, primaryEniId: primary.eniId, slots, vlans: new Map() });
    this.enis.put(primary);
  }

  /** A ready-made trunk, InUse. @returns its id */
  addTrunk(instanceId: string): string {
    const instance = this.instances.get(instanceId);
    if (instance === undefined) throw new RangeError(`instance ${instanceId} does not exist`);
    if (!instance.limits.isTrunkSupported) throw new RangeError(`${instance.spec.instanceType} supports no trunk`);
    const vSwitch = this.#vSwitchFor(instance.spec);
    const slot = lowestFree(instance.slots, 1);
    const trunk = this.makeEni(vSwitch, {
      type: "Trunk",
      status: "InUse",
      instanceId,
      deviceIndex: slot,
      ipv4s: [this.takeIpv4(vSwitch)],
      deleteOnRelease: true,
    });
    instance.slots.set(trunk.eniId, slot);
    this.enis.put(trunk);
    return trunk.eniId;
  }

  /** Machine gone: its interfaces with DeleteOnRelease vanish, the others become Available. Source: cloud-api §C1. */
  removeInstance(instanceId: string): void {
    const instance = this.instances.get(instanceId);
    if (instance === undefined) return;
    for (const eni of [...this.enis.allSeen(0, instanceId)]) {
      if (eni.deleteOnRelease || eni.type === "Primary") this.destroy(eni.eniId);
      else this.becomeAvailable(eni.eniId);
    }
    this.instances.delete(instanceId);
  }

  /** A value with the next id and MAC; {@link EniStore.put} makes it exist. */
  makeEni(vSwitch: VSwitch, given: Partial<SimulatedEni>): SimulatedEni {
    const sequence = ++this.#sequence;
    return {
      eniId: `eni-bp1${sequence.toString(36).padStart(17, "0")}`,
      sequence,
      status: "Available",
      type: "Secondary",
      name: "",
      description: "",
      macAddress: toMac(sequence),
      vpcId: vSwitch.spec.vpcId,
      vSwitchId: vSwitch.spec.vSwitchId,
      zoneId: vSwitch.spec.zoneId,
      ipv4s: [],
      ipv6s: [],
      securityGroupIds: [],
      resourceGroupId: "",
      trafficMode: "Standard",
      deleteOnRelease: true,
      sourceDestCheck: false,
      creationTimeMs: this.clock.now(),
      tags: new Map(),
      ...given,
    };
  }

  /** @throws Refusal InvalidVSwitchId.IpNotEnough */
  takeIpv4(vSwitch: VSwitch): string {
    const address = vSwitch.ipv4.take();
    if (address === undefined) throw ipNotEnough(vSwitch.spec.vSwitchId);
    return address;
  }

  /** @throws Refusal InvalidVSwitchId.IpInvalid, InvalidIp.IpAssigned. Source: cloud-api §C3. */
  claimIpv4(vSwitch: VSwitch, address: string): void {
    refuseClaim(vSwitch.ipv4.claim(address), address);
  }

  /** @throws Refusal InvalidOperation.Ipv6NotSupport, InvalidVSwitchId.IpInvalid, InvalidIp.IpAssigned */
  claimIpv6(vSwitch: VSwitch, address: string): void {
    refuseClaim(ipv6Of(vSwitch).claim(address), address);
  }

  /** Runs `change` after `ms`, unless the cloud was closed before. */
  later(ms: number, change: () => void): void {
    this.wait(ms).then(change, () => undefined);
  }

  /** Waits, or rejects with AbortError when the cloud is closed. */
  async wait(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    // A short wait is not worth a listener: with hundreds under way, adding and removing them costs more than the calls.
    if (ms > 0) await (ms > shortWaitMs ? this.clock.sleep(ms, signal) : this.clock.sleep(ms));
    if (signal.aborted) throw abortError();
  }

  /** Cancels everything that is under way. */
  close(): void {
    this.#stopping.abort();
  }

  /** Frees slot and VLAN id, forgets the machine. */
  becomeAvailable(eniId: string): void {
    const eni = this.enis.find(eniId);
    if (eni === undefined) return;
    this.#releaseSlot(eni);
    const detached: { -readonly [K in keyof SimulatedEni]: SimulatedEni[K] } = { ...eni, status: "Available" };
    if (detached.type === "Member") detached.type = "Secondary";
    delete detached.instanceId;
    delete detached.trunkEniId;
    delete detached.deviceIndex;
    delete detached.networkCardIndex;
    this.enis.put(detached);
    this.enis.timings(eniId).availableAt = this.clock.now();
  }

  /** Gone for good: addresses go back to the vSwitch. */
  destroy(eniId: string): void {
    const eni = this.enis.find(eniId);
    if (eni === undefined) return;
    this.#releaseSlot(eni);
    const vSwitch = this.vSwitches.get(eni.vSwitchId);
    for (const address of eni.ipv4s) vSwitch?.ipv4.release(address);
    for (const address of eni.ipv6s) vSwitch?.ipv6?.release(address);
    for (const id of eni.securityGroupIds) this.securityGroups.get(id)?.members.delete(eniId);
    this.allocating.delete(eniId);
    this.deletions.push({ eni, timings: { ...this.enis.timings(eniId), deletedAt: this.clock.now() } });
    if (this.deletions.length > keptDeletions * 2) this.deletions.splice(0, keptDeletions);
    this.enis.remove(eniId);
  }

  #releaseSlot(eni: SimulatedEni): void {
    const instance = eni.instanceId === undefined ? undefined : this.instances.get(eni.instanceId);
    instance?.slots.delete(eni.eniId);
    instance?.vlans.delete(eni.eniId);
  }

  #vSwitchFor(spec: InstanceSpec): VSwitch {
    const vSwitch = this.vSwitches.get(spec.vSwitchId);
    if (vSwitch?.spec.zoneId !== spec.zoneId || vSwitch.spec.vpcId !== spec.vpcId) {
      throw new RangeError(`vSwitch ${spec.vSwitchId} is not in zone ${spec.zoneId} of ${spec.vpcId}`);
    }
    return vSwitch;
  }
}

// After close() a process may live on for this long.
const shortWaitMs = 5_000;

/** Deleted interfaces that the report still lists, so that a long run does not grow without end. */
const keptDeletions = 50_000;

/** @throws Refusal InvalidOperation.Ipv6NotSupport when the vSwitch has no IPv6 block. Source: cloud-api §C3. */
export function ipv6Of(vSwitch: VSwitch): Ipv6Pool {
  if (vSwitch.ipv6 === undefined) {
    const message = `The specified VSwitch "${vSwitch.spec.vSwitchId}" does not support IPv6.`;
    throw new Refusal(403, "InvalidOperation.Ipv6NotSupport", message);
  }
  return vSwitch.ipv6;
}

/** The lowest number from `first` on that no entry of `taken` has. */
export function lowestFree(taken: ReadonlyMap<string, number>, first: number): number {
  const numbers = new Set(taken.values());
  let candidate = first;
  while (numbers.has(candidate)) candidate++;
  return candidate;
}

function refuseClaim(result: "claimed" | "outside" | "assigned", address: string): void {
  if (result === "outside") {
    throw new Refusal(
      403,
      "InvalidVSwitchId.IpInvalid",
      `The specified IP address "${address}" is not in the VSwitch.`,
    );
  }
  if (result === "assigned") {
    throw new Refusal(403, "InvalidIp.IpAssigned", `The specified IP address "${address}" is already in use.`);
  }
}

// 00:16:3e is the block from which the cloud's interfaces have their MAC addresses.
function toMac(sequence: number): string {
  const octets = [16, 8, 0].map((shift) => ((sequence >> shift) & 0xff).toString(16).padStart(2, "0"));
  return `00:16:3e:${octets.join(":")}`;
}
