import type { PodNetworking } from "../../crds/v1beta1/pod-networking.gen.ts";
import { findCondition } from "../../domain/conditions/conditions.ts";
import { ready } from "./conditions.ts";

/** One plane, and what is known of its vSwitches. */
export interface PlaneState {
  readonly generation: number;
  /** Source: `.spec.vSwitchOptions`. */
  readonly vSwitchIds: readonly string[];
  readonly securityGroupCount: number;
  /** Source: `.status.status`: `Ready`, `Fail` or empty. */
  readonly phase: string;
  /** Source: `.status.message`. */
  readonly message: string;
  /** Source: `.status.vSwitches`, in order. */
  readonly recorded: readonly RecordedVSwitch[];
  /** Source: `.status.conditions[Ready]`; undefined on objects of the published program. */
  readonly condition: { readonly reason: string; readonly observedGeneration: number } | undefined;
  /** One per vSwitch, in order; undefined until they were looked up. Source: VPC DescribeVSwitches. */
  readonly lookups: readonly Lookup[] | undefined;
}

export interface RecordedVSwitch {
  readonly id: string;
  readonly zone: string;
}

/** What a lookup of one vSwitch gave. */
export type Lookup =
  | { readonly type: "found"; readonly id: string; readonly zone: string }
  | { readonly type: "missing"; readonly id: string }
  /** `missingAction`: the RAM action that the account lacks. */
  | { readonly type: "denied"; readonly id: string; readonly message: string; readonly missingAction: string }
  /** `retryAfterMs`: when the same question may be answered. */
  | { readonly type: "failed"; readonly id: string; readonly message: string; readonly retryAfterMs: number };

/** Takes the object apart. Total: absent members become empty ones. */
export function toState(plane: PodNetworking, lookups: readonly Lookup[] | undefined): PlaneState {
  const { spec } = plane;
  return {
    generation: plane.metadata.generation ?? 0,
    vSwitchIds: spec?.vSwitchOptions ?? [],
    securityGroupCount: spec?.securityGroupIDs?.length ?? 0,
    ...toRecord(plane.status),
    lookups,
  };
}

function toRecord(status: PodNetworking["status"]): Pick<PlaneState, "phase" | "message" | "recorded" | "condition"> {
  const condition = findCondition(status?.conditions, ready);
  return {
    phase: status?.status ?? "",
    message: status?.message ?? "",
    recorded: (status?.vSwitches ?? []).map(({ id = "", zone = "" }) => ({ id, zone })),
    condition:
      condition === undefined
        ? undefined
        : { reason: condition.reason, observedGeneration: condition.observedGeneration ?? 0 },
  };
}
