/** Each machine: its two Node objects, its instance, its trunk, and what it says that it can carry. */
import { finalizers, labels, resources } from "../crds/v1beta1/names.ts";
import type { Node } from "../crds/v1beta1/node.gen.ts";
import type { Eni } from "../domain/eni/eni.ts";
import { isOurs } from "../domain/eni/ownership.ts";
import { toNodeFacts, type NodeFacts } from "../domain/kubernetes/node-facts.ts";
import type { CoreNode } from "../domain/kubernetes/objects.ts";
import { ageText, drift, underWay, usualDeletionMs, type Finding } from "./findings.ts";
import { groupBy, type Index, type Listing } from "./listing.ts";

export function compareNodes(listing: Listing, index: Index): readonly Finding[] {
  const records = new Map(listing.nodeRecords.map((record) => [record.metadata.name, record]));
  const onInstance = groupBy(listing.enis, ({ instanceId = "" }) => instanceId);
  const machines = listing.coreNodes.flatMap((node) => {
    const facts = servedFacts(node);
    if (facts === undefined) return [];
    const enis = onInstance.get(facts.instanceId) ?? [];
    return compareMachine({ node, facts, enis, record: records.get(facts.name) }, listing.clusterId, index);
  });
  return [...machines, ...listing.nodeRecords.flatMap((record) => compareOwner(record, listing.nowMs, index))];
}

interface AuditedMachine {
  readonly node: CoreNode;
  readonly facts: NodeFacts;
  readonly record: Node | undefined;
  /** What is on its instance, whoever made it. */
  readonly enis: readonly Eni[];
}

/** Undefined for a node that this program leaves alone, that is going, or that does not say what it is. */
function servedFacts(node: CoreNode): NodeFacts | undefined {
  if (node.metadata.deletionTimestamp !== undefined) return undefined;
  const facts = toNodeFacts(node);
  if ("problem" in facts || facts.isIgnored || node.metadata.labels?.[labels.lingjunWorker] === "true")
    return undefined;
  return facts;
}

function compareMachine(machine: AuditedMachine, clusterId: string, index: Index): readonly Finding[] {
  const { facts, record } = machine;
  const subject = `node ${facts.name}`;
  if (!index.instanceIds.has(facts.instanceId)) {
    return [drift("InstanceGone", subject, `the VPC has no instance ${facts.instanceId}`)];
  }
  const recorded = record?.spec?.nodeMetadata?.instanceID ?? "";
  const differs =
    recorded === "" || recorded === facts.instanceId
      ? []
      : [drift("InstanceDiffers", subject, `is instance ${facts.instanceId}, but its Node record says ${recorded}`)];
  return [...differs, ...compareTrunk(subject, facts, index), ...compareCapacity(subject, machine, clusterId, index)];
}

function compareTrunk(subject: string, facts: NodeFacts, { eniById }: Index): readonly Finding[] {
  const { trunkEniId } = facts;
  if (trunkEniId === undefined) return [];
  const problem = trunkProblem(eniById.get(trunkEniId), facts.instanceId);
  return problem === undefined ? [] : [drift("TrunkMissing", subject, `names trunk ${trunkEniId}, ${problem}`)];
}

/** Undefined when it serves. */
function trunkProblem(eni: Eni | undefined, instanceId: string): string | undefined {
  if (eni === undefined) return "which the cloud does not have";
  if (eni.status !== "InUse") return `which is ${eni.status}`;
  return eni.instanceId === instanceId ? undefined : `which is on ${eni.instanceId ?? "no instance"}`;
}

/** The resource of the machine's mode; the other one is not this program's. */
function compareCapacity(
  subject: string,
  { node, facts, record, enis }: AuditedMachine,
  clusterId: string,
  { eniById }: Index,
): readonly Finding[] {
  const cap = record?.spec?.nodeCap;
  const foreign = enis.filter((eni) => !isOurs(eni, clusterId));
  const count = (type: Eni["type"]): number => foreign.filter((eni) => eni.type === type).length;
  if (facts.isExclusive) {
    if (cap?.adapters === undefined) return [];
    const taken = count("Secondary") + count("Trunk");
    return tooHigh(subject, node, resources.eni, cap.adapters - 1 - taken, `${taken} places are taken by others`);
  }
  const problem = trunkProblem(eniById.get(facts.trunkEniId ?? ""), facts.instanceId);
  if (problem !== undefined) return tooHigh(subject, node, resources.memberEni, 0, "no trunk serves");
  if (cap?.memberAdapterLimit === undefined) return [];
  const taken = count("Member");
  return tooHigh(subject, node, resources.memberEni, cap.memberAdapterLimit - taken, `${taken} are others'`);
}

function tooHigh(
  subject: string,
  { status }: CoreNode,
  resource: string,
  attachable: number,
  why: string,
): readonly Finding[] {
  const advertised = Number(status?.allocatable?.[resource] ?? "0");
  if (advertised <= Math.max(0, attachable)) return [];
  const text = `advertises ${advertised} ${resource}, and ${Math.max(0, attachable)} can be attached: ${why}`;
  return [drift("CapacityTooHigh", subject, text)];
}

/** A record of which the machine is gone, or that is on its way out. */
function compareOwner({ metadata }: Node, nowMs: number, { coreNodeByName }: Index): readonly Finding[] {
  const subject = `nodes.network.alibabacloud.com ${metadata.name}`;
  const isHeld = metadata.finalizers?.includes(finalizers.node) === true;
  if (metadata.deletionTimestamp !== undefined) {
    if (!isHeld) return [];
    const agoMs = nowMs - Date.parse(metadata.deletionTimestamp);
    const text = `being deleted for ${ageText(agoMs)}, held by finalizer ${finalizers.node}`;
    return [agoMs <= usualDeletionMs ? underWay(subject, text) : drift("StuckDeletion", subject, text)];
  }
  if (coreNodeByName.has(metadata.name)) return [];
  const holding = isHeld ? `; finalizer ${finalizers.node} holds it` : "";
  return [drift("NodeRecordWithoutNode", subject, `there is no core Node of that name${holding}`)];
}
