import type { Affinity } from "../../domain/pod-network/zone-affinity.ts";
import { isFlag, isText, listOf, mapOf, nullable, optional, shape } from "../shape.ts";

/**
 * A pod as admission sees it: the members that decide, and every other member untouched. The API server has checked the
 * types; what follows them here is written only where a decision changes it.
 */
export interface PodManifest {
  readonly metadata: PodMetadata;
  readonly spec: PodSpec;
}

export interface PodMetadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly labels?: StringMap;
  readonly annotations?: StringMap;
  readonly ownerReferences?: readonly { readonly kind: string; readonly name?: string }[];
}

export interface PodSpec {
  readonly hostNetwork?: boolean;
  readonly containers?: readonly Container[] | null;
  readonly affinity?: Affinity;
  readonly nodeName?: string;
  readonly schedulingGates?: readonly { readonly name: string }[];
}

export interface Container {
  readonly name?: string;
  readonly resources?: { readonly limits?: StringMap; readonly requests?: StringMap };
}

export type StringMap = Readonly<Record<string, string>>;

const isTextMap = optional(mapOf(isText));
const isRequirements = optional(listOf(shape({ key: isText, operator: isText, values: optional(listOf(isText)) })));
const isTerm = shape({ matchExpressions: isRequirements, matchFields: isRequirements });
const isNodeAffinity = shape({
  requiredDuringSchedulingIgnoredDuringExecution: optional(shape({ nodeSelectorTerms: nullable(listOf(isTerm)) })),
});
const isPod = shape({
  metadata: shape({
    name: optional(isText),
    namespace: optional(isText),
    labels: isTextMap,
    annotations: isTextMap,
    ownerReferences: optional(listOf(shape({ kind: isText }))),
  }),
  spec: shape({
    hostNetwork: optional(isFlag),
    containers: nullable(listOf(shape({ resources: optional(shape({ limits: isTextMap, requests: isTextMap })) }))),
    affinity: optional(shape({ nodeAffinity: optional(isNodeAffinity) })),
    nodeName: optional(isText),
    schedulingGates: optional(listOf(shape({ name: isText }))),
  }),
});

/** True when all that admission reads of it has the types of a Pod; the API server sends no other. */
export function isPodManifest(object: unknown): object is PodManifest {
  return isPod(object);
}
