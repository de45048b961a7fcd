/** Brings the CRDs of the cluster to the built-in version before anything watches them. */
import semver from "semver";
import { crdVersionAnnotation } from "../crds/v1beta1/names.ts";
import { ConflictError, NotFoundError, TerminalError, TransientError } from "../runtime/errors.ts";
import type { Clock, Logger, ObjectClient } from "../runtime/ports.ts";
import type { Transport } from "../runtime/transport.ts";
import type { CustomResourceDefinition } from "./crd-manifests.ts";
import { createObjectClient } from "./object-client.ts";
import { resourceTypes } from "./resources.ts";

export interface InstallCrdsOptions {
  readonly transport: Transport;
  /** Usually the answer of readCrdManifests. */
  readonly crds: readonly CustomResourceDefinition[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Longest wait until all are served. @default 30_000 */
  readonly timeoutMs?: number;
}

/** What was done to one CRD; `left` as it was, because it has our version or (`newer`) a higher one. */
export type CrdOutcome = "created" | "upgraded" | "left" | "newer";

/**
 * Per CRD: creates a missing one; replaces the spec of one whose version annotation is lower (missing or invalid counts as
 * lowest); leaves others. Then waits until every one is established and its objects can be listed, so that an informer
 * started next does not run into 404. Idempotent, and safe when replicas do it at the same time.
 * @returns the outcome by CRD name
 * @throws TerminalError when a permission is missing, a name is taken, or the API server refuses a schema
 * @throws TransientError when the API server is unreachable, or the CRDs are not served in time
 */
export async function installCrds(options: InstallCrdsOptions): Promise<ReadonlyMap<string, CrdOutcome>> {
  const client = createObjectClient<CustomResourceDefinition>({
    transport: options.transport,
    resource: resourceTypes.customResourceDefinitions,
  });
  const outcomes = await Promise.all(
    options.crds.map(async (crd): Promise<[string, CrdOutcome]> => {
      const { outcome, version } = await installOne(client, crd, options.signal);
      const fields = { name: crd.metadata.name, version, builtIn: versionOf(crd) };
      if (outcome === "left") options.log.debug("CRD is up to date", fields);
      else if (outcome === "newer") options.log.warn("CRD is of a newer release than this program; left alone", fields);
      else options.log.info(`CRD ${outcome}`, fields);
      await untilServed(client, crd, options);
      return [crd.metadata.name, outcome];
    }),
  );
  return new Map(outcomes);
}

/** Tries against another replica that installs the same: each lost race means that it got further. */
const maxRaces = 5;

async function installOne(
  client: ObjectClient<CustomResourceDefinition>,
  crd: CustomResourceDefinition,
  signal: AbortSignal,
): Promise<{ readonly outcome: CrdOutcome; readonly version: string }> {
  const version = versionOf(crd);
  for (let race = 1; ; race += 1) {
    try {
      const live = await client.getLive("", crd.metadata.name, signal);
      if (live === undefined) {
        await client.create(crd, signal);
        return { outcome: "created", version };
      }
      const found = versionOf(live);
      if (!isOlder(found, version)) return { outcome: isOlder(version, found) ? "newer" : "left", version: found };
      await client.update(upgraded(live, crd), signal);
      return { outcome: "upgraded", version };
    } catch (error: unknown) {
      // AlreadyExists, a stale read, or deleted meanwhile: look again.
      const isRace = error instanceof ConflictError || error instanceof NotFoundError;
      if (!isRace || race >= maxRaces) throw error;
    }
  }
}

/** The live object with the built-in spec; annotations and labels of others stay. */
function upgraded(live: CustomResourceDefinition, crd: CustomResourceDefinition): CustomResourceDefinition {
  const annotations = { ...live.metadata.annotations, ...crd.metadata.annotations };
  return { ...live, metadata: { ...live.metadata, annotations }, spec: crd.spec };
}

function versionOf(crd: CustomResourceDefinition): string {
  return crd.metadata.annotations?.[crdVersionAnnotation] ?? "";
}

/** Whether the cluster's version is lower than ours. Pure; what is no semantic version is lower than everything. */
export function isOlder(liveVersion: string, builtInVersion: string): boolean {
  const builtIn = semver.parse(builtInVersion);
  if (builtIn === null) return false;
  const live = semver.parse(liveVersion);
  return live === null || semver.lt(live, builtIn);
}

async function untilServed(
  client: ObjectClient<CustomResourceDefinition>,
  crd: CustomResourceDefinition,
  options: InstallCrdsOptions,
): Promise<void> {
  const { clock, signal, timeoutMs = 30_000 } = options;
  const deadlineMs = clock.monotonic() + timeoutMs;
  // 50 ms: a CRD is usually served within a few hundred, and a fresh cluster must bind its first pod within 5 s.
  for (let waitMs = 50; ; waitMs = Math.min(1000, waitMs * 1.5)) {
    const problem = await whyNotServed(client, crd, options);
    if (problem === undefined) return;
    if (clock.monotonic() + waitMs > deadlineMs) {
      throw new TransientError("CRDNotServed", `${crd.metadata.name} is not served after ${timeoutMs} ms: ${problem}`);
    }
    await clock.sleep(waitMs, signal);
  }
}

/** @throws TerminalError when waiting cannot help: another CRD has the name */
async function whyNotServed(
  client: ObjectClient<CustomResourceDefinition>,
  crd: CustomResourceDefinition,
  options: InstallCrdsOptions,
): Promise<string | undefined> {
  const conditions = (await client.getLive("", crd.metadata.name, options.signal))?.status?.conditions ?? [];
  const refused = conditions.find(({ type, status }) => type === "NamesAccepted" && status === "False");
  if (refused !== undefined) {
    const why = refused.message ?? refused.reason ?? "name refused";
    throw new TerminalError("CRDNameTaken", `${crd.metadata.name}: ${why}`);
  }
  if (!conditions.some(({ type, status }) => type === "Established" && status === "True")) return "not established";
  return await whyNotListed(crd, options);
}

/** The API server serves a CRD a moment after it has established it. */
async function whyNotListed(crd: CustomResourceDefinition, options: InstallCrdsOptions): Promise<string | undefined> {
  const { group, names, versions } = crd.spec;
  const version = versions.find(({ served }) => served)?.name ?? "";
  const path = `/apis/${group}/${version}/${names.plural}?limit=1`;
  const { status } = await options.transport.request({ method: "GET", path }, options.signal);
  // 403: served, and listing it is another matter.
  return status === 200 || status === 403 ? undefined : `listing answers HTTP ${status}`;
}
