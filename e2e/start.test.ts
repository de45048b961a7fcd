import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { ReplicaAccess } from "../cmd/sandbox-world.ts";
import type { RecordedCall, RecordingProxy } from "../test/fixtures/recording-proxy.ts";
import { startKubeProxy } from "./kube-proxy.ts";
import { aNamespace, aPlane, aPod } from "./manifests.ts";
import { eventually, startWorld, type World } from "./world.ts";

const isOfCertificate = ({ path }: RecordedCall): boolean => path.includes("/secrets");

let folder = "";
let proxy: RecordingProxy;
let world: World;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "terway-start-"));
  const between = async (_: number, access: ReplicaAccess): Promise<ReplicaAccess> => {
    const kubeconfigPath = join(folder, "kubeconfig");
    proxy = await startKubeProxy(access.kubeconfigPath, kubeconfigPath);
    proxy.setFaults({ isForbidden: () => true });
    return { ...access, kubeconfigPath };
  };
  world = await startWorld({ nodes: 1, between, waitUntilReady: false, mayBeForbidden: true });
}, 90_000);

afterAll(async () => {
  await world.stop();
  proxy.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

it("an API server that allows nothing at first: the start says so, goes on by itself at every step, and pods run", async () => {
  const { kube, sandbox, logs } = world;
  const { process } = sandbox.replicas[0]!;
  const isWaitingFor = (resource: string): boolean =>
    logs.some(
      ({ message, error }) => String(message).includes("trying again") && JSON.stringify(error).includes(resource),
    );
  const state = { state: () => logs };
  await eventually("it waits for its definitions", () => isWaitingFor("customresourcedefinitions"), state);
  proxy.setFaults({ isForbidden: isOfCertificate });
  await eventually("it waits for its certificate", () => isWaitingFor("secrets"), state);
  expect(process.isRunning).toBe(true);
  proxy.setFaults({});
  await sandbox.ready(30_000);
  expect(sandbox.replicas[0]!.process).toBe(process);

  await kube.apply(aNamespace("allowed"));
  await kube.apply(aPlane("allowed"));
  await kube.untilPlaneSays("allowed", "VSwitchesFound");
  await kube.create(aPod({ namespace: "allowed", name: "web", plane: "allowed" }));
  await kube.untilRunning("allowed", "web");
  expect(logs.filter(({ level }) => level === "error")).toEqual([]);
}, 90_000);
