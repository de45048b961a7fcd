/** Decides what admission does with one pod: which interfaces it gets, what it requests, and in which zones it may run. */
import { annotations, labels, resources, schedulingGate } from "../../crds/v1beta1/names.ts";
import type { EniConfig } from "../../domain/pod-network/eni-config.ts";
import {
  completeNetwork,
  defaultInterface,
  findNetworkFault,
  isComplete,
} from "../../domain/pod-network/network-rules.ts";
import { describeUnready, matchPlanes, toPodNetwork, zonesOf } from "../../domain/pod-network/plane.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import { decideRequestedNetworks } from "../../domain/pod-network/requested-networks.ts";
import {
  encodePodNetworks,
  isFixedNamePod,
  parsePodNetworks,
  podRequestsEni,
} from "../../domain/pod-network/pod-networks.ts";
import type { PodNetwork } from "../../domain/pod-network/pod-networks.ts";
import { isGated } from "../../domain/pod-network/scheduling-gate.ts";
import { constrainZones, findZoneConflict, zonesOfPod } from "../../domain/pod-network/zone-affinity.ts";
import type { PodEniRecord, PodZones } from "../../domain/pod-network/zone-affinity.ts";
import type { PodManifest, PodSpec, StringMap } from "./manifest.ts";

/** Everything that decides about one pod. */
export interface PodAdmission {
  readonly pod: PodManifest;
  /** Every PodNetworking, in any order. */
  readonly planes: readonly Plane[];
  /** `namespace/name`; the name is empty while the API server has not made it. */
  readonly podKey: string;
  /** Labels of the pod's namespace. */
  readonly namespaceLabels: StringMap;
  /** The record that a former pod of the same namespace and name left, if there is one. */
  readonly podEni: PodEniRecord | undefined;
  /** Undefined until it was asked for by the outcome `needsEniConfig`. */
  readonly eniConfig: EniConfig | undefined;
  readonly config: PodAdmissionConfig;
}

/** Source: the configuration file; the member names are its keys except `isCrdMode` (`ipamType: crd`). */
export interface PodAdmissionConfig {
  /** @default true */
  readonly enableTrunk: boolean;
  /** @default true */
  readonly enableWebhookInjectResource: boolean;
  readonly isCrdMode: boolean;
  readonly customStatefulWorkloadKinds: readonly string[];
}

export type PodDecision =
  | { readonly type: "allow"; readonly message: string }
  | { readonly type: "deny"; readonly message: string }
  /** The pod names no vSwitch or security group for `eth0`: decide again with the cluster's defaults. */
  | { readonly type: "needsEniConfig" }
  | {
      readonly type: "mutate";
      readonly pod: PodManifest;
      /** Shown to the user by kubectl. */
      readonly warnings: readonly string[];
      /** Set when more than one plane matches. */
      readonly overlapping?: Overlap;
    };

/** Several planes that match one pod. Source: names of PodNetworkings. */
export interface Overlap {
  /** Oldest first; the first is used. */
  readonly ready: readonly string[];
  /** Those that cannot be used now, whatever their age. */
  readonly notReady: readonly string[];
}

/** The published words for a pod that stays on the shared network. */
export const noMatch = "not match";

/** Where the networks come from, before they are checked. */
interface Source {
  readonly networks: readonly PodNetwork[];
  /** Zones that the vSwitches of all networks share; empty for no constraint. */
  readonly zones: readonly string[];
  /** The plane that a selector matched and that is used. */
  readonly used?: string;
  readonly overlapping?: Overlap;
  /** Set when the used plane is not Ready: why the pod waits for it. */
  readonly waitsFor?: string;
}

type Refusal = Extract<PodDecision, { type: "allow" | "deny" }>;

const exclusiveAnnotations = [annotations.podNetworks, annotations.podNetworksRequest, annotations.podNetworking];

