/** DescribeVSwitches: one vSwitch by its id, or all of a VPC. */
import type { VSwitch } from "../domain/vswitch/vswitch.ts";
import { isRecord, textOf } from "./call.ts";
import { malformed } from "./eni-answers.ts";
import type { CallOptions, Invoke } from "./invoke.ts";

/** The most that the API gives. Source: VPC DescribeVSwitches, `PageSize`. */
const pageSize = 50;
/** 10 000 vSwitches; more pages mean that the cloud does not end its listing. */
const pagesAtMost = 200;
const isRead = { mutates: false, repeats: true } as const;

/** Undefined when the region has none of that id. @throws what {@link Invoke} throws */
export async function readVSwitch(
  invoke: Invoke,
  query: { readonly regionId: string; readonly vSwitchId: string },
  options: CallOptions,
): Promise<VSwitch | undefined> {
  // One id a call: the API documents no list.
  const parameters = { RegionId: query.regionId, VSwitchId: query.vSwitchId };
  const { rows } = toPage(await invoke("DescribeVSwitches", isRead, parameters, options));
  return rows.find(({ vSwitchId }) => vSwitchId === query.vSwitchId);
}

/**
 * All vSwitches of a VPC, page by page. One that is made or deleted meanwhile may be left out, and so may its neighbours.
 * @throws what {@link Invoke} throws
 */
export async function listVSwitches(
  invoke: Invoke,
  query: { readonly regionId: string; readonly vpcId: string },
  options: CallOptions,
): Promise<readonly VSwitch[]> {
  const found: VSwitch[] = [];
  for (let number = 1; number <= pagesAtMost; number += 1) {
    const parameters = { RegionId: query.regionId, VpcId: query.vpcId, PageSize: pageSize, PageNumber: number };
    const { rows, total } = toPage(await invoke("DescribeVSwitches", isRead, parameters, options));
    found.push(...rows);
    if (rows.length < pageSize || number * pageSize >= total) return found;
  }
  throw malformed("DescribeVSwitches", `more than ${pagesAtMost} pages`);
}

/** @throws TransientError for an answer of another shape */
function toPage(answer: unknown): { readonly rows: readonly VSwitch[]; readonly total: number } {
  const wrapper = isRecord(answer) ? answer["VSwitches"] : undefined;
  const list: unknown = isRecord(wrapper) ? wrapper["VSwitch"] : undefined;
  if (!isRecord(answer) || !Array.isArray(list)) throw malformed("DescribeVSwitches", "no VSwitches");
  return { rows: list.flatMap(toVSwitch), total: numberOf(answer["TotalCount"]) ?? Infinity };
}

function toVSwitch(value: unknown): VSwitch[] {
  const vSwitchId = isRecord(value) ? textOf(value["VSwitchId"]) : undefined;
  if (!isRecord(value) || vSwitchId === undefined) return [];
  return [
    {
      vSwitchId,
      vpcId: textOf(value["VpcId"]) ?? "",
      zoneId: textOf(value["ZoneId"]) ?? "",
      ipv4Cidr: textOf(value["CidrBlock"]) ?? "",
      ipv6Cidr: textOf(value["Ipv6CidrBlock"]) ?? "",
      freeIpv4Count: numberOf(value["AvailableIpAddressCount"]) ?? 0,
      isExhausted: false,
    },
  ];
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
