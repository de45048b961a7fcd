/** Translates what the cloud says about network interfaces. */
import type { Eni, EniStatus, EniType } from "../domain/eni/eni.ts";
import { TransientError } from "../runtime/errors.ts";
import { isRecord, textOf, type ApiName } from "./call.ts";

/** The interfaces of a DescribeNetworkInterfaces answer. @throws TransientError for an answer of another shape */
export function toEnis(answer: unknown): readonly Eni[] {
  const sets = isRecord(answer) ? answer["NetworkInterfaceSets"] : undefined;
  const list = isRecord(sets) ? sets["NetworkInterfaceSet"] : undefined;
  if (!Array.isArray(list)) throw malformed("DescribeNetworkInterfaces", "no NetworkInterfaceSets");
  return list.map((item: unknown) => toEni(item, "DescribeNetworkInterfaces"));
}

/** One interface in our words. Empty text of the wire is absence. @throws TransientError when it has no id */
export function toEni(value: unknown, api: ApiName): Eni {
  const eniId = isRecord(value) ? textOf(value["NetworkInterfaceId"]) : undefined;
  if (!isRecord(value) || eniId === undefined) throw malformed(api, "an interface without id");
  const attachment = isRecord(value["Attachment"]) ? value["Attachment"] : {};
  return {
    eniId,
    status: wordOf(eniStatuses, value["Status"]) ?? "Unknown",
    type: wordOf(eniTypes, value["Type"]) ?? "Secondary",
    macAddress: textOrEmpty(value["MacAddress"]),
    vSwitchId: textOrEmpty(value["VSwitchId"]),
    zoneId: textOrEmpty(value["ZoneId"]),
    primaryIpv4: textOrEmpty(value["PrivateIpAddress"]),
    ipv6s: listIn(value, "Ipv6Sets", "Ipv6Set").flatMap((item) => (isRecord(item) ? textsOf(item["Ipv6Address"]) : [])),
    securityGroupIds: listIn(value, "SecurityGroupIds", "SecurityGroupId").flatMap(textsOf),
    tags: toTags(value),
    ...defined({
      vpcId: textOf(value["VpcId"]),
      instanceId: textOf(value["InstanceId"]) ?? textOf(attachment["InstanceId"]),
      trunkEniId: textOf(attachment["TrunkNetworkInterfaceId"]),
      resourceGroupId: textOf(value["ResourceGroupId"]),
      creationTime: textOf(value["CreationTime"]),
    }),
    ...defined({
      deviceIndex: numberOf(attachment["DeviceIndex"]),
      networkCardIndex: numberOf(attachment["NetworkCardIndex"]),
    }),
  };
}

const eniStatuses: readonly EniStatus[] = ["Available", "Attaching", "InUse", "Detaching", "Deleting"];
const eniTypes: readonly EniType[] = ["Primary", "Secondary", "Trunk", "Member"];

function wordOf<T extends string>(words: readonly T[], value: unknown): T | undefined {
  return words.find((word) => word === value);
}

function toTags(value: Readonly<Record<string, unknown>>): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const tag of listIn(value, "Tags", "Tag")) {
    if (!isRecord(tag)) continue;
    const key = textOf(tag["TagKey"]) ?? textOf(tag["Key"]);
    const text = textOf(tag["TagValue"]) ?? textOf(tag["Value"]);
    if (key !== undefined) tags[key] = text ?? "";
  }
  return tags;
}

/** The wire wraps every list: `Tags: { Tag: [] }`. */
function listIn(value: Readonly<Record<string, unknown>>, outer: string, inner: string): readonly unknown[] {
  const wrapper = value[outer];
  const list = isRecord(wrapper) ? wrapper[inner] : undefined;
  return Array.isArray(list) ? list : [];
}

function textsOf(value: unknown): readonly string[] {
  const text = textOf(value);
  return text === undefined ? [] : [text];
}

function textOrEmpty(value: unknown): string {
  return textOf(value) ?? "";
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** Without the keys that are undefined. */
function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept: { [K in keyof T]?: Exclude<T[K], undefined> } = {};
  for (const key of keysOf(value)) {
    const item = value[key];
    if (isDefined(item)) kept[key] = item;
  }
  return kept;
}

function keysOf<T extends object>(value: T): (keyof T)[] {
  return Object.keys(value) as (keyof T)[];
}

function isDefined<T>(item: T): item is Exclude<T, undefined> {
  return item !== undefined;
}

/** The answer is JSON, but not of the documented shape. */
export function malformed(api: ApiName, what: string): TransientError {
  return new TransientError("MalformedAnswer", `${api}: ${what} in the answer`, {
    cloud: { api, code: "MalformedAnswer", outcome: "unknown" },
  });
}
