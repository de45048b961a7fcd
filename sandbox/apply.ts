/** Applies manifests as `kubectl apply --server-side` does, through a transport. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { Transport } from "../runtime/transport.ts";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** Every object of every YAML file of a folder, by file name. @throws Error naming the file that is none */
export function readManifests(folder: string): readonly Manifest[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".yaml") && name !== "kustomization.yaml");
  return files.sort().flatMap((name) =>
    parseAllDocuments(readFileSync(join(folder, name), "utf8")).flatMap((document) => {
      const value: unknown = document.toJS();
      if (value === null || value === undefined) return [];
      if (!isManifest(value)) throw new Error(`${name}: a document has no apiVersion, kind or metadata.name`);
      return [value];
    }),
  );
}

/** @throws Error with the API server's words when it refuses the object */
export async function apply(transport: Transport, manifest: Manifest): Promise<void> {
  const { name, namespace } = manifest.metadata;
  const scope = namespace === undefined ? "" : `/namespaces/${namespace}`;
  const root = manifest.apiVersion.includes("/") ? `/apis/${manifest.apiVersion}` : `/api/${manifest.apiVersion}`;
  const answer = await transport.request(
    {
      method: "PATCH",
      path: `${root}${scope}/${pluralOf(manifest.kind)}/${name}?fieldManager=sandbox&force=true`,
      headers: { "content-type": "application/apply-patch+yaml" },
      body: manifest,
    },
    new AbortController().signal,
  );
  if (answer.status >= 300) throw new Error(`${manifest.kind} ${name}: ${messageOf(answer.body)}`);
}

/** Absence is success. @throws Error with the API server's words when it refuses */
export async function remove(transport: Transport, path: string): Promise<void> {
  const answer = await transport.request({ method: "DELETE", path }, new AbortController().signal);
  if (answer.status >= 300 && answer.status !== 404) throw new Error(`${path}: ${messageOf(answer.body)}`);
}

function pluralOf(kind: string): string {
  return `${kind.toLowerCase()}s`.replace(/ys$/, "ies");
}

function messageOf(body: unknown): string {
  const hasMessage = typeof body === "object" && body !== null && "message" in body;
  return hasMessage ? String(body.message) : JSON.stringify(body);
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== "object" || value === null) return false;
  const { apiVersion, kind, metadata } = value as Partial<Manifest>;
  return typeof apiVersion === "string" && typeof kind === "string" && typeof metadata?.name === "string";
}
