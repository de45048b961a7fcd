/** The handlers behind the real server, asked by the sandbox's API server with the configurations that are installed. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { installCrds } from "../kube/crd-installer.ts";
import { readCrdManifests } from "../kube/crd-manifests.ts";
import { systemClock } from "../runtime/clock.ts";
import { ObjectStore } from "../runtime/object-store.ts";
import type { KubeObject } from "../runtime/ports.ts";
import type { TransportRequest } from "../runtime/transport.ts";
import { HttpsWebhookCaller } from "../sandbox/kube-apiserver/webhook-caller.ts";
import { WebhookWorld } from "../test/fixtures/webhook-world.ts";
import type { PodEniRecord } from "../domain/pod-network/zone-affinity.ts";
import { planeIndex, planesOf } from "./pod-networking/use.ts";
import { createRoutes } from "./routes.ts";
import { WebhookServer } from "./server.ts";

const planesPath = "/apis/network.alibabacloud.com/v1beta1/podnetworkings";
const signal = new AbortController().signal;

let cleanUp: (() => Promise<void>) | undefined;
afterEach(() => cleanUp?.());

/** One replica; two pods use plane `used`. */
async function aCluster() {
  const running: { server?: WebhookServer } = {};
  const caller = new HttpsWebhookCaller(() => `https://127.0.0.1:${running.server?.port ?? 1}`);
  const world = new WebhookWorld({ startMs: Date.now(), webhookCaller: caller });
  await world.install();
  const replica = world.addReplica();
  const crds = await readCrdManifests();
  await installCrds({ transport: world.transport, crds, clock: systemClock, log: replica.log, signal });
  const { bundle } = await replica.certificates.start(signal);
  const pods = new ObjectStore<KubeObject>({ [planeIndex]: planesOf });
  for (const name of ["a", "b"]) {
    const annotations = { "k8s.aliyun.com/pod-networking": "used" };
    pods.set(`ns/${name}`, { metadata: { namespace: "ns", name, annotations } });
  }
  const server = new WebhookServer({
    port: 0,
    host: "127.0.0.1",
    tls: { cert: bundle.certPem, key: bundle.keyPem },
    routes: createRoutes({
      planes: new ObjectStore<KubeObject>(),
      livePlanes: () => Promise.resolve([]),
      pods,
      podEnis: new ObjectStore<PodEniRecord & KubeObject>({ [planeIndex]: planesOf }),
      namespaces: { lister: new ObjectStore<KubeObject>(), getLive: () => Promise.resolve(undefined) },
      eniConfig: { get: () => Promise.resolve(undefined) },
      recorder: { event: () => undefined },
      config: {
        enableTrunk: true,
        enableWebhookInjectResource: true,
        isCrdMode: false,
        customStatefulWorkloadKinds: [],
      },
    }),
    log: replica.log,
  });
  running.server = server;
  await server.listen();
  const close = async (): Promise<void> => {
    caller.close();
    await server.close();
  };
  cleanUp = async () => {
    await close();
    world.close();
  };
  const send = (method: TransportRequest["method"], path: string, body?: unknown) => {
    const headers = method === "PATCH" ? { "content-type": "application/merge-patch+json" } : {};
    return world.transport.request({ method, path, body, headers }, signal);
  };
  return { send, goDown: close };
}

function aPlane(name: string, vSwitchOptions: readonly string[] = ["vsw-1"]): object {
  return {
    apiVersion: "network.alibabacloud.com/v1beta1",
    kind: "PodNetworking",
    metadata: { name },
    spec: {
      selector: { podSelector: { matchLabels: { app: "web" } } },
      vSwitchOptions,
      securityGroupIDs: ["sg-1"],
    },
  };
}

describe("a PodNetworking that is written through the API server", () => {
  it("is refused at its creation and at an update when it cannot work", async () => {
    const { send } = await aCluster();
    expect((await send("POST", planesPath, aPlane("empty", []))).status).toBe(403);
    expect((await send("POST", planesPath, aPlane("good"))).status).toBe(201);
    expect(await send("PATCH", `${planesPath}/good`, { spec: { vSwitchOptions: [] } })).toMatchObject({
      status: 403,
      body: { message: expect.stringContaining("vSwitchOptions is not set") },
    });
    expect((await send("PATCH", `${planesPath}/good`, { metadata: { labels: { a: "b" } } })).status).toBe(200);
  });

  it.each([
    { name: "used", want: /^299 - "PodNetworking used is used by 2 pods \(ns\/a, ns\/b\)/ },
    { name: "free", want: /^$/ },
  ])("and is $name is deleted, and who deletes it is told who uses it", async ({ name, want }) => {
    const { send } = await aCluster();
    await send("POST", planesPath, aPlane(name));
    const { status, headers } = await send("DELETE", `${planesPath}/${name}`);
    expect([status, headers["warning"] ?? ""]).toEqual([200, expect.stringMatching(want)]);
  });

  it("can be deleted, but not created or changed, while no replica answers", async () => {
    const { send, goDown } = await aCluster();
    await send("POST", planesPath, aPlane("used"));
    await goDown();
    expect((await send("POST", planesPath, aPlane("other"))).status).toBe(500);
    expect((await send("PATCH", `${planesPath}/used`, { spec: { securityGroupIDs: ["sg-2"] } })).status).toBe(500);
    expect((await send("DELETE", `${planesPath}/used`)).status).toBe(200);
  });
});
