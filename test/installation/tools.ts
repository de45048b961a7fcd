/** The programs that render manifests: kubectl has kustomize built in, and helm is built from hack/helm/go.mod. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { locate } from "../envtest/binaries.ts";
import { parseManifests, root, type Manifest } from "./manifests.ts";

/** Where `npm run envtest` puts helm. */
export function helmFolder(): string {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(cache, "terway-controlplane", "helm");
}

/** HELM names another one. */
function helmPath(): string | undefined {
  return [process.env["HELM"], join(helmFolder(), "helm")].find((path) => path !== undefined && existsSync(path));
}

function kubectlPath(): string | undefined {
  return [process.env["KUBECTL"], locate("kubectl")].find((path) => path !== undefined && existsSync(path));
}

/** In one line, why manifests cannot be rendered here; undefined when they can. */
export function whyNoRendering(): string | undefined {
  if (kubectlPath() === undefined) return 'no kubectl: "npm run envtest" builds it (needs Go), or set KUBECTL';
  if (helmPath() === undefined) {
    return 'no helm: "npm run envtest" builds it (needs Go), or set HELM';
  }
  return undefined;
}

/** The objects of a kustomization; the folder is absolute or below the root. @throws Error with the words of kustomize */
export function kustomize(folder: string): readonly Manifest[] {
  return parseManifests(run(kubectlPath(), ["kustomize", folder]));
}

/** The objects of the chart with those values, custom resource definitions included. @throws Error with the words of helm */
export function helmTemplate(valuesPath: string, namespace = "kube-system"): readonly Manifest[] {
  const chart = ["template", "terway-controlplane", "charts/terway-controlplane", "--include-crds"];
  // A cluster's own API versions are not asked for.
  const cluster = ["--namespace", namespace, "--kube-version", "1.30.0"];
  return parseManifests(run(helmPath(), [...chart, ...cluster, "--values", valuesPath]));
}

/** What `helm lint --strict` says. @throws Error with its words when it finds fault */
export function helmLint(valuesPath: string): string {
  return run(helmPath(), ["lint", "--strict", "charts/terway-controlplane", "--values", valuesPath]);
}

function run(program: string | undefined, parameters: readonly string[]): string {
  if (program === undefined) throw new Error(whyNoRendering());
  return execFileSync(program, parameters, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
