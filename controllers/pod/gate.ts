import {
  completeNetwork,
  defaultInterface,
  findNetworkFault,
  isComplete,
} from "../../domain/pod-network/network-rules.ts";
import type { EniConfig } from "../../domain/pod-network/eni-config.ts";
import { describeUnready, isReady, matchPlanes, toPodNetwork, zonesOf } from "../../domain/pod-network/plane.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import type { PodNetwork } from "../../domain/pod-network/pod-networks.ts";
import { decideRequestedNetworks } from "../../domain/pod-network/requested-networks.ts";
import { findZoneConflict, zonesOfPod } from "../../domain/pod-network/zone-affinity.ts";
import type { PodEniRecord, PodZones } from "../../domain/pod-network/zone-affinity.ts";
import { gateReasons, type GateReason } from "./conditions.ts";

type StringMap = Readonly<Record<string, string>>;

/** Everything that decides whether a pod behind our gate may be scheduled. */
export interface GateState {
  /** `namespace/name` of the pod. */
  readonly key: string;
  /** The plane that admission chose; empty when it chose none. Source: annotation `pod-networking`. */
  readonly planeName: string;
  /** Source: annotation `pod-networks-request`. */
  readonly request: string | undefined;
  readonly labels: StringMap;
  readonly namespaceLabels: StringMap;
  readonly ownerReferences: readonly { readonly kind: string }[] | undefined;
  /** See `isFixedNamePod`. */
  readonly isFixedName: boolean;
  readonly planes: readonly Plane[];
  /** The record of the pod's name. */
  readonly record: PodEniRecord | undefined;
  /** Undefined until it was asked for by `needsEniConfig`. */
  readonly eniConfig: EniConfig | undefined;
}

export type GatePlan =
  | {
      readonly type: "open";
      /** The plane that serves the pod; undefined when it asked for planes by name. */
      readonly planeName: string | undefined;
      readonly networks: readonly PodNetwork[];
      readonly zones: PodZones;
    }
  | { readonly type: "wait"; readonly reason: GateReason; readonly message: string }
  /** A network names no vSwitch or security group: plan again with the cluster's defaults. */
  | { readonly type: "needsEniConfig" };

type Wait = Extract<GatePlan, { type: "wait" }>;

interface Source {
  readonly planeName: string | undefined;
  readonly networks: readonly PodNetwork[];
  readonly vSwitchZones: readonly string[];
}

/**
 * Opens the gate once the networks are known and some node may fit, from the planes as they are now. Pure and total.
 *
 * The plane that admission chose serves the pod as soon as it is Ready, otherwise any Ready one that matches: the order
 * of admission. A pod that asked for planes by name gets these.
 */
export function planGate(state: GateState): GatePlan {
  const source = decideSource(state);
  if ("type" in source) return source;
  const fault = findNetworkFault(source.networks, state.isFixedName);
  if (fault !== undefined) return waitFor(`pod networking ${source.planeName ?? ""} cannot serve this pod: ${fault}`);
  if (state.eniConfig === undefined && !source.networks.every(isComplete)) return { type: "needsEniConfig" };
  const networks = source.networks.map((network) => completeNetwork(network, state.eniConfig));
  const zones = zonesOfPod({ ...state, networks, vSwitchZones: source.vSwitchZones });
  const conflict = findZoneConflict(zones, state.key);
  if (conflict !== undefined) return { type: "wait", reason: gateReasons.fixedAddressInOtherZone, message: conflict };
  return { type: "open", planeName: source.planeName, networks, zones };
}

function decideSource(state: GateState): Source | Wait {
  if (state.planeName === "" && state.request !== undefined) return decideRequested(state.request, state.planes);
  const { ready, notReady } = matchPlanes(state.planes, state);
  const chosen = state.planes.find(({ metadata }) => metadata.name === state.planeName);
  const plane = chosen !== undefined && isReady(chosen) ? chosen : ready[0];
  if (plane !== undefined) {
    const { name } = plane.metadata;
    return { planeName: name, networks: [toPodNetwork(plane, defaultInterface)], vSwitchZones: zonesOf(plane) };
  }
  const unready = chosen ?? notReady[0];
  return waitFor(unready === undefined ? describeMissing(state.planeName) : describeUnready(unready));
}

function decideRequested(request: string, planes: readonly Plane[]): Source | Wait {
  const { problem, networks, zones } = decideRequestedNetworks(request, planes);
  if (problem !== undefined) return waitFor(problem);
  return { planeName: undefined, networks, vSwitchZones: zones };
}

function describeMissing(planeName: string): string {
  if (planeName === "") return "no pod networking matches this pod; create one, or the pod anew";
  return `pod networking ${planeName} does not exist any more, and no other one matches this pod`;
}

function waitFor(message: string): Wait {
  return { type: "wait", reason: gateReasons.waitingForPodNetworking, message };
}
