/** The cluster's defaults for pods and planes that name no vSwitch or security group. */
import { memberOf, textOf, textsOf, toJsonObject, type JsonObject } from "./go-json.ts";

/** The part of the daemon's configuration that this program reads. Source: ConfigMap `kube-system/eni-config`, key `eni_conf`. */
export interface EniConfig {
  /** Every configured vSwitch of every zone, sorted, each once. Source: `vswitches`, a map from zone to ids. */
  readonly vSwitchIds: readonly string[];
  /** Union of `security_group` and `security_groups`, sorted; at most {@link maxSecurityGroups}. */
  readonly securityGroupIds: readonly string[];
  readonly ipStack: "ipv4" | "ipv6" | "dual";
}

/** An interface can be in at most 10 security groups. Source: ECS CreateNetworkInterface, `SecurityGroupIds`. */
export const maxSecurityGroups = 10;

const where = "eni_conf";

const ipStacks = ["ipv4", "ipv6", "dual"] as const;

/**
 * The defaults in the text of `eni_conf`; unknown members belong to the daemon and are ignored.
 * @throws Error naming the member that is wrong
 */
export function parseEniConfig(text: string): EniConfig {
  if (text.trim() === "") throw new Error("eni_conf is empty");
  return readEniConfig(toJsonObject(JSON.parse(text), where));
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
