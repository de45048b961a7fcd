/** What eni-config, with a machine's own ConfigMap merged over it, says about the interfaces of that machine. */
import { parseGoDuration } from "../retention/go-duration.ts";
import { parseEniConfText, readEniConfig, type ConfigLookup, type EniConfig } from "./eni-config.ts";
import { countOf, flagOf, listOf, memberOf, textMapOf, textOf, textsOf, toJsonObject, wordOf } from "./go-json.ts";
import type { JsonObject } from "./go-json.ts";

/** Source of each member: the key of `eni_conf` that is named. */
export interface NodePoolConfig extends Pick<EniConfig, "securityGroupIds" | "ipStack"> {
  /** `vswitches`: zone to ids, in the order of the configuration. */
  readonly vSwitchIdsByZone: Readonly<Record<string, readonly string[]>>;
  /** `vswitch_selection_policy` */
  readonly vSwitchSelectionPolicy: "random" | "ordered";
  /** `eni_tags` */
  readonly tags: Readonly<Record<string, string>>;
  /** `eni_tag_filter` */
  readonly tagFilter: Readonly<Record<string, string>>;
  /** `eni_tag_block_list` */
  readonly tagBlockList: readonly { readonly key: string; readonly value: string }[];
  /** `resource_group_id`; empty for none. */
  readonly resourceGroupId: string;
  /** `enable_eni_trunking` */
  readonly enableTrunking: boolean;
  /** `enable_ip_prefix` */
  readonly enableIpPrefix: boolean;
  /** `ipv4_prefix_count` */
  readonly ipv4PrefixCount: number;
  /** `ipv6_prefix_count` */
  readonly ipv6PrefixCount: number;
  /** `max_pool_size` */
  readonly maxPoolSize: number;
  /** `min_pool_size` */
  readonly minPoolSize: number;
  /** `ip_pool_sync_period`, a Go duration; empty for the default. */
  readonly poolSyncPeriod: string;
  /** `ip_warm_up_size` */
  readonly warmUpSize: number;
  /** Absent: idle addresses are kept. */
  readonly reclaim?: {
    /** `idle_ip_reclaim_after`, a Go duration. */
    readonly after: string;
    /** `idle_ip_reclaim_interval`, a Go duration. @default "10m" */
    readonly interval: string;
    /** `idle_ip_reclaim_batch_size` @default 5 */
    readonly batchSize: number;
    /** `idle_ip_reclaim_jitter_factor` @default "0.1" */
    readonly jitterFactor: string;
  };
}

/** What came of reading it. */
export type NodePoolConfigLookup = ConfigLookup<NodePoolConfig>;

const where = "eni_conf";

/**
 * @param text `eni_conf` of the cluster
 * @param overlay `eni_conf` of the machine's own ConfigMap, a JSON merge patch (RFC 7396); undefined when it has none
 * @throws Error naming the member that is wrong
 */
export function parseNodePoolConfig(text: string, overlay?: string): NodePoolConfig {
  const object = parseEniConfText(text, overlay);
  const { securityGroupIds, ipStack } = readEniConfig(object);
  const reclaim = readReclaim(object);
  return {
    securityGroupIds,
    ipStack,
    vSwitchIdsByZone: readVSwitches(object),
    vSwitchSelectionPolicy: wordOf(object, "vswitch_selection_policy", ["random", "ordered"], where) || "random",
    tags: textMapOf(object, "eni_tags", where),
    tagFilter: textMapOf(object, "eni_tag_filter", where),
    tagBlockList: readBlockList(object),
    resourceGroupId: textOf(object, "resource_group_id", where),
    enableTrunking: flagOf(object, "enable_eni_trunking", where),
    enableIpPrefix: flagOf(object, "enable_ip_prefix", where),
    ipv4PrefixCount: countOf(object, "ipv4_prefix_count", where),
    ipv6PrefixCount: countOf(object, "ipv6_prefix_count", where),
    maxPoolSize: countOf(object, "max_pool_size", where),
    minPoolSize: countOf(object, "min_pool_size", where),
    poolSyncPeriod: durationOf(object, "ip_pool_sync_period"),
    warmUpSize: countOf(object, "ip_warm_up_size", where),
    ...(reclaim !== undefined && { reclaim }),
  };
}

function readVSwitches(object: JsonObject): NodePoolConfig["vSwitchIdsByZone"] {
  const zones = toJsonObject(memberOf(object, "vswitches") ?? {}, `${where}.vswitches`);
  return Object.fromEntries(Object.keys(zones).map((zone) => [zone, textsOf(zones, zone, `${where}.vswitches`)]));
}

function readBlockList(object: JsonObject): NodePoolConfig["tagBlockList"] {
  const name = `${where}.eni_tag_block_list`;
  return listOf(object, "eni_tag_block_list", where).map((entry) => {
    const tag = toJsonObject(entry, name);
    return { key: textOf(tag, "key", name), value: textOf(tag, "value", name) };
  });
}

function readReclaim(object: JsonObject): NodePoolConfig["reclaim"] {
  const after = durationOf(object, "idle_ip_reclaim_after");
  if (after === "") return undefined;
  return {
    after,
    interval: durationOf(object, "idle_ip_reclaim_interval") || "10m",
    batchSize: countOf(object, "idle_ip_reclaim_batch_size", where) || 5,
    jitterFactor: textOf(object, "idle_ip_reclaim_jitter_factor", where) || "0.1",
  };
}

/** The text of a Go duration, as it is; "" when unset. */
function durationOf(object: JsonObject, name: string): string {
  const text = textOf(object, name, where);
  if (text === "" || parseGoDuration(text) !== undefined) return text;
  throw new Error(`${where}.${name} must be a duration, got ${JSON.stringify(text)}`);
}
