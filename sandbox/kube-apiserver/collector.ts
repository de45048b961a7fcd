import type { Clock } from "../../runtime/ports.ts";
import { crdCleanupFinalizer, crdStorage } from "./crds.ts";
import { finalizerOf, type Deleter } from "./deleter.ts";
import { isObject, memberObject, stringAt, type OwnerReferenceJson, type StoredObject } from "./kube-json.ts";
import type { KindRegistry, ResourceKind } from "./kinds.ts";
import { dropEmpty } from "./metadata.ts";
import { ApiError } from "./status.ts";
import type { Store } from "./store.ts";
import type { LoggedEvent } from "./watch-log.ts";
import type { Change, WriteContext, Writer } from "./writer.ts";

/** Where one object is stored. */
interface Address {
  readonly storage: string;
  readonly namespace: string;
  readonly name: string;
}

/** Time between a change and what the collector does about it, milliseconds. The real one takes about this long, too. */
const reactionMs = 5;
/** Rest after a failed round (a webhook that is down), milliseconds. */
const retryMs = 1_000;

/**
 * What kube-controller-manager does about deletions, asynchronously: garbage collection by owner references (background,
 * foreground, orphan), the contents of deleted namespaces, the objects of deleted CRDs.
 */
export class Collector {
  readonly #store: Store;
  readonly #registry: KindRegistry;
  readonly #writer: Writer;
  readonly #deleter: Deleter;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #addressByUid = new Map<string, Address>();
  /** Dependents by the uid of an owner. */
  readonly #dependents = new Map<string, Map<string, Address>>();
  /** What to look at next, by storage, namespace and name. */
  #pending = new Map<string, Address>();
  #isRunning = false;

