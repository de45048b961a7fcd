import { annotations, labels } from "../../crds/v1beta1/names.ts";
import type { CoreNode } from "./objects.ts";

/** What allocation needs to know of a machine. Source: core Node metadata and `.spec.providerID`. */
export interface NodeFacts {
  readonly name: string;
  /** ECS instance id: the part of `.spec.providerID` after the dot, or all of it on Lingjun machines. */
  readonly instanceId: string;
  readonly zone: string;
  /** Trunk interface of the machine, from annotation `k8s.aliyun.com/trunk-on`. */
  readonly trunkEniId?: string;
  /** Every pod of the node has interfaces of its own; none is a trunk member. */
  readonly isExclusive: boolean;
  /** `ignore-by-terway` or a virtual kubelet: this program leaves its pods alone. */
  readonly isIgnored: boolean;
}

/** Reads the facts, or says in one sentence which one is missing and where it is expected. */
// eslint-disable-next-line complexity -- counts the optional fields that it takes apart; it decides little
export function toNodeFacts(node: CoreNode): NodeFacts | { readonly problem: string } {
  const { name } = node.metadata;
  const nodeLabels = node.metadata.labels ?? {};
  const zone = nodeLabels[labels.zone] ?? nodeLabels[labels.zoneLegacy];
  const instanceId = instanceIdOf(node, nodeLabels[labels.lingjunWorker] === "true");
  if (instanceId === undefined) return { problem: `node ${name} has no instance id in .spec.providerID` };
  if (zone === undefined || zone === "") return { problem: `node ${name} has no label ${labels.zone}` };
  const trunkEniId = node.metadata.annotations?.[annotations.trunkOn];
  return {
    name,
    instanceId,
    zone,
    ...(trunkEniId !== undefined && trunkEniId !== "" && { trunkEniId }),
    isExclusive: nodeLabels[labels.exclusiveMode]?.toLowerCase() === "enionly",
    isIgnored: nodeLabels[labels.ignore] === "true" || nodeLabels[labels.nodeType] === "virtual-kubelet",
  };
}

function instanceIdOf(node: CoreNode, isLingjun: boolean): string | undefined {
  const providerId = node.spec?.providerID ?? "";
  const instanceId = isLingjun ? providerId : providerId.split(".")[1];
  return instanceId === undefined || instanceId === "" ? undefined : instanceId;
}
