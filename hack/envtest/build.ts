/**
 * `npm run envtest`: builds what the tests need of other people's programs into the user's cache, and prints the folders:
 * etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubectl (go.mod beside this file pins them), and helm
 * (hack/helm/go.mod). What is built already stays.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { binaryNames, builtFolder, moduleFolder } from "../../test/envtest/binaries.ts";
import { helmFolder } from "../../test/installation/tools.ts";

/** Shown by `/version`, and looked at by kubectl; must be the version of k8s.io/kubernetes in go.mod. */
const kubernetesVersion = "v1.35.4";

interface Build {
  readonly what: string;
  /** On 2 cores, when nothing is in Go's own cache. */
  readonly minutes: number;
  /** Folder of the go.mod. */
  readonly modules: string;
  /** Folder for the programs. */
  readonly target: string;
  readonly linkerFlags: string;
  /** What it takes in place of this build. */
  readonly instead: string;
  readonly isBuilt: () => boolean;
  /** Makes of what Go built, which is in `folder`, what `isBuilt` looks for. */
  readonly finish: (folder: string) => void;
}

/** Its folder has the same name for every version, so the sums that it was built from are kept beside it. */
const helmModules = join(import.meta.dirname, "..", "helm");
const sumsOfHelm = join(helmModules, "go.sum");

const builds: readonly Build[] = [
  {
    what: "a Kubernetes control plane",
    minutes: 10,
    modules: moduleFolder,
    target: builtFolder(),
    linkerFlags: `-s -w -X k8s.io/component-base/version.gitVersion=${kubernetesVersion}`,
    instead: "set KUBEBUILDER_ASSETS to a folder with these programs",
    isBuilt: () => binaryNames.every((name) => existsSync(join(builtFolder(), name))),
    // The package of etcd is named server.
    finish: (folder) => renameSync(join(folder, "server"), join(folder, "etcd")),
  },
  {
    what: "helm",
    minutes: 3,
    modules: helmModules,
    target: helmFolder(),
    linkerFlags: "-s -w",
    instead: "set HELM to a helm",
    isBuilt: () =>
      existsSync(join(helmFolder(), "helm")) &&
      textOf(join(helmFolder(), "go.sum")) === readFileSync(sumsOfHelm, "utf8"),
    finish: (folder) => copyFileSync(sumsOfHelm, join(folder, "go.sum")),
  },
];

for (const wanted of builds) {
  const problem = wanted.isBuilt() ? undefined : build(wanted);
  if (problem === undefined) {
    console.log(wanted.target);
  } else {
    console.error(problem);
    process.exitCode = 1;
  }
}

/** In words, why it could not be built; undefined when it was. */
function build({ what, minutes, modules, target, linkerFlags, instead, finish }: Build): string | undefined {
  const started = performance.now();
  // Built beside and renamed at the end: an interrupted build leaves nothing that looks finished.
  const unfinished = `${target}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  console.error(`building ${what} from its Go modules; ${minutes} minutes on 2 cores the first time`);
  const { status, error } = spawnSync("go", ["build", "-o", `${unfinished}/`, "-ldflags", linkerFlags, "tool"], {
    cwd: modules,
    env: { ...process.env, CGO_ENABLED: "0" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    return error === undefined
      ? "go build failed; its words are above"
      : `go cannot be started (${error.message}): install Go (the version in ${modules}/go.mod or newer), or ${instead}`;
  }
  finish(unfinished);
  rmSync(target, { recursive: true, force: true });
  renameSync(unfinished, target);
  console.error(`built in ${Math.round((performance.now() - started) / 1_000)} s`);
  return undefined;
}

function textOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