  constructor(deps: { store: Store; registry: KindRegistry; writer: Writer; deleter: Deleter; clock: Clock }) {
    this.#store = deps.store;
    this.#registry = deps.registry;
    this.#writer = deps.writer;
    this.#deleter = deps.deleter;
    this.#clock = deps.clock;
    this.#store.onCommit((storage, event) => {
      this.#onCommit(storage, event);
    });
  }

  /** Ends the loop for good. */
  close(): void {
    this.#stop.abort();
  }

  #onCommit(storage: string, event: LoggedEvent): void {
    const { metadata } = event.object;
    const address = { storage, namespace: metadata.namespace ?? "", name: metadata.name };
    for (const owner of event.previous?.metadata.ownerReferences ?? [])
      this.#dependents.get(owner.uid)?.delete(metadata.uid);
    if (event.type === "DELETED") this.#onDeleted(address, event.object);
    else this.#onStored(address, event);
  }

  #onStored(address: Address, event: LoggedEvent): void {
    const { metadata } = event.object;
    this.#addressByUid.set(metadata.uid, address);
    const owners = metadata.ownerReferences ?? [];
    for (const owner of owners) {
      const dependents = this.#dependents.get(owner.uid) ?? new Map<string, Address>();
      this.#dependents.set(owner.uid, dependents);
      dependents.set(metadata.uid, address);
    }
    const hasLostOwner = owners.some((owner) => !this.#ownerExists(owner, address));
    if (hasLostOwner || (metadata.deletionTimestamp !== undefined && waits(event.object))) this.#schedule(address);
  }

  #onDeleted(address: Address, object: StoredObject): void {
    this.#addressByUid.delete(object.metadata.uid);
    for (const dependent of this.#dependents.get(object.metadata.uid)?.values() ?? []) this.#schedule(dependent);
    this.#dependents.delete(object.metadata.uid);
    // Owners, the namespace and the CRD may have waited for this.
    for (const owner of object.metadata.ownerReferences ?? []) {
      const found = this.#addressByUid.get(owner.uid);
      if (found !== undefined) this.#schedule(found);
    }
    if (address.namespace !== "")
      this.#scheduleDeleting({ storage: "/namespaces", namespace: "", name: address.namespace });
    const [group = "", plural = ""] = address.storage.split("/");
    this.#scheduleDeleting({ storage: crdStorage, namespace: "", name: `${plural}.${group}` });
  }

  #scheduleDeleting(address: Address): void {
    const found = this.#store.table(address.storage).get(address.namespace, address.name);
    if (found?.metadata.deletionTimestamp !== undefined) this.#schedule(address);
  }

  #schedule(address: Address): void {
    this.#pending.set(`${address.storage} ${address.namespace} ${address.name}`, address);
    if (this.#isRunning) return;
    this.#isRunning = true;
    // Ends by rejection when the server closes.
    this.#run().catch(() => undefined);
  }

  async #run(): Promise<void> {
    let waitMs = reactionMs;
    while (this.#pending.size > 0) {
      await this.#clock.sleep(waitMs, this.#stop.signal);
      const batch = this.#pending;
      this.#pending = new Map();
      waitMs = reactionMs;
      for (const [key, address] of batch) {
        const isDone = await this.#settle(address);
        if (isDone) continue;
        this.#pending.set(key, address);
        waitMs = retryMs;
      }
    }
    this.#isRunning = false;
  }

  /** @returns false to try again later */
  async #settle(address: Address): Promise<boolean> {
    const object = this.#store.table(address.storage).get(address.namespace, address.name);
    const kind = this.#registry.ofStorage(address.storage);
    if (object === undefined || kind === undefined) return true;
    try {
      if (object.metadata.deletionTimestamp !== undefined) await this.#finish(address, kind, object);
      else await this.#collect(address, kind, object);
      return true;
    } catch (error) {
      // Somebody else changed or removed it: the commit that did so has scheduled what is left to do.
      return error instanceof ApiError && (error.code === 404 || error.code === 409);
    }
  }

  /** An object whose owners are gone goes, too; one that has others left only forgets the lost ones. */
  async #collect(address: Address, kind: ResourceKind, object: StoredObject): Promise<void> {
    const owners = object.metadata.ownerReferences ?? [];
    const present = owners.filter((owner) => this.#ownerExists(owner, address));
    if (owners.length === present.length) return;
    if (present.length === 0) await this.#delete(address, kind, object);
    else await this.#setMetadata(address, kind, { ownerReferences: present });
  }

  #ownerExists(owner: OwnerReferenceJson, dependent: Address): boolean {
    const found = this.#addressByUid.get(owner.uid);
    return found !== undefined && (found.namespace === "" || found.namespace === dependent.namespace);
  }

  async #finish(address: Address, kind: ResourceKind, object: StoredObject): Promise<void> {
    const finalizers = object.metadata.finalizers ?? [];
    if (finalizers.includes(finalizerOf.Orphan)) await this.#orphan(address, kind, object);
    else if (finalizers.includes(finalizerOf.Foreground)) await this.#foreground(address, kind, object);
    else if (address.storage === "/namespaces") await this.#emptyNamespace(address, kind, object);
    else if (finalizers.includes(crdCleanupFinalizer)) await this.#emptyCrd(address, kind, object);
  }

  async #orphan(address: Address, kind: ResourceKind, object: StoredObject): Promise<void> {
    for (const [dependent, dependentKind] of this.#dependentsOf(object)) {
      const found = this.#store.table(dependent.storage).get(dependent.namespace, dependent.name);
      const left = (found?.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== object.metadata.uid);
      await this.#setMetadata(dependent, dependentKind, { ownerReferences: left });
    }
    await this.#removeFinalizer(address, kind, finalizerOf.Orphan);
  }

  async #foreground(address: Address, kind: ResourceKind, object: StoredObject): Promise<void> {
    let isBlocked = false;
    for (const [dependent, dependentKind] of this.#dependentsOf(object)) {
      const found = this.#store.table(dependent.storage).get(dependent.namespace, dependent.name);
      if (found === undefined) continue;
      isBlocked ||= blocks(found, object);
      if (found.metadata.deletionTimestamp === undefined) await this.#deleteBlocking(dependent, dependentKind, found);
    }
    // Looked at again when a dependent goes: its deletion schedules its owners.
    if (!isBlocked || this.#dependentsOf(object).length === 0) {
      await this.#removeFinalizer(address, kind, finalizerOf.Foreground);
    }
  }

  /** In the foreground itself when it has dependents of its own. */
  async #deleteBlocking(address: Address, kind: ResourceKind, object: StoredObject): Promise<void> {
    const isOwner = (this.#dependents.get(object.metadata.uid)?.size ?? 0) > 0;
    await this.#delete(address, kind, object, isOwner ? "Foreground" : "Background");
  }

  async #emptyNamespace(address: Address, kind: ResourceKind, object: StoredObject): Promise<void> {
    let left = 0;
    for (const content of this.#registry.stored()) {
      if (content.namespaced) left += await this.#empty(content, address.name);
    }
    if (left > 0) return;
    const spec = memberObject(object, "spec");
    const finalizers = Array.isArray(spec["finalizers"]) ? (spec["finalizers"] as unknown[]) : [];
    const others = finalizers.filter((finalizer) => finalizer !== "kubernetes");
    await this.#change(address, kind, (current) => ({
      ...current,
      spec: { ...memberObject(current, "spec"), finalizers: others },
    }));
  }

  async #emptyCrd(address: Address, kind: ResourceKind, object: StoredObject): Promise<void> {
    const storage = `${stringAt(object, ["spec", "group"])}/${stringAt(object, ["spec", "names", "plural"])}`;
    const content = this.#registry.ofStorage(storage);
    if (content !== undefined && (await this.#empty(content, "")) > 0) return;
    await this.#removeFinalizer(address, kind, crdCleanupFinalizer);
  }

  /** Deletes what is there. @returns how many are still there afterwards */
  async #empty(kind: ResourceKind, namespace: string): Promise<number> {
    const table = this.#store.table(kind.storage);
    for (const { metadata } of table.list(namespace)) {
      const found = table.get(metadata.namespace ?? "", metadata.name);
      if (found === undefined || found.metadata.deletionTimestamp !== undefined) continue;
      await this.#delete(
        { storage: kind.storage, namespace: metadata.namespace ?? "", name: metadata.name },
        kind,
        found,
      );
    }
    return table.list(namespace).length;
  }

  #dependentsOf(object: StoredObject): [Address, ResourceKind][] {
    return [...(this.#dependents.get(object.metadata.uid)?.values() ?? [])].flatMap((address) => {
      const kind = this.#registry.ofStorage(address.storage);
      return kind === undefined ? [] : [[address, kind] as [Address, ResourceKind]];
    });
  }

  async #delete(
    address: Address,
    kind: ResourceKind,
    object: StoredObject,
    propagation: "Background" | "Foreground" = "Background",
  ): Promise<void> {
    const options = {
      uid: object.metadata.uid,
      resourceVersion: undefined,
      gracePeriodSeconds: undefined,
      isDryRun: false,
    };
    await this.#deleter.delete(toContext(address, kind), { ...options, propagation });
  }

  async #removeFinalizer(address: Address, kind: ResourceKind, finalizer: string): Promise<void> {
    const found = this.#store.table(address.storage).get(address.namespace, address.name);
    const finalizers = (found?.metadata.finalizers ?? []).filter((name) => name !== finalizer);
    await this.#setMetadata(address, kind, { finalizers });
  }

  async #setMetadata(address: Address, kind: ResourceKind, members: Partial<StoredObject["metadata"]>): Promise<void> {
    await this.#change(address, kind, (current) => {
      const metadata = { ...current.metadata, ...members };
      dropEmpty(metadata);
      return { ...current, metadata };
    });
  }

  async #change(address: Address, kind: ResourceKind, produce: Change["produce"]): Promise<void> {
    await this.#writer.change(toContext(address, kind), { produce, part: "raw", tracksFields: true });
  }
}

function blocks(dependent: StoredObject, owner: StoredObject): boolean {
  const reference = dependent.metadata.ownerReferences?.find(({ uid }) => uid === owner.metadata.uid);
  return reference?.blockOwnerDeletion === true;
}

/** A deletion that the collector has to help along. */
function waits(object: StoredObject): boolean {
  const finalizers = object.metadata.finalizers ?? [];
  const ours = [finalizerOf.Foreground, finalizerOf.Orphan, crdCleanupFinalizer] as readonly string[];
  const isNamespace = object.kind === "Namespace" && isObject(object["spec"]);
  return isNamespace || finalizers.some((finalizer) => ours.includes(finalizer));
}

function toContext(address: Address, kind: ResourceKind): WriteContext {
  return {
    kind,
    namespace: address.namespace,
    name: address.name,
    subresource: "",
    user: { name: "system:kube-controller-manager", groups: ["system:masters", "system:authenticated"] },
    fieldManager: "kube-controller-manager",
    dryRun: false,
    fieldValidation: "Ignore",
    warnings: [],
  };
}
