// Runs before `npm start` and `npm test`, so that each works as the first command on a fresh clone. Plain JavaScript for
// Node 20 and later, because the Node that runs TypeScript is itself one of the packages that this installs.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const installed = join(root, "node_modules", ".package-lock.json");

/** The lockfile that npm leaves in node_modules lists what is there; compare it with the one that is wanted. */
function isUpToDate() {
  if (!existsSync(installed) || !existsSync(join(root, "node_modules", ".bin", "node"))) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const present = JSON.parse(readFileSync(installed, "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === "" || optional === true || present[path]?.version === version,
  );
}

if (!isUpToDate()) {
  console.error("Installing the packages of package-lock.json, once.");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  // Not `npm ci`: it refuses a lockfile that leaves out optional packages of other platforms, which some registries do not
  // have. This installs the same versions, checks the same hashes and leaves the lockfile as it is.
  const command = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync(npm, command, { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) {
    console.error(
      "npm install failed: see its message above. A package registry must be reachable for the first start.",
    );
    process.exit(status ?? 1);
  }
}
