import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { stringify } from "yaml";
import { startSandbox, type Sandbox } from "../../cmd/sandbox-world.ts";
import { Kube } from "../../e2e/kube.ts";
import { aNamespace, aPlane, aPod } from "../../e2e/manifests.ts";
import { eventually } from "../../e2e/world.ts";
import { systemClock } from "../../runtime/clock.ts";
import { landscape } from "../../sandbox/landscape.ts";
import { freePorts } from "../../sandbox/free-ports.ts";
import type { ControlPlane } from "../envtest/control-plane.ts";
import { realKubernetes } from "../envtest/kubernetes.ts";
import { readFiles, root } from "../installation/manifests.ts";
import { roleManifests } from "../installation/roles.ts";
import { RunningContainer } from "./container.ts";
import { podTemplate, toRuntimeConfig, volumeFolder, type Pod } from "./deployment.ts";
import { copiedPaths, imageConfig, isInImage, mountImage, whyNoImage, type MountedImage } from "./image.ts";

const reason = whyNoImage();
const suite = reason === undefined ? describe : describe.skip;

suite(reason === undefined ? "the image" : `the image: ${reason}`, () => {
  let mounted: MountedImage;
  const inImage = (path: string) => join(mounted.folder, path);

  beforeAll(() => {
    mounted = mountImage();
  }, 60_000);

  afterAll(() => mounted.remove(), 30_000);

  it("is made for the user of the Deployment, and starts the program", () => {
    const { runAsUser, runAsGroup } = podTemplate().securityContext;
    expect(imageConfig()).toMatchObject({
      User: `${runAsUser}:${runAsGroup}`,
      Entrypoint: ["node", "/app/cmd/controlplane.ts"],
    });
  });

  it("has the sources of this tree, without tests and sandbox", () => {
    const folders = copiedPaths().filter((path) => !path.endsWith(".json"));
    for (const folder of folders) {
      const wanted = filesOf(join(root, folder)).filter((path) => isInImage(join(folder, path)));
      const present = filesOf(inImage(join("app", folder)));
      expect({ folder, files: present }).toEqual({ folder, files: wanted });
      const different = present.filter(
        (path) => !haveSameText(join(root, folder, path), inImage(join("app", folder, path))),
      );
      expect({ folder, different }).toEqual({ folder, different: [] });
    }
  });

  it.each([
    { what: "configuration of npm, which may have secrets", path: "root/.npmrc" },
    { what: "authorities of the machine that built it", path: "run/secrets/npm-ca" },
    { what: "development packages", path: "app/node_modules/jest" },
    { what: "caches of npm", path: "root/.npm" },
  ])("has no $what", ({ path }) => {
    expect(existsSync(inImage(path))).toBe(false);
  });

  it("has no file of the program that the user it runs as could change", () => {
    const { runAsUser, runAsGroup } = podTemplate().securityContext;
    const changeable = filesOf(inImage("app")).filter((path) => {
      const { uid, gid, mode } = statSync(inImage(join("app", path)));
      return uid === runAsUser || (gid === runAsGroup && (mode & 0o020) !== 0) || (mode & 0o002) !== 0;
    });
    expect(changeable).toEqual([]);
  }, 60_000);

  describe("as the Deployment starts it, with the rights of its service account on a real API server", () => {
    let world: World;
    let container: RunningContainer;

    beforeAll(async () => {
      world = await startWorld();
      container = startContainer(world, mounted);
      await eventually("/readyz says ok", () => isReady(world), { limitMs: 60_000, state: () => container.output });
    }, 150_000);

    afterAll(async () => {
      container.remove();
      await world.stop();
    }, 60_000);

    it("runs as the user of the Deployment, and has no capability nor a way to get one", () => {
      const status = Object.fromEntries(
        container
          .processFile("status")
          .trimEnd()
          .split("\n")
          .map((line) => line.split(":\t") as [string, string]),
      );
      const { runAsUser, runAsGroup, fsGroup } = podTemplate().securityContext;
      const none = "0".repeat(16);
      expect(status).toMatchObject({
        ...{
          Uid: Array(4).fill(runAsUser).join("\t"),
          Gid: Array(4).fill(runAsGroup).join("\t"),
          Groups: `${fsGroup} `,
        },
        ...{ CapInh: none, CapPrm: none, CapEff: none, CapBnd: none, CapAmb: none, NoNewPrivs: "1" },
      });
    });

    it("can write to the certificate's folder and /tmp only, and writes no more than the certificate", () => {
      const writable = container
        .processFile("mountinfo")
        .trimEnd()
        .split("\n")
        .map((line) => line.split(" "))
        .filter(([, , , , , options]) => options?.split(",").includes("rw"))
        .map(([, , , , path]) => path);
      // Both of these are the kernel's.
      expect(writable.filter((path) => path !== "/proc" && path !== "/dev").sort()).toEqual([
        "/run/webhook-cert",
        "/tmp",
      ]);
      expect(filesOf(volumeFolder(world.pod, "webhook-cert"))).toEqual(["ca.crt", "tls.crt", "tls.key"]);
      expect(filesOf(volumeFolder(world.pod, "tmp"))).toEqual([]);
      expect(container.output).not.toMatch(/EROFS|EACCES|EPERM/);
    });

    it("a pod gets an interface, and runs with its address", async () => {
      const { kube } = world;
      await kube.apply(aNamespace("image"));
      await kube.apply(aPlane("image"));
      await kube.untilPlaneSays("image", "VSwitchesFound");
      await kube.create(aPod({ namespace: "image", name: "first", plane: "image" }));
      const { pod, podEni } = await kube.untilRunning("image", "first");
      expect(podEni.status?.phase).toBe("Bind");
      expect(pod.status?.podIP).toMatch(/^10\.[12]\./);
    }, 60_000);

    it("ends with status 0 within five seconds of SIGTERM, and gives its lease back", async () => {
      expect(await holderOf(world)).toContain(world.pod.fields["metadata.name"]);
      const startMs = systemClock.monotonic();
      container.signal("TERM");
      const code = await container.ended;
      expect({ code, output: container.output }).toMatchObject({ code: 0 });
      expect(systemClock.monotonic() - startMs).toBeLessThan(5_000);
      expect(await holderOf(world)).toBe("");
    }, 30_000);
  });
});

