import type { Action, ActionCall } from "./action.ts";
import { type Answer, toEniAnswer, toInstanceAnswer, toVpcAttributes, toVSwitchAnswer } from "./answers.ts";
import { findInstanceType, instanceTypeIds } from "./instance-types.ts";
import type { SimulatedEni, VSwitch } from "./model.ts";
import type { Parameters } from "./parameters.ts";
import { eniNotFound, invalidParameter, Refusal } from "./refusal.ts";

/** A missing id is no error, the list is just shorter. Source: cloud-api §C3; limits §C1. */
export const describeNetworkInterfaces: Action = (call) => {
  const ids = call.parameters.list("NetworkInterfaceId");
  if (ids.length > 100) throw invalidParameter("NetworkInterfaceId", "expected at most 100");
  const matches = toEniFilter(call.parameters);
  const page = readPage(call.parameters, { least: 10, most: 500 });
  const found = ids.length > 0 ? seenByIds(call, ids) : seenByScan(call, page.afterSequence);
  const { rows, total } = cutPage(found, matches, page);
  return {
    ...page.toAnswer(total, rows.length, rows.at(-1)?.sequence ?? 0),
    NetworkInterfaceSets: { NetworkInterfaceSet: rows.map((eni) => toEniAnswer(eni)) },
  };
};

function cutPage(
  found: Iterable<SimulatedEni>,
  matches: (eni: SimulatedEni) => boolean,
  page: Page,
): { readonly rows: readonly SimulatedEni[]; readonly total: number } {
  const rows: SimulatedEni[] = [];
  let total = 0;
  for (const eni of found) {
    if (eni.sequence <= page.afterSequence || !matches(eni)) continue;
    if (total >= page.start && rows.length < page.size) rows.push(eni);
    total++;
    if (!page.hasTotal && rows.length === page.size) break;
  }
  return { rows, total };
}

function* seenByIds(call: ActionCall, ids: readonly string[]): Generator<SimulatedEni> {
  const enis = [...new Set(ids)].map((id) => call.world.enis.seen(id, call.readDelayMs));
  const existing = enis.filter((eni) => eni !== undefined);
  yield* existing.sort((left, right) => left.sequence - right.sequence);
}

function* seenByScan(call: ActionCall, afterSequence: number): Generator<SimulatedEni> {
  const instanceId = call.parameters.text("InstanceId");
  const enis = call.world.enis.allSeen(call.readDelayMs, instanceId, afterSequence);
  // Of one machine they come in the order of attachment; pages need the order of creation.
  if (instanceId === undefined) yield* enis;
  else yield* [...enis].sort((left, right) => left.sequence - right.sequence);
}

function toEniFilter(parameters: Parameters): (eni: SimulatedEni) => boolean {
  const tags = [...parameters.tags()];
  const addresses = parameters.list("PrivateIpAddress");
  const [instanceId, type, status] = ["InstanceId", "Type", "Status"].map((name) => parameters.text(name));
  const [vpcId, vSwitchId] = ["VpcId", "VSwitchId"].map((name) => parameters.text(name));
  const is = (wanted: string | undefined, actual: string | undefined): boolean =>
    wanted === undefined || wanted === actual;
  const isInPlace = (eni: SimulatedEni): boolean =>
    is(instanceId, eni.instanceId) && is(vpcId, eni.vpcId) && is(vSwitchId, eni.vSwitchId);
  return (eni) =>
    isInPlace(eni) &&
    is(type, eni.type) &&
    is(status, eni.status) &&
    tags.every(([key, value]) => eni.tags.get(key) === value) &&
    (addresses.length === 0 || addresses.some((address) => eni.ipv4s.includes(address)));
}

/** Source: cloud-api §C2 (`attachment` lists the members, `basic` is the fast path), §C3. */
export const describeNetworkInterfaceAttribute: Action = (call) => {
  const { world, parameters } = call;
  const eniId = parameters.need("NetworkInterfaceId");
  const eni = world.enis.seen(eniId, call.readDelayMs);
  if (eni === undefined) throw eniNotFound(eniId);
  if (parameters.text("Attribute") !== "attachment") return toEniAnswer(eni);
  const mates = eni.instanceId === undefined ? [] : [...world.enis.allSeen(call.readDelayMs, eni.instanceId)];
  return toEniAnswer(
    eni,
    mates.filter((mate) => mate.trunkEniId === eniId).map((mate) => mate.eniId),
  );
};

