import { describe, expect, it } from "@jest/globals";
import { ConflictError, TerminalError, ThrottledError, TransientError } from "../../runtime/errors.ts";
import { aWorld, bothFound, vSwitch } from "./fixtures.ts";

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
