import { annotations, finalizers, labels } from "../../crds/v1beta1/names.ts";
import type { OwnerReference } from "../../crds/v1beta1/meta.ts";
import type { Node, NodeCap, NodeMetadata, NodeSpec } from "../../crds/v1beta1/node.gen.ts";
import { isSameJson, toMergePatch, type JsonMembers } from "../../domain/json/merge-patch.ts";
import { toNodeCap } from "./capacity.ts";
import { reasons, type Finding } from "./conditions.ts";
import { isSameInGo, sectionNames, toSections, type Notice, type Sections } from "./sections.ts";
import { isHeld, recordType, type Machine, type NodeRecord, type NodeState } from "./state.ts";

/** What to do about one machine. */
export type NodePlan =
  /** Nothing. */
  | { readonly type: "settled"; readonly requeueAfterMs?: number }
  /** The machine is not served yet; `note` says so to its owner. */
  | { readonly type: "leave"; readonly note: string }
  /** Take our finalizer off; what is left belongs to the garbage collector. */
  | { readonly type: "release"; readonly finalizers: readonly string[] }
  /** Look these up, then plan again. */
  | { readonly type: "look"; readonly instanceType?: string; readonly configMap?: string }
  | NodeReport;

export interface NodeReport {
  readonly type: "report";
  /** The record, when there is none. */
  readonly create?: Node;
  /** Merge patch of what is ours in it, when something differs. */
  readonly patch?: JsonMembers;
  /** What condition `Ready` is to say. */
  readonly finding: Finding;
  /** Events for the core Node: what it did not hear before. */
  readonly news: readonly Notice[];
  readonly requeueAfterMs?: number;
}

/** The cloud learns new types, and people grant rights, at any time. */
const unreadRetryMs = 60_000;
/** A failure that may pass; the lookup itself was repeated already. */
const failedRetryMs = 5_000;

/**
 * Decides about the record of one machine. Pure and total.
 *
 * | machine                                      | record                                                       |
 * | -------------------------------------------- | ------------------------------------------------------------ |
 * | gone, or not (any more) one that is served    | loses our finalizer; it goes with its owner                  |
 * | there, but the record is being deleted        | loses our finalizer, and is made anew once it is gone        |
 * | being deleted                                 | stays                                                        |
 * | Lingjun                                       | is left exactly as it is                                     |
 * | served                                        | owner, finalizer, labels, `nodeMetadata`, `nodeCap`; centralised: the parts of sections.ts |
 *
 * What a machine is follows the core Node at once. What it can carry is looked up when the instance type changes or the
 * number of network cards is not known, as published; a capacity of another type is taken away rather than left to mislead.
 */
export function planNode(state: NodeState): NodePlan {
  const { name, machine, record } = state;
  if (machine === undefined || machine.standing === "other" || record?.isLeaving === true) return planRelease(record);
  if (machine.standing === "lingjun") {
    return { type: "leave", note: `node ${name} is a Lingjun machine; they get no Node from this program yet` };
  }
  if (machine.isLeaving) return { type: "settled" };
  const look = toLook(state, machine);
  if (look !== undefined && state.lookups === undefined) return look;
  return planReport(state, machine);
}

function planRelease(record: NodeRecord | undefined): NodePlan {
  if (record === undefined || !isHeld(record)) return { type: "settled" };
  return { type: "release", finalizers: record.finalizers.filter((each) => each !== finalizers.node) };
}

function toLook({ record, isCentralized }: NodeState, machine: Machine): NodePlan | undefined {
  const { metadata, configMap } = machine;
  const needsType = !("problem" in metadata) && recordedCap(record, metadata) === undefined;
  const needsConfig = isCentralized && !("problem" in metadata) && openOf(record).length > 0;
  if (!needsType && !needsConfig) return undefined;
  return {
    type: "look",
    ...(needsType && { instanceType: metadata.instanceType }),
    ...(needsConfig && { configMap }),
  };
}

function openOf(record: NodeRecord | undefined): readonly (keyof Sections)[] {
  return record?.open ?? sectionNames;
}

/** The recorded capacity, while it is complete and of the machine's type. */
function recordedCap(record: NodeRecord | undefined, { instanceType }: NodeMetadata): NodeCap | undefined {
  const { nodeMetadata, nodeCap } = record?.spec ?? {};
  const isKnown = nodeCap?.networkCardsCount !== undefined && nodeMetadata?.instanceType === instanceType;
  return isKnown ? nodeCap : undefined;
}

