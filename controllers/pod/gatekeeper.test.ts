import { describe, expect, it } from "@jest/globals";
import type { Pod } from "../../domain/kubernetes/objects.ts";
import { slimPod } from "../../domain/kubernetes/slim.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import { ConflictError, PermissionError } from "../../runtime/errors.ts";
import type { Logger, Recorder } from "../../runtime/ports.ts";
import { ApiTable, Versions } from "../../test/fixtures/api-table.ts";
import { Gatekeeper } from "./gatekeeper.ts";

const gate = { name: "network.alibabacloud.com/pod-networking" };
const other = { name: "example.com/other" };
const zone = { key: "topology.kubernetes.io/zone", operator: "In", values: ["zone-a"] };
const disk = { key: "disk", operator: "Exists" };
const anyAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [] };
const preferred = [{ weight: 1, preference: {} }];
const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};
const signal = new AbortController().signal;

const ready: Plane = {
  metadata: { name: "one" },
  spec: { vSwitchOptions: ["vsw-1"], securityGroupIDs: ["sg-1"] },
  status: { status: "Ready", vSwitches: [{ id: "vsw-1", zone: "zone-a" }] },
};

/** Pod ns/web-0, gated twice, with affinities of its own, and a gatekeeper that knows it from a cache. */
function aWorld(given: { readonly plane?: Plane; readonly beforePatch?: (pods: ApiTable<Pod>) => void } = {}) {
  const pods = new ApiTable<Pod>({ versions: new Versions(), nowMs: () => 0 });
  const spec = {
    schedulingGates: [other, gate],
    affinity: {
      podAntiAffinity: anyAntiAffinity,
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: preferred,
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [disk] }] },
      },
    },
  };
  const annotations = { "example.com/note": "mine", "k8s.aliyun.com/pod-networking": "one" };
  const cached = slimPod(pods.create({ metadata: { name: "web-0", namespace: "ns", annotations }, spec }));
  const events: Parameters<Recorder["event"]>[0][] = [];
  const gatekeeper = new Gatekeeper({
    pods: {
      getLive: (namespace, name) => Promise.resolve(pods.get(namespace, name)),
      patch: async (namespace, name, patch) => {
        given.beforePatch?.(pods);
        return Promise.resolve(pods.patch(namespace, name, patch));
      },
    },
    planes: { list: () => [given.plane ?? ready] },
    namespaces: { get: () => undefined },
    eniConfig: { get: () => Promise.resolve(undefined) },
    customStatefulWorkloadKinds: [],
    recorder: { event: (event) => void events.push(event) },
    log: silent,
  });
  return { pods, events, tend: () => gatekeeper.tend(cached, undefined, signal), live: () => pods.get("ns", "web-0") };
}

describe("a pod behind the gate", () => {
  it("is let go with one write, which leaves the rest of it alone", async () => {
    const { tend, live, events } = aWorld();
    const before = live()?.metadata.resourceVersion;
    expect(await tend()).toEqual({});
    expect(live()?.spec).toEqual({
      schedulingGates: [other],
      affinity: {
        podAntiAffinity: anyAntiAffinity,
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: preferred,
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [disk, zone] }] },
        },
      },
    });
    expect(live()?.metadata.annotations).toMatchObject({
      "example.com/note": "mine",
      "k8s.aliyun.com/pod-networking": "one",
      "k8s.aliyun.com/pod-networks": expect.stringContaining('"vSwitchOptions":["vsw-1"]'),
    });
    expect(Number(live()?.metadata.resourceVersion)).toBe(Number(before) + 1);
    expect(events).toEqual([]);
  });

  it("is left alone when somebody took the gate off", async () => {
    const { tend, live, pods } = aWorld();
    pods.patch("ns", "web-0", { spec: { schedulingGates: [other] } });
    const before = live();
    await tend();
    expect(live()).toEqual(before);
  });

  it("is left alone when it is another pod of the name by now", async () => {
    const { tend, live, pods } = aWorld();
    pods.delete("ns", "web-0");
    pods.create({ metadata: { name: "web-0", namespace: "ns" }, spec: { schedulingGates: [gate] } });
    const before = live();
    await tend();
    expect(live()).toEqual(before);
  });

  it("is tried again, without a word to the user, when somebody changed it at the same moment", async () => {
    const change = (pods: ApiTable<Pod>) => void pods.patch("ns", "web-0", { metadata: { labels: { a: "b" } } });
    const { tend, events } = aWorld({ beforePatch: change });
    await expect(tend()).rejects.toThrow(ConflictError);
    expect(events).toEqual([]);
  });

  it("is told which right is missing", async () => {
    const refuse = (): never => {
      throw new PermissionError(
        "Forbidden",
        'patch pods ns/web-0: grant verb "patch" on "pods" to this service account',
      );
    };
    const { tend, events } = aWorld({ beforePatch: refuse });
    await expect(tend()).rejects.toThrow(PermissionError);
    expect(events).toMatchObject([
      {
        regarding: { kind: "Pod", namespace: "ns", name: "web-0" },
        type: "Warning",
        reason: "SchedulingGateNotRemoved",
        note: expect.stringContaining('grant verb "patch" on "pods"'),
      },
    ]);
  });

  it.each([
    {
      name: "the plane's words while that is not Ready",
      plane: { ...ready, status: { status: "Fail", message: "vSwitch vsw-1 was not found" } },
      want: [
        "WaitingForPodNetworking",
        "pod networking one matches this pod and is not ready: vSwitch vsw-1 was not found",
      ],
    },
    {
      name: "that eni-config is missing, when the plane counts on it",
      plane: { ...ready, spec: { ...ready.spec, securityGroupIDs: [] } },
      want: ["SchedulingGateNotRemoved", "ConfigMap kube-system/eni-config does not exist"],
    },
  ])("is told $name", async ({ plane, want }) => {
    const { tend, live, events } = aWorld({ plane });
    const before = live();
    await tend().catch(() => undefined);
    expect(events.map(({ reason, note }) => [reason, note])).toEqual([want]);
    expect(live()).toEqual(before);
  });
});
