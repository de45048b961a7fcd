import { describe, expect, it } from "@jest/globals";
import type { PodNetworking } from "../../crds/v1beta1/pod-networking.gen.ts";
import { annotations, labels as names } from "../../crds/v1beta1/names.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { Pod } from "../../domain/kubernetes/objects.ts";
import { aPodOf, aWorld, bothFound, onShared } from "./fixtures.ts";
import { isBehind } from "./index.ts";

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
        "2 pods (for instance shop/web-1) with interfaces from before the last change; recreate them to apply the plane",
    });
    world.pods.pop();
    expect((await world.reconcile()).requeueAfterMs).toBeGreaterThan(5_000);
    expect(conditionOf(world, "PodsUpToDate")?.message).toContain("2 pods");
    world.pass(10_000);
    await world.reconcile();
    expect(conditionOf(world, "PodsUpToDate")?.message).toContain("1 pod (shop/web-2)");
    world.pods.pop();
    world.pass(10_000);
    await world.reconcile();
    expect(conditionOf(world, "PodsUpToDate")?.status).toBe("True");
    expect(world.writes).toBe(4);
  });

  it.each<{ name: string; pod: Pod; isNamed: boolean }>([
    { name: "one that the selector matches", pod: onShared({}), isNamed: true },
    { name: "one with other labels", pod: onShared({ labels: { app: "db" } }), isNamed: false },
    { name: "one on the host's network", pod: { ...onShared({}), spec: { hostNetwork: true } }, isNamed: false },
    { name: "one that opted out", pod: onShared({ labels: { app: "web", [names.ignore]: "true" } }), isNamed: false },
    { name: "one of a namespace that opted out", pod: onShared({ namespace: "out" }), isNamed: false },
    {
      name: "one that asked for interfaces itself",
      pod: onShared({ annotations: { [annotations.podEni]: "true" } }),
      isNamed: false,
    },
    { name: "one that is finished", pod: { ...onShared({}), status: { phase: "Succeeded" } }, isNamed: false },
    { name: "one that is going", pod: onShared({ deletionTimestamp: "2026-02-01T00:00:00Z" }), isNamed: false },
  ])(
    "PodsUpToDate names a pod on the shared network that is older than the plane: $name, $isNamed",
    async ({ pod, isNamed }) => {
      const world = aWorld({ cloud: bothFound, spec: { selector: { podSelector: { matchLabels: { app: "web" } } } } });
      world.pods.push(pod);
      await world.reconcile();
      expect(conditionOf(world, "PodsUpToDate")).toMatchObject(
        isNamed
          ? {
              status: "False",
              reason: "PodsPredatePlane",
              message:
                "1 pod (shop/old-1) on the shared network since before this plane matched; recreate them to apply the plane",
            }
          : { status: "True" },
      );
    },
  );

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