/**
 * The published order of decisions; the first that applies ends it. Pure and total.
 *
 * Differences from the published program, all against a silently wrong network: several matching planes are ordered by age
 * and name and reported; a pod whose only matching planes are not Ready, or whose fixed address is in a zone where it
 * cannot run, waits behind a scheduling gate that controller `pod` opens; planes that share no zone are denied. Members
 * of the pod that this program does not know pass through untouched.
 */
export function decidePod(admission: PodAdmission): PodDecision {
  const { pod } = admission;
  const bystander = findBystander(pod);
  if (bystander !== undefined) return bystander;
  if (exclusiveAnnotations.filter((name) => pod.metadata.annotations?.[name] !== undefined).length > 1) {
    const [one, two, three] = exclusiveAnnotations;
    return deny(`pod annotations ${one}, ${two}, and ${three} must be mutually exclusive`);
  }
  const source = decideSource(admission);
  if ("type" in source) return source;
  const refusal = findNetworkFault(source.networks, isFixedName(admission));
  if (refusal !== undefined) return deny(refusal);
  const isIncomplete = source.networks.some((network) => !isComplete(network));
  if (isIncomplete && admission.eniConfig === undefined) return { type: "needsEniConfig" };
  return mutate(admission, source);
}

/** Pods that admission has nothing to do with. */
function findBystander({ metadata, spec }: PodManifest): Refusal | undefined {
  if (spec.hostNetwork === true) return allow("host network");
  if ((spec.containers ?? []).length === 0) return allow("");
  return metadata.labels?.[labels.ignore] === "true" ? allow("") : undefined;
}

function decideSource(admission: PodAdmission): Source | Refusal {
  const written = admission.pod.metadata.annotations?.[annotations.podNetworks];
  if (written !== undefined) {
    try {
      const networks = parsePodNetworks(written);
      if (networks.length > 0) return { networks, zones: [] };
    } catch (error) {
      return deny(`unable parse annotation field ${annotations.podNetworks}, ${messageOf(error)}`);
    }
  }
  const request = admission.pod.metadata.annotations?.[annotations.podNetworksRequest];
  if (request === undefined) return decideMatched(admission);
  const requested = decideRequestedNetworks(request, admission.planes);
  if (requested.problem !== undefined) {
    return deny(`unable parse annotation ${annotations.podNetworksRequest}, ${requested.problem}`);
  }
  if (requested.networks.length === 0) return decideMatched(admission);
  return { networks: requested.networks, zones: requested.zones };
}

function decideMatched(admission: PodAdmission): Source | Refusal {
  const { pod, planes, namespaceLabels, config } = admission;
  const match = matchPlanes(planes, {
    labels: pod.metadata.labels ?? {},
    namespaceLabels,
    isFixedName: isFixedName(admission),
  });
  const [plane] = match.ready;
  if (plane !== undefined) {
    const overlapping = { ready: match.ready.map(nameOf), notReady: match.notReady.map(nameOf) };
    return {
      networks: [toPodNetwork(plane, defaultInterface)],
      zones: zonesOf(plane),
      used: nameOf(plane),
      ...(match.ready.length + match.notReady.length > 1 && { overlapping }),
    };
  }
  const [unready] = match.notReady;
  if (unready !== undefined) return waitFor(unready, pod);
  if (!config.isCrdMode && !podRequestsEni(pod.metadata.annotations)) return allow(noMatch);
  return {
    networks: parsePodNetworks(`{"podNetworks":[{"interface":"${defaultInterface}"}]}`),
    zones: [],
  };
}

/** The zones are not known before the plane is Ready, so the pod is kept from the scheduler, which must come after that. */
function waitFor(plane: Plane, { spec }: PodManifest): Source | Refusal {
  const why = describeUnready(plane);
  if (isBound(spec)) return deny(why);
  return {
    networks: [toPodNetwork(plane, defaultInterface)],
    zones: [],
    used: nameOf(plane),
    waitsFor: why,
  };
}

