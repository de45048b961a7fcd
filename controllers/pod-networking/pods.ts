/** What a plane's pods say about it: which do not have what it gives now, and which other planes match them. */
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { PodNetworking } from "../../crds/v1beta1/pod-networking.gen.ts";
import { annotations } from "../../crds/v1beta1/names.ts";
import type { Condition, NextCondition } from "../../domain/conditions/conditions.ts";
import { findCondition } from "../../domain/conditions/conditions.ts";
import { matchPlanes } from "../../domain/pod-network/plane.ts";
import type { Plane, PodToMatch } from "../../domain/pod-network/plane.ts";
import { interfacesFrom } from "../../domain/pod-network/requested-networks.ts";
import { ambiguousReasons, podsReasons, types } from "./conditions.ts";

/** A pod that has interfaces of the plane. */
export interface PodOfPlane extends PodToMatch {
  /** `namespace/name`. */
  readonly key: string;
}

/** A pod whose interfaces are not as the plane says. */
export interface PodBehind {
  /** `namespace/name`. */
  readonly key: string;
  /** A fixed address stays with the record, so that recreating the pod is not enough. */
  readonly isFixed: boolean;
}

/**
 * True when an interface that the record has from the plane is in a vSwitch, or has security groups, that the plane no
 * longer names. A list that the plane leaves empty says nothing.
 */
export function isBehind(record: PodENI, plane: Plane): boolean {
  const { vSwitchOptions, securityGroupIDs } = plane.spec ?? {};
  return allocationsFrom(record, plane.metadata.name).some(
    ({ eni }) =>
      ((eni?.vSwitchID ?? "") !== "" && lacks(vSwitchOptions, eni?.vSwitchID)) ||
      differs(securityGroupIDs, eni?.securityGroupIDs),
  );
}

/** All of a record that a selector matched; of one that asked for planes by name, those that are this plane's. */
function allocationsFrom({ metadata, spec }: PodENI, plane: string): NonNullable<typeof spec>["allocations"] & object {
  const all = spec?.allocations ?? [];
  if (metadata.annotations?.[annotations.podNetworking] === plane) return all;
  const names = interfacesFrom(metadata.annotations?.[annotations.podNetworksRequest], plane);
  return all.filter((allocation) => names.includes(allocation.interface ?? ""));
}

function lacks(list: readonly string[] | null | undefined, id: string | undefined): boolean {
  return list !== null && list !== undefined && list.length > 0 && !list.includes(id ?? "");
}

function differs(wanted: readonly string[] | null | undefined, actual: readonly string[] | undefined): boolean {
  const ids = new Set(wanted ?? []);
  const held = new Set(actual ?? []);
  return ids.size > 0 && (ids.size !== held.size || [...ids].some((id) => !held.has(id)));
}

/**
 * Condition `PodsUpToDate`, the lists in any order.
 * @param without keys of pods on the shared network that the plane's selector matches: admission saw them before the plane
 */
export function podsUpToDate(
  behind: readonly PodBehind[],
  without: readonly string[],
  observedGeneration: number,
): NextCondition {
  const type = types.podsUpToDate;
  const keys = behind.map(({ key }) => key);
  const parts = [
    ...(without.length === 0 ? [] : [`${count(without)} on the shared network since before this plane matched`]),
    ...(keys.length === 0 ? [] : [`${count(keys)} with interfaces from before the last change`]),
  ];
  if (parts.length === 0) {
    return { type, status: "True", reason: podsReasons.followSpec, message: "", observedGeneration };
  }
  const fixed = behind.some(({ isFixed }) => isFixed)
    ? "; a fixed address stays as it is until its PodENI is deleted"
    : "";
  const message = `${parts.join("; ")}; recreate them to apply the plane${fixed}`;
  const reason = without.length > 0 ? podsReasons.predatePlane : podsReasons.predateChange;
  return { type, status: "False", reason, message, observedGeneration };
}

function count(keys: readonly string[]): string {
  const [first = ""] = [...keys].sort();
  return keys.length === 1 ? `1 pod (${first})` : `${keys.length} pods (for instance ${first})`;
}

/** Whether the plane names pods that it came too late for; when one of those goes, it has something else to say. */
export function namesPodsWithout({ status }: PodNetworking): boolean {
  return findCondition(status?.conditions, types.podsUpToDate)?.reason === podsReasons.predatePlane;
}

/**
 * Condition `Ambiguous` from pods of the plane and of those that it could share pods with; undefined when there is nothing
 * to say and nothing was said before.
 */
export function ambiguity(
  plane: Plane,
  neighbours: readonly Plane[],
  pods: readonly PodOfPlane[],
  said: { readonly conditions: readonly Condition[] | undefined; readonly observedGeneration: number },
): NextCondition | undefined {
  const { observedGeneration } = said;
  const type = types.ambiguous;
  const shared = pods.filter((pod) => isShared(plane, neighbours, pod)).sort((a, b) => (a.key < b.key ? -1 : 1));
  const [example] = shared;
  if (example === undefined) {
    if (findCondition(said.conditions, type) === undefined) return undefined;
    return { type, status: "False", reason: ambiguousReasons.oneMatches, message: "", observedGeneration };
  }
  const others = new Set(shared.flatMap((pod) => namesOf(neighbours, pod)));
  const [used] = matchPlanes([plane, ...neighbours], example).ready;
  const outcome =
    used === undefined
      ? "none of them is Ready"
      : `${used.metadata.name} is used because it is the oldest that is Ready`;
  const message = `pods also match ${[...others].sort().join(", ")}, for instance ${example.key}; ${outcome}`;
  return { type, status: "True", reason: ambiguousReasons.severalMatch, message, observedGeneration };
}

function isShared(plane: Plane, neighbours: readonly Plane[], pod: PodOfPlane): boolean {
  return isMatched(plane, pod) && namesOf(neighbours, pod).length > 0;
}

/** Whether the plane is for the pod, Ready or not. */
export function isMatched(plane: Plane, pod: PodToMatch): boolean {
  return namesOf([plane], pod).length > 0;
}

function namesOf(planes: readonly Plane[], pod: PodToMatch): readonly string[] {
  const { ready, notReady } = matchPlanes(planes, pod);
  return [...ready, ...notReady].map(({ metadata }) => metadata.name);
}
