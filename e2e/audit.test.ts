import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { AuditReport } from "../audit/report.ts";
import { landscape } from "../sandbox/landscape.ts";
import { pathOf } from "./kube.ts";
import { aFixedNetwork, aNamespace, aPlane, aPod, inZone } from "./manifests.ts";
import { eventually, startWorld, type World } from "./world.ts";

const root = join(import.meta.dirname, "..");
const namespace = "audited";
const ours = "/apis/network.alibabacloud.com/v1beta1";
const [zone] = landscape.zones;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe("terwayctl audit", () => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld({ nodes: 8 });
    const { kube } = world;
    await kube.apply(aNamespace(namespace));
    await kube.apply(aPlane("elastic"));
    await kube.apply(aPlane("kept", { allocationType: { type: "Fixed", releaseStrategy: "Never" } }));
    await Promise.all(["elastic", "kept"].map((name) => kube.untilPlaneSays(name, "VSwitchesFound")));
    for (const name of ["gone", "moved", "grouped", "readdressed", "orphaned", "shared", "stuck"]) {
      await kube.create(aPod({ namespace, name, plane: "elastic", spec: inZone(zone) }));
    }
    await kube.create(aPod({ namespace, name: "kept", plane: "kept" }));
    await kube.create(aPod({ namespace, name: "late", annotations: aFixedNetwork("1h") }));
    await Promise.all(
      ["gone", "moved", "grouped", "readdressed", "orphaned", "shared", "stuck", "kept", "late"].map((name) =>
        kube.untilRunning(namespace, name),
      ),
    );
    // Two fixed addresses whose pods are gone.
    for (const name of ["kept", "late"]) await kube.deletePod(namespace, name);
    await Promise.all(["kept", "late"].map((name) => kube.untilPodEniSays(namespace, name, "AddressRetained")));
  }, 120_000);

  afterAll(() => world.stop(), 30_000);

  /** As an operator runs it: another process, with the files of the controlplane. */
  function audit(...more: readonly string[]): Promise<Outcome> {
    const { configPath } = world.sandbox.replicas[0]!;
    const credential = join(configPath, "..", "ctrl-secret.yaml");
    const endpoint = world.sandbox.cloudUrl.replace("http://", "");
    const env = {
      PATH: process.env["PATH"],
      ECS_ENDPOINT: endpoint,
      VPC_ENDPOINT: endpoint,
      ALICLOUD_CLIENT_SCHEME: "HTTP",
      KUBECONFIG: world.sandbox.kubeconfigPath,
    };
    const args = [join("cmd", "terwayctl.ts"), "audit", "--config", configPath, "--credential", credential, ...more];
    return new Promise((resolve) => {
      execFile(process.execPath, args, { cwd: root, env, timeout: 90_000 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr });
      });
    });
  }

  /** As somebody else in the account. */
  async function call(action: string, parameters: Readonly<Record<string, string>>): Promise<unknown> {
    const all = { RegionId: landscape.regionId, ...parameters };
    const answer = await world.sandbox.cloud.call({ product: "ecs", action }, all, landscape.account);
    expect(answer).toMatchObject({ status: 200 });
    return answer.body;
  }

  const eniOf = async (name: string): Promise<string> =>
    (await world.kube.podEni(namespace, name))?.spec?.allocations?.[0]?.eni?.id ?? "";

  const stateOf = (eniId: string) => world.sandbox.cloud.report().enis.find((eni) => eni.eniId === eniId);

  async function detach(eniId: string): Promise<void> {
    const { instanceId = "", trunkEniId = "" } = stateOf(eniId)!;
    await call("DetachNetworkInterface", {
      NetworkInterfaceId: eniId,
      InstanceId: instanceId,
      TrunkNetworkInstanceId: trunkEniId,
    });
    await eventually(`${eniId} is free`, () => stateOf(eniId)?.status === "Available");
  }

  it("ends with 0 and finds nothing wrong while all is well, also in what is kept on purpose", async () => {
    const { code, stdout, stderr } = await audit("--json");
    const report = JSON.parse(stdout) as AuditReport;
    expect({ code, stderr, drift: report.findings.filter(({ level }) => level !== "kept") }).toEqual({
      code: 0,
      stderr: "",
      drift: [],
    });
    expect(report.findings.map(({ subject }) => subject)).toEqual([
      `podeni ${namespace}/kept`,
      `podeni ${namespace}/late`,
    ]);
    expect(report.compared["PodENIs"]).toBe(9);
  }, 100_000);

  it("ends with 2 when it cannot read", async () => {
    const unreachable = await audit("--kubeconfig", join(root, "nowhere.yaml"));
    expect(unreachable).toMatchObject({ code: 2, stdout: "" });
    expect(unreachable.stderr).toContain("nowhere.yaml");
    world.sandbox.cloud.setMissingActions(landscape.account.accessKeyId, ["ecs:DescribeNetworkInterfaces"]);
    const denied = await audit();
    world.sandbox.cloud.setMissingActions(landscape.account.accessKeyId, []);
    expect(denied).toMatchObject({ code: 2, stdout: "" });
    expect(denied.stderr).toContain("ecs:DescribeNetworkInterfaces");
    expect(denied.stderr).not.toContain(landscape.account.accessKeySecret);
  }, 100_000);

  it("names every damage with its remedy, and ends with 1", async () => {
    const { kube, sandbox } = world;
    // Nobody is to repair it meanwhile.
    const { process } = sandbox.replicas[0]!;
    process.kill("SIGKILL");
    await process.ended;
    const path = (name: string) => `${ours}/namespaces/${namespace}/podenis/${name}`;
    const ids = new Map<string, string>();
    for (const name of ["gone", "moved", "grouped", "readdressed", "orphaned", "shared", "stuck", "late"]) {
      ids.set(name, await eniOf(name));
    }
    const idOf = (name: string): string => ids.get(name)!;

    await detach(idOf("gone"));
    await call("DeleteNetworkInterface", { NetworkInterfaceId: idOf("gone") });
    const { instanceId = "" } = stateOf(idOf("moved"))!;
    await detach(idOf("moved"));
    const other = sandbox.nodes.find(
      (node) => node.exclusive !== true && node.instanceId !== instanceId && node.zone === zone,
    )!;
    await call("AttachNetworkInterface", {
      NetworkInterfaceId: idOf("moved"),
      InstanceId: other.instanceId,
      TrunkNetworkInstanceId: (await kube.node(other.name))!.metadata.annotations!["k8s.aliyun.com/trunk-on"]!,
    });
    await eventually("it is on the other machine", () => stateOf(idOf("moved"))?.status === "InUse");
    const [allocation] = (await kube.podEni(namespace, "grouped"))!.spec!.allocations!;
    await kube.patch(path("grouped"), {
      spec: { allocations: [{ ...allocation, eni: { ...allocation!.eni, securityGroupIDs: ["sg-other"] } }] },
    });
    const [address] = (await kube.podEni(namespace, "readdressed"))!.spec!.allocations!;
    await kube.patch(path("readdressed"), { spec: { allocations: [{ ...address, ipv4: "10.1.255.254" }] } });
    await kube.patch(path("orphaned"), { metadata: { finalizers: null } });
    await kube.deletePath(path("orphaned"));
    const [taken] = (await kube.podEni(namespace, "shared"))!.spec!.allocations!;
    await kube.apply({
      apiVersion: "network.alibabacloud.com/v1beta1",
      kind: "PodENI",
      metadata: { name: "thief", namespace },
      spec: { zone, allocations: [{ ...taken }] },
    });
    await kube.patch(`${path("late")}/status`, { status: { podLastSeen: "2026-01-01T00:00:00Z" } });
    await kube.deletePod(namespace, "stuck");
    await eventually("the pod is gone", async () => (await kube.pod(namespace, "stuck")) === undefined);
    const stray = (await call("CreateNetworkInterface", {
      VSwitchId: "vsw-hz-h-1",
      "SecurityGroupIds.1": landscape.securityGroupId,
      "Tag.1.Key": "ack.aliyun.com",
      "Tag.1.Value": landscape.clusterId,
      "Tag.2.Key": "creator",
      "Tag.2.Value": "terway-controller",
      "Tag.3.Key": "k8s.aliyun.com/pod-eni-uid",
      "Tag.3.Value": "of-nobody",
    })) as { readonly NetworkInterfaceId: string };
    const foreign = (await call("CreateNetworkInterface", {
      VSwitchId: "vsw-hz-h-1",
      "SecurityGroupIds.1": landscape.securityGroupId,
    })) as { readonly NetworkInterfaceId: string };
    await kube.apply({
      apiVersion: "network.alibabacloud.com/v1beta1",
      kind: "NetworkInterface",
      metadata: { name: "eni-unheard-of" },
      spec: {},
    });
    await kube.patch(pathOf.node(other.name), {
      metadata: { annotations: { "k8s.aliyun.com/trunk-on": "eni-nowhere" } },
    });
    await kube.apply({
      apiVersion: "network.alibabacloud.com/v1beta1",
      kind: "Node",
      metadata: { name: "left-over" },
      spec: {},
    });

    const { code, stdout, stderr } = await audit("--json");
    const report = JSON.parse(stdout) as AuditReport;
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    const found = report.findings.filter(({ level }) => level === "drift");
    expect(found.map(({ kind, subject }) => `${kind} ${subject}`)).toEqual(
      [
        `InterfaceGone podeni ${namespace}/gone`,
        `OnOtherInstance podeni ${namespace}/moved`,
        `SecurityGroupsDiffer podeni ${namespace}/grouped`,
        `AddressDiffers podeni ${namespace}/readdressed`,
        `PodWithoutInterface pod ${namespace}/orphaned`,
        `RecordWithoutOwner networkinterface ${idOf("orphaned")}`,
        `SharedInterface interface ${idOf("shared")}`,
        `PodENIWithoutPod podeni ${namespace}/thief`,
        `ReleaseOverdue podeni ${namespace}/late`,
        `PodENIWithoutPod podeni ${namespace}/stuck`,
        `InterfaceWithoutRecord interface ${stray.NetworkInterfaceId}`,
        `RecordWithoutOwner networkinterface eni-unheard-of`,
        `TrunkMissing node ${other.name}`,
        `CapacityTooHigh node ${other.name}`,
        `NodeRecordWithoutNode nodes.network.alibabacloud.com left-over`,
      ].sort(),
    );
    for (const { remedy } of found) expect(remedy).not.toBe("");
    expect(stdout).not.toContain(foreign.NetworkInterfaceId);
    expect(stdout).not.toContain(landscape.account.accessKeySecret);
  }, 150_000);

  it("ends with 2 when the API server is down", async () => {
    const { configPath } = world.sandbox.replicas[0]!;
    const path = join(configPath, "..", "down.yaml");
    const text = readFileSync(world.sandbox.kubeconfigPath, "utf8");
    // Nobody listens there.
    writeFileSync(path, text.replace(/server: .*/, "server: https://127.0.0.1:1"), { mode: 0o600 });
    const { code, stdout, stderr } = await audit("--kubeconfig", path);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("the audit could not be made");
  }, 60_000);
});
