/**
 * The parts of built-in Kubernetes objects that this program reads, as they are on the wire (timestamps are strings).
 * Caches hold nothing else: see slim.ts.
 */
export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly uid: string;
  }[];
}

export interface Pod {
  readonly metadata: Metadata;
  readonly spec?: {
    readonly nodeName?: string;
    readonly hostNetwork?: boolean;
    /** Resolved from the priority class by the API server; higher goes first. */
    readonly priority?: number;
    /** Of these, caches keep ours only. */
    readonly schedulingGates?: readonly { readonly name: string }[];
  };
  readonly status?: {
    readonly phase?: string;
    /** Only `PodScheduled` with reason `Unschedulable` is kept. */
    readonly conditions?: readonly { readonly type: string; readonly reason?: string }[];
  };
}

/** The core `v1/Node`, not the CR of the same kind. */
export interface CoreNode {
  readonly metadata: Metadata;
  readonly spec?: { readonly providerID?: string; readonly taints?: readonly Taint[] };
  readonly status?: {
    readonly capacity?: Readonly<Record<string, string>>;
    readonly allocatable?: Readonly<Record<string, string>>;
    readonly conditions?: readonly NodeCondition[];
  };
}

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  readonly timeAdded?: string;
}

export interface NodeCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export interface Namespace {
  readonly metadata: Metadata;
}
