import { describe, expect, it } from "@jest/globals";
import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import { planNetworkInterface } from "./plan.ts";
import { toState, type Effect } from "./state.ts";

interface Row {
  readonly name: string;
  readonly id: string;
  /** Value of annotation `eno-api`; absent: the record has none. */
  readonly enoApi?: string;
  /** The ECS API serves the interface. */
  readonly isEcs: boolean;
}

/** The annotation decides, else the prefix of the id, as published. */
const rows: readonly Row[] = [
  { name: "an ECS interface", id: "eni-1", isEcs: true },
  { name: "an ECS interface of a Lingjun machine", id: "eni-1", enoApi: "ecs", isEcs: true },
  { name: "a Lingjun interface under the ECS API", id: "leni-1", enoApi: "ecs", isEcs: true },
  { name: "a high-density interface under the ECS API", id: "hdeni-1", enoApi: "ecs-hdeni", isEcs: true },
  { name: "an ECS interface with an annotation of an unknown word", id: "eni-1", enoApi: "odd", isEcs: true },
  { name: "a Lingjun interface", id: "leni-1", isEcs: false },
  { name: "a Lingjun interface with an empty annotation", id: "leni-1", enoApi: "", isEcs: false },
  { name: "a high-density interface", id: "hdeni-1", isEcs: false },
  { name: "a high-density interface by its annotation", id: "eni-1", enoApi: "hdeni", isEcs: false },
];

const goals: readonly { readonly goal: Effect; readonly phase: string }[] = [
  { goal: "attach", phase: "Binding" },
  { goal: "detach", phase: "Detaching" },
  { goal: "delete", phase: "Deleting" },
];

/** The record asks for `phase`, and ECS has said for a minute that it knows no such interface. */
function planOf({ id, enoApi }: Row, phase: string) {
  const record: NetworkInterface = {
    metadata: {
      name: id,
      finalizers: ["network.alibabacloud.com/eni"],
      ...(enoApi !== undefined && { annotations: { "k8s.aliyun.com/eno-api": enoApi } }),
      ...(phase === "Deleting" && { deletionTimestamp: "2026-01-01T00:00:00Z" }),
    },
    status: { phase, eniInfo: { id }, instanceID: "i-1" },
  };
  const nowMs = 100_000;
  const knowledge = { eni: undefined, observedAtMs: nowMs, sameSinceMs: nowMs - 60_000 };
  return planNetworkInterface(
    toState(record, { leadsSinceMs: 0, knowledge }, { clusterId: "c-1", suspensions: {}, nowMs }),
  );
}

describe("an interface that the ECS API may not know", () => {
  it.each(rows.flatMap((row) => goals.map((goal) => ({ ...row, ...goal }))))(
    "$goal of $name: touched is $isEcs",
    (row) => {
      // Absence from ECS says nothing about an interface of another API: to let its record go would leak it there.
      expect(planOf(row, row.phase).action !== undefined).toBe(row.isEcs);
    },
  );
});
