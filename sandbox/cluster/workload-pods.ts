/** What the workload controllers share: the pods of an owner, pods from a template, hashes of templates. */
import { createHash } from "node:crypto";
import type { PodTemplateSpec } from "kubernetes-types/core/v1.d.ts";
import type { KubeObject, OwnerReference } from "../../runtime/ports.ts";
import { ApiRefusal, isRecord } from "./api.ts";
import type { Cache } from "./cache.ts";
import type { ComponentContext } from "./component.ts";
import { controllerUidOf, keyOfObject, resources, type Pod, type Resource } from "./kinds.ts";

/** Files the objects of a cache under the uid of their controller, and wakes the controller of each one that changes. */
export class Owned<T extends KubeObject> {
  readonly #byUid = new Map<string, Map<string, T>>();

  /** @param wake called with the key of the owner, for owners of the kind `ownerKind` */
  constructor(cache: Cache<T>, ownerKind: string, wake: (ownerKey: string) => void) {
    cache.onChange(({ before, after }) => {
      if (before !== undefined) this.#file(before, "remove");
      if (after !== undefined) this.#file(after, "add");
      const object = after ?? before;
      const owner = object?.metadata.ownerReferences?.find((reference) => reference.controller === true);
      if (owner?.kind === ownerKind) wake(`${object?.metadata.namespace ?? ""}/${owner.name}`);
    });
  }

  /** Objects whose controller has this uid. */
  of(owner: KubeObject): T[] {
    return [...(this.#byUid.get(owner.metadata.uid ?? "")?.values() ?? [])];
  }

  #file(object: T, what: "add" | "remove"): void {
    const uid = controllerUidOf(object);
    if (uid === undefined) return;
    const siblings = this.#byUid.get(uid) ?? new Map<string, T>();
    if (what === "add") siblings.set(keyOfObject(object), object);
    else siblings.delete(keyOfObject(object));
    if (siblings.size === 0) this.#byUid.delete(uid);
    else this.#byUid.set(uid, siblings);
  }
}

export function toControllerReference(resource: Resource, owner: KubeObject): OwnerReference {
  const { apiVersion, kind } = resource;
  const { name, uid = "" } = owner.metadata;
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

export interface PodFromTemplate {
  readonly resource: Resource;
  readonly owner: KubeObject;
  readonly template: PodTemplateSpec;
  /** A name that ends in `-` is completed by the API server (generateName). */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** Creates the pod and puts it into the cache. A refusal becomes an event of the owner, and is thrown. @throws ApiRefusal */
export async function createPod(context: ComponentContext, pods: Cache<Pod>, input: PodFromTemplate): Promise<void> {
  const { resource, owner, template, name } = input;
  const metadata = {
    ...(name.endsWith("-") ? { name: "", generateName: name } : { name }),
    namespace: owner.metadata.namespace ?? "default",
    labels: { ...template.metadata?.labels, ...input.labels },
    annotations: { ...template.metadata?.annotations },
    ownerReferences: [toControllerReference(resource, owner)],
  };
  const spec = { ...(template.spec ?? { containers: [] }), ...input.spec };
  const pod: Pod = { metadata, spec };
  try {
    pods.observe(await context.api.create(resources.pods, pod));
  } catch (error) {
    if (error instanceof ApiRefusal && error.reason !== "AlreadyExists") {
      context.reporter.event(resource, owner, {
        component: `${resource.kind.toLowerCase()}-controller`,
        type: "Warning",
        reason: "FailedCreate",
        action: "Create",
        note: `create Pod ${name} in ${resource.kind} ${owner.metadata.name} failed error: ${error.message}`,
      });
    }
    throw error;
  }
}

/** Ten letters and digits that change exactly when the template does; the order of its fields does not matter. */
export function hashOf(template: unknown): string {
  const digest = createHash("sha256")
    .update(JSON.stringify(sorted(template)))
    .digest();
  // Consonants and digits only, like the real controllers: no word can come up.
  const letters = "bcdfghjklmnpqrstvwxz2456789";
  return [...digest.subarray(0, 10)].map((byte) => letters[byte % letters.length]).join("");
}

/** Without null and empty objects: clients differ in what they spell out, and `rollout undo` must find its revision. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, each]) => [key, sorted(each)] as const)
      .filter(([, each]) => each !== null && each !== undefined && !isEmptyObject(each))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Actions of one plan that run at the same time. */
const atOnce = 32;

/**
 * Runs every action, 32 at a time: one that fails does not hold up the others, but after 32 failures the rest is left
 * for the next attempt. @throws the first failure, once nothing runs any more
 */
export async function runAll<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) {
      if (failures.length >= atOnce) return;
      try {
        await run(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

function isEmptyObject(value: unknown): boolean {
  return isRecord(value) && Object.keys(value).length === 0;
}

/** True when every field of `wanted` is in `actual` with the same value, so that writing it would change nothing. */
export function isWritten(wanted: Readonly<Record<string, unknown>>, actual: object | undefined): boolean {
  const known: Record<string, unknown> = { ...actual };
  return Object.entries(wanted).every(
    ([field, value]) => JSON.stringify(sorted(value)) === JSON.stringify(sorted(known[field])),
  );
}
