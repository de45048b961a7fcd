import { describe, expect, it } from "@jest/globals";
import { SuspendedError } from "../../runtime/errors.ts";
import { toCreationFailure } from "./creation.ts";
import {
  aState,
  done,
  failed,
  only,
  recordCreated,
  recorded,
  releasePlace,
  running,
  second,
  unmade,
} from "./fixtures.ts";
import { planPodEni } from "./plan.ts";
import type { AllocationState, PodEniState } from "./state.ts";

const suspension = {
  reason: "Degraded",
  message: "calls to the cloud are suspended: degradation l0 (configuration)",
  sinceMs: 0,
} as const;
const all = { suspensions: { bind: suspension, release: suspension } };
const planOf = (given: Partial<PodEniState>) => planPodEni(aState(given), () => 0);
const told = { reason: "Degraded", message: suspension.message, isFailure: false };

describe("while calls to the cloud are held back", () => {
  it.each<{ readonly name: string; readonly given: Partial<PodEniState>; readonly actions: readonly unknown[] }>([
    { name: "a new pod asks for no place", given: { place: "none" }, actions: [] },
    { name: "a pod that waits for a place leaves the queue", given: { place: "waiting" }, actions: [releasePlace] },
    { name: "a pod that holds a place begins nothing and gives it back", given: {}, actions: [releasePlace] },
    {
      name: "a pod whose creation failed gives its place back",
      given: only(unmade(failed("repeat"))),
      actions: [releasePlace],
    },
    {
      name: "a pod whose vSwitch is full chooses none",
      given: only(unmade({ vSwitchIsUnusable: true })),
      actions: [releasePlace],
    },
    {
      name: "a pod whose interface is made attaches nothing",
      given: only(recorded("Unbind")),
      actions: [releasePlace],
    },
    { name: "a creation that is on its way keeps its place", given: only(running), actions: [] },
    { name: "an attach that is on its way keeps its place", given: only(recorded("Binding")), actions: [] },
    {
      name: "one of two attaches is on its way: the place is kept",
      given: { allocations: [recorded("Unbind"), second(recorded("Binding"))] },
      actions: [],
    },
  ])("$name, and its record says why", ({ given, actions }) => {
    expect(planOf({ ...all, ...given })).toEqual({ actions, explanation: told, requeueAfterMs: 60_000 });
  });

  it("an interface that was made before is recorded, so that it is not lost", () => {
    expect(planOf({ ...all, ...only(done) }).actions).toEqual([recordCreated(done)]);
  });

  it("a pod whose interfaces are attached is Bind: that needs no call", () => {
    expect(planOf({ ...all, ...only(recorded("Bind")) }).actions).toContainEqual({ type: "releasePlace" });
    expect(planOf({ ...all, ...only(recorded("Bind")) }).actions[0]).toMatchObject({ type: "reportBind" });
  });

  it.each<{ readonly name: string; readonly given: Partial<PodEniState> }>([
    { name: "being deleted", given: { isDeleting: true, ...only(recorded("Bind", { isDeleting: true })) } },
    { name: "Detaching", given: { phase: "Detaching", isFixed: true, ...only(recorded("Detaching")) } },
  ])("a record that is $name says why it stays", ({ given }) => {
    expect(planOf({ place: "none", ...all, ...given })).toMatchObject({ actions: [], explanation: told });
  });

  it("releases alone are held back: a pod binds", () => {
    const plan = planOf({ suspensions: { release: suspension } });
    expect(plan.actions).toEqual([{ type: "startCreate", allocation: unmade() }]);
  });

  it("a creation that was held back at the last moment is begun anew with the same token, without alarm", () => {
    const failure = toCreationFailure(new SuspendedError("Degraded", suspension.message, 10_000), 1);
    const allocation: AllocationState = unmade({ creation: { type: "failed", failure } });
    expect(planOf(only(allocation))).toEqual({
      actions: [{ type: "backOff", interface: "eth0", retryAfterMs: 1_000 }, releasePlace],
      explanation: told,
      requeueAfterMs: 1_000,
    });
  });

  it("a refusal that a person must mend is told at once, as a failure of the pod", () => {
    const refused = { ...suspension, reason: "InvalidCredential", message: "the access key does not exist" };
    expect(planOf({ suspensions: { bind: refused } })).toMatchObject({
      actions: [releasePlace],
      explanation: { reason: refused.reason, message: refused.message, isFailure: true },
    });
  });

  it("a pod that waits for a place learns what keeps those that hold the places", () => {
    const plan = planOf({ place: "waiting", suspensions: { attach: suspension } });
    expect(plan).toEqual({ actions: [], explanation: told, requeueAfterMs: 60_000 });
  });
});
