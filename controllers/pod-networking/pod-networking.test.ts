import { describe, expect, it } from "@jest/globals";
import type { PodNetworking, PodNetworkingStatus } from "../../crds/v1beta1/pod-networking.gen.ts";
import { annotations } from "../../crds/v1beta1/names.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { Pod } from "../../domain/kubernetes/objects.ts";
import type { VSwitch } from "../../domain/vswitch/vswitch.ts";
import { ConflictError, TerminalError, ThrottledError, TransientError } from "../../runtime/errors.ts";
import type { Recorder } from "../../runtime/ports.ts";
import { isBehind, PodNetworkingReconciler, type PodNetworkingDeps } from "./index.ts";

const keyOfPod = ({ metadata }: Pod): string => `${metadata.namespace ?? ""}/${metadata.name}`;

/** A pod that the plane's selector chose, and its record. */
function aPodOf(plane: string, name: string, given: { allocation?: object; labels?: Record<string, string> } = {}) {
  const metadata = { name, namespace: "shop", annotations: { [annotations.podNetworking]: plane } };
  const allocation = {
    interface: "eth0",
    eni: { vSwitchID: "vsw-h", securityGroupIDs: ["sg-1"] },
    ...given.allocation,
  };
  const pod: Pod = { metadata: { ...metadata, labels: given.labels ?? {} } };
  const record: PodENI = { metadata, spec: { allocations: [allocation] } };
  return { pod, record };
}

type Result = Awaited<ReturnType<PodNetworkingDeps["vSwitches"]["get"]>>[number];

function vSwitch(vSwitchId: string, zoneId: string): VSwitch {
  return {
    vSwitchId,
    zoneId,
    vpcId: "vpc-1",
    ipv4Cidr: "10.0.0.0/24",
    ipv6Cidr: "",
    freeIpv4Count: 9,
    isExhausted: false,
  };
}

/** A stored plane, a cloud that answers from `cloud`, and a record of what was written and said. */
function aWorld(given: {
  spec?: Partial<PodNetworking["spec"]>;
  cloud: Record<string, Result>;
  conflict?: boolean;
  others?: readonly PodNetworking[];
}) {
  let plane: PodNetworking = {
    metadata: {
      name: "plane",
      uid: "u1",
      generation: 1,
      resourceVersion: "1",
      creationTimestamp: "2026-02-01T00:00:00Z",
    },
    spec: {
      eniOptions: { eniType: "Trunk" },
      vSwitchOptions: ["vsw-h", "vsw-i"],
      securityGroupIDs: ["sg-1"],
      ...given.spec,
    },
  };
  const events: Parameters<Recorder["event"]>[0][] = [];
  const calls: string[][] = [];
  const read = (id: string): Result => given.cloud[id] ?? { vSwitchId: id, error: "NotFound" };
  const pods: Pod[] = [];
  const records: PodENI[] = [];
  let isSurveyed = false;
  let writes = 0;
  let nowMs = 1_000_000;
  const reconciler = new PodNetworkingReconciler({
    lister: {
      get: (name) => (name === "plane" ? plane : given.others?.find(({ metadata }) => metadata.name === name)),
    },
    client: {
      patchStatus: (_namespace, _name, patch) => {
        if (given.conflict === true) return Promise.reject(new ConflictError("Conflict", "stale"));
        writes += 1;
        const { status } = patch as { status: PodNetworkingStatus };
        plane = { ...plane, status };
        return Promise.resolve(plane);
      },
    },
    pods: {
      get: (key) => pods.find((pod) => keyOfPod(pod) === key),
      of: (name) => pods.filter(({ metadata }) => metadata.annotations?.[annotations.podNetworking] === name),
    },
    recordsOf: () => records,
    namespaces: { get: (name) => ({ metadata: { name, labels: { team: "shop" } } }) },
    customStatefulWorkloadKinds: [],
    vSwitches: {
      get: (ids) => {
        calls.push([...ids]);
        return Promise.resolve(ids.map((id) => read(id)));
      },
      known: (ids) => ids.map((id) => (isSurveyed ? read(id) : undefined)),
    },
    recorder: { event: (event) => void events.push(event) },
    clock: { now: () => (nowMs += 1_000) },
  });
  for (const each of [plane, ...(given.others ?? [])]) reconciler.planeChanged(each);
  return {
    cloud: given.cloud,
    reconciler,
    pods,
    records,
    survey: () => void (isSurveyed = true),
    pass: (ms: number) => void (nowMs += ms),
    events,
    calls,
    get writes() {
      return writes;
    },
    get status() {
      return plane.status;
    },
    edit: (spec: Partial<PodNetworking["spec"]>) => {
      const { metadata } = plane;
      plane = {
        ...plane,
        metadata: { ...metadata, generation: (metadata.generation ?? 0) + 1 },
        spec: { eniOptions: { eniType: "Trunk" }, ...plane.spec, ...spec },
      };
      reconciler.planeChanged(plane);
    },
    reconcile: () => reconciler.reconcile({ namespace: "", name: "plane" }, new AbortController().signal),
  };
}

