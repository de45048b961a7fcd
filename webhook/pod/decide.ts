/** Decides what admission does with one pod: which interfaces it gets, what it requests, and in which zones it may run. */
import { annotations, labels, resources } from "../../crds/v1beta1/names.ts";
import { maxSecurityGroups } from "../../domain/pod-network/eni-config.ts";
import type { EniConfig } from "../../domain/pod-network/eni-config.ts";
import { matchPlanes, toPodNetwork, zonesOf } from "../../domain/pod-network/plane.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import { decideRequestedNetworks } from "../../domain/pod-network/requested-networks.ts";
import {
  encodePodNetworks,
  isFixedNamePod,
  parsePodNetworks,
  podRequestsEni,
} from "../../domain/pod-network/pod-networks.ts";
import type { PodNetwork } from "../../domain/pod-network/pod-networks.ts";
import { parseGoDuration } from "../../domain/retention/go-duration.ts";
import type { NodeSelectorRequirement, PodManifest, PodSpec, StringMap } from "./manifest.ts";

/** Everything that decides about one pod. */
export interface PodAdmission {
  readonly pod: PodManifest;
  /** Every PodNetworking, in any order. */
  readonly planes: readonly Plane[];
  /** Labels of the pod's namespace. */
  readonly namespaceLabels: StringMap;
  /** The record that a former pod of the same namespace and name left, if there is one. */
  readonly podEni: PodEniRecord | undefined;
  /** Undefined until it was asked for by the outcome `needsEniConfig`. */
  readonly eniConfig: EniConfig | undefined;
  readonly config: PodAdmissionConfig;
}

/** Source: PodENI. */
export interface PodEniRecord {
  readonly metadata: { readonly deletionTimestamp?: string };
  readonly spec?: { readonly zone?: string; readonly allocations?: readonly object[] };
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
      /** Set when more than one plane matches: the one that is used first. */
      readonly overlapping?: readonly string[];
    };

/** Where the networks come from, before they are checked. */
interface Source {
  readonly networks: readonly PodNetwork[];
  /** Zones that the vSwitches of all networks share; empty for no constraint. */
  readonly zones: readonly string[];
  /** The matched planes, the used one first; empty when no selector matched. */
  readonly matched: readonly string[];
}

type Refusal = Extract<PodDecision, { type: "allow" | "deny" }>;

const defaultInterface = "eth0";
const exclusiveAnnotations = [annotations.podNetworks, annotations.podNetworksRequest, annotations.podNetworking];

/**
 * The published order of decisions; the first that applies ends it. Pure and total.
 *
 * Differences from the published program, all towards refusing instead of a silently wrong network: several matching planes
 * are ordered by age and name and reported; a pod whose only matching planes are not Ready is denied; planes that share
 * no zone are denied. Members of the pod that this program does not know pass through untouched.
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
  const refusal = findFault(source.networks, isFixedName(admission));
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
      if (networks.length > 0) return { networks, zones: [], matched: [] };
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
  return { networks: requested.networks, zones: requested.zones, matched: [] };
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
    const matched = match.ready.map(({ metadata }) => metadata.name);
    return { networks: [toPodNetwork(plane, defaultInterface)], zones: zonesOf(plane), matched };
  }
  const [unready] = match.notReady;
  if (unready !== undefined) return deny(describeUnready(unready));
  if (!config.isCrdMode && !podRequestsEni(pod.metadata.annotations)) return allow("not match");
  return {
    networks: parsePodNetworks(`{"podNetworks":[{"interface":"${defaultInterface}"}]}`),
    zones: [],
    matched: [],
  };
}

function describeUnready({ metadata, status }: Plane): string {
  const why = status?.message ?? "";
  return `pod networking ${metadata.name} matches this pod and is not ready${why === "" ? "" : `: ${why}`}`;
}

/** The first rule that a network breaks, network by network. The texts are published. */
function findFault(networks: readonly PodNetwork[], fixedName: boolean): string | undefined {
  const seen = new Set<string>();
  for (const network of networks) {
    const fault = findNetworkFault(network, seen.has(network.interface), fixedName);
    if (fault !== undefined) return fault;
    seen.add(network.interface);
  }
  return undefined;
}

