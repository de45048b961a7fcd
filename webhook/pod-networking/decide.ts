/** Decides what admission does with one PodNetworking: defaults for what it leaves out, refusal of what cannot work, warnings. */
import { maxSecurityGroups } from "../../domain/pod-network/eni-config.ts";
import type { EniConfig } from "../../domain/pod-network/eni-config.ts";
import { findPlaneSelectorProblem, hasSelector } from "../../domain/pod-network/plane.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import { parseGoDuration } from "../../domain/retention/go-duration.ts";

/** True when the plane leaves something to the cluster's defaults. */
export function planeNeedsDefaults({ spec }: Plane): boolean {
  return (spec?.vSwitchOptions ?? []).length === 0 || (spec?.securityGroupIDs ?? []).length === 0;
}

/**
 * The plane with empty `vSwitchOptions` and `securityGroupIDs` filled from eni-config; the same object when nothing is
 * filled. `defaults` is undefined when the cluster has no eni-config: validation then names what is missing.
 */
export function defaultPlane<P extends Plane>(plane: P, defaults: EniConfig | undefined): P {
  if (defaults === undefined || !planeNeedsDefaults(plane)) return plane;
  const { vSwitchOptions, securityGroupIDs } = plane.spec ?? {};
  return {
    ...plane,
    spec: {
      ...plane.spec,
      vSwitchOptions: isEmpty(vSwitchOptions) ? defaults.vSwitchIds : vSwitchOptions,
      securityGroupIDs: isEmpty(securityGroupIDs) ? defaults.securityGroupIds : securityGroupIDs,
    },
  };
}

/**
 * The first rule that the plane breaks, in the published order and words; undefined when it may be stored.
 *
 * Refused here and not by the published program: a negative `releaseAfter` (its collector then keeps the address for ever), a
 * malformed `releaseAfter` without a strategy, one of less than five minutes, and a selector that no label can satisfy
 * because it is malformed.
 * @param isResourceInjected configuration `enableWebhookInjectResource`
 * @param old the plane before an update: what it has of a short `releaseAfter` may stay
 */
export function findPlaneFault(plane: Plane, isResourceInjected: boolean, old?: Plane): string | undefined {
  // Without injection the user writes the resource, and only a selector tells which pods that concerns.
  if (!isResourceInjected && !hasSelector(plane) && hasChosenEniType(plane)) {
    return "attachType must be default when podSelector and namespaceSelector are not set";
  }
  const { vSwitchOptions, securityGroupIDs, allocationType } = plane.spec ?? {};
  if (isEmpty(vSwitchOptions)) return "vSwitchOptions is not set";
  if (isEmpty(securityGroupIDs)) return "security group is not set";
  if (securityGroupIDs.length > maxSecurityGroups) return "security group can not more than 10";
  return findRetentionFault(allocationType, old) ?? findPlaneSelectorProblem(plane);
}

/** So many users are named; kubectl cuts no line. */
const namedUsers = 3;

/** What the deletion of the plane means for those who use it; none when nobody does. */
export function toDeletionWarnings(
  plane: string,
  use: { readonly pods: readonly string[]; readonly records: readonly string[] },
): readonly string[] {
  const warnings = [];
  if (use.pods.length > 0) {
    warnings.push(
      `PodNetworking ${plane} is used by ${count(use.pods, "pod")}: they keep their interfaces, ` +
        "but pods that are created from now on, their successors included, do not get one from it",
    );
  }
  if (use.records.length > 0) {
    warnings.push(
      `PodNetworking ${plane} is used by the ${count(use.records, "PodENI")} of pods that are gone: ` +
        "a fixed address stays reserved, and the next pod of that name does not get it back",
    );
  }
  return warnings;
}

/** `5 pods (ns/a, ns/b, ns/c and 2 more)` */
function count(keys: readonly string[], noun: string): string {
  const named = keys.slice(0, namedUsers).join(", ");
  const more = keys.length > namedUsers ? ` and ${keys.length - namedUsers} more` : "";
  return `${keys.length} ${noun}${keys.length === 1 ? "" : "s"} (${named}${more})`;
}

function hasChosenEniType({ spec }: Plane): boolean {
  return spec?.eniOptions?.eniType === "ENI" || spec?.eniOptions?.eniType === "Trunk";
}

type Retention = NonNullable<Plane["spec"]>["allocationType"];

/** The published documentation promises it; a pod that is moved to another node must find its address again. */
const leastReleaseAfter = { ms: 5 * 60_000, text: "5m" };

function findRetentionFault(retention: Retention, old: Plane | undefined): string | undefined {
  const { strategy, after } = retentionOf(retention);
  if (strategy === "Never") {
    return after === "" ? undefined : "releaseAfter must be empty when releaseStrategy is never";
  }
  if (strategy === "" && after === "") return undefined;
  const ms = parseGoDuration(after) ?? -1;
  if (ms < 0) return `invalid releaseAfter ${after}`;
  if (strategy !== "TTL" || ms >= leastReleaseAfter.ms || hasRetention(old, after)) return undefined;
  return `releaseAfter ${after} is too short: at least ${leastReleaseAfter.text}`;
}

/** True when the plane has that time already. */
function hasRetention(plane: Plane | undefined, releaseAfter: string): boolean {
  const { strategy, after } = retentionOf(plane?.spec?.allocationType);
  return strategy === "TTL" && after === releaseAfter;
}

function retentionOf(retention: Retention): { readonly strategy: string; readonly after: string } {
  const { releaseStrategy: strategy = "", releaseAfter: after = "" } = retention ?? {};
  return { strategy, after };
}

function isEmpty(list: readonly string[] | null | undefined): list is null | undefined | readonly [] {
  return list === null || list === undefined || list.length === 0;
}
