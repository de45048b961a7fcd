/** CreateNetworkInterface as the controllers use it. */
import { tags } from "../../crds/v1beta1/names.ts";
import type { TrafficMode } from "./traffic-mode.ts";

export interface CreateRequest {
  readonly type: "Secondary" | "Trunk";
  readonly vSwitchId: string;
  readonly securityGroupIds: readonly string[];
  /** The same for every repetition, by any process: the cloud answers it with the interface that the first one made. */
  readonly clientToken: string;
  readonly tags: Readonly<Record<string, string>>;
  /** It goes with its instance. */
  readonly deleteOnRelease: boolean;
  readonly ipv6Count: number;
  readonly resourceGroupId?: string;
  readonly trafficMode?: TrafficMode;
}

/** What is asked for, and whose it will be. */
export interface CreationWish extends Omit<CreateRequest, "resourceGroupId" | "trafficMode" | "ipv6Count"> {
  /** Empty for the account's default. */
  readonly resourceGroupId: string;
  readonly trafficMode: TrafficMode;
  readonly needsIpv6: boolean;
  readonly clusterId: string;
  /** Value of the published tag `creator`. */
  readonly creator: string;
}

/** The published tags win over those of the wish: by them this program knows its interfaces. */
export function toCreateRequest(wish: CreationWish): CreateRequest {
  const { resourceGroupId, trafficMode, needsIpv6, clusterId, creator, ...rest } = wish;
  return {
    ...rest,
    tags: { ...wish.tags, [tags.clusterId]: clusterId, [tags.creator]: creator },
    ipv6Count: needsIpv6 ? 1 : 0,
    ...(resourceGroupId !== "" && { resourceGroupId }),
    ...(trafficMode !== "Standard" && { trafficMode }),
  };
}

/** Reasons of the error table (cloud/error-codes.ts) that another vSwitch may cure. */
const vSwitchReasons: ReadonlySet<string> = new Set(["VSwitchExhausted", "VSwitchNotFound", "InvalidVSwitch"]);
const tokenReasons: ReadonlySet<string> = new Set(["ClientTokenFailed", "ClientTokenMismatch"]);

/** What of the request must change before it is worth repeating; undefined: nothing of these. */
export function cureOf(reason: string): "vSwitch" | "token" | undefined {
  if (vSwitchReasons.has(reason)) return "vSwitch";
  return tokenReasons.has(reason) ? "token" : undefined;
}
