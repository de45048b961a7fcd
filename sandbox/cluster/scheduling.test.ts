import { describe, expect, it } from "@jest/globals";
import type { Node, Pod } from "./kinds.ts";
import { placePod, requestsOf, toAmounts, type NodeView } from "./scheduling.ts";

/** A node of zone h with 4 CPUs, room for 10 pods and 2 members, and nothing on it. */
function aNode(name: string, change: Partial<{ zone: string; spec: Node["spec"]; cpu: string }> = {}): Node {
  const { zone = "h", spec = {}, cpu = "4" } = change;
  const allocatable = { cpu, memory: "16Gi", pods: "10", "aliyun/member-eni": "2" };
  return { metadata: { name, labels: { zone, generation: "7" } }, spec, status: { allocatable } };
}

function aView(node: Node, used: Record<string, string> = {}): NodeView {
  return { node, allocatable: toAmounts(node.status?.allocatable), used: toAmounts(used) };
}

/** A pod that asks for nothing. */
function aPod(spec: Partial<Pod["spec"]> = {}): Pod {
  return { metadata: { name: "a", namespace: "default", uid: "u" }, spec: { containers: [{ name: "c" }], ...spec } };
}

function asking(requests: Record<string, string>): Partial<Pod["spec"]> {
  return { containers: [{ name: "c", resources: { requests } }] };
}

function requiring(...terms: { key: string; operator: string; values?: string[] }[][]): Partial<Pod["spec"]> {
  const nodeSelectorTerms = terms.map((matchExpressions) => ({ matchExpressions }));
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } };
}

const h = aView(aNode("h"));
const i = aView(aNode("i", { zone: "i" }));
const taint = { key: "exclusive-eni", value: "true", effect: "NoSchedule" };
const tainted = aView(aNode("t", { spec: { taints: [taint] } }));

describe("placePod", () => {
  const placed: { name: string; pod: Pod; nodes: NodeView[]; want: string }[] = [
    { name: "takes the emptier node", pod: aPod(), nodes: [aView(aNode("full"), { pods: "3" }), h], want: "h" },
    {
      name: "takes the node with the extended resource left",
      pod: aPod(asking({ "aliyun/member-eni": "1" })),
      nodes: [aView(aNode("full"), { "aliyun/member-eni": "2" }), aView(aNode("half"), { "aliyun/member-eni": "1" })],
      want: "half",
    },
    { name: "obeys the nodeSelector", pod: aPod({ nodeSelector: { zone: "i" } }), nodes: [h, i], want: "i" },
    {
      name: "obeys In",
      pod: aPod(requiring([{ key: "zone", operator: "In", values: ["i"] }])),
      nodes: [h, i],
      want: "i",
    },
    {
      name: "obeys NotIn",
      pod: aPod(requiring([{ key: "zone", operator: "NotIn", values: ["h"] }])),
      nodes: [h, i],
      want: "i",
    },
    {
      name: "takes a node that one of several terms matches",
      pod: aPod(
        requiring([{ key: "zone", operator: "In", values: ["x"] }], [{ key: "zone", operator: "In", values: ["i"] }]),
      ),
      nodes: [h, i],
      want: "i",
    },
    {
      name: "obeys Gt",
      pod: aPod(requiring([{ key: "generation", operator: "Gt", values: ["6"] }])),
      nodes: [h],
      want: "h",
    },
    {
      name: "obeys Lt",
      pod: aPod(requiring([{ key: "generation", operator: "Lt", values: ["8"] }])),
      nodes: [h],
      want: "h",
    },
    { name: "obeys Exists", pod: aPod(requiring([{ key: "zone", operator: "Exists" }])), nodes: [h], want: "h" },
    {
      name: "obeys DoesNotExist",
      pod: aPod(requiring([{ key: "gpu", operator: "DoesNotExist" }])),
      nodes: [h],
      want: "h",
    },
    {
      name: "enters a tainted node with the toleration",
      pod: aPod({ tolerations: [{ key: "exclusive-eni", operator: "Exists" }] }),
      nodes: [tainted],
      want: "t",
    },
  ];
  it.each(placed)("$name", ({ pod, nodes, want }) => {
    expect(placePod(pod, nodes)).toEqual({ type: "placed", nodeName: want });
  });

  const refused: { name: string; pod: Pod; nodes: NodeView[]; want: string }[] = [
    { name: "no nodes", pod: aPod(), nodes: [], want: "no nodes available to schedule pods" },
    {
      name: "resources that are in use",
      pod: aPod(asking({ "aliyun/member-eni": "2" })),
      nodes: [aView(aNode("a"), { "aliyun/member-eni": "1" }), aView(aNode("b"), { pods: "10" })],
      want: "0/2 nodes are available: 1 Insufficient aliyun/member-eni, 1 Too many pods. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.",
    },
    {
      name: "resources that no node has",
      pod: aPod(asking({ "aliyun/eni": "1", cpu: "4001m" })),
      nodes: [h],
      want: "0/1 nodes are available: 1 Insufficient aliyun/eni, 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    },
    {
      name: "zone, taint and cordon together",
      pod: aPod({ nodeSelector: { zone: "x" } }),
      nodes: [h, i, tainted, aView(aNode("c", { spec: { unschedulable: true } }))],
      want: "0/4 nodes are available: 1 node(s) had untolerated taint {exclusive-eni: true}, 1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.",
    },
    {
      name: "a term without expressions",
      pod: aPod(requiring([])),
      nodes: [h],
      want: "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    },
  ];
  it.each(refused)("explains in the scheduler's words: $name", ({ pod, nodes, want }) => {
    expect(placePod(pod, nodes)).toEqual({ type: "unschedulable", message: want });
  });

  it("finds the only node that fits among many, wherever it begins", () => {
    const nodes = Array.from({ length: 500 }, (_, index) =>
      aView(aNode(`n${index}`, { cpu: index === 321 ? "8" : "4" })),
    );
    for (const startAt of [0, 322, 499]) {
      expect(placePod(aPod(asking({ cpu: "5" })), nodes, startAt)).toEqual({ type: "placed", nodeName: "n321" });
    }
  });
});

describe("requestsOf", () => {
  it("sums containers and sidecars, takes the largest init container, and defaults requests to limits", () => {
    const pod = aPod({
      containers: [
        { name: "a", resources: { limits: { cpu: "1", "aliyun/eni": "1" } } },
        { name: "b", resources: { requests: { cpu: "500m" }, limits: { cpu: "2" } } },
      ],
      initContainers: [
        { name: "sidecar", restartPolicy: "Always", resources: { requests: { cpu: "100m" } } },
        { name: "once", resources: { requests: { memory: "1Ki" } } },
      ],
      overhead: { cpu: "10m" },
    });
    expect(Object.fromEntries(requestsOf(pod))).toEqual({
      cpu: 1610,
      "aliyun/eni": 1000,
      memory: 1_024_000,
      pods: 1000,
    });
  });
});
