import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { KubeObject } from "../runtime/ports.ts";

/** The parts of apiextensions.k8s.io/v1 CustomResourceDefinition that are read; `spec` is otherwise passed through. */
export interface CustomResourceDefinition extends KubeObject {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string; readonly kind: string };
    readonly scope: string;
    readonly versions: readonly { readonly name: string; readonly served: boolean }[];
  };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}

/** The CRDs that this program brings along: every manifest in `crds/`, by file name. */
export async function readCrdManifests(): Promise<readonly CustomResourceDefinition[]> {
  const directory = join(import.meta.dirname, "..", "crds");
  const files = (await readdir(directory)).filter((name) => name.endsWith(".yaml")).sort();
  return await Promise.all(
    files.map(async (name) => parse(await readFile(join(directory, name), "utf8")) as CustomResourceDefinition),
  );
}
