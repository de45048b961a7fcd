import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import { planStatefulSet, type StatefulPod, type StatefulSetState } from "./stateful-set-plan.ts";

/** Three pods wanted, in order, one revision, none there. */
function aSet(change: Partial<StatefulSetState> = {}): StatefulSetState {
  const revisions = { currentRevision: "v1", updateRevision: "v1" };
  return {
    replicas: 3,
    firstOrdinal: 0,
    ordered: true,
    partition: 0,
    rolling: true,
    ...revisions,
    pods: [],
    ...change,
  };
}

/** A ready pod of revision v1. */
function aPod(ordinal: number, change: Partial<StatefulPod> = {}): StatefulPod {
  return { ordinal, revision: "v1", ready: true, terminating: false, finished: false, ...change };
}

const create = (ordinal: number, revision = "v1"): object => ({ type: "create", ordinal, revision });
const remove = (ordinal: number): object => ({ type: "delete", ordinal });
const three = [aPod(0), aPod(1), aPod(2)];

describe("planStatefulSet", () => {
  const rows: { name: string; given: Partial<StatefulSetState>; want: object[] }[] = [
    { name: "creates the first pod alone", given: {}, want: [create(0)] },
    { name: "waits for a pod that is not ready", given: { pods: [aPod(0, { ready: false })] }, want: [] },
    { name: "creates the next after a ready one", given: { pods: [aPod(0)] }, want: [create(1)] },
    { name: "creates all at once in parallel", given: { ordered: false }, want: [create(0), create(1), create(2)] },
    { name: "fills a hole", given: { pods: [aPod(0), aPod(2)] }, want: [create(1)] },
    { name: "waits for a terminating pod to be gone", given: { pods: [aPod(0, { terminating: true })] }, want: [] },
    { name: "deletes a finished pod", given: { pods: [aPod(0, { finished: true, ready: false })] }, want: [remove(0)] },
    { name: "counts from the first ordinal", given: { replicas: 1, firstOrdinal: 5 }, want: [create(5)] },
    { name: "scales down the highest alone", given: { replicas: 1, pods: three }, want: [remove(2)] },
    {
      name: "scales down the next when the highest is gone",
      given: { replicas: 0, pods: [aPod(0), aPod(1, { terminating: true })] },
      want: [],
    },
    {
      name: "scales down all at once in parallel",
      given: { replicas: 1, ordered: false, pods: three },
      want: [remove(2), remove(1)],
    },
    { name: "does nothing when settled", given: { pods: three }, want: [] },
    { name: "rolls the highest old pod", given: { updateRevision: "v2", pods: three }, want: [remove(2)] },
    {
      name: "rolls the next once the new one is ready",
      given: { updateRevision: "v2", pods: [aPod(0), aPod(1), aPod(2, { revision: "v2" })] },
      want: [remove(1)],
    },
    {
      name: "holds the rollout while the new one is not ready",
      given: {
        updateRevision: "v2",
        ordered: false,
        pods: [aPod(0), aPod(1), aPod(2, { revision: "v2", ready: false })],
      },
      want: [],
    },
    { name: "keeps what is below the partition", given: { updateRevision: "v2", partition: 3, pods: three }, want: [] },
    {
      name: "recreates a pod below the partition in its old revision",
      given: { updateRevision: "v2", partition: 1, pods: [aPod(1), aPod(2)] },
      want: [create(0, "v1")],
    },
    {
      name: "leaves old pods alone with OnDelete",
      given: { updateRevision: "v2", rolling: false, pods: three },
      want: [],
    },
  ];
  it.each(rows)("$name", ({ given, want }) => expect(planStatefulSet(aSet(given))).toEqual(want));

  it("settles on exactly the wanted pods of the new revision from any start, when every step succeeds", () => {
    const anyPods = fc.uniqueArray(
      fc.record({
        ordinal: fc.nat(6),
        revision: fc.constantFrom("v0", "v1", "v2"),
        ready: fc.boolean(),
        terminating: fc.boolean(),
        finished: fc.boolean(),
      }),
      { selector: (pod) => pod.ordinal },
    );
    const anySettings = fc.record({ replicas: fc.nat(5), firstOrdinal: fc.nat(2), ordered: fc.boolean() });
    fc.assert(
      fc.property(anyPods, anySettings, (start, settings) => {
        let pods: StatefulPod[] = start;
        for (let step = 0; step < 100; step++) {
          const actions = planStatefulSet(aSet({ ...settings, updateRevision: "v2", pods }));
          const gone = new Set(actions.filter(({ type }) => type === "delete").map(({ ordinal }) => ordinal));
          pods = pods.filter((pod) => !gone.has(pod.ordinal) && !pod.terminating);
          pods = pods.map((pod) => ({ ...pod, ready: !pod.finished }));
          for (const action of actions) {
            if (action.type === "create") pods.push(aPod(action.ordinal, { revision: action.revision }));
          }
        }
        const { replicas, firstOrdinal } = settings;
        expect(pods.map(({ ordinal }) => ordinal).sort()).toEqual(
          Array.from({ length: replicas }, (_, index) => firstOrdinal + index),
        );
        expect(pods.every(({ revision }) => revision === "v2")).toBe(true);
      }),
    );
  });
});