interface World {
  readonly sandbox: Sandbox;
  readonly kube: Kube;
  readonly pod: Pod;
  readonly healthUrl: string;
  stop(): Promise<void>;
}

/** A real control plane, stand-in kubelets, the simulated cloud, and the volumes and the environment of one pod. */
async function startWorld(): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), "terway-image-"));
  const [healthPort, metricsPort, webhookPort] = (await freePorts(3)) as [number, number, number];
  let controlPlane: ControlPlane | undefined;
  const start = realKubernetes({ onStarted: (started) => (controlPlane = started) });
  const sandbox = await startSandbox({
    ...{ directory, nodes: 2, replicas: 0, seed: 1, faults: [] },
    kubernetes: (options) => start({ ...options, webhookUrl: () => `https://127.0.0.1:${webhookPort}` }),
  });
  if (controlPlane === undefined) throw new Error("no control plane was started");
  const kube = new Kube(sandbox.transport);
  for (const manifest of roleManifests()) await kube.apply(manifest);
  const server = new URL(controlPlane.url);
  const { accessKeyId: accessKey, accessKeySecret: accessSecret } = landscape.account;
  const [installed] = readFiles("config/manager/ctrl-config.yaml");
  const config = {
    ...installed,
    ...{ regionID: landscape.regionId, clusterID: landscape.clusterId, vpcID: landscape.vpcId },
    // The network is the host's, on which somebody may have the usual ports.
    ...{ healthzBindAddress: `127.0.0.1:${healthPort}`, metricsBindAddress: `127.0.0.1:${metricsPort}`, webhookPort },
  };
  const cloudEndpoint = new URL(sandbox.cloudUrl).host;
  return {
    sandbox,
    kube,
    healthUrl: `http://127.0.0.1:${healthPort}`,
    pod: {
      directory,
      files: {
        config: { "ctrl-config.yaml": stringify(config) },
        credential: { "ctrl-secret.yaml": stringify({ accessKey, accessSecret }) },
      },
      serviceAccount: {
        token: await serviceAccountToken(kube),
        "ca.crt": controlPlane.caPem,
        namespace: "kube-system",
      },
      fields: { "metadata.name": "terway-controlplane-0", "spec.nodeName": "node-0", "status.podIP": "127.0.0.1" },
      env: {
        ...{ KUBERNETES_SERVICE_HOST: server.hostname, KUBERNETES_SERVICE_PORT: server.port },
        ...{ ECS_ENDPOINT: cloudEndpoint, VPC_ENDPOINT: cloudEndpoint, ALICLOUD_CLIENT_SCHEME: "HTTP" },
      },
    },
    stop: async () => {
      await sandbox.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function startContainer({ pod }: World, { folder }: MountedImage): RunningContainer {
  const config = toRuntimeConfig(imageConfig(), folder, podTemplate(), pod);
  return new RunningContainer(pod.directory, `terway-image-${process.pid}`, config);
}

async function serviceAccountToken(kube: Kube): Promise<string> {
  const path = "/api/v1/namespaces/kube-system/serviceaccounts/terway-controlplane/token";
  const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} };
  const { status, body } = await kube.request("POST", path, request);
  if (status !== 201) throw new Error(`no token: HTTP ${status}: ${JSON.stringify(body)}`);
  return (body as { readonly status: { readonly token: string } }).status.token;
}

async function isReady({ healthUrl }: World): Promise<boolean> {
  try {
    const answer = await fetch(`${healthUrl}/readyz`);
    return answer.ok && (await answer.text()).trim() === "ok";
  } catch {
    return false; // It does not listen yet.
  }
}

/** Empty when nobody leads. */
async function holderOf({ kube }: World): Promise<string> {
  const path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/terway-controlplane";
  const { body } = await kube.request("GET", path);
  return (body as { readonly spec: { readonly holderIdentity?: string } }).spec.holderIdentity ?? "";
}

/** Relative paths of all files of a folder, sorted. */
function filesOf(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function haveSameText(one: string, other: string): boolean {
  return readFileSync(one).equals(readFileSync(other));
}
