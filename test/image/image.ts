/** The image that hack/image/build.sh made: whether it is there, its configuration, and its root file system as a folder. */
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { whyNoControlPlane } from "../envtest/binaries.ts";
import { root } from "../installation/manifests.ts";

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };

/** The tag that hack/image/build.sh gives. */
export const imageName = `localhost/terway-controlplane:${version}`;

/** Source: OCI image specification, `config`; the members that a container runtime uses. */
export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
}

interface Inspected {
  readonly OCIv1: { readonly created: string; readonly config: ImageConfig };
}

/** In one line, why the image cannot be run here; undefined when it can. */
export function whyNoImage(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root, who may mount it and start it as another user";
  for (const program of ["buildah", "runc"]) {
    if (spawnSync(program, ["--version"]).status !== 0) return `no ${program}: apt-get install ${program}`;
  }
  const { status, stdout } = spawnSync("buildah", inspect, { encoding: "utf8" });
  if (status !== 0) return `no image ${imageName}: hack/image/build.sh builds it`;
  const { created } = (JSON.parse(stdout) as Inspected).OCIv1;
  const newer = newestSource();
  if (newer.changedMs > Date.parse(created)) {
    return `the image is older than ${newer.path}: hack/image/build.sh builds it anew`;
  }
  return whyNoControlPlane();
}

export function imageConfig(): ImageConfig {
  return (JSON.parse(execFileSync("buildah", inspect, { encoding: "utf8" })) as Inspected).OCIv1.config;
}

const inspect = ["inspect", "--type", "image", imageName];

/** Its root file system, as a folder that may be changed without changing the image. */
export interface MountedImage {
  readonly folder: string;
  remove(): void;
}

export function mountImage(): MountedImage {
  const buildah = (...parameters: readonly string[]): string =>
    execFileSync("buildah", parameters, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  const container = buildah("from", "--pull-never", imageName);
  const remove = (): void => void buildah("rm", container);
  try {
    return { folder: buildah("mount", container), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

interface Source {
  readonly path: string;
  readonly changedMs: number;
}

/** Of what the Dockerfile copies into the image, the file that changed last. */
function newestSource(): Source {
  const files = copiedPaths().flatMap((path) => (statSync(join(root, path)).isDirectory() ? filesBelow(path) : [path]));
  const sources = files.filter(isInImage).map((path) => ({ path, changedMs: statSync(join(root, path)).mtimeMs }));
  return sources.reduce((newest, source) => (source.changedMs > newest.changedMs ? source : newest));
}

/** Files and folders, from the root of the repository. */
export function copiedPaths(): readonly string[] {
  const copies = readFileSync(join(root, "Dockerfile"), "utf8").matchAll(/^COPY (?!--)(.+) \S+$/gm);
  return [...copies].flatMap(([, sources = ""]) => sources.split(" "));
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath.slice(root.length + 1), entry.name));
}

/** What .dockerignore leaves out of those folders. */
export function isInImage(path: string): boolean {
  return !/\.test\.ts$|(^|\/)fixtures\/|^cmd\/sandbox[^/]*\.ts$/.test(path);
}
