import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { ProxyFaults, RecordedCall } from "../../test/fixtures/recording-proxy.ts";
import { concurrentScenarios } from "../scenarios.ts";
import { aPod } from "../manifests.ts";
import { eventually } from "../world.ts";
import { describeReal, everMade, faultsOf, startReplicas, type Replicas } from "./replicas.ts";

const isLease = ({ path }: RecordedCall): boolean => path.startsWith("/apis/coordination.k8s.io/");
const isWrite = ({ method }: RecordedCall): boolean => method !== "GET";
const isOfPods = ({ path }: RecordedCall): boolean => /\/(pods|podenis|networkinterfaces)\?/.test(path);

const podNames = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

describeReal("a bad connection to the API server", () => {
  const namespace = "connected";
  let replicas: Replicas;

  beforeAll(async () => {
    replicas = await startReplicas({ namespaces: [namespace] });
  }, 120_000);
  afterAll(() => replicas.stop(), 30_000);

  const untilAllRun = (names: readonly string[], limitMs: number) =>
    Promise.all(names.map((name) => replicas.world.kube.untilRunning(namespace, name, { limitMs })));

  const setFaults = (faults: ProxyFaults): void => {
    for (const proxy of replicas.proxies) proxy.setFaults(faults);
  };

  it("every write takes 5 s: pods run later, nothing is made twice, and the leader stays", async () => {
    const { world } = replicas;
    const leader = await replicas.leader();
    const before = everMade(world).length;
    setFaults({ delayMs: (call) => (isWrite(call) && !isLease(call) ? 5_000 : 0) });
    const names = podNames("slow", 8);
    await replicas.create(namespace, names);
    await untilAllRun(names, 55_000);
    setFaults({});
    expect(await replicas.leader()).toBe(leader);
    expect(replicas.losses).toEqual([]);
    expect(await faultsOf(world, namespace)).toEqual([]);
    await replicas.untilNothingIsLeft(namespace);
    expect(everMade(world)).toHaveLength(before + names.length);
  }, 100_000);

  it("lease writes take 1.5 s, which the deadline allows: the leader stays", async () => {
    const { world } = replicas;
    const leader = await replicas.leader();
    setFaults({ delayMs: (call) => (isWrite(call) && isLease(call) ? 1_500 : 0) });
    const names = podNames("late-lease", 20);
    await replicas.create(namespace, names);
    await untilAllRun(names, 20_000);
    await replicas.untilNothingIsLeft(namespace);
    setFaults({});
    expect(await replicas.leader()).toBe(leader);
    expect(replicas.losses).toEqual([]);
    expect(world.logs.filter(({ message }) => message === "leader lease lost")).toEqual([]);
  }, 60_000);

  it("all writes of the leader take 5 s, those of its lease too: it ends for that reason, once, and the other one goes on", async () => {
    const { world, proxies } = replicas;
    const leader = await replicas.leader();
    const before = everMade(world).length;
    const names = podNames("handed-over", 10);
    proxies[leader]!.setFaults({ delayMs: (call) => (isWrite(call) ? 5_000 : 0) });
    await replicas.create(namespace, names);
    await untilAllRun(names, 40_000);
    expect(await replicas.leader()).toBe(1 - leader);
    const { name } = world.sandbox.replicas[leader]!.process;
    expect(replicas.losses).toEqual([{ name, ending: { code: 1 }, lostLeaseWhy: "no renewal succeeded in time" }]);
    expect(await faultsOf(world, namespace)).toEqual([]);
    await world.sandbox.ready(30_000);
    await replicas.untilNothingIsLeft(namespace);
    expect(everMade(world)).toHaveLength(before + names.length);
  }, 100_000);

  it("one watch line in five is lost together with its connection: all pods run and nothing is left", async () => {
    const { world } = replicas;
    const before = everMade(world).length;
    let lines = 0;
    let cuts = 0;
    setFaults({
      onWatchLine: (call) => {
        if (!isOfPods(call) || cuts >= 20) return "pass";
        lines += 1;
        if (lines % 5 !== 0) return "pass";
        cuts += 1;
        return "cut";
      },
    });
    const names = podNames("cut", 20);
    await replicas.create(namespace, names);
    await untilAllRun(names, 50_000);
    await replicas.untilNothingIsLeft(namespace, 50_000);
    setFaults({});
    expect(cuts).toBe(20);
    expect(everMade(world)).toHaveLength(before + names.length);
  }, 110_000);

  describe("what takes more than a minute to be noticed", () => {
    const { scenario, start } = concurrentScenarios();
    beforeAll(() => start());

    // The API server sends something once a minute, so that a watch that is silent for 90 s is dead.
    scenario(
      "watches that are silent without an end are opened anew, and what was missed is made up for",
      async () => {
        const { world } = replicas;
        const before = everMade(world).length;
        setFaults({ onWatchLine: (call) => (isOfPods(call) ? "silence" : "pass") });
        const names = podNames("unseen", 5);
        await replicas.create(namespace, names);
        await eventually("the silent watches have lost something", async () =>
          (await world.kube.pods(namespace)).every(({ spec }) => spec.nodeName !== undefined),
        );
        expect(await world.kube.podEnis(namespace)).toEqual([]);
        setFaults({});
        await untilAllRun(names, 105_000);
        expect(everMade(world)).toHaveLength(before + names.length);
        await replicas.untilNothingIsLeft(namespace);
      },
      170_000,
    );

    // A replica looks at both every 54 to 66 s.
    scenario(
      "a Secret and a caBundle that were removed by hand are put back within a check",
      async () => {
        const { kube } = replicas.world;
        const secretPath = "/api/v1/namespaces/kube-system/secrets/terway-controlplane-webhook-cert";
        const webhookPath = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/terway-controlplane";
        const before = (await kube.request("GET", secretPath)).body as { readonly data: object };
        await eventually(
          "the pods of the other scenario are created",
          async () => (await kube.pods(namespace)).length >= 5,
        );
        await kube.deletePath(secretPath);
        const probe = { ...aPod({ namespace, name: "probe", plane: namespace }) };
        const isAdmitted = async (): Promise<boolean> =>
          (await kube.request("POST", `/api/v1/namespaces/${namespace}/pods?dryRun=All`, probe)).status === 201;
        expect(await isAdmitted()).toBe(true);
        await kube.request("PATCH", webhookPath, [{ op: "remove", path: "/webhooks/0/clientConfig/caBundle" }], {
          "content-type": "application/json-patch+json",
        });
        await eventually("nobody trusts the certificate", async () => !(await isAdmitted()));
        await eventually("pods are admitted again", isAdmitted, { limitMs: 70_000 });
        const after = await eventually(
          "the Secret is back",
          async () => {
            const { status, body } = await kube.request("GET", secretPath);
            return status === 200 && (body as { readonly data: object });
          },
          { limitMs: 70_000 },
        );
        expect(after.data).toEqual(before.data);
      },
      170_000,
    );
  });
});
