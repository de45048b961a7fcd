/** In which world an episode plays: how its machines come, and how much the cloud lets its account do. */
import { trunkConf, centralised } from "../../e2e/node-records.ts";
import { defaultCallsPerMinute, type ApiName } from "../../cloud/call.ts";
import type { Random } from "../../runtime/ports.ts";

export interface Setting {
  /** `bare`: controllers `node` and `node-capacity` give machines their trunks and say what they can carry. */
  readonly machines: "equipped" | "bare";
  /** `tight`: so few calls a minute that every episode meets its quotas. */
  readonly quotas: "published" | "tight";
}

export const plainSetting: Setting = { machines: "equipped", quotas: "published" };

export function drawSetting(random: Random): Setting {
  return {
    machines: random() < 0.4 ? "bare" : "equipped",
    quotas: random() < 0.2 ? "tight" : "published",
  };
}

/** Enough for an episode to come to rest, few enough to wait for the minute. */
const tightCallsPerMinute = {
  CreateNetworkInterface: 25,
  AttachNetworkInterface: 25,
  DetachNetworkInterface: 25,
  DeleteNetworkInterface: 25,
  DescribeNetworkInterfaces: 60,
  DescribeVSwitches: 20,
} as const satisfies Partial<Record<ApiName, number>>;

/** Calls of the account per API and minute, where they are not the published ones. */
export function quotasOf({ quotas }: Setting): Partial<Record<keyof typeof tightCallsPerMinute, number>> {
  return quotas === "tight" ? tightCallsPerMinute : {};
}

export function callsPerMinuteOf(setting: Setting, api: ApiName): number {
  const quotas: Partial<Record<ApiName, number>> = quotasOf(setting);
  return quotas[api] ?? defaultCallsPerMinute[api];
}

/** Members of the configuration file that the setting decides. */
export function configOf(setting: Setting): Readonly<Record<string, unknown>> {
  return {
    ...(setting.machines === "bare" && centralised),
    ...(setting.quotas === "tight" && { rateLimit: tightCallsPerMinute }),
  };
}

/** `eni_conf` of bare machines. */
export const machineConf = trunkConf;
