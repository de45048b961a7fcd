/** Where the programs of a real Kubernetes control plane are: built by `npm run envtest`, or named by KUBEBUILDER_ASSETS. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export const binaryNames = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"] as const;

export type BinaryName = (typeof binaryNames)[number];

/** The folder with the go.mod that pins their versions. */
export const moduleFolder = join(import.meta.dirname, "..", "..", "hack", "envtest");

/** Where `npm run envtest` puts them: a folder of the user's cache, one per go.sum. */
export function builtFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const cache = env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const sums = createHash("sha256")
    .update(readFileSync(join(moduleFolder, "go.sum")))
    .digest("hex");
  return join(cache, "terway-controlplane", "envtest", sums.slice(0, 12));
}

/** Path of a program; undefined when it is in neither folder. `KUBEBUILDER_ASSETS` comes first (controller-runtime's envtest). */
export function locate(name: BinaryName): string | undefined {
  const folders = [process.env["KUBEBUILDER_ASSETS"], builtFolder()];
  return folders.flatMap((folder) => (folder ? [join(folder, name)] : [])).find((path) => existsSync(path));
}

/** In one line, why tests cannot run against a real API server here; undefined when they can. */
export function whyNoControlPlane(names: readonly BinaryName[] = binaryNames): string | undefined {
  const missing = names.filter((name) => locate(name) === undefined);
  if (missing.length === 0) return undefined;
  return `no ${missing.join(", ")}: "npm run envtest" builds them (needs Go), or set KUBEBUILDER_ASSETS`;
}
