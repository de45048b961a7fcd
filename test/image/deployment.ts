/** What a kubelet makes of the Deployment of config/manager for a container runtime. */
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { find, readFiles } from "../installation/manifests.ts";
import type { ImageConfig } from "./image.ts";

/** Source: Kubernetes API, the members of a pod template that config/manager/deployment.yaml uses and a runtime sees. */
export interface PodTemplate {
  readonly securityContext: { readonly runAsUser: number; readonly runAsGroup: number; readonly fsGroup: number };
  readonly containers: readonly [Container];
  readonly volumes: readonly Volume[];
}

interface Container {
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env: readonly { readonly name: string; readonly valueFrom: { readonly fieldRef: { fieldPath: string } } }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly securityContext: {
    readonly allowPrivilegeEscalation: boolean;
    readonly readOnlyRootFilesystem: boolean;
    readonly capabilities: { readonly drop: readonly string[] };
  };
}

interface Volume {
  readonly name: string;
  readonly emptyDir?: object;
  readonly secret?: { readonly defaultMode?: number };
}

export function podTemplate(): PodTemplate {
  const deployment = find(readFiles("config/manager/deployment.yaml"), "Deployment");
  return (deployment["spec"] as { readonly template: { readonly spec: PodTemplate } }).template.spec;
}

export interface Pod {
  /** Empty folder for the volumes. */
  readonly directory: string;
  /** Text by file name, by the volume's name. Without an entry a volume is empty. */
  readonly files: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Files of the service account's volume, which is not in the Deployment: the API server adds it to the pod. */
  readonly serviceAccount: Readonly<Record<string, string>>;
  /** Where the environment gets what it takes from the pod. */
  readonly fields: Readonly<Record<string, string>>;
  /** The rest of the environment. */
  readonly env: Readonly<Record<string, string>>;
}

const serviceAccountPath = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Folder of the host that has a volume's files. */
export function volumeFolder(pod: Pod, volume: string): string {
  return join(pod.directory, "volumes", volume);
}

/** Makes the volumes. @returns the bundle's configuration; source: OCI runtime specification */
export function toRuntimeConfig(image: ImageConfig, rootfs: string, template: PodTemplate, pod: Pod): object {
  const [container] = template.containers;
  const { runAsUser, runAsGroup, fsGroup } = template.securityContext;
  const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = container.securityContext;
  if (!capabilities.drop.includes("ALL")) throw new Error("a kubelet would leave it capabilities; this one cannot");
  for (const volume of template.volumes) makeVolume(pod, volume, fsGroup);
  makeVolume({ ...pod, files: { account: pod.serviceAccount } }, { name: "account", secret: {} }, fsGroup);
  const mounts = [...container.volumeMounts, { name: "account", mountPath: serviceAccountPath, readOnly: true }];
  return {
    ociVersion: "1.0.2",
    process: {
      user: { uid: runAsUser, gid: runAsGroup, additionalGids: [fsGroup] },
      cwd: image.WorkingDir ?? "/",
      args: [...(container.command ?? image.Entrypoint ?? []), ...(container.args ?? image.Cmd ?? [])],
      env: environment(image, container, pod),
      capabilities: {},
      noNewPrivileges: !allowPrivilegeEscalation,
    },
    root: { path: rootfs, readonly: readOnlyRootFilesystem },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=64k"] },
      ...mounts.map(({ name, mountPath, readOnly = false }) => ({
        ...{ destination: mountPath, type: "bind", source: volumeFolder(pod, name) },
        options: ["rbind", readOnly ? "ro" : "rw", "nosuid", "nodev"],
      })),
    ],
    // No network namespace: hostNetwork.
    linux: { namespaces: [{ type: "mount" }, { type: "pid" }, { type: "ipc" }] },
  };
}

/** As the kubelet does with fsGroup: the files are root's, and the group may read them, or write an emptyDir. */
function makeVolume(pod: Pod, { name, emptyDir, secret }: Volume, group: number): void {
  const folder = volumeFolder(pod, name);
  mkdirSync(folder, { recursive: true });
  chownSync(folder, 0, group);
  chmodSync(folder, emptyDir === undefined ? 0o750 : 0o2777);
  for (const [file, text] of Object.entries(pod.files[name] ?? {})) {
    const path = join(folder, file);
    writeFileSync(path, text);
    chownSync(path, 0, group);
    chmodSync(path, secret === undefined ? 0o644 : (secret.defaultMode ?? 0o440));
  }
}

function environment(image: ImageConfig, { env }: Container, pod: Pod): readonly string[] {
  const ofFields = env.map(({ name, valueFrom: { fieldRef } }) => {
    const value = pod.fields[fieldRef.fieldPath];
    if (value === undefined) throw new Error(`${name} wants ${fieldRef.fieldPath}, which this pod does not have`);
    return `${name}=${value}`;
  });
  return [...(image.Env ?? []), ...ofFields, ...Object.entries(pod.env).map(([name, value]) => `${name}=${value}`)];
}