/** The spec that is wanted, what is wrong, and what is not as the configuration says. */
interface Outcome {
  readonly spec: NodeSpec;
  /** The worst first. */
  readonly findings: readonly Finding[];
  readonly notices: readonly Notice[];
  readonly requeueAfterMs?: number;
}

function planReport(state: NodeState, machine: Machine): NodePlan {
  const { record } = state;
  const mode = recordedMode(record) ?? machine.mode;
  const { spec, findings, notices, requeueAfterMs } = toOutcome(state, machine, mode);
  const finding = [...findings, ...toModeFindings(mode, machine.mode)][0] ?? toGood(notices);
  const written = toWrite(state, machine.uid, mode, spec);
  const isSaid = saysSame(record, finding);
  const requeue = requeueAfterMs === undefined ? {} : { requeueAfterMs };
  if (written === undefined && isSaid && record?.isConditionCurrent === true) return { type: "settled", ...requeue };
  return { type: "report", ...written, finding, news: isSaid ? [] : toNews(finding, notices), ...requeue };
}

function toGood(notices: readonly Notice[]): Finding {
  return { reason: reasons.recorded, message: notices.map(({ note }) => note).join("; ") };
}

function saysSame(record: NodeRecord | undefined, { reason, message }: Finding): boolean {
  return record?.condition?.reason === reason && record.condition.message === message;
}

function toNews(finding: Finding, notices: readonly Notice[]): readonly Notice[] {
  if (finding.isHeldBack === true) return [];
  return finding.reason === reasons.recorded ? notices : [{ reason: "ConfigError", note: finding.message }];
}

function recordedMode(record: NodeRecord | undefined): Machine["mode"] | undefined {
  const label = record?.labels[labels.exclusiveMode];
  if (label === undefined) return undefined;
  return label.toLowerCase() === "enionly" ? "eniOnly" : "default";
}

function toModeFindings(recorded: Machine["mode"], wanted: Machine["mode"]): readonly Finding[] {
  if (recorded === wanted) return [];
  const message = `node exclusive mode changed to ${wanted}, but the node joined as ${recorded}, which stays; a node takes another mode when it joins anew`;
  return [{ reason: reasons.modeChanged, message }];
}

function toOutcome(state: NodeState, machine: Machine, mode: Machine["mode"]): Outcome {
  const { metadata } = machine;
  const spec = state.record?.spec ?? {};
  if ("problem" in metadata) {
    return { spec, findings: [{ reason: reasons.incomplete, message: metadata.problem }], notices: [] };
  }
  const nodeCap = recordedCap(state.record, metadata) ?? foundCap(state);
  if (nodeCap === undefined) {
    const { nodeCap: _, ...rest } = spec;
    return { spec: { ...rest, nodeMetadata: metadata }, notices: [], ...toTypeProblem(state, metadata) };
  }
  const known = { ...spec, nodeMetadata: metadata, nodeCap };
  const result = toConfigured(state, { cap: nodeCap, zone: metadata.zoneID, isExclusive: mode === "eniOnly" });
  if ("reason" in result) return { spec: known, findings: [result], notices: [] };
  return { spec: { ...known, ...keepSame(spec, result.sections) }, findings: [], notices: result.notices };
}

function foundCap({ lookups }: NodeState): NodeCap | undefined {
  const lookup = lookups?.instanceType;
  return lookup?.type === "found" ? toNodeCap(lookup.instanceType) : undefined;
}

function toTypeProblem(
  { lookups }: NodeState,
  { instanceType }: NodeMetadata,
): Pick<Outcome, "findings" | "requeueAfterMs"> {
  const lookup = lookups?.instanceType;
  const say = (reason: Finding["reason"], text: string): readonly Finding[] => [
    { reason, message: `instance type ${instanceType}${text}` },
  ];
  switch (lookup?.type) {
    case "missing":
      return { findings: say(reasons.unknownType, " is not known in this region"), requeueAfterMs: unreadRetryMs };
    case "denied": {
      const text = `: RAM action ${lookup.missingAction} is not allowed: ${lookup.message}`;
      return { findings: say(reasons.denied, text), requeueAfterMs: unreadRetryMs };
    }
    case "failed": {
      const requeueAfterMs = Math.max(failedRetryMs, lookup.retryAfterMs);
      const findings = say(reasons.unavailable, `: ${lookup.message}`);
      return { findings: findings.map((each) => ({ ...each, isHeldBack: lookup.isHeldBack })), requeueAfterMs };
    }
    case "found":
    case undefined:
      return { findings: [] };
  }
}

