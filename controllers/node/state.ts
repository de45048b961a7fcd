import { annotations, finalizers, group, labels, version } from "../../crds/v1beta1/names.ts";
import type { OwnerReference } from "../../crds/v1beta1/meta.ts";
import type { Node, NodeMetadata, NodeSpec } from "../../crds/v1beta1/node.gen.ts";
import { findCondition } from "../../domain/conditions/conditions.ts";
import type { InstanceType } from "../../domain/eni/instance-type.ts";
import { toNodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { CoreNode } from "../../domain/kubernetes/objects.ts";
import type { NodePoolConfigLookup } from "../../domain/pod-network/node-pool-config.ts";
import { ready } from "./conditions.ts";
import { openSections, type SectionName } from "./sections.ts";

/** One machine, its record, and what was looked up about it. */
export interface NodeState {
  readonly name: string;
  /** Undefined: there is no core Node of that name. */
  readonly machine: Machine | undefined;
  /** Undefined: there is no Node of that name. */
  readonly record: NodeRecord | undefined;
  /** Configuration `centralizedIPAM`: parts that no daemon fills are filled from eni-config. */
  readonly isCentralized: boolean;
  /** Undefined until something was looked up; a member is absent when it was not needed. */
  readonly lookups: Lookups | undefined;
}

/** Source: the core Node. */
export interface Machine {
  readonly uid: string;
  /** It is being deleted. */
  readonly isLeaving: boolean;
  /** `eligible`: gets a record. `lingjun`: is left exactly as it is. `other`: not this program's. */
  readonly standing: "eligible" | "lingjun" | "other";
  readonly metadata: NodeMetadata | { readonly problem: string };
  readonly mode: Mode;
  /** Name of its own ConfigMap in `kube-system`, from label `terway-config`; empty for none. */
  readonly configMap: string;
}

/** Value of label `exclusive-mode-eni-type` of a Node. `eniOnly`: every pod has interfaces of its own. */
export type Mode = "default" | "eniOnly";

/** Source: the Node of our group. */
export interface NodeRecord {
  readonly isLeaving: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
  readonly owners: readonly OwnerReference[];
  readonly spec: NodeSpec | undefined;
  /** Annotation `node-spec-applied`. */
  readonly applied: string | undefined;
  /** Parts that are ours to write. */
  readonly open: readonly SectionName[];
  /** Source: `.status.conditions[Ready]`. */
  readonly condition: { readonly reason: string; readonly message: string } | undefined;
  /** The condition is about the present generation. */
  readonly isConditionCurrent: boolean;
}

export interface Lookups {
  readonly instanceType?: InstanceTypeLookup;
  readonly config?: NodePoolConfigLookup;
}

/** What a lookup of the instance type gave. */
export type InstanceTypeLookup =
  | { readonly type: "found"; readonly instanceType: InstanceType }
  | { readonly type: "missing" }
  /** `missingAction`: the RAM action that the account lacks. */
  | { readonly type: "denied"; readonly message: string; readonly missingAction: string }
  /** `retryAfterMs`: when the same question may be answered. `isHeldBack`: the cloud was not asked (docs/degradation.md). */
  | {
      readonly type: "failed";
      readonly message: string;
      readonly retryAfterMs: number;
      readonly isHeldBack: boolean;
    };

export interface NodeSettings {
  /** Configuration `nodeLabelWhiteList`: a machine must carry all of it. */
  readonly labelWhiteList: Readonly<Record<string, string>>;
  readonly isCentralized: boolean;
}

/** Takes the objects apart. Total: absent members become empty ones. */
export function toState(
  name: string,
  objects: { readonly node: CoreNode | undefined; readonly record: Node | undefined },
  settings: NodeSettings,
): NodeState {
  const { node, record } = objects;
  return {
    name,
    machine: node === undefined ? undefined : toMachine(node, settings.labelWhiteList),
    record: record === undefined ? undefined : toRecord(record),
    isCentralized: settings.isCentralized,
    lookups: undefined,
  };
}

function toMachine(node: CoreNode, whiteList: NodeSettings["labelWhiteList"]): Machine {
  const { uid = "", deletionTimestamp, labels: nodeLabels = {} } = node.metadata;
  return {
    uid,
    isLeaving: deletionTimestamp !== undefined,
    standing: toStanding(nodeLabels, whiteList),
    metadata: toMetadata(node, nodeLabels),
    mode: nodeLabels[labels.exclusiveMode]?.toLowerCase() === "enionly" ? "eniOnly" : "default",
    configMap: nodeLabels[labels.nodeConfig] ?? "",
  };
}

type Labels = Readonly<Record<string, string>>;

function toStanding(nodeLabels: Labels, whiteList: Labels): Machine["standing"] {
  const isWanted =
    Object.entries(whiteList).every(([name, value]) => nodeLabels[name] === value) &&
    nodeLabels[labels.region] !== undefined &&
    nodeLabels[labels.ignore] !== "true" &&
    nodeLabels[labels.nodeType] !== "virtual-kubelet";
  if (!isWanted) return "other";
  return nodeLabels[labels.lingjunWorker] === "true" ? "lingjun" : "eligible";
}

function toMetadata(node: CoreNode, nodeLabels: Labels): Machine["metadata"] {
  const facts = toNodeFacts(node);
  if ("problem" in facts) return facts;
  const { [labels.region]: regionID = "", [labels.instanceType]: instanceType = "" } = nodeLabels;
  const missing = regionID === "" ? labels.region : labels.instanceType;
  if (regionID === "" || instanceType === "") return { problem: `node ${facts.name} has no label ${missing}` };
  return { regionID, instanceType, instanceID: facts.instanceId, zoneID: facts.zone };
}

function toRecord({ metadata, spec, status }: Node): NodeRecord {
  const condition = findCondition(status?.conditions, ready);
  const applied = metadata.annotations?.[annotations.nodeSpecApplied];
  return {
    isLeaving: metadata.deletionTimestamp !== undefined,
    labels: metadata.labels ?? {},
    finalizers: metadata.finalizers ?? [],
    owners: metadata.ownerReferences ?? [],
    spec,
    applied,
    open: openSections(spec, applied),
    condition,
    isConditionCurrent: condition?.observedGeneration === metadata.generation,
  };
}

/** True while our finalizer keeps the record. */
export function isHeld(record: NodeRecord): boolean {
  return record.finalizers.includes(finalizers.node);
}

/** `apiVersion` and kind of the record. */
export const recordType = { apiVersion: `${group}/${version}`, kind: "Node" } as const;
