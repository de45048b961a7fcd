import { describe, expect, it } from "@jest/globals";
import type { PodNetworking, PodNetworkingStatus } from "../../crds/v1beta1/pod-networking.gen.ts";
import type { VSwitch } from "../../domain/vswitch/vswitch.ts";
import { ConflictError, TerminalError, ThrottledError, TransientError } from "../../runtime/errors.ts";
import type { Recorder } from "../../runtime/ports.ts";
import { PodNetworkingReconciler, type PodNetworkingDeps } from "./index.ts";

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
function aWorld(given: { spec?: Partial<PodNetworking["spec"]>; cloud: Record<string, Result>; conflict?: boolean }) {
  let plane: PodNetworking = {
    metadata: { name: "plane", uid: "u1", generation: 1, resourceVersion: "1" },
    spec: {
      eniOptions: { eniType: "Trunk" },
      vSwitchOptions: ["vsw-h", "vsw-i"],
      securityGroupIDs: ["sg-1"],
      ...given.spec,
    },
  };
  const events: Parameters<Recorder["event"]>[0][] = [];
  const calls: string[][] = [];
  let writes = 0;
  let nowMs = 1_000_000;
  const reconciler = new PodNetworkingReconciler({
    lister: { get: () => plane },
    client: {
      patchStatus: (_namespace, _name, patch) => {
        if (given.conflict === true) return Promise.reject(new ConflictError("Conflict", "stale"));
        writes += 1;
        const { status } = patch as { status: PodNetworkingStatus };
        plane = { ...plane, status };
        return Promise.resolve(plane);
      },
    },
    vSwitches: {
      get: (ids) => {
        calls.push([...ids]);
        return Promise.resolve(ids.map((id) => given.cloud[id] ?? { vSwitchId: id, error: "NotFound" as const }));
      },
    },
    recorder: { event: (event) => void events.push(event) },
    clock: { now: () => (nowMs += 1_000) },
  });
  return {
    cloud: given.cloud,
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
      conditions: [{ type: "Ready", status: "True", reason: "VSwitchesFound", observedGeneration: 1 }],
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
      conditions: [{ status: "False", reason: "VSwitchNotFound" }],
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
      conditions: [{ observedGeneration: 2 }],
    });
  });

  it("does not announce an edit that changes nothing about the vSwitches", async () => {
    const world = aWorld({ cloud: bothFound });
    await world.reconcile();
    world.edit({ selector: { podSelector: {} } });
    await world.reconcile();
    expect([world.writes, world.events.length]).toEqual([2, 1]);
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
  ])("a spec with $name is InvalidSpec, costs no call and waits for an edit", async ({ spec, message }) => {
    const world = aWorld({ spec, cloud: bothFound });
    expect(await world.reconcile()).toEqual({});
    expect(world.status).toMatchObject({ status: "Fail", message, conditions: [{ reason: "InvalidSpec" }] });
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
