import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";

const root = join(import.meta.dirname, "..");

/**
 * Makes a folder with the sources, and returns its path. The sandbox program writes into `.sandbox` of the repository it is
 * in, and empties that folder first: run in this one it would break a sandbox that somebody is looking at.
 */
export function copyOfRepository(target: string): string {
  const left = new Set(["node_modules", ".git", ".cache", ".sandbox", "coverage", "docs", "e2e"]);
  mkdirSync(target);
  cpSync(root, target, { recursive: true, filter: (source) => !left.has(basename(source)) });
  symlinkSync(join(root, "node_modules"), join(target, "node_modules"));
  return target;
}
