/**
 * Copies the manifests that the chart has in common with `config/` into the chart, which may not look outside of its folder.
 * `--check` compares instead and exits with status 1.
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");
const chart = join(root, "charts", "terway-controlplane");

/** From the file, as a path from the root, to its copy, as a path from the chart. */
export function copies(): ReadonlyMap<string, string> {
  const crds = readdirSync(join(root, "crds")).filter((name) => name.endsWith(".yaml"));
  return new Map([
    ["config/rbac/cluster-role.yaml", "files/cluster-role.yaml"],
    ["config/rbac/roles.yaml", "files/roles.yaml"],
    ["config/webhook/configurations.yaml", "files/configurations.yaml"],
    ["config/webhook/policies.yaml", "files/policies.yaml"],
    ...crds.map((name): [string, string] => [`crds/${name}`, `crds/${name}`]),
  ]);
}

/** Copies that differ from their originals, as paths from the root. */
export function staleCopies(): readonly string[] {
  return [...copies()]
    .filter(([source, copy]) => {
      const path = join(chart, copy);
      return !existsSync(path) || readFileSync(path, "utf8") !== readFileSync(join(root, source), "utf8");
    })
    .map(([, copy]) => `charts/terway-controlplane/${copy}`);
}

function main(): void {
  const isCheck = process.argv.includes("--check");
  const stale = staleCopies();
  if (isCheck && stale.length > 0) {
    console.error(`not up to date, run npm run generate: ${stale.join(", ")}`);
    process.exitCode = 1;
  }
  if (isCheck) return;
  for (const [source, copy] of copies()) {
    mkdirSync(dirname(join(chart, copy)), { recursive: true });
    writeFileSync(join(chart, copy), readFileSync(join(root, source)));
  }
}

if (import.meta.main) main();
