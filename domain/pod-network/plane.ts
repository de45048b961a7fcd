/** Which PodNetworking (a network plane) serves a pod, and what the pod gets from it. */
import { findSelectorProblem, selectorMatches } from "./label-selector.ts";
import type { LabelSelector } from "./label-selector.ts";
import { parseAllocationType } from "./pod-networks.ts";
import type { PodNetwork } from "./pod-networks.ts";

type Labels = Readonly<Record<string, string>>;

/** The part of a PodNetworking that decides. The generated type fits it. Source: CRD `podnetworkings`. */
export interface Plane {
  readonly metadata: { readonly name: string; readonly creationTimestamp?: string };
  readonly spec?: {
    readonly selector?: {
      readonly podSelector?: LabelSelector | null;
      readonly namespaceSelector?: LabelSelector | null;
    } | null;
    readonly vSwitchOptions?: readonly string[] | null;
    readonly securityGroupIDs?: readonly string[] | null;
    readonly eniOptions?: { readonly eniType?: PodNetwork["eniType"] } | null;
    readonly vSwitchSelectOptions?: {
      readonly vSwitchSelectionPolicy?: NonNullable<PodNetwork["vSwitchSelectionPolicy"]>;
    } | null;
    readonly allocationType?: {
      readonly type?: "Elastic" | "Fixed";
      readonly releaseStrategy?: string;
      readonly releaseAfter?: string;
    } | null;
  };
  readonly status?: {
    readonly status?: string;
    readonly message?: string;
    readonly vSwitches?: readonly { readonly id?: string; readonly zone?: string }[] | null;
  };
}

/** What of a pod decides which planes match it. */
export interface PodToMatch {
  readonly labels: Labels;
  readonly namespaceLabels: Labels;
  /** See `isFixedNamePod`; other pods never match a `Fixed` plane. */
  readonly isFixedName: boolean;
}

/** The planes that match one pod, each list oldest first, then by name. */
export interface PlaneMatch {
  /** Usable planes; the first one is the pod's. */
  readonly ready: readonly Plane[];
  /** Planes that match and are not `Ready`. */
  readonly notReady: readonly Plane[];
}

/**
 * All planes that match the pod. The order is a function of the objects alone (`creationTimestamp`, then name), so every
 * replica and every retry chooses the same.
 */
export function matchPlanes(planes: readonly Plane[], pod: PodToMatch): PlaneMatch {
  const matches = planes.filter((plane) => planeMatches(plane, pod)).sort(byAgeThenName);
  return { ready: matches.filter(isReady), notReady: matches.filter((plane) => !isReady(plane)) };
}

/** True once controller `pod-networking` has found the plane's vSwitches. Only such a plane may be used. */
export function isReady(plane: Plane): boolean {
  return plane.status?.status === "Ready";
}

/** Why a pod of this plane must wait. */
export function describeUnready({ metadata, status }: Plane): string {
  const why = status?.message ?? "";
  return `pod networking ${metadata.name} matches this pod and is not ready${why === "" ? "" : `: ${why}`}`;
}

/** True when the plane chooses pods by itself; without a selector it is only for `pod-networks-request`. */
export function hasSelector(plane: Plane): boolean {
  const selector = plane.spec?.selector;
  return isSet(selector?.podSelector) || isSet(selector?.namespaceSelector);
}

/** What is wrong with the plane's selectors, or undefined. */
export function findPlaneSelectorProblem(plane: Plane): string | undefined {
  const selector = plane.spec?.selector;
  const podProblem = isSet(selector?.podSelector) ? findSelectorProblem(selector.podSelector) : undefined;
  if (podProblem !== undefined) return `podSelector: ${podProblem}`;
  const problem = isSet(selector?.namespaceSelector) ? findSelectorProblem(selector.namespaceSelector) : undefined;
  return problem === undefined ? undefined : `namespaceSelector: ${problem}`;
}

function planeMatches(plane: Plane, pod: PodToMatch): boolean {
  if (!hasSelector(plane)) return false;
  if (plane.spec?.allocationType?.type === "Fixed" && !pod.isFixedName) return false;
  const selector = plane.spec?.selector;
  return (
    partMatches(selector?.podSelector, pod.labels) && partMatches(selector?.namespaceSelector, pod.namespaceLabels)
  );
}

/** An absent part matches everything. */
function partMatches(selector: LabelSelector | null | undefined, labels: Labels): boolean {
  return !isSet(selector) || selectorMatches(selector, labels);
}

function byAgeThenName(one: Plane, other: Plane): number {
  return (
    compare(one.metadata.creationTimestamp ?? "", other.metadata.creationTimestamp ?? "") ||
    compare(one.metadata.name, other.metadata.name)
  );
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

function isSet<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

/** Zones in which the plane has vSwitches, sorted, each once. Source: `.status.vSwitches[].zone`. */
export function zonesOf(plane: Plane): readonly string[] {
  const zones = (plane.status?.vSwitches ?? []).map(({ zone = "" }) => zone).filter((zone) => zone !== "");
  return [...new Set(zones)].sort();
}

/** The interface that a pod gets from the plane, under the given name. @throws Error on an allocation type of unknown words */
export function toPodNetwork(plane: Plane, interfaceName: string): PodNetwork {
  const spec = plane.spec ?? {};
  return {
    vSwitchOptions: spec.vSwitchOptions ?? [],
    securityGroupIds: spec.securityGroupIDs ?? [],
    interface: interfaceName,
    extraRoutes: [],
    eniType: spec.eniOptions?.eniType ?? "",
    vSwitchSelectionPolicy: spec.vSwitchSelectOptions?.vSwitchSelectionPolicy,
    resourceGroupId: "",
    networkInterfaceTrafficMode: "",
    defaultRoute: false,
    allocationType: parseAllocationType(
      spec.allocationType,
      `PodNetworking ${plane.metadata.name} spec.allocationType`,
    ),
  };
}
