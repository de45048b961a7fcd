/** The cluster's defaults for pods and planes that name no vSwitch or security group. */
import { applyMergePatch } from "../json/merge-patch.ts";
import { memberOf, textOf, textsOf, toJsonObject, type JsonObject } from "./go-json.ts";

/** The part of the daemon's configuration that this program reads. Source: ConfigMap `kube-system/eni-config`, key `eni_conf`. */
export interface EniConfig {
  /** Every configured vSwitch of every zone, sorted, each once. Source: `vswitches`, a map from zone to ids. */
  readonly vSwitchIds: readonly string[];
  /** Union of `security_group` and `security_groups`, sorted; at most {@link maxSecurityGroups}. */
  readonly securityGroupIds: readonly string[];
  readonly ipStack: "ipv4" | "ipv6" | "dual";
}

/** What came of reading a configuration for one machine. */
export type ConfigLookup<T> =
  | { readonly type: "found"; readonly config: T }
  /** The ConfigMap of that name in `kube-system` does not exist. */
  | { readonly type: "missing"; readonly configMap: string }
  /** `message` names the ConfigMap and the member that is wrong. */
  | { readonly type: "faulty"; readonly message: string };

/** An interface can be in at most 10 security groups. Source: ECS CreateNetworkInterface, `SecurityGroupIds`. */
export const maxSecurityGroups = 10;

const where = "eni_conf";

const ipStacks = ["ipv4", "ipv6", "dual"] as const;

/**
 * The defaults in the text of `eni_conf`; unknown members belong to the daemon and are ignored.
 * @param overlay as of {@link parseEniConfText}
 * @throws Error naming the member that is wrong
 */
export function parseEniConfig(text: string, overlay?: string): EniConfig {
  return readEniConfig(parseEniConfText(text, overlay));
}

/**
 * The object that both texts make.
 * @param text `eni_conf` of the cluster
 * @param overlay `eni_conf` of the machine's own ConfigMap, a JSON merge patch (RFC 7396); undefined when it has none
 * @throws Error when one is empty or no JSON object
 */
export function parseEniConfText(text: string, overlay?: string): JsonObject {
  const base = parseText(text);
  return toJsonObject(overlay === undefined ? base : applyMergePatch(base, parseText(overlay)), where);
}

function parseText(text: string): unknown {
  if (text.trim() === "") throw new Error("eni_conf is empty");
  return JSON.parse(text);
}

/** As {@link parseEniConfig}, of the object that the text holds. */
export function readEniConfig(object: JsonObject): EniConfig {
  const zones = toJsonObject(memberOf(object, "vswitches") ?? {}, `${where}.vswitches`);
  const vSwitchIds = Object.keys(zones).flatMap((zone) => textsOf(zones, zone, `${where}.vswitches`));
  const securityGroup = textOf(object, "security_group", where);
  const securityGroupIds = toSortedSet([
    ...(securityGroup === "" ? [] : [securityGroup]),
    ...textsOf(object, "security_groups", where),
  ]);
  if (securityGroupIds.length > maxSecurityGroups) {
    throw new Error(
      `eni_conf names ${securityGroupIds.length} security groups; at most ${maxSecurityGroups} are allowed`,
    );
  }
  return {
    vSwitchIds: toSortedSet(vSwitchIds),
    securityGroupIds,
    ipStack: parseIpStack(textOf(object, "ip_stack", where)),
  };
}

function parseIpStack(text: string): EniConfig["ipStack"] {
  if (text === "") return "ipv4";
  const ipStack = ipStacks.find((candidate) => candidate === text);
  if (ipStack === undefined)
    throw new Error(`eni_conf.ip_stack must be ipv4, ipv6 or dual, got ${JSON.stringify(text)}`);
  return ipStack;
}

function toSortedSet(list: readonly string[]): readonly string[] {
  return [...new Set(list)].sort();
}
