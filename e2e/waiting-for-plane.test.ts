import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import { landscape } from "../sandbox/landscape.ts";
import type { Pod } from "../sandbox/cluster/kinds.ts";
import { pathOf } from "./kube.ts";
import { aNamespace, aPlane, aPod, aStatefulSet } from "./manifests.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "waiting";
const gate = "network.alibabacloud.com/pod-networking";
const zoneKey = "topology.kubernetes.io/zone";
const [zoneH, zoneI] = landscape.zones;

const gatesOf = (pod: Pod | undefined) => (pod?.spec.schedulingGates ?? []).map(({ name }) => name);
const networkOf = (pod: Pod) => {
  const text = pod.metadata.annotations?.["k8s.aliyun.com/pod-networks"] ?? "{}";
  return (JSON.parse(text) as { podNetworks?: { vSwitchOptions: string[]; securityGroupIDs: string[] }[] })
    .podNetworks?.[0];
};
const termsOf = (pod: Pod) =>
  pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;

describe("a pod whose PodNetworking is not Ready", () => {
  let world: World;
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    world = await startWorld({ nodes: 4 });
    await world.kube.apply(aNamespace(namespace));
    start();
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  /** A plane of a vSwitch that does not exist, once it says so. */
  const unready = async (name: string, spec: Readonly<Record<string, unknown>> = {}) => {
    await world.kube.apply(aPlane(name, { vSwitchOptions: [`vsw-${name}`], ...spec }));
    await world.kube.untilPlaneSays(name, "VSwitchNotFound");
  };
  const addVSwitch = (vSwitchId: string, cidr: string, zoneId: string = zoneH) =>
    world.sandbox.cloud.addVSwitch({ vSwitchId, cidr, zoneId, vpcId: landscape.vpcId });
  const expectGated = async (name: string, text: string, reason = "WaitingForPodNetworking"): Promise<Pod> => {
    await world.kube.untilEvent("Pod", name, reason, text);
    const pod = (await world.kube.pod(namespace, name))!;
    expect(gatesOf(pod)).toContain(gate);
    expect(pod.spec.nodeName).toBeUndefined();
    return pod;
  };

  scenario("waits with all that is known, says why, and runs where the plane is as soon as it is Ready", async () => {
    const { kube, logs } = world;
    await unready("late");
    const required = (...nodeSelectorTerms: object[]) => ({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
    });
    const os = { key: "kubernetes.io/os", operator: "Exists" };
    const never = { key: "no-such-label", operator: "Exists" };
    const spec = required({ matchExpressions: [never] }, { matchExpressions: [os] });
    await kube.apply(aPod({ namespace, name: "late", plane: "late", spec }));
    await kube.apply(aStatefulSet({ namespace, name: "lates", plane: "late", replicas: 1 }));
    const gated = await expectGated("late", "vsw-late");
    await expectGated("lates-0", "vsw-late");
    expect(gated.status?.conditions?.find(({ type }) => type === "PodScheduled")).toMatchObject({
      status: "False",
      reason: "SchedulingGated",
    });
    expect(gated.metadata.annotations).toMatchObject({
      "k8s.aliyun.com/pod-eni": "true",
      "k8s.aliyun.com/pod-networking": "late",
    });
    expect(gated.spec.containers[0]?.resources?.limits).toEqual({ "aliyun/member-eni": "1" });
    expect(networkOf(gated)?.vSwitchOptions).toEqual(["vsw-late"]);
    expect(termsOf(gated)).toEqual([{ matchExpressions: [never] }, { matchExpressions: [os] }]);
    expect(await kube.podEni(namespace, "late")).toBeUndefined();
    expect(logs.some(({ message, name }) => String(message).includes("scheduling gate") && name === "late")).toBe(true);

    addVSwitch("vsw-late-i", "10.30.0.0/24", zoneI);
    await kube.patch(pathOf.plane("late"), { spec: { vSwitchOptions: ["vsw-late-i"] } });
    const { pod } = await kube.untilRunning(namespace, "late");
    await kube.untilRunning(namespace, "lates-0");
    const inZone = { key: zoneKey, operator: "In", values: [zoneI] };
    expect(gatesOf(pod)).toEqual([]);
    expect(networkOf(pod)?.vSwitchOptions).toEqual(["vsw-late-i"]);
    expect(termsOf(pod)).toEqual([{ matchExpressions: [never, inZone] }, { matchExpressions: [os, inZone] }]);
    expect((await kube.node(pod.spec.nodeName!))?.metadata.labels?.[zoneKey]).toBe(zoneI);
  });

  scenario("runs when both are created at the same moment", async () => {
    const { kube } = world;
    await kube.apply(aPlane("at-once"));
    // The webhook may know of the plane, and of its state, a moment later; then the pod is of no plane yet.
    await eventually("admission knows the plane", async () => {
      await kube.apply(aPod({ namespace, name: "at-once", plane: "at-once" }));
      const pod = await kube.pod(namespace, "at-once");
      if (pod?.metadata.annotations?.["k8s.aliyun.com/pod-networking"] === "at-once") return true;
      await kube.deletePod(namespace, "at-once");
      return false;
    });
    await kube.untilRunning(namespace, "at-once");
  });

  scenario("keeps the gates of others, which open it when they like", async () => {
    const { kube } = world;
    await unready("shared");
    const spec = { schedulingGates: [{ name: "example.com/budget" }] };
    await kube.apply(aPod({ namespace, name: "shared", plane: "shared", spec }));
    await expectGated("shared", "vsw-shared");
    await kube.patch(pathOf.plane("shared"), { spec: { vSwitchOptions: ["vsw-hz-h-1"] } });
    await eventually("ours is gone", async () => {
      const gates = gatesOf(await kube.pod(namespace, "shared"));
      return gates.length === 1 && gates[0] === "example.com/budget";
    });
    await kube.patch(pathOf.pod(namespace, "shared"), { spec: { schedulingGates: [] } });
    await kube.untilRunning(namespace, "shared");
  });

  scenario("is served by another plane that matches it and becomes Ready first", async () => {
    const { kube } = world;
    await unready("never");
    await kube.apply(aPod({ namespace, name: "never", plane: "never" }));
    await expectGated("never", "vsw-never");
    await kube.apply(aPlane("instead", { selector: { podSelector: { matchLabels: { plane: "never" } } } }));
    const { pod } = await kube.untilRunning(namespace, "never");
    expect(pod.metadata.annotations?.["k8s.aliyun.com/pod-networking"]).toBe("instead");
  });

  scenario("waits on when the plane is deleted, says that, and runs when it is back", async () => {
    const { kube } = world;
    await unready("gone");
    await kube.apply(aPod({ namespace, name: "gone", plane: "gone" }));
    await expectGated("gone", "vsw-gone");
    await kube.deletePath(pathOf.plane("gone"));
    await expectGated("gone", "pod networking gone does not exist any more");
    await kube.apply(aPlane("gone"));
    await kube.untilRunning(namespace, "gone");
  });

  scenario("waits too when it is of a DaemonSet, and is bound to no zone afterwards", async () => {
    const { kube } = world;
    await unready("daemon");
    // A set that wants no pod of its own; this one only belongs to it.
    const template = {
      metadata: { labels: { app: "daemon" } },
      spec: { nodeSelector: { "no-such-label": "x" }, containers: [{ name: "c", image: "sandbox/pause" }] },
    };
    await kube.apply({
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: "daemon", ...{ namespace } },
      spec: { selector: { matchLabels: { app: "daemon" } }, template },
    });
    const { body } = await kube.request("GET", `/apis/apps/v1/namespaces/${namespace}/daemonsets/daemon`);
    const { uid } = (body as { metadata: { uid: string } }).metadata;
    const { metadata, ...rest } = aPod({ namespace, name: "daemon", plane: "daemon" });
    const ownerReferences = [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "daemon", uid }];
    await kube.apply({ ...rest, metadata: { ...metadata, ...{ ownerReferences } } });
    await expectGated("daemon", "vsw-daemon");
    await kube.patch(pathOf.plane("daemon"), { spec: { vSwitchOptions: ["vsw-hz-h-1", "vsw-hz-i-1"] } });
    const { pod } = await kube.untilRunning(namespace, "daemon");
    expect(pod.spec.affinity).toBeUndefined();
  });

  scenario("is refused when it names its node, for no scheduler could wait", async () => {
    const { kube } = world;
    await unready("bound");
    const words = await kube.refusalOf(aPod({ namespace, name: "bound", plane: "bound", spec: { nodeName: "any" } }));
    expect(words).toContain("pod networking bound matches this pod and is not ready");
    expect(words).toContain("vsw-bound");
  });

  scenario("waits when its fixed address is where the plane is no longer, until the address is given up", async () => {
    const { kube } = world;
    const allocationType = { type: "Fixed", releaseStrategy: "Never" };
    await kube.apply(aPlane("moved", { allocationType, vSwitchOptions: ["vsw-hz-h-1"] }));
    await kube.untilPlaneSays("moved", "VSwitchesFound");
    await kube.apply(aStatefulSet({ namespace, name: "moved", plane: "moved", replicas: 1 }));
    const first = await kube.untilRunning(namespace, "moved-0");
    await kube.patch(pathOf.plane("moved"), { spec: { vSwitchOptions: ["vsw-hz-i-1"] } });
    await eventually("the plane is in the other zone", async () => {
      return (await kube.plane("moved"))?.status?.vSwitches?.[0]?.zone === zoneI;
    });
    await kube.deletePod(namespace, "moved-0");
    const gated = await expectGated("moved-0", `PodENI ${namespace}/moved-0`, "FixedAddressInOtherZone");
    expect(gated.metadata.uid).not.toBe(first.pod.metadata.uid);
    await kube.deletePodEni(namespace, "moved-0");
    const { pod } = await kube.untilRunning(namespace, "moved-0", { notUid: first.pod.metadata.uid! });
    expect((await kube.node(pod.spec.nodeName!))?.metadata.labels?.[zoneKey]).toBe(zoneI);
  });
});
