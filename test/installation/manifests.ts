/** The objects of `config/` as they are on disk. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [member: string]: unknown;
}

export const root = join(import.meta.dirname, "..", "..");

/** Every object of a YAML text. */
export function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** Every object of the files, which are named from the root of the repository. */
export function readFiles(...paths: readonly string[]): readonly Manifest[] {
  return paths.flatMap((path) => parseManifests(readFileSync(join(root, path), "utf8")));
}

/** The object of that kind and name. @throws Error when there is none */
export function find(manifests: readonly Manifest[], kind: string, name = "terway-controlplane"): Manifest {
  const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found;
}