/** A pod that names its node passes the scheduler by, and the API server takes no gate on it. */
function isBound({ nodeName = "" }: PodSpec): boolean {
  return nodeName !== "";
}

function mutate(admission: PodAdmission, source: Source): PodDecision {
  const { pod, config } = admission;
  const networks = source.networks.map((network) => completeNetwork(network, admission.eniConfig));
  const { used, overlapping } = source;
  const withResources = config.enableWebhookInjectResource
    ? injectResource(pod.spec, networks, config.enableTrunk)
    : pod.spec;
  const zones = zonesOfPod({
    ownerReferences: pod.metadata.ownerReferences,
    networks,
    vSwitchZones: source.zones,
    isFixedName: isFixedName(admission),
    record: admission.podEni,
  });
  const conflict = findZoneConflict(zones, admission.podKey);
  const why = source.waitsFor ?? conflict;
  return {
    type: "mutate",
    pod: {
      ...pod,
      metadata: {
        ...pod.metadata,
        annotations: {
          ...pod.metadata.annotations,
          ...(used === undefined ? {} : { [annotations.podNetworking]: used }),
          [annotations.podNetworks]: encodePodNetworks(networks),
          [annotations.podEni]: "true",
        },
      },
      spec: why === undefined || isBound(pod.spec) ? place(withResources, zones) : gate(withResources),
    },
    warnings: [...(why === undefined ? [] : [why]), ...toWarnings(source, networks)],
    ...(overlapping !== undefined && { overlapping }),
  };
}

function place(spec: PodSpec, zones: PodZones): PodSpec {
  const affinity = constrainZones(spec.affinity, zones);
  return affinity === undefined ? spec : { ...spec, affinity };
}

function gate(spec: PodSpec): PodSpec {
  if (isGated({ metadata: {}, spec })) return spec;
  return { ...spec, schedulingGates: [...(spec.schedulingGates ?? []), { name: schedulingGate }] };
}

/** Makes the scheduler count the interfaces. Only the first container carries them, which is enough for a sum per pod. */
function injectResource(spec: PodSpec, networks: readonly PodNetwork[], enableTrunk: boolean): PodSpec {
  const isMember = enableTrunk && !networks.some(({ eniType }) => eniType === "ENI");
  const quantity = { [isMember ? resources.memberEni : resources.eni]: networks.length.toString() };
  return {
    ...spec,
    containers: (spec.containers ?? []).map((container, index) =>
      index > 0
        ? container
        : {
            ...container,
            resources: {
              ...container.resources,
              limits: { ...container.resources?.limits, ...quantity },
              requests: { ...container.resources?.requests, ...quantity },
            },
          },
    ),
  };
}

function toWarnings({ overlapping }: Source, networks: readonly PodNetwork[]): readonly string[] {
  const warnings = networks
    .filter((network) => !isComplete(network))
    .map(
      (network) => `interface ${network.interface} has no vSwitchOptions or no securityGroupIDs: the pod cannot start`,
    );
  return overlapping === undefined ? warnings : [...warnings, describeOverlap(overlapping, "all match this pod")];
}

/**
 * Which of several planes is used, and why.
 * @param how the verb of the sentence, for instance `match the same pods`
 */
export function describeOverlap({ ready, notReady }: Overlap, how: string): string {
  const names = [...ready, ...notReady.map((name) => `${name} (not Ready)`)].join(", ");
  const why = notReady.length === 0 ? "the oldest" : "the oldest that is Ready";
  return `PodNetworkings ${names} ${how}; ${ready[0] ?? "none"} is used because it is ${why}`;
}

function nameOf({ metadata }: Plane): string {
  return metadata.name;
}

function isFixedName({ pod, config }: PodAdmission): boolean {
  return isFixedNamePod(pod.metadata.ownerReferences, config.customStatefulWorkloadKinds);
}

function allow(message: string): Refusal {
  return { type: "allow", message };
}

function deny(message: string): Refusal {
  return { type: "deny", message };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
