import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { systemClock } from "../../runtime/clock.ts";
import type { ProxyFaults, RecordedCall } from "../../test/fixtures/recording-proxy.ts";
import { concurrentScenarios } from "../scenarios.ts";
import { aPod } from "../manifests.ts";
import { withClockAhead } from "../skewed-clock.ts";
import { eventually, steadyLease } from "../world.ts";
import { describeReal, madeCount, faultsOf, startReplicas, type Replicas } from "./replicas.ts";

const isLease = ({ path }: RecordedCall): boolean => path.startsWith("/apis/coordination.k8s.io/");
const isWrite = ({ method }: RecordedCall): boolean => method !== "GET";
const isOfPods = ({ path }: RecordedCall): boolean => /\/(pods|podenis|networkinterfaces)\?/.test(path);

const podNames = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

describeReal("a bad connection to the API server", () => {
  const namespace = "connected";
  let replicas: Replicas;
  /** Of each replica from its next start on. */
  const environments: Record<string, string>[] = [{}, {}];
  const { scenario, start } = concurrentScenarios();

  beforeAll(async () => {
    start();
    replicas = await startReplicas({ namespaces: [namespace], envOf: (index) => environments[index] ?? {} });
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
    const before = madeCount(world);
    setFaults({ delayMs: (call) => (isWrite(call) && !isLease(call) ? 5_000 : 0) });
    const names = podNames("slow", 8);
    await replicas.create(namespace, names);
    await untilAllRun(names, 55_000);
    setFaults({});
    expect(await replicas.leader()).toBe(leader);
    expect(replicas.losses).toEqual([]);
    expect(await faultsOf(world, namespace)).toEqual([]);
    await replicas.untilNothingIsLeft(namespace);
    expect(madeCount(world)).toBe(before + names.length);
  }, 100_000);

  it("all writes of the leader take 5 s, those of its lease too: it ends for that reason, once, and the other one goes on", async () => {
    const { world, proxies } = replicas;
    const leader = await replicas.leader();
    const before = madeCount(world);
    const lossesBefore = replicas.losses.length;
    const names = podNames("handed-over", 10);
    proxies[leader]!.setFaults({ delayMs: (call) => (isWrite(call) ? 5_000 : 0) });
    await replicas.create(namespace, names);
    await untilAllRun(names, 40_000);
    expect(await replicas.leader()).toBe(1 - leader);
    const { name } = world.sandbox.replicas[leader]!.process;
    expect(replicas.losses.slice(lossesBefore)).toEqual([
      { name, ending: { code: 1 }, lostLeaseWhy: "no renewal succeeded in time" },
    ]);
    expect(await faultsOf(world, namespace)).toEqual([]);
    await world.sandbox.ready(30_000);
    await replicas.untilNothingIsLeft(namespace);
    expect(madeCount(world)).toBe(before + names.length);
  }, 100_000);

  it("one watch line in five is lost together with its connection: all pods run and nothing is left", async () => {
    const { world } = replicas;
    const before = madeCount(world);
    let lines = 0;
    let cuts = 0;
    setFaults({
      onWatchLine: (call) => {
        if (!isOfPods(call) || cuts >= 8) return "pass";
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
    expect(cuts).toBe(8);
    expect(madeCount(world)).toBe(before + names.length);
  }, 110_000);

  it("the clock of one replica is five minutes ahead: it leads when its turn comes, and not before", async () => {
    const { world } = replicas;
    const { sandbox } = world;
    const leader = await replicas.leader();
    const ahead = 1 - leader;
    environments[ahead] = withClockAhead(skewMs);
    const first = sandbox.replicas[ahead]!.process;
    first.kill("SIGTERM");
    await eventually("it runs again", () => sandbox.replicas[ahead]!.process !== first);
    await sandbox.ready(30_000);

    const inTime = podNames("in-time", 5);
    await replicas.create(namespace, inTime);
    await untilAllRun(inTime, 30_000);
    const startMs = systemClock.monotonic();
    while (systemClock.monotonic() - startMs < 8_000) {
      expect(await replicas.leader()).toBe(leader);
      await systemClock.sleep(500);
    }
    sandbox.replicas[leader]!.process.kill("SIGKILL");
    const ofFuture = podNames("of-the-future", 5);
    await replicas.create(namespace, ofFuture);
    await untilAllRun(ofFuture, 40_000);
    expect(await replicas.leader()).toBe(ahead);
    const { identity, time } = world.logs.findLast(({ message }) => message === "leader lease acquired")!;
    expect(String(identity)).toContain(sandbox.replicas[ahead]!.process.name);
    expect(Date.parse(String(time)) - Date.now()).toBeGreaterThan(skewMs / 2);

    // Its renewals are in the future; that must not keep the other one from taking over.
    await sandbox.ready(30_000);
    environments[ahead] = {};
    sandbox.replicas[ahead]!.process.kill("SIGKILL");
    await eventually("the other one leads", async () => (await replicas.leader()) === leader);
    await sandbox.ready(30_000);
    expect(await faultsOf(world, namespace)).toEqual([]);
    await replicas.untilNothingIsLeft(namespace);
  }, 180_000);

  // The API server sends something once a minute, so a watch that is silent for 90 s is dead. Both waits run beside the tests
  // above, in a world of their own.
  scenario(
    "watches that are silent without an end are opened anew; a Secret and a caBundle that were removed are put back",
    async () => {
      const quiet = await startReplicas({ namespaces: ["quiet"] });
      try {
        await Promise.all([expectRecoveryFromSilence(quiet, "quiet"), expectRepairOfCertificate(quiet, "quiet")]);
        expect(quiet.losses).toEqual([]);
        await quiet.untilNothingIsLeft("quiet");
      } finally {
        await quiet.stop();
      }
    },
    300_000,
  );
});

describeReal("lease writes that take half of what an attempt may", () => {
  const namespace = "late-lease";
  /** An attempt may take half of the deadline, so 5 s: a busy machine may add as much again to each. */
  const delayMs = 2_500;
  let replicas: Replicas;

  beforeAll(async () => {
    replicas = await startReplicas({ namespaces: [namespace], sandbox: { config: steadyLease } });
  }, 120_000);
  afterAll(() => replicas.stop(), 30_000);

  it("do not end the leader, whose pods run and leave nothing", async () => {
    const { world, proxies } = replicas;
    const leader = await replicas.leader();
    const renewals = () => proxies[leader]!.calls.filter((call) => isWrite(call) && isLease(call)).length;
    const before = renewals();
    for (const proxy of proxies) proxy.setFaults({ delayMs: (call) => (isWrite(call) && isLease(call) ? delayMs : 0) });
    const names = podNames("late-lease", 20);
    await replicas.create(namespace, names);
    await Promise.all(names.map((name) => world.kube.untilRunning(namespace, name, { limitMs: 40_000 })));
    await replicas.untilNothingIsLeft(namespace);
    await eventually("the lease was renewed four times", () => renewals() >= before + 4);
    expect(await replicas.leader()).toBe(leader);
    expect(replicas.losses).toEqual([]);
    expect(world.logs.filter(({ message }) => message === "leader lease lost")).toEqual([]);
  }, 120_000);
});

const skewMs = 300_000;
/** A replica looks at the certificate every 54 to 66 s. */
const checkMs = 90_000;

async function expectRecoveryFromSilence({ world, proxies, create }: Replicas, namespace: string): Promise<void> {
  const { kube } = world;
  for (const proxy of proxies) proxy.setFaults({ onWatchLine: (call) => (isOfPods(call) ? "silence" : "pass") });
  const names = podNames("unseen", 5);
  await create(namespace, names);
  const areScheduled = async (): Promise<boolean> =>
    (await kube.pods(namespace)).every(({ spec }) => spec.nodeName !== undefined);
  await eventually("the pods are scheduled, which nobody hears of", areScheduled);
  expect(await kube.podEnis(namespace)).toEqual([]);
  // What is opened from now on is sound; what is silent stays so.
  for (const proxy of proxies) proxy.setFaults({});
  await Promise.all(names.map((name) => kube.untilRunning(namespace, name, { limitMs: 125_000 })));
  expect(madeCount(world)).toBe(names.length);
}

async function expectRepairOfCertificate({ world }: Replicas, namespace: string): Promise<void> {
  const { kube } = world;
  const secretPath = "/api/v1/namespaces/kube-system/secrets/terway-controlplane-webhook-cert";
  const webhookPath = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/terway-controlplane";
  const dataOfSecret = async (): Promise<object | undefined> => {
    const { status, body } = await kube.request("GET", secretPath);
    return status === 200 ? (body as { readonly data: object }).data : undefined;
  };
  /** Tried, not created: this must not become a pod. */
  const probe = aPod({ namespace, name: "probe", plane: namespace });
  const isAdmitted = async (): Promise<boolean> =>
    (await kube.request("POST", `/api/v1/namespaces/${namespace}/pods?dryRun=All`, probe)).status === 201;
  const expectAdmissionsFor = async (ms: number): Promise<void> => {
    const startMs = systemClock.monotonic();
    while (systemClock.monotonic() - startMs < ms) {
      expect(await isAdmitted()).toBe(true);
      await systemClock.sleep(200);
    }
  };
  // The pods of the other part are to be admitted first.
  await eventually("its pods are created", async () => (await kube.pods(namespace)).length >= 5);
  const data = await dataOfSecret();
  await kube.deletePath(secretPath);
  await expectAdmissionsFor(3_000);
  const patch = [{ op: "remove", path: "/webhooks/0/clientConfig/caBundle" }];
  await kube.request("PATCH", webhookPath, patch, { "content-type": "application/json-patch+json" });
  await eventually("nobody trusts the certificate", async () => !(await isAdmitted()));
  await eventually("pods are admitted again", isAdmitted, { limitMs: checkMs });
  await eventually("the Secret is back", async () => (await dataOfSecret()) !== undefined, { limitMs: checkMs });
  expect(await dataOfSecret()).toEqual(data);
  await expectAdmissionsFor(3_000);
}
