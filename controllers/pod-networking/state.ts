import type { PodNetworking } from "../../crds/v1beta1/pod-networking.gen.ts";
import { findPlaneSelectorProblem } from "../../domain/pod-network/plane.ts";

/** One plane, and what is known of its vSwitches. */
export interface PlaneState {
  /** Source: `.spec.vSwitchOptions`. */
  readonly vSwitchIds: readonly string[];
  readonly securityGroupCount: number;
  /** What is wrong with `.spec.selector`. */
  readonly selectorProblem: string | undefined;
  /** Source: `.status.status`: `Ready`, `Fail` or empty. */
  readonly phase: string;
  /** Source: `.status.vSwitches`, in order. */
  readonly recorded: readonly RecordedVSwitch[];
  /** One per vSwitch, in order. Source: VPC DescribeVSwitches. */
  readonly lookups: readonly Lookup[];
}

export interface RecordedVSwitch {
  readonly id: string;
  readonly zone: string;
}

/** What a lookup of one vSwitch gave. */
export type Lookup =
  /** Not looked up of late. */
  | { readonly type: "unknown"; readonly id: string }
  | { readonly type: "found"; readonly id: string; readonly zone: string }
  | { readonly type: "missing"; readonly id: string }
  /** `missingAction`: the RAM action that the account lacks. */
  | { readonly type: "denied"; readonly id: string; readonly message: string; readonly missingAction: string }
  /** `retryAfterMs`: when the same question may be answered. */
  | { readonly type: "failed"; readonly id: string; readonly message: string; readonly retryAfterMs: number };

/** Takes the object apart. Total: absent members become empty ones. */
export function toState(plane: PodNetworking, lookups: readonly Lookup[]): PlaneState {
  const { spec, status } = plane;
  return {
    vSwitchIds: spec?.vSwitchOptions ?? [],
    securityGroupCount: spec?.securityGroupIDs?.length ?? 0,
    selectorProblem: findPlaneSelectorProblem(plane),
    phase: status?.status ?? "",
    recorded: (status?.vSwitches ?? []).map(({ id = "", zone = "" }) => ({ id, zone })),
    lookups,
  };
}
