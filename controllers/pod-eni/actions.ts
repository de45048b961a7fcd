import type { Eni } from "../../domain/eni/eni.ts";
import type { VSwitch } from "../../domain/vswitch/vswitch.ts";
import type { AllocationState } from "./state.ts";

/** One call or write each. */
export type PodEniAction =
  | { readonly type: "requestPlace"; readonly priority: number }
  | { readonly type: "releasePlace" }
  /** Writes the vSwitch of an interface that is still to be made, before the cloud is asked for it. */
  | { readonly type: "recordIntent"; readonly allocation: AllocationState; readonly vSwitch: VSwitch | undefined }
  | { readonly type: "startCreate"; readonly allocation: AllocationState }
  | { readonly type: "recordCreated"; readonly allocation: AllocationState; readonly eni: Eni }
  /** Makes the NetworkInterface of an interface that the record names. */
  | { readonly type: "createRecord"; readonly allocation: AllocationState }
  | {
      readonly type: "requestAttach";
      readonly eniId: string;
      readonly instanceId: string;
      readonly trunkEniId: string;
      /** Physical network card; absent: the machine has one, or the interface is a member. */
      readonly networkCardIndex?: number;
    }
  | { readonly type: "requestDetach"; readonly eniId: string }
  | { readonly type: "deleteRecord"; readonly eniId: string }
  /** The cloud lost the interface of an elastic allocation: make another. */
  | { readonly type: "forgetInterface"; readonly allocation: AllocationState }
  | { readonly type: "reportBind"; readonly instanceId: string; readonly trunkEniId: string }
  | { readonly type: "reportUnbind" }
  /** The machine under the pod was replaced by another of the same name: its interfaces must move. */
  | { readonly type: "reportMoved"; readonly instanceId: string }
  /** The node of a bound pod had been gone and is back. */
  | { readonly type: "reportNodeBack"; readonly instanceId: string }
  | { readonly type: "reportDeleting" }
  /** Starts the clock of a fixed address whose pod's deletion nobody recorded. */
  | { readonly type: "recordPodGone" }
  | { readonly type: "releaseExpired" }
  /** Condition `UpToDate`: what the pod asks for and does not have; absent: nothing any more. */
  | { readonly type: "reportDrift"; readonly drift?: string }
  | { readonly type: "deleteSelf" }
  | { readonly type: "removeFinalizers" }
  /** Remembers when to try again, and gives the creation's outcome up. */
  | { readonly type: "backOff"; readonly interface?: string; readonly retryAfterMs: number }
  /** What stops many is tried by this creation for all of them. */
  | { readonly type: "claimProbe"; readonly allocation: AllocationState }
  | { readonly type: "blockVSwitch"; readonly vSwitchId: string }
  /** A creation may have happened that nobody will ask about again: the collector must look. */
  | { readonly type: "requestSweep" };

/** Why it is not ready, for condition, event and the node daemon. */
export interface Explanation {
  readonly reason: string;
  readonly message: string;
  /** A failure is told at once and as an event; progress only once it takes unusually long. */
  readonly isFailure: boolean;
  /** Told only when it has lasted so long, milliseconds. @default 0 for a failure, 8_000 otherwise */
  readonly tellAfterMs?: number;
}

export interface PodEniPlan {
  readonly actions: readonly PodEniAction[];
  readonly explanation?: Explanation;
  readonly requeueAfterMs?: number;
}
