import { creatorTagValue, excludedTag, machineCreatorTagValue, tags } from "../../crds/v1beta1/names.ts";
import type { Eni } from "./eni.ts";

/**
 * Whether this program may attach, detach or delete the interface: it was made for pods of this cluster, which both published
 * tags say, and nobody has taken it out of our hands. A machine's primary interface and its trunk never are; interfaces of
 * the pool and of the ERDMA controller have another `creator`.
 */
export function isOurs({ type, tags: given }: Pick<Eni, "type" | "tags">, clusterId: string): boolean {
  if (type === "Primary" || type === "Trunk" || given[excludedTag.key] === excludedTag.value) return false;
  return given[tags.clusterId] === clusterId && given[tags.creator] === creatorTagValue;
}

/**
 * Whether it is a trunk that this program made for a machine and that is attached nowhere: it may be deleted once its machine's
 * record does not name it any more. One that is attached carries pods, whoever made it.
 */
export function isSpareTrunk(eni: Pick<Eni, "type" | "status" | "tags">, clusterId: string): boolean {
  if (eni.type !== "Trunk" || (eni.status !== "Available" && eni.status !== "Deleting")) return false;
  const isMade = eni.tags[tags.clusterId] === clusterId && eni.tags[tags.creator] === machineCreatorTagValue;
  return isMade && eni.tags[tags.nodeUid] !== undefined && eni.tags[excludedTag.key] !== excludedTag.value;
}