const bothFound = { "vsw-h": vSwitch("vsw-h", "zone-h"), "vsw-i": vSwitch("vsw-i", "zone-i") };

describe("controller pod-networking", () => {
  it("makes a plane Ready with one entry per vSwitch, in the order of the spec, and then is quiet", async () => {
    const world = aWorld({ cloud: bothFound });
    expect(await world.reconcile()).toEqual({});
    expect(world.status).toMatchObject({
      status: "Ready",
      message: "",
      vSwitches: [
        { id: "vsw-h", zone: "zone-h" },
        { id: "vsw-i", zone: "zone-i" },
      ],
      conditions: [
        { type: "Ready", status: "True", reason: "VSwitchesFound", observedGeneration: 1 },
        { type: "PodsUpToDate", status: "True", reason: "PodsFollowSpec", observedGeneration: 1 },
      ],
    });
    expect(world.events).toEqual([expect.objectContaining({ reason: "SyncPodNetworkingSucceed", note: "Synced" })]);
    await world.reconcile();
    expect([world.writes, world.calls.length, world.events.length]).toEqual([1, 1, 1]);
  });

  it("fails a plane with a vSwitch that does not exist, names it, and tries again after 5 s without writing twice", async () => {
    const world = aWorld({ cloud: { "vsw-h": vSwitch("vsw-h", "zone-h") } });
    expect(await world.reconcile()).toEqual({ requeueAfterMs: 5_000 });
    expect(world.status).toMatchObject({
      status: "Fail",
      message: "vSwitch vsw-i was not found in this region",
      conditions: [{ status: "False", reason: "VSwitchNotFound" }, { type: "PodsUpToDate" }],
    });
    expect(await world.reconcile()).toEqual({ requeueAfterMs: 5_000 });
    expect([world.writes, world.events.length]).toEqual([1, 1]);
    world.cloud["vsw-i"] = vSwitch("vsw-i", "zone-i");
    expect(await world.reconcile()).toEqual({});
    expect(world.status?.status).toBe("Ready");
    expect(world.events.map(({ reason }) => reason)).toEqual(["SyncPodNetworkingFailed", "SyncPodNetworkingSucceed"]);
  });

  it("looks again when the spec changes and records the new zones", async () => {
    const world = aWorld({ cloud: { ...bothFound, "vsw-k": vSwitch("vsw-k", "zone-k") } });
    await world.reconcile();
    world.edit({ vSwitchOptions: ["vsw-k"] });
    await world.reconcile();
    expect(world.status).toMatchObject({
      vSwitches: [{ id: "vsw-k", zone: "zone-k" }],
      conditions: [{ observedGeneration: 2 }, { observedGeneration: 2 }],
    });
  });

  it("does not announce an edit that changes nothing about the vSwitches", async () => {
    const world = aWorld({ cloud: bothFound });
    await world.reconcile();
    world.edit({ selector: { podSelector: {} } });
    await world.reconcile();
    expect([world.writes, world.events.length]).toEqual([2, 1]);
  });

  it("says what survey found: a vSwitch that vanished fails a Ready plane, its return mends it, and no call is made", async () => {
    const world = aWorld({ cloud: { ...bothFound } });
    await world.reconcile();
    world.survey();
    delete world.cloud["vsw-i"];
    await world.reconcile();
    expect(world.status).toMatchObject({ status: "Fail", message: "vSwitch vsw-i was not found in this region" });
    world.cloud["vsw-i"] = vSwitch("vsw-i", "zone-i");
    await world.reconcile();
    expect(world.status?.status).toBe("Ready");
    await world.reconcile();
    expect([world.writes, world.calls.length]).toEqual([3, 1]);
  });

  it.each([
    { name: "throttled", error: new ThrottledError("Throttling", "too many calls", 42_000) },
    { name: "lost", error: new TransientError("ConnectionLost", "connection lost") },
    { name: "forbidden", error: new TerminalError("Forbidden", "You are not authorized") },
  ])("a lookup that is $name leaves a Ready plane as it is, also after an edit", async ({ error }) => {
    const world = aWorld({ cloud: { ...bothFound } });
    await world.reconcile();
    world.survey();
    world.cloud["vsw-h"] = { vSwitchId: "vsw-h", error };
    await world.reconcile();
    expect(world.writes).toBe(1);
    world.edit({ vSwitchOptions: ["vsw-i", "vsw-h"] });
    await world.reconcile();
    expect(world.status).toMatchObject({
      status: "Ready",
      vSwitches: [{ id: "vsw-i" }, { id: "vsw-h", zone: "zone-h" }],
    });
    delete world.cloud["vsw-h"];
    await world.reconcile();
    world.cloud["vsw-h"] = { vSwitchId: "vsw-h", error };
    await world.reconcile();
    expect(world.status?.status).toBe("Fail");
  });

  const terminal = new TerminalError("Forbidden", "You are not authorized", {
    cloud: {
      api: "DescribeVSwitches",
      code: "Forbidden.RAM",
      outcome: "refused",
      missingAction: "vpc:DescribeVSwitches",
    },
  });
  it.each([
    {
      name: "a missing permission names the RAM action",
      error: terminal,
      reason: "AccessDenied",
      requeueAfterMs: 5_000,
    },
    {
      name: "a failure that may pass is repeated after 5 s",
      error: new TransientError("ConnectionLost", "connection lost"),
      reason: "CloudAPIUnavailable",
      requeueAfterMs: 5_000,
    },
    {
      name: "a refusal for the rate is repeated when the cloud allows",
      error: new ThrottledError("Throttling", "too many calls", 42_000),
      reason: "CloudAPIUnavailable",
      requeueAfterMs: 42_000,
    },
  ])("$name", async ({ error, reason, requeueAfterMs }) => {
    const world = aWorld({ cloud: { ...bothFound, "vsw-i": { vSwitchId: "vsw-i", error } } });
    expect(await world.reconcile()).toEqual({ requeueAfterMs });
    expect(world.status?.conditions?.[0]).toMatchObject({ reason, status: "False" });
    expect(world.status?.message).toContain(error === terminal ? "vpc:DescribeVSwitches" : "vsw-i");
  });

  it.each([
    { name: "no vSwitch", spec: { vSwitchOptions: [] }, message: "vSwitchOptions is not set" },
    { name: "no security group", spec: { securityGroupIDs: [] }, message: "security group is not set" },
    {
      name: "a selector that cannot be read",
      spec: { selector: { podSelector: { matchExpressions: [{ key: "a", operator: "Nearly" }] } } },
      message: 'podSelector: operator "Nearly" on label a is none of In, NotIn, Exists, DoesNotExist',
    },
  ])("a spec with $name is InvalidSpec, costs no call and waits for an edit", async ({ spec, message }) => {
    const world = aWorld({ spec, cloud: bothFound });
    expect(await world.reconcile()).toEqual({});
    expect(world.status).toMatchObject({ status: "Fail", message });
    expect(world.status?.conditions?.[0]).toMatchObject({ reason: "InvalidSpec" });
    expect(world.calls).toEqual([]);
  });

  it("says nothing when the write did not work", async () => {
    const world = aWorld({ cloud: bothFound, conflict: true });
    await expect(world.reconcile()).rejects.toThrow(ConflictError);
    expect(world.events).toEqual([]);
  });

  it("asks once for a vSwitch that is listed twice and still records both entries", async () => {
    const world = aWorld({ spec: { vSwitchOptions: ["vsw-h", "vsw-h"] }, cloud: bothFound });
    await world.reconcile();
    expect(world.calls).toEqual([["vsw-h"]]);
    expect(world.status?.vSwitches).toHaveLength(2);
  });
});

