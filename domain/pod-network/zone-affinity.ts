/** In which zones a pod may run, and the node affinity that says so to the scheduler. */
import { labels } from "../../crds/v1beta1/names.ts";
import type { PodNetwork } from "./pod-networks.ts";

/** The part of a pod's affinity that is read. Source: Pod `.spec.affinity`. */
export interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: {
      readonly nodeSelectorTerms?: readonly NodeSelectorTerm[];
    };
  };
}

/** Terms are alternatives; the requirements of one term must all hold, and a term without any matches nothing. */
export interface NodeSelectorTerm {
  readonly matchExpressions?: readonly NodeSelectorRequirement[];
  readonly matchFields?: readonly NodeSelectorRequirement[];
}

export interface NodeSelectorRequirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

/** What binds a pod to zones. */
export interface PodZones {
  /** Zone of the fixed address that is kept for the pod; empty when there is none. */
  readonly previous: string;
  /** Zones in which all its networks have vSwitches; empty when that is not known. */
  readonly vSwitches: readonly string[];
}

/** The record that a former pod of the same namespace and name left. Source: PodENI. */
export interface PodEniRecord {
  readonly metadata: { readonly deletionTimestamp?: string };
  readonly spec?: { readonly zone?: string; readonly allocations?: readonly object[] };
}

/** What decides in which zones a pod may run. */
export interface PodToPlace {
  readonly ownerReferences: readonly { readonly kind: string }[] | undefined;
  readonly networks: readonly PodNetwork[];
  /** Zones in which all of them have vSwitches; empty when that is not known. */
  readonly vSwitchZones: readonly string[];
  /** See `isFixedNamePod`. */
  readonly isFixedName: boolean;
  /** The record of its namespace and name, if there is one. */
  readonly record: PodEniRecord | undefined;
}

/**
 * What binds the pod to zones. Nothing binds a DaemonSet's pod: it has its node by the same affinity, and another
 * requirement could only make it unschedulable.
 */
export function zonesOfPod({ ownerReferences, networks, vSwitchZones, isFixedName, record }: PodToPlace): PodZones {
  if ((ownerReferences ?? []).some(({ kind }) => kind === "DaemonSet")) return { previous: "", vSwitches: [] };
  const wantsFixed = isFixedName && networks.some(({ allocationType }) => allocationType.type === "Fixed");
  return { previous: wantsFixed ? zoneOfRecord(record) : "", vSwitches: vSwitchZones };
}

function zoneOfRecord(record: PodEniRecord | undefined): string {
  if (record === undefined || record.metadata.deletionTimestamp !== undefined) return "";
  const { zone = "", allocations = [] } = record.spec ?? {};
  return allocations.length === 0 ? "" : zone;
}

/**
 * Why no node can ever fit, and what helps; undefined when one can.
 * @param podKey `namespace/name`, which is also the name of the PodENI
 */
export function findZoneConflict({ previous, vSwitches }: PodZones, podKey: string): string | undefined {
  if (previous === "" || vSwitches.length === 0 || vSwitches.includes(previous)) return undefined;
  return (
    `the fixed address of this pod is in zone ${previous}, its vSwitches are in ${vSwitches.join(", ")}: no node fits; ` +
    `delete PodENI ${podKey} to give the address up, or give the PodNetworking a vSwitch in ${previous}`
  );
}

/**
 * The affinity with the zones required in every alternative, first that of the fixed address, once however often it is asked
 * for; the same when nothing is known. A term that matches nothing goes on to match nothing, and the API server lets no one change it in a gated pod.
 */
export function constrainZones(affinity: Affinity | undefined, zones: PodZones): Affinity | undefined {
  const added = [zones.previous === "" ? [] : [zones.previous], zones.vSwitches]
    .filter((list) => list.length > 0)
    .map((list): NodeSelectorRequirement => ({ key: labels.zone, operator: "In", values: [...list].sort() }));
  if (added.length === 0) return affinity;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const terms = required?.nodeSelectorTerms ?? [];
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: {
        ...required,
        nodeSelectorTerms:
          terms.length === 0 ? [{ matchExpressions: added }] : terms.map((term) => withRequirements(term, added)),
      },
    },
  };
}

function withRequirements(term: NodeSelectorTerm, added: readonly NodeSelectorRequirement[]): NodeSelectorTerm {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return term;
  const missing = added.filter((wanted) => !matchExpressions.some((present) => isSame(present, wanted)));
  return missing.length === 0 ? term : { ...term, matchExpressions: [...matchExpressions, ...missing] };
}

function isSame(one: NodeSelectorRequirement, other: NodeSelectorRequirement): boolean {
  const [values = [], others = []] = [one.values, other.values];
  if (one.key !== other.key || one.operator !== other.operator || values.length !== others.length) return false;
  return values.every((value, index) => value === others[index]);
}
