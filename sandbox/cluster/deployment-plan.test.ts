import { describe, expect, it } from "@jest/globals";
import { planDeployment, resolveFenceposts, type DeploymentState, type ReplicaSetSize } from "./deployment-plan.ts";

/** Four pods wanted, one may be too many, one may be missing; nothing there. */
function aDeployment(change: Partial<DeploymentState> = {}): DeploymentState {
  const current = size(0);
  return { replicas: 4, recreate: false, maxSurge: 1, maxUnavailable: 1, current, old: [], ...change };
}

function size(replicas: number, available = replicas): ReplicaSetSize {
  return { size: replicas, pods: replicas, available };
}

describe("planDeployment", () => {
  const rows: { name: string; given: Partial<DeploymentState>; want: { current: number; old: number[] } }[] = [
    { name: "creates all pods of a first revision", given: {}, want: { current: 4, old: [] } },
    { name: "scales down", given: { current: size(6) }, want: { current: 4, old: [] } },
    { name: "starts a rollout", given: { old: [size(4)] }, want: { current: 1, old: [3] } },
    { name: "waits for new pods", given: { current: size(2, 0), old: [size(3)] }, want: { current: 2, old: [3] } },
    { name: "goes on", given: { current: size(2), old: [size(3)] }, want: { current: 2, old: [1] } },
    { name: "ends", given: { current: size(4), old: [size(1)] }, want: { current: 4, old: [0] } },
    { name: "removes broken old pods first", given: { old: [size(4, 3)] }, want: { current: 1, old: [3] } },
    { name: "recreates: old first", given: { recreate: true, old: [size(4)] }, want: { current: 0, old: [0] } },
    {
      name: "recreates: waits for the last old pod",
      given: { recreate: true, old: [{ size: 0, pods: 1, available: 0 }] },
      want: { current: 0, old: [0] },
    },
    { name: "recreates: then new", given: { recreate: true, old: [size(0)] }, want: { current: 4, old: [0] } },
  ];
  it.each(rows)("$name", ({ given, want }) => expect(planDeployment(aDeployment(given))).toEqual(want));
});

describe("resolveFenceposts", () => {
  it("rounds the surge up and the missing down, and leaves one way open", () => {
    expect(resolveFenceposts(10)).toEqual({ maxSurge: 3, maxUnavailable: 2 });
    expect(resolveFenceposts(1)).toEqual({ maxSurge: 1, maxUnavailable: 0 });
    expect(resolveFenceposts(3, 0, 0)).toEqual({ maxSurge: 0, maxUnavailable: 1 });
  });
});
