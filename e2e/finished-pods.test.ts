import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Pod } from "../sandbox/cluster/kinds.ts";
import { landscape } from "../sandbox/landscape.ts";
import { pathOf } from "./kube.ts";
import { aNamespace, aPlane, aPod, inZone } from "./manifests.ts";
import { concurrentScenarios } from "./scenarios.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "finished";
const [zone] = landscape.zones;

describe("a pod that will not run again", () => {
  let world: World;
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    world = await startWorld({ nodes: 8 });
    const { kube } = world;
    await kube.apply(aNamespace(namespace));
    await kube.apply(aPlane("elastic"));
    await kube.apply(aPlane("kept", { allocationType: { type: "Fixed", releaseStrategy: "Never" } }));
    await Promise.all(["elastic", "kept"].map((name) => kube.untilPlaneSays(name, "VSwitchesFound")));
    start();
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  const addressOf = (pod: Pod): string => pod.status?.podIP ?? "";
  const eniOf = (address: string) => world.ownInterfaces().find(({ ipv4s }) => ipv4s.includes(address));
  /** As a kubelet reports it. */
  const end = (pod: Pod, status: object): Promise<void> =>
    world.kube.patch(`${pathOf.pod(namespace, pod.metadata.name)}/status`, { status });

  const endings = [
    { name: "failed", status: { phase: "Failed" } },
    {
      name: "evicted",
      status: { phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory." },
    },
    { name: "succeeded", status: { phase: "Succeeded" } },
  ] as const;

  for (const { name, status } of endings) {
    scenario(`and has ${name} gives its interface back while it is still there`, async () => {
      const { kube } = world;
      await kube.apply(aPod({ namespace, name: `elastic-${name}`, plane: "elastic" }));
      const { pod } = await kube.untilRunning(namespace, `elastic-${name}`);
      await end(pod, status);
      await eventually("interface and record are gone", async () => {
        return eniOf(addressOf(pod)) === undefined && (await kube.podEni(namespace, pod.metadata.name)) === undefined;
      });
      expect((await kube.pod(namespace, pod.metadata.name))?.metadata.uid).toBe(pod.metadata.uid);
    });

    scenario(`and has ${name} is taken off its fixed address, which its successor gets`, async () => {
      const { kube } = world;
      const manifest = aPod({ namespace, name: `kept-${name}`, plane: "kept", spec: inZone(zone) });
      await kube.apply(manifest);
      const { pod } = await kube.untilRunning(namespace, `kept-${name}`);
      await end(pod, status);
      await eventually("the address is kept, detached", async () => {
        const podEni = await kube.podEni(namespace, pod.metadata.name);
        return podEni?.status?.phase === "Unbind" && eniOf(addressOf(pod))?.status === "Available";
      });
      await kube.deletePod(namespace, pod.metadata.name);
      await kube.apply(manifest);
      const successor = await kube.untilRunning(namespace, pod.metadata.name, { notUid: pod.metadata.uid! });
      expect(addressOf(successor.pod)).toBe(addressOf(pod));
    });
  }

  scenario("and is replaced by one that does not get to run leaves nothing to wait for", async () => {
    const { kube } = world;
    const nowhere = { schedulingGates: [{ name: "example.com/never" }] };
    await kube.apply(aPod({ namespace, name: "replaced", plane: "elastic" }));
    const { pod } = await kube.untilRunning(namespace, "replaced");
    await kube.request("DELETE", pathOf.pod(namespace, "replaced"), { gracePeriodSeconds: 0 });
    await kube.apply(aPod({ namespace, name: "replaced", plane: "elastic", spec: nowhere }));
    await eventually("the interface is gone", async () => {
      return eniOf(addressOf(pod)) === undefined && (await kube.podEni(namespace, "replaced")) === undefined;
    });
    expect((await kube.pod(namespace, "replaced"))?.spec.nodeName).toBeUndefined();
  });

  // A dead machine is everybody's, so these run alone, after the others.
  it.each([
    { plane: "elastic", keepsAddress: false },
    { plane: "kept", keepsAddress: true },
  ])(
    "and hangs on a dead machine does not block its successor once it is deleted by force: $plane",
    async ({ plane, keepsAddress }) => {
      const { kube, sandbox } = world;
      const name = `stuck-${plane}`;
      const manifest = aPod({ namespace, name, plane, spec: { ...inZone(zone), terminationGracePeriodSeconds: 30 } });
      await kube.apply(manifest);
      const { pod } = await kube.untilRunning(namespace, name);
      const nodeName = pod.spec.nodeName!;
      sandbox.cluster.stopKubelet(nodeName);
      await kube.patch(pathOf.node(nodeName), { spec: { unschedulable: true } });
      await kube.deletePod(namespace, name);
      const stuck = await kube.pod(namespace, name);
      expect(stuck?.metadata.deletionTimestamp).toBeDefined();
      // It may still run there, so it keeps what it has.
      expect((await kube.podEni(namespace, name))?.status?.phase).toBe("Bind");
      expect(eniOf(addressOf(pod))?.status).toBe("InUse");

      await kube.request("DELETE", pathOf.pod(namespace, name), { gracePeriodSeconds: 0 });
      await kube.apply(manifest);
      const successor = await kube.untilRunning(namespace, name, { notUid: pod.metadata.uid!, limitMs: 60_000 });
      expect(successor.pod.spec.nodeName).not.toBe(nodeName);
      expect(addressOf(successor.pod) === addressOf(pod)).toBe(keepsAddress);
      if (!keepsAddress) await eventually("the former interface is gone", () => eniOf(addressOf(pod)) === undefined);
    },
    120_000,
  );
});