function toConfigured(
  { isCentralized, record, lookups }: NodeState,
  machine: { readonly cap: NodeCap; readonly zone: string; readonly isExclusive: boolean },
): Finding | { readonly sections: Partial<Sections>; readonly notices: readonly Notice[] } {
  const open = openOf(record);
  const lookup = lookups?.config;
  if (!isCentralized || open.length === 0 || lookup === undefined) return { sections: {}, notices: [] };
  if (lookup.type === "missing") {
    return { reason: reasons.configMissing, message: `ConfigMap kube-system/${lookup.configMap} does not exist` };
  }
  if (lookup.type === "faulty") return { reason: reasons.configInvalid, message: lookup.message };
  const result = toSections({ config: lookup.config, ...machine, spec: record?.spec, open });
  return "problem" in result ? { reason: reasons.configInvalid, message: result.problem } : result;
}

/** A part that a Go program has rewritten without its zero values is not written back. */
function keepSame(spec: NodeSpec, sections: Partial<Sections>): Partial<Sections> {
  const entries = Object.entries(sections).map(([name, wanted]) => {
    const current = spec[name as keyof Sections];
    return [name, isSameInGo(current, wanted) && current !== undefined ? current : wanted] as const;
  });
  return Object.fromEntries(entries);
}

/** What is ours in a record. */
type Ours = Pick<NodeRecord, "labels" | "finalizers" | "owners" | "applied"> & { readonly spec: NodeSpec };

const nothing: Ours = { labels: {}, finalizers: [], owners: [], applied: undefined, spec: {} };

/** The record as it is to be, as a creation or as the difference to what is there; undefined when there is none. */
function toWrite(
  { name, record }: NodeState,
  uid: string,
  mode: Machine["mode"],
  spec: NodeSpec,
): Pick<NodeReport, "create" | "patch"> | undefined {
  const current: Ours = { ...nothing, ...record, spec: record?.spec ?? {} };
  const wanted = toBody({
    labels: { ...current.labels, [labels.nodeName]: name, [labels.exclusiveMode]: mode },
    finalizers: withOurs(current.finalizers),
    owners: toOwners(current.owners, name, uid),
    applied: toApplied(record, spec),
    spec,
  });
  if (record === undefined) return { create: { ...recordType, ...wanted, metadata: { name, ...wanted.metadata } } };
  const patch = toMergePatch(toBody(current), wanted);
  return patch && { patch };
}

function toBody(ours: Ours) {
  const { applied } = ours;
  return {
    metadata: {
      labels: ours.labels,
      finalizers: ours.finalizers,
      ownerReferences: ours.owners,
      ...(applied !== undefined && { annotations: { [annotations.nodeSpecApplied]: applied } }),
    },
    spec: ours.spec,
  };
}

/** What the annotation is to say: as it is, unless a part is written. */
function toApplied(record: NodeRecord | undefined, spec: NodeSpec): string | undefined {
  const open = openOf(record).filter((name) => spec[name] !== undefined);
  if (open.every((name) => isSameJson(record?.spec?.[name], spec[name]))) return record?.applied;
  return JSON.stringify(Object.fromEntries(open.map((name) => [name, spec[name]])));
}

function withOurs(list: readonly string[]): readonly string[] {
  return list.includes(finalizers.node) ? list : [...list, finalizers.node];
}

/** A machine that joins anew has another uid; without this its record would be collected under it. */
function toOwners(owners: readonly OwnerReference[], name: string, uid: string): readonly OwnerReference[] {
  const owner = { apiVersion: "v1", kind: "Node", name, uid, controller: true, blockOwnerDeletion: true };
  if (owners.some((each) => isSameJson(each, owner))) return owners;
  return [...owners.filter(({ apiVersion, kind }) => apiVersion !== "v1" || kind !== "Node"), owner];
}