describe("pods of a plane", () => {
  const conditionOf = (world: ReturnType<typeof aWorld>, type: string) =>
    world.status?.conditions?.find((condition) => condition.type === type);

  it("PodsUpToDate counts those from before an edit, names one, and is True again when they are gone", async () => {
    const world = aWorld({ cloud: bothFound });
    for (const name of ["web-2", "web-1"]) {
      const { pod, record } = aPodOf("plane", name);
      world.pods.push(pod);
      world.records.push(record);
    }
    await world.reconcile();
    expect(conditionOf(world, "PodsUpToDate")).toMatchObject({ status: "True", reason: "PodsFollowSpec" });
    world.edit({ securityGroupIDs: ["sg-2"] });
    await world.reconcile();
    expect(conditionOf(world, "PodsUpToDate")).toMatchObject({
      status: "False",
      reason: "PodsPredateChange",
      message:
        "2 pods were given interfaces before the last change, for instance shop/web-1; recreate them to apply it",
    });
    world.pods.pop();
    expect((await world.reconcile()).requeueAfterMs).toBeGreaterThan(5_000);
    expect(conditionOf(world, "PodsUpToDate")?.message).toContain("2 pods were");
    world.pass(10_000);
    await world.reconcile();
    expect(conditionOf(world, "PodsUpToDate")?.message).toContain("1 pod was");
    world.pods.pop();
    world.pass(10_000);
    await world.reconcile();
    expect(conditionOf(world, "PodsUpToDate")?.status).toBe("True");
    expect(world.writes).toBe(4);
  });

  const older: PodNetworking = {
    metadata: { name: "older", uid: "u0", generation: 1, creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: {
      eniOptions: { eniType: "Trunk" },
      selector: { podSelector: { matchExpressions: [{ key: "app", operator: "Exists" }] } },
    },
    status: { status: "Ready" },
  };
  const selector = { podSelector: { matchLabels: { app: "web" } } };

  it("Ambiguous names the other planes, the one that is used and a pod, and is absent until then", async () => {
    const world = aWorld({ cloud: bothFound, others: [older], spec: { selector } });
    await world.reconcile();
    expect(conditionOf(world, "Ambiguous")).toBeUndefined();
    world.pods.push(aPodOf("older", "web-1", { labels: { app: "web" } }).pod);
    world.pods.push(aPodOf("older", "db-1", { labels: { app: "db" } }).pod);
    world.pass(10_000);
    await world.reconcile();
    expect(conditionOf(world, "Ambiguous")).toMatchObject({
      status: "True",
      reason: "SeveralPlanesMatch",
      message: "pods also match older, for instance shop/web-1; older is used because it is the oldest that is Ready",
    });
    world.pods.shift();
    world.pass(10_000);
    await world.reconcile();
    expect(conditionOf(world, "Ambiguous")).toMatchObject({ status: "False", reason: "OnePlaneMatches", message: "" });
  });

  it("a plane says which others it could share pods with, before and after a change", () => {
    const { reconciler } = aWorld({ cloud: bothFound, others: [older], spec: { selector } });
    expect(reconciler.neighboursOf("older")).toEqual(["plane"]);
    const parted = { podSelector: { matchExpressions: [{ key: "app", operator: "DoesNotExist" as const }] } };
    const changed = { ...older, metadata: { ...older.metadata, generation: 2 } };
    const spec = { eniOptions: { eniType: "Trunk" as const }, selector: parted };
    expect(reconciler.planeChanged({ ...changed, spec })).toEqual(["plane"]);
    expect([reconciler.neighboursOf("older"), reconciler.neighboursOf("plane")]).toEqual([[], []]);
    reconciler.planeChanged({ ...older, metadata: { ...older.metadata, generation: 3 } });
    expect(reconciler.planeGone("older")).toEqual(["plane"]);
    expect(reconciler.neighboursOf("plane")).toEqual([]);
  });
});

describe("a record is behind its plane", () => {
  const plane: PodNetworking = {
    metadata: { name: "plane" },
    spec: { eniOptions: { eniType: "Trunk" }, vSwitchOptions: ["vsw-h", "vsw-i"], securityGroupIDs: ["sg-1", "sg-2"] },
  };
  const matched = { [annotations.podNetworking]: "plane" };
  const asked = {
    [annotations.podNetworksRequest]: '[{"network":"plane","interfaceName":"eth1"},{"network":"other"}]',
  };
  it.each([
    {
      name: "same groups in another order",
      eni: { vSwitchID: "vsw-i", securityGroupIDs: ["sg-2", "sg-1"] },
      want: false,
    },
    { name: "another group", eni: { vSwitchID: "vsw-i", securityGroupIDs: ["sg-2", "sg-3"] }, want: true },
    { name: "a group less", eni: { vSwitchID: "vsw-i", securityGroupIDs: ["sg-2"] }, want: true },
    {
      name: "a vSwitch that is no longer listed",
      eni: { vSwitchID: "vsw-x", securityGroupIDs: ["sg-1", "sg-2"] },
      want: true,
    },
    { name: "no vSwitch chosen yet", eni: { securityGroupIDs: ["sg-1", "sg-2"] }, want: false },
    { name: "the plane leaves it open", eni: { vSwitchID: "vsw-x", securityGroupIDs: [] }, spec: {}, want: false },
    { name: "asked for by name", from: asked, name1: "eth1", eni: { securityGroupIDs: ["sg-3"] }, want: true },
    {
      name: "asked for of another plane",
      from: asked,
      name1: "eth0",
      eni: { securityGroupIDs: ["sg-3"] },
      want: false,
    },
    { name: "written by hand", from: {}, eni: { securityGroupIDs: ["sg-3"] }, want: false },
  ])("$name: $want", ({ eni, want, spec, from = matched, name1 = "eth0" }) => {
    const record: PodENI = {
      metadata: { name: "web-1", namespace: "shop", annotations: from },
      spec: { allocations: [{ interface: name1, eni }] },
    };
    expect(
      isBehind(record, spec === undefined ? plane : { ...plane, spec: { eniOptions: { eniType: "Trunk" } } }),
    ).toBe(want);
  });
});
