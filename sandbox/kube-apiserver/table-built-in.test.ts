import { describe, expect, it } from "@jest/globals";
import type { KubeJson } from "./kube-json.ts";
import { toTable } from "./table.ts";

const nowMs = Date.parse("2026-01-10T00:00:00Z");
const hourAgo = "2026-01-09T23:00:00Z";

interface Rendered {
  columnDefinitions: { name: string; type: string; priority: number }[];
  rows: { cells: unknown[]; object?: KubeJson }[];
}

function render(group: string, kind: string, object: KubeJson): Record<string, unknown> {
  const resource = { group, version: "v1", kind, plural: "" };
  const input = {
    resource,
    objects: [object],
    list: true,
    metadata: {},
    includeObject: "None" as const,
    nowMs,
  };
  const table = toTable(input) as KubeJson & Rendered;
  const cells = table.rows[0]!.cells;
  expect(cells).toHaveLength(table.columnDefinitions.length);
  return Object.fromEntries(table.columnDefinitions.map(({ name }, index) => [name, cells[index]]));
}

function named(fields: Record<string, unknown>, metadata: Record<string, unknown> = {}): KubeJson {
  return { metadata: { name: "x", creationTimestamp: hourAgo, ...metadata }, ...fields };
}

describe("the STATUS of a pod", () => {
  const running = { name: "c", ready: true, restartCount: 0, state: { running: {} } };
  const waiting = (reason: string) => ({ name: "c", ready: false, restartCount: 0, state: { waiting: { reason } } });
  const ended = (exitCode: number, reason?: string) => ({
    name: "c",
    ready: false,
    restartCount: 0,
    state: { terminated: { exitCode, ...(reason === undefined ? {} : { reason }) } },
  });
  const ready = [{ type: "Ready", status: "True" }];
  const cases: {
    name: string;
    status: Record<string, unknown>;
    metadata?: Record<string, unknown>;
    expected: string;
  }[] = [
    { name: "the phase", status: { phase: "Pending" }, expected: "Pending" },
    {
      name: "a waiting container",
      status: { phase: "Pending", containerStatuses: [waiting("ContainerCreating")] },
      expected: "ContainerCreating",
    },
    { name: "running", status: { phase: "Running", containerStatuses: [running] }, expected: "Running" },
    { name: "an error", status: { phase: "Running", containerStatuses: [ended(1, "Error")] }, expected: "Error" },
    { name: "an exit code", status: { phase: "Failed", containerStatuses: [ended(3)] }, expected: "ExitCode:3" },
    {
      name: "completion",
      status: { phase: "Succeeded", containerStatuses: [ended(0, "Completed")] },
      expected: "Completed",
    },
    {
      name: "one completed beside a running and ready pod",
      status: { phase: "Running", conditions: ready, containerStatuses: [ended(0, "Completed"), running] },
      expected: "Running",
    },
    {
      name: "one completed beside a running container of a pod that is not ready",
      status: { phase: "Running", containerStatuses: [ended(0, "Completed"), running] },
      expected: "NotReady",
    },
    { name: "the reason of the pod", status: { phase: "Failed", reason: "Evicted" }, expected: "Evicted" },
    {
      name: "scheduling gates",
      status: { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }] },
      expected: "SchedulingGated",
    },
    {
      name: "init containers",
      status: {
        phase: "Pending",
        initContainerStatuses: [waiting("PodInitializing")],
        containerStatuses: [waiting("PodInitializing")],
      },
      expected: "Init:0/1",
    },
    {
      name: "a failed init container",
      status: { phase: "Pending", initContainerStatuses: [ended(1, "Error")] },
      expected: "Init:Error",
    },
    {
      name: "deletion",
      status: { phase: "Running", containerStatuses: [running] },
      metadata: { deletionTimestamp: hourAgo },
      expected: "Terminating",
    },
    {
      name: "deletion of a finished pod",
      status: { phase: "Succeeded", containerStatuses: [ended(0, "Completed")] },
      metadata: { deletionTimestamp: hourAgo },
      expected: "Completed",
    },
  ];
  it.each(cases)("$name: $expected", ({ status, metadata = {}, expected }) => {
    const pod = named({ spec: { containers: [{ name: "c" }], initContainers: [{ name: "i" }] }, status }, metadata);
    expect(render("", "Pod", pod)["Status"]).toBe(expected);
  });

  it("comes with restarts, readiness and the place", () => {
    const status = {
      phase: "Running",
      podIPs: [{ ip: "10.0.0.1" }],
      conditions: [{ type: "g", status: "True" }],
      containerStatuses: [
        { ...running, restartCount: 2, lastState: { terminated: { finishedAt: "2026-01-09T23:55:00Z" } } },
        waiting("CrashLoopBackOff"),
      ],
    };
    const spec = {
      nodeName: "n1",
      containers: [{ name: "c" }, { name: "d" }],
      readinessGates: [{ conditionType: "g" }],
    };
    expect(render("", "Pod", named({ spec, status }))).toEqual({
      Name: "x",
      Ready: "1/2",
      Status: "CrashLoopBackOff",
      Restarts: "2 (5m ago)",
      Age: "60m",
      IP: "10.0.0.1",
      Node: "n1",
      "Nominated Node": "<none>",
      "Readiness Gates": "1/1",
    });
  });
});