/** `InstanceIds` is a JSON array in one string. Missing ids are left out. Source: cloud-api §B2, §C3. */
export const describeInstances: Action = ({ world, parameters }) => {
  const ids = readInstanceIds(parameters.text("InstanceIds"));
  const vpcId = parameters.text("VpcId");
  const page = readPage(parameters, { least: 1, most: 100 });
  const all = ids === undefined ? [...world.instances.values()] : ids.flatMap((id) => world.instances.get(id) ?? []);
  // The sandbox's machines have no tags, so any tag filter finds none.
  const hasTagFilter = parameters.tags().size > 0;
  const matching = all.filter(({ spec }) => !hasTagFilter && (vpcId === undefined || spec.vpcId === vpcId));
  const from = page.start + page.afterSequence;
  const rows = matching.slice(from, from + page.size);
  return {
    ...page.toAnswer(matching.length, rows.length, from + rows.length),
    Instances: { Instance: rows.map((instance) => toInstanceAnswer(world, instance)) },
  };
};

function readInstanceIds(json: string | undefined): readonly string[] | undefined {
  if (json === undefined) return undefined;
  try {
    const ids: unknown = JSON.parse(json);
    if (Array.isArray(ids) && ids.length <= 100 && ids.every((id) => typeof id === "string")) return ids;
  } catch {
    // Falls through to the refusal: any text that is not such an array is malformed in the same way.
  }
  throw invalidParameter("InstanceIds", "expected a JSON array of at most 100 instance ids");
}

/** Source: cloud-api §C3. */
export const describeInstanceAttribute: Action = ({ world, parameters }) => {
  const instanceId = parameters.need("InstanceId");
  const instance = world.instances.get(instanceId);
  if (instance === undefined) {
    throw new Refusal(404, "InvalidInstanceId.NotFound", `The specified InstanceId "${instanceId}" does not exist.`);
  }
  return {
    InstanceId: instanceId,
    InstanceName: instanceId,
    Status: instance.spec.status ?? "Running",
    InstanceType: instance.spec.instanceType,
    RegionId: world.regionId,
    ZoneId: instance.spec.zoneId,
    VpcAttributes: toVpcAttributes(world, instance),
    SecurityGroupIds: { SecurityGroupId: [] },
  };
};

/** At most 10 types by name, 100 a page. An unknown type is left out. Source: cloud-api §C1, §C3, §C6. */
export const describeInstanceTypes: Action = ({ parameters }) => {
  const wanted = parameters.list("InstanceTypes");
  if (wanted.length > 10) throw invalidParameter("InstanceTypes", "expected at most 10");
  const size = parameters.count("MaxResults", { min: 1, max: 100 }) ?? 100;
  const from = readToken(parameters);
  const ids = wanted.length > 0 ? wanted : instanceTypeIds;
  const rows = ids.slice(from, from + size).flatMap(toInstanceTypeAnswer);
  return {
    NextToken: from + size < ids.length ? toToken(from + size) : "",
    InstanceTypes: { InstanceType: rows },
  };
};

// No NetworkCardQuantity and no NetworkCards: real answers leave them out for types with one card, and have empty objects.
// Source: cloud-api §C6, last paragraph.
function toInstanceTypeAnswer(instanceTypeId: string): Answer[] {
  const limits = findInstanceType(instanceTypeId);
  if (limits === undefined) return [];
  return [
    {
      InstanceTypeId: instanceTypeId,
      InstanceTypeFamily: instanceTypeId.split(".").slice(0, 2).join("."),
      CpuArchitecture: instanceTypeId.includes("6r.") ? "ARM" : "X86",
      CpuCoreCount: limits.vCpus,
      MemorySize: limits.vCpus * 4,
      EniQuantity: limits.eniQuantity,
      EniTotalQuantity: limits.eniTotal,
      EniTrunkSupported: limits.isTrunkSupported,
      EniPrivateIpAddressQuantity: limits.ipv4PerEni,
      EniIpv6AddressQuantity: limits.ipv6PerEni,
      EriQuantity: 0,
      InstanceBandwidthRx: 3_072_000,
      InstanceBandwidthTx: 3_072_000,
      ...(limits.networkCards > 1 && {
        NetworkCardQuantity: limits.networkCards,
        NetworkCards: {
          NetworkCardInfo: Array.from({ length: limits.networkCards }, (_, index) => ({ NetworkCardIndex: index })),
        },
      }),
      JumboFrameSupport: true,
      Clock: {},
      EnhancedNetwork: {},
    },
  ];
}

