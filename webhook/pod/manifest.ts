import type { Affinity } from "../../domain/pod-network/zone-affinity.ts";

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
  readonly containers?: readonly Container[];
  readonly affinity?: Affinity;
  readonly nodeName?: string;
  readonly schedulingGates?: readonly { readonly name: string }[];
}

export interface Container {
  readonly name?: string;
  readonly resources?: { readonly limits?: StringMap; readonly requests?: StringMap };
}

export type StringMap = Readonly<Record<string, string>>;
