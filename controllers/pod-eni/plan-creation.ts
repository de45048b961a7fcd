import { selectVSwitch } from "../../domain/vswitch/select.ts";
import type { CreationHold } from "../../domain/suspension/suspension.ts";
import type { Explanation, PodEniAction } from "./actions.ts";
import { reasons } from "./conditions.ts";
import type { AllocationState, CreationFailure, PodEniState } from "./state.ts";

/** While no vSwitch can be used, they are looked at this often; what is known of them is shared by all that wait. */
const vSwitchRetryMs = 10_000;

/** What is next for one interface of a pod. */
export interface Step {
  readonly actions: readonly PodEniAction[];
  readonly isBound: boolean;
  readonly explanation?: Explanation;
  /** The pod cannot go on and gives its place to another. */
  readonly givesPlaceUp?: boolean;
  readonly requeueAfterMs?: number;
}

/** The next step of an interface that the cloud has not made yet. */
export function planCreation(
  state: PodEniState,
  allocation: AllocationState,
  zone: string,
  pick: (n: number) => number,
): Step {
  const { creation } = allocation;
  switch (creation.type) {
    case "running":
      return progress(reasons.creating, `creating the interface ${allocation.interface} in ${allocation.vSwitchId}`);
    case "done":
      return { actions: [{ type: "recordCreated", allocation, eni: creation.eni }], isBound: false };
    case "failed":
      return planAfterFailure(allocation, creation.failure);
    case "none":
      if (allocation.hold !== undefined) return whileHeld(state, allocation, allocation.hold);
      if (!allocation.vSwitchIsUnusable) return { actions: [{ type: "startCreate", allocation }], isBound: false };
      return chooseVSwitch(state, allocation, zone, pick);
  }
}

function planAfterFailure(allocation: AllocationState, failure: CreationFailure): Step {
  const backOff: PodEniAction = {
    type: "backOff",
    interface: allocation.interface,
    retryAfterMs: failure.retryAfterMs,
  };
  const explanation = { reason: failure.reason, message: failure.message, isFailure: true };
  switch (failure.remedy) {
    case "nextVSwitch":
      return {
        actions: [
          { type: "blockVSwitch", vSwitchId: allocation.vSwitchId },
          { ...backOff, retryAfterMs: 0 },
        ],
        isBound: false,
      };
    case "newToken":
      return {
        actions: [{ type: "requestSweep" }, backOff, { type: "recordIntent", allocation, vSwitch: undefined }],
        isBound: false,
        explanation,
      };
    case "repeat":
      return { actions: [backOff], isBound: false, explanation, requeueAfterMs: failure.retryAfterMs };
    case "wait":
      return {
        actions: [backOff],
        isBound: false,
        explanation: { ...explanation, isFailure: false },
        givesPlaceUp: true,
        requeueAfterMs: failure.retryAfterMs,
      };
    case "stop":
      // No pause of its own: the cause is held for all whom it stops, and the next pass finds it so.
      return {
        actions: [{ ...backOff, retryAfterMs: 0 }],
        isBound: false,
        explanation,
        givesPlaceUp: true,
        requeueAfterMs: failure.retryAfterMs,
      };
  }
}

function chooseVSwitch(
  state: PodEniState,
  allocation: AllocationState,
  zone: string,
  pick: (n: number) => number,
): Step {
  const { network } = allocation;
  if (network === undefined) {
    const message = `the pod no longer says which vSwitches interface ${allocation.interface} may use${allocation.vSwitchId === "" ? "" : `, and ${allocation.vSwitchId} has no free address`}`;
    return stop(reasons.vSwitchesExhausted, message, vSwitchRetryMs);
  }
  const choice = selectVSwitch({
    vSwitchIds: network.vSwitchOptions,
    vSwitches: state.vSwitches,
    zone,
    policy: network.vSwitchSelectionPolicy ?? "ordered",
    pick,
    needsIpv6: state.needsIpv6,
  });
  if (choice.vSwitch !== undefined) {
    return { actions: [{ type: "recordIntent", allocation, vSwitch: choice.vSwitch }], isBound: false };
  }
  const { reason, message } = choice.shortage;
  return stop(reason, message, vSwitchRetryMs);
}

/** Waits for what a person or time must mend, without one of the places. */
export function stop(reason: string, message: string, retryAfterMs: number): Step {
  return {
    actions: [{ type: "backOff", retryAfterMs }],
    isBound: false,
    explanation: { reason, message, isFailure: true },
    givesPlaceUp: true,
    requeueAfterMs: retryAfterMs,
  };
}

/**
 * What stopped another creation of this kind is tried by one pod for all of them; by a pod with several interfaces only once
 * none of them has to wait, or it would keep others from trying without trying itself.
 */
export function whileHeld(state: PodEniState, allocation: AllocationState, { reason, message }: CreationHold): Step {
  const holds = state.allocations.flatMap(({ hold }) => hold ?? []);
  if (holds.every(({ isDue }) => isDue)) return { actions: [{ type: "claimProbe", allocation }], isBound: false };
  return {
    actions: [],
    isBound: false,
    explanation: { reason, message, isFailure: true },
    givesPlaceUp: true,
    requeueAfterMs: Math.max(...holds.map(({ retryAfterMs }) => retryAfterMs)),
  };
}

/** It goes on by itself. */
export function progress(reason: string, message: string): Step {
  return { actions: [], isBound: false, explanation: { reason, message, isFailure: false } };
}