describe("rows of other built-in kinds", () => {
  const template = {
    spec: {
      containers: [
        { name: "a", image: "i:1" },
        { name: "b", image: "i:2" },
      ],
    },
  };
  const cases: { group: string; kind: string; object: KubeJson; expected: Record<string, unknown> }[] = [
    {
      group: "",
      kind: "Node",
      object: named(
        {
          spec: { unschedulable: true },
          status: {
            conditions: [{ type: "Ready", status: "True" }],
            addresses: [{ type: "InternalIP", address: "10.0.0.1" }],
            nodeInfo: { kubeletVersion: "v1.35.0" },
          },
        },
        { labels: { "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/edge": "" } },
      ),
      expected: {
        Status: "Ready,SchedulingDisabled",
        Roles: "edge,worker",
        Version: "v1.35.0",
        "Internal-IP": "10.0.0.1",
        "External-IP": "<none>",
        "OS-Image": "<unknown>",
      },
    },
    { group: "", kind: "Node", object: named({}), expected: { Status: "Unknown", Roles: "<none>", Age: "60m" } },
    {
      group: "apps",
      kind: "Deployment",
      object: named({
        spec: { replicas: 3, template, selector: { matchLabels: { app: "x" } } },
        status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 1 },
      }),
      expected: {
        Ready: "2/3",
        "Up-to-date": 3,
        Available: 1,
        Containers: "a,b",
        Images: "i:1,i:2",
        Selector: "app=x",
      },
    },
    {
      group: "apps",
      kind: "StatefulSet",
      object: named({ spec: { replicas: 3, template }, status: {} }),
      expected: { Ready: "0/3", Age: "60m" },
    },
    {
      group: "apps",
      kind: "DaemonSet",
      object: named({ spec: { template }, status: { desiredNumberScheduled: 2, numberReady: 1 } }),
      expected: { Desired: 2, Current: 0, Ready: 1, "Node Selector": "<none>" },
    },
    {
      group: "",
      kind: "Service",
      object: named({
        spec: {
          type: "ClusterIP",
          clusterIP: "10.96.0.1",
          ports: [
            { port: 443, protocol: "TCP" },
            { port: 80, nodePort: 30080 },
          ],
        },
      }),
      expected: {
        "Cluster-IP": "10.96.0.1",
        "External-IP": "<none>",
        "Port(s)": "443/TCP,80:30080/TCP",
        Selector: "<none>",
      },
    },
    { group: "", kind: "Namespace", object: named({ status: { phase: "Active" } }), expected: { Status: "Active" } },
    { group: "", kind: "ConfigMap", object: named({ data: { a: "" }, binaryData: { b: "" } }), expected: { Data: 2 } },
    {
      group: "",
      kind: "Secret",
      object: named({ type: "Opaque", data: { a: "" } }),
      expected: { Type: "Opaque", Data: 1 },
    },
    {
      group: "",
      kind: "Event",
      object: named({
        involvedObject: { kind: "Pod", name: "p" },
        type: "Normal",
        reason: "Started",
        message: "it runs\n",
        firstTimestamp: hourAgo,
        lastTimestamp: "2026-01-09T23:59:00Z",
        count: 4,
      }),
      expected: {
        "Last Seen": "60s",
        Type: "Normal",
        Reason: "Started",
        Object: "pod/p",
        Message: "it runs",
        Count: 4,
      },
    },
    {
      group: "events.k8s.io",
      kind: "Event",
      object: named({
        regarding: { kind: "PodENI", name: "p" },
        note: "bound",
        eventTime: hourAgo,
        reportingController: "c",
      }),
      expected: { "Last Seen": "60m", Object: "podeni/p", Message: "bound", Source: "c", Count: 1 },
    },
    {
      group: "coordination.k8s.io",
      kind: "Lease",
      object: named({ spec: { holderIdentity: "me" } }),
      expected: { Holder: "me" },
    },
    {
      group: "admissionregistration.k8s.io",
      kind: "MutatingWebhookConfiguration",
      object: named({ webhooks: [{}, {}] }),
      expected: { Webhooks: 2 },
    },
    {
      group: "apiextensions.k8s.io",
      kind: "CustomResourceDefinition",
      object: named({}),
      expected: { Name: "x", "Created At": hourAgo },
    },
    { group: "rbac.authorization.k8s.io", kind: "Role", object: named({}), expected: { Name: "x", Age: "60m" } },
    {
      group: "policy",
      kind: "PodDisruptionBudget",
      object: named({ spec: { maxUnavailable: "50%" }, status: { disruptionsAllowed: 1 } }),
      expected: { "Min Available": "N/A", "Max Unavailable": "50%", "Allowed Disruptions": 1 },
    },
  ];
  it.each(cases)("$group $kind", ({ group, kind, object, expected }) => {
    expect(render(group, kind, object)).toMatchObject(expected);
  });
});