function findNetworkFault(network: PodNetwork, isRepeated: boolean, fixedName: boolean): string | undefined {
  const nameLength = new TextEncoder().encode(network.interface).length;
  const { type, releaseAfter } = network.allocationType;
  if (network.securityGroupIds.length > maxSecurityGroups) return "security group can not more than 10";
  // The kernel allows 15 bytes; the published limit leaves room for the names that the daemon derives from it.
  if (nameLength < 1 || nameLength > 5) return "interface name should >0 and <6 ";
  if (isRepeated) return "duplicated interface";
  if (type === "Fixed" && !fixedName) return "fixed ip only support for fixed name pod";
  if (releaseAfter === undefined) return undefined;
  return (parseGoDuration(releaseAfter) ?? -1) < 0 ? `invalid releaseAfter ${releaseAfter}` : undefined;
}

function isComplete({ vSwitchOptions, securityGroupIds }: PodNetwork): boolean {
  return vSwitchOptions.length > 0 && securityGroupIds.length > 0;
}

function mutate(admission: PodAdmission, source: Source): PodDecision {
  const { pod, config } = admission;
  const networks = source.networks.map((network) => complete(network, admission.eniConfig));
  const previousZone = networks.some(({ allocationType }) => allocationType.type === "Fixed")
    ? zoneOfRecord(admission)
    : "";
  const [used] = source.matched;
  const zoneLists = [previousZone === "" ? [] : [previousZone], source.zones].filter((zones) => zones.length > 0);
  const withResources = config.enableWebhookInjectResource
    ? injectResource(pod.spec, networks, config.enableTrunk)
    : pod.spec;
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
      spec: isDaemonPod(pod) ? withResources : constrainZones(withResources, zoneLists),
    },
    warnings: toWarnings(source, networks, previousZone),
    ...(source.matched.length > 1 ? { overlapping: source.matched } : {}),
  };
}

function complete(network: PodNetwork, defaults: EniConfig | undefined): PodNetwork {
  // Further interfaces have no defaults: eni-config describes the pod's own network only.
  if (defaults === undefined || network.interface !== defaultInterface) return network;
  return {
    ...network,
    vSwitchOptions: network.vSwitchOptions.length > 0 ? network.vSwitchOptions : defaults.vSwitchIds,
    securityGroupIds: network.securityGroupIds.length > 0 ? network.securityGroupIds : defaults.securityGroupIds,
  };
}

/** The zone in which the pod's fixed address lives; empty when there is none. */
function zoneOfRecord(admission: PodAdmission): string {
  const record = admission.podEni;
  if (record === undefined || !isFixedName(admission) || record.metadata.deletionTimestamp !== undefined) return "";
  const { zone = "", allocations = [] } = record.spec ?? {};
  return allocations.length === 0 ? "" : zone;
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

/** A DaemonSet's pod is bound to its node by the same affinity; another requirement could only make it unschedulable. */
function isDaemonPod({ metadata }: PodManifest): boolean {
  return (metadata.ownerReferences ?? []).some(({ kind }) => kind === "DaemonSet");
}

function constrainZones(spec: PodSpec, zoneLists: readonly (readonly string[])[]): PodSpec {
  if (zoneLists.length === 0) return spec;
  const added = zoneLists.map((zones): NodeSelectorRequirement => ({
    key: labels.zone,
    operator: "In",
    values: [...zones].sort(),
  }));
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const terms = required?.nodeSelectorTerms ?? [];
  return {
    ...spec,
    affinity: {
      ...spec.affinity,
      nodeAffinity: {
        ...spec.affinity?.nodeAffinity,
        requiredDuringSchedulingIgnoredDuringExecution: {
          ...required,
          // Terms are alternatives, so each of them needs the requirement.
          nodeSelectorTerms: (terms.length === 0 ? [{}] : terms).map((term: (typeof terms)[number]) => ({
            ...term,
            matchExpressions: [...(term.matchExpressions ?? []), ...added],
          })),
        },
      },
    },
  };
}

function toWarnings(source: Source, networks: readonly PodNetwork[], previousZone: string): readonly string[] {
  const [used, ...others] = source.matched;
  const warnings = networks
    .filter((network) => !isComplete(network))
    .map(
      (network) => `interface ${network.interface} has no vSwitchOptions or no securityGroupIDs: the pod cannot start`,
    );
  if (used !== undefined && others.length > 0) {
    warnings.push(
      `PodNetworkings ${source.matched.join(", ")} all match this pod; ${used} is used because it is the oldest`,
    );
  }
  if (previousZone !== "" && source.zones.length > 0 && !source.zones.includes(previousZone)) {
    const zones = source.zones.join(", ");
    warnings.push(
      `the fixed address of this pod is in zone ${previousZone}, its vSwitches are in ${zones}: no node fits`,
    );
  }
  return warnings;
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
