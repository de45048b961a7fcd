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
}

export interface Container {
  readonly name?: string;
  readonly resources?: { readonly limits?: StringMap; readonly requests?: StringMap };
}

export interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: {
      readonly nodeSelectorTerms?: readonly NodeSelectorTerm[];
    };
  };
}

/** Terms are alternatives; the expressions of one term must all hold. */
export interface NodeSelectorTerm {
  readonly matchExpressions?: readonly NodeSelectorRequirement[];
}

export interface NodeSelectorRequirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

export type StringMap = Readonly<Record<string, string>>;
