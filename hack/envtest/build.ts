/**
 * `npm run envtest`: builds etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubectl from their Go modules
 * (go.mod beside this file pins them) into the user's cache, and prints the folder. What is built already stays.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { binaryNames, builtFolder, moduleFolder } from "../../test/envtest/binaries.ts";

/** Shown by `/version`, and looked at by kubectl; must be the version of k8s.io/kubernetes in go.mod. */
const kubernetesVersion = "v1.35.4";

const folder = builtFolder();
if (binaryNames.every((name) => existsSync(join(folder, name)))) {
  console.log(folder);
} else {
  build();
}

function build(): void {
  const started = performance.now();
  // Built beside and renamed at the end: an interrupted build leaves nothing that looks finished.
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  console.error("building a Kubernetes control plane from its Go modules; 10 minutes on 2 cores the first time");
  const flags = `-s -w -X k8s.io/component-base/version.gitVersion=${kubernetesVersion}`;
  const { status, error } = spawnSync("go", ["build", "-o", `${unfinished}/`, "-ldflags", flags, "tool"], {
    cwd: moduleFolder,
    env: { ...process.env, CGO_ENABLED: "0" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    console.error(
      error === undefined
        ? "go build failed; its words are above"
        : `go cannot be started (${error.message}): install Go (the version in hack/envtest/go.mod or newer), or set ` +
            "KUBEBUILDER_ASSETS to a folder with these programs",
    );
    process.exitCode = 1;
    return;
  }
  // The package of etcd is named server.
  renameSync(join(unfinished, "server"), join(unfinished, "etcd"));
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
  console.error(`built in ${Math.round((performance.now() - started) / 1_000)} s`);
  console.log(folder);
}