/** A missing id gives an empty list. Source: cloud-api §B3, §C3. */
export const describeVSwitches: Action = (call) => {
  const { world, parameters } = call;
  const [vSwitchId, vpcId, zoneId] = ["VSwitchId", "VpcId", "ZoneId"].map((name) => parameters.text(name));
  const hasTagFilter = parameters.tags().size > 0;
  const size = parameters.count("PageSize", { min: 1, max: 50 }) ?? 10;
  const number = parameters.count("PageNumber", { min: 1, max: 1_000_000 }) ?? 1;
  const matching = [...world.vSwitches.values()].filter(
    ({ spec }) =>
      !hasTagFilter &&
      !world.removedVSwitches.has(spec.vSwitchId) &&
      (vSwitchId === undefined || spec.vSwitchId === vSwitchId) &&
      (vpcId === undefined || spec.vpcId === vpcId) &&
      (zoneId === undefined || spec.zoneId === zoneId),
  );
  const rows = matching.slice((number - 1) * size, number * size);
  return {
    TotalCount: matching.length,
    PageNumber: number,
    PageSize: size,
    VSwitches: {
      VSwitch: rows.map((row) => ({ ...toVSwitchAnswer(row, freeAddresses(call, row)), Tags: { Tag: [] } })),
    },
  };
};

/** The VPC product spells its code differently from ECS. Source: cloud-api §C3. */
export const describeVSwitchAttributes: Action = (call) => {
  const vSwitchId = call.parameters.need("VSwitchId");
  const vSwitch = call.world.findVSwitch(vSwitchId);
  if (vSwitch === undefined) {
    throw new Refusal(404, "InvalidVswitchID.NotFound", `The specified VSwitch "${vSwitchId}" is not found.`);
  }
  return {
    ...toVSwitchAnswer(vSwitch, freeAddresses(call, vSwitch)),
    CloudResources: { CloudResourceSetType: [] },
  };
};

/** A late read counts the interfaces of then. */
function freeAddresses({ faults, world, readDelayMs }: ActionCall, { spec: { vSwitchId }, ipv4 }: VSwitch): number {
  const exhausted = faults.exhaustedVSwitchIds;
  if (exhausted.has("*") || exhausted.has(vSwitchId)) return 0;
  if (readDelayMs === 0) return ipv4.free;
  const addressesAt = (delayMs: number): number =>
    [...world.enis.allSeen(delayMs)]
      .filter((eni) => eni.vSwitchId === vSwitchId)
      .reduce((sum, { ipv4s }) => sum + ipv4s.length, 0);
  return Math.max(0, ipv4.free + addressesAt(0) - addressesAt(readDelayMs));
}

interface Page {
  /** Rows to leave out by page number; 0 with tokens. */
  readonly start: number;
  /** Rows to leave out by token: up to this sequence number (interfaces) or position (instances). */
  readonly afterSequence: number;
  readonly size: number;
  /** With tokens TotalCount is meaningless (the SDK's comment); then it is 0, so that nobody counts on it. */
  readonly hasTotal: boolean;
  toAnswer(total: number, rows: number, lastSequence: number): Answer;
}

/**
 * MaxResults/NextToken, or the deprecated PageNumber/PageSize; ten rows when neither is given, even if a hundred ids are.
 * MaxResults below the least and above the most is moved there. Source: cloud-api §C1 and the SDK's comments.
 */
function readPage(parameters: Parameters, bounds: { readonly least: number; readonly most: number }): Page {
  const maxResults = parameters.count("MaxResults", { min: 0, max: 1_000_000 });
  const usesToken = maxResults !== undefined || parameters.text("NextToken") !== undefined;
  if (usesToken) {
    const size = Math.min(bounds.most, Math.max(bounds.least, maxResults ?? 10));
    const toAnswer = (_total: number, rows: number, lastSequence: number): Answer => ({
      TotalCount: 0,
      NextToken: rows === size ? toToken(lastSequence) : "",
    });
    return { start: 0, afterSequence: readToken(parameters), size, hasTotal: false, toAnswer };
  }
  const size = parameters.count("PageSize", { min: 1, max: bounds.most }) ?? 10;
  const number = parameters.count("PageNumber", { min: 1, max: 1_000_000 }) ?? 1;
  const toAnswer = (total: number): Answer => ({
    TotalCount: total,
    PageNumber: number,
    PageSize: size,
    NextToken: "",
  });
  return { start: (number - 1) * size, afterSequence: 0, size, hasTotal: true, toAnswer };
}

const toToken = (position: number): string => Buffer.from(`after:${position}`).toString("base64url");

function readToken(parameters: Parameters): number {
  const token = parameters.text("NextToken");
  if (token === undefined) return 0;
  const position = /^after:(\d+)$/.exec(Buffer.from(token, "base64url").toString())?.[1];
  if (position === undefined) throw invalidParameter("NextToken", "it is not a token of an earlier answer");
  return Number(position);
}
