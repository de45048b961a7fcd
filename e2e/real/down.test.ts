import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { realKubernetes } from "../../test/envtest/kubernetes.ts";
import { aNamespace, aPlane, aPod, aStatefulSet, type AnyManifest } from "../manifests.ts";
import { startWorld, type World } from "../world.ts";
import { describeReal, leaseKind } from "./replicas.ts";
import { installShippedAdmission } from "./shipped-admission.ts";

const namespace = "down";
const optedOut = "opted-out";

describeReal("the admission that is shipped", () => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld({
      nodes: 4,
      replicas: 2,
      config: leaseKind,
      kubernetes: realKubernetes(),
      installAdmission: installShippedAdmission,
    });
    await world.kube.apply(aNamespace(namespace));
    await world.kube.apply(aNamespace(optedOut, { "k8s.aliyun.com/pod-eni": "false" }));
    const fixed = { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "30m" };
    await applyPlane("elastic-plane");
    await applyPlane("fixed-plane", { allocationType: fixed });
    await applyPlane("by-name", { selector: {} });
  }, 120_000);
  afterAll(() => world.stop(), 30_000);

  const applyPlane = async (name: string, spec: Readonly<Record<string, unknown>> = {}): Promise<void> => {
    expect(await world.kube.refusalOf(aPlane(name, spec))).toBeUndefined();
    await world.kube.untilPlaneSays(name, "VSwitchesFound");
  };
  const post = async (pod: AnyManifest): Promise<{ readonly status: number; readonly words: string }> => {
    const path = `/api/v1/namespaces/${String(pod.metadata.namespace)}/pods`;
    const { status, body } = await world.kube.request("POST", path, pod);
    return { status, words: JSON.stringify(body) };
  };
  const pods = {
    ofPlane: aPod({ namespace, name: "of-plane", plane: "elastic-plane" }),
    byName: aPod({ namespace, name: "by-name", annotations: requesting("by-name") }),
    other: aPod({ namespace, name: "other" }),
    onHostNetwork: aPod({ namespace, name: "host", plane: "elastic-plane", spec: { hostNetwork: true } }),
    ignored: aPod({
      namespace,
      name: "ignored",
      plane: "elastic-plane",
      labels: { "k8s.aliyun.com/ignore-by-terway": "true" },
    }),
    ofOptedOut: aPod({ namespace: optedOut, name: "of-plane", plane: "elastic-plane" }),
  };
  const database = aStatefulSet({ namespace, name: "db", plane: "fixed-plane", replicas: 1 });

  describe("when both replicas are killed", () => {
    beforeAll(async () => {
      for (const { process } of world.sandbox.replicas) process.kill("SIGKILL");
      await Promise.all(world.sandbox.replicas.map(({ process }) => process.ended));
    }, 30_000);

    it.each([
      { what: "of a plane that selects it", pod: pods.ofPlane, plane: "elastic-plane" },
      { what: "that requests a plane by name", pod: pods.byName, plane: "by-name" },
    ])("refuses a pod $what, names the plane, and says what to look at", async ({ pod, plane }) => {
      const { status, words } = await post(pod);
      expect(words).toContain(`PodNetworking ${plane} is for this pod`);
      expect(words).toContain("kubectl -n kube-system get pods -l k8s-app=terway-controlplane");
      expect(status).toBe(403);
    });

    it.each([
      { what: "of no plane", pod: pods.other },
      { what: "on the host's network", pod: pods.onHostNetwork },
      { what: "that is labelled to be left alone", pod: pods.ignored },
      { what: "of a namespace that is left alone", pod: pods.ofOptedOut },
    ])("creates a pod $what", async ({ pod }) => {
      expect(await post(pod)).toMatchObject({ status: 201 });
    });

    it("tells a StatefulSet's owner why there is no pod; the pod runs by itself once the replicas are back", async () => {
      const { kube, sandbox } = world;
      await kube.apply(database);
      await kube.untilEvent("StatefulSet", "db", "FailedCreate", "PodNetworking fixed-plane is for this pod");
      expect(await kube.pod(namespace, "db-0")).toBeUndefined();
      await Promise.all([sandbox.restart(0), sandbox.restart(1)]);
      const { pod } = await kube.untilRunning(namespace, "db-0", { limitMs: 90_000 });
      expect(pod.metadata).toMatchObject({ annotations: { "k8s.aliyun.com/pod-networking": "fixed-plane" } });
      await sandbox.ready(30_000);
    }, 150_000);
  });

  describe("while the replicas serve", () => {
    beforeAll(async () => {
      const { sandbox } = world;
      for (const [index, { process }] of sandbox.replicas.entries())
        if (!process.isRunning) await sandbox.restart(index);
      await sandbox.ready(60_000);
    }, 70_000);

    it.each([
      { what: "of a plane that selects it", pod: pods.ofPlane },
      { what: "that requests a plane by name", pod: pods.byName },
      { what: "of no plane", pod: aPod({ namespace, name: "other-2" }) },
      { what: "of a plane that cannot serve yet", pod: aPod({ namespace, name: "early", plane: "empty-plane" }) },
    ])("no policy refuses a pod $what", async ({ pod }) => {
      await world.kube.apply(aPlane("empty-plane", { vSwitchOptions: ["vsw-not-there"] }));
      expect(await post(pod)).toMatchObject({ status: 201 });
    });

    it("no policy refuses a plane that admission takes, nor a change of it", async () => {
      const { kube } = world;
      const plane = aPlane("changed-plane", { allocationType: { type: "Fixed", releaseAfter: "5m" } });
      expect(await kube.refusalOf(plane)).toBeUndefined();
      expect(await kube.refusalOf(aPlane("changed-plane", { vSwitchOptions: ["vsw-hz-h-1"] }))).toBeUndefined();
    });

    it("pods that were admitted run with interfaces of their own", async () => {
      await world.kube.untilRunning(namespace, "of-plane");
      await world.kube.untilRunning(namespace, "by-name");
    }, 70_000);
  });
});

function requesting(network: string): Readonly<Record<string, string>> {
  return { "k8s.aliyun.com/pod-networks-request": JSON.stringify([{ network, interfaceName: "eth0" }]) };
}
