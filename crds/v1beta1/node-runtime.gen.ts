// Generated from crds/network.alibabacloud.com_noderuntimes.yaml by hack/generate-crd-types.ts. Do not edit.
import type { Condition } from "./condition.ts";
import type { ObjectMeta } from "./meta.ts";

/** What one machine says about its pods. Its name is the node's; written by the node daemon. */
export interface NodeRuntime {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  /** Empty. */
  readonly spec?: NodeRuntimeSpec;
  /** What became of the pods. */
  readonly status?: NodeRuntimeStatus;
}

/** Empty. */
export type NodeRuntimeSpec = Readonly<Record<string, never>>;

/** One state. */
export interface NodeRuntimePodState {
  /** When it was entered. */
  readonly lastUpdateTime: string;
}

/** One pod. */
export interface NodeRuntimePod {
  /** namespace/name. */
  readonly podID: string;
  /** Its states, by initial or deleted; the newest is final. */
  readonly status: Readonly<Record<string, NodeRuntimePodState>>;
}

/** What became of the pods. */
export interface NodeRuntimeStatus {
  /** Pods that the daemon knows, by UID. */
  readonly pods?: Readonly<Record<string, NodeRuntimePod>>;
  /** What holds for this object, for people and tools. Reasons are listed in docs/conditions.md. */
  readonly conditions?: readonly Condition[];
}
