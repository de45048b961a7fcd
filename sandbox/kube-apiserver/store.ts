import type { KubeJson, StoredObject } from "./kube-json.ts";
import { WatchLog, type LoggedEvent } from "./watch-log.ts";

/** Called after each commit, in order, synchronously. `storage` is the table's name. */
export type CommitListener = (storage: string, event: LoggedEvent) => void;

/** One listed state of a table, kept so that `continue` pages show the same moment. */
export interface Snapshot {
  readonly revision: number;
  readonly items: readonly StoredObject[];
}

/** The objects of one resource. Reads only; writes go through {@link Store}. */
export class ResourceTable {
  /** By namespace ("" for cluster-scoped), then by name. */
  readonly #objects = new Map<string, Map<string, StoredObject>>();
  #sorted: StoredObject[] | undefined;
  readonly log: WatchLog;

  constructor(log: WatchLog) {
    this.log = log;
  }

  get(namespace: string, name: string): StoredObject | undefined {
    return this.#objects.get(namespace)?.get(name);
  }

  /** Sorted by namespace, then name; all namespaces for "". */
  list(namespace: string): readonly StoredObject[] {
    if (namespace !== "") return [...(this.#objects.get(namespace)?.values() ?? [])].sort(byKey);
    this.#sorted ??= [...this.#objects.values()].flatMap((objects) => [...objects.values()]).sort(byKey);
    return this.#sorted;
  }

  get size(): number {
    let size = 0;
    for (const objects of this.#objects.values()) size += objects.size;
    return size;
  }

  put(object: StoredObject): void {
    const namespace = object.metadata.namespace ?? "";
    const inNamespace = this.#objects.get(namespace) ?? new Map<string, StoredObject>();
    this.#objects.set(namespace, inNamespace);
    inNamespace.set(object.metadata.name, object);
    this.#sorted = undefined;
  }

  remove(object: StoredObject): void {
    this.#objects.get(object.metadata.namespace ?? "")?.delete(object.metadata.name);
    this.#sorted = undefined;
  }
}

function byKey(left: StoredObject, right: StoredObject): number {
  return (
    compareText(left.metadata.namespace ?? "", right.metadata.namespace ?? "") ||
    compareText(left.metadata.name, right.metadata.name)
  );
}

/** Byte order, as etcd sorts keys; not the order of a language. */
function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/**
 * All objects under one rising version. A commit is synchronous: the object, its log entry and the listeners are done
 * before it returns, so there is no moment at which they disagree.
 */
export class Store {
  readonly #tables = new Map<string, ResourceTable>();
  readonly #logCapacity: number;
  readonly #listeners: CommitListener[] = [];
  readonly #snapshots = new Map<string, Snapshot>();
  #snapshotCount = 0;
  #revision = 0;

  constructor(logCapacity: number) {
    this.#logCapacity = logCapacity;
  }

  /** The newest version; each commit raises it by exactly one. */
  get revision(): number {
    return this.#revision;
  }

  /** The table of that name, made when it is new. */
  table(storage: string): ResourceTable {
    let table = this.#tables.get(storage);
    if (table === undefined) {
      table = new ResourceTable(new WatchLog(this.#logCapacity, this.#revision));
      this.#tables.set(storage, table);
    }
    return table;
  }

  /** Forgets an emptied table, when its CRD is gone. */
  dropTable(storage: string): void {
    this.#tables.delete(storage);
  }

  tables(): readonly (readonly [string, ResourceTable])[] {
    return [...this.#tables];
  }

  onCommit(listener: CommitListener): void {
    this.#listeners.push(listener);
  }

  /** Stores a new or changed object. `object.metadata` needs name and uid; it is the caller's no more. */
  put(storage: string, object: KubeJson): StoredObject {
    const table = this.table(storage);
    const previous = table.get(object.metadata?.namespace ?? "", object.metadata?.name ?? "");
    const stored = this.#atNextRevision(object);
    table.put(stored);
    const type = previous === undefined ? "ADDED" : "MODIFIED";
    this.#publish(storage, { type, revision: this.#revision, object: stored, previous });
    return stored;
  }

  /** Removes an object. Returns its last state, which carries the version of the removal. */
  remove(storage: string, object: StoredObject): StoredObject {
    const table = this.table(storage);
    const previous = table.get(object.metadata.namespace ?? "", object.metadata.name);
    const last = this.#atNextRevision(object);
    table.remove(last);
    this.#publish(storage, { type: "DELETED", revision: this.#revision, object: last, previous });
    return last;
  }

  #atNextRevision(object: KubeJson): StoredObject {
    this.#revision += 1;
    const metadata = {
      name: "",
      uid: "",
      ...object.metadata,
      resourceVersion: this.#revision.toString(),
    };
    // The usual order of members, for people who read the answers.
    const { apiVersion, kind } = object;
    return {
      ...(kind === undefined ? {} : { kind }),
      ...(apiVersion === undefined ? {} : { apiVersion }),
      ...object,
      metadata,
    };
  }

  #publish(storage: string, event: LoggedEvent): void {
    this.table(storage).log.append(event);
    for (const listener of this.#listeners) listener(storage, event);
  }

  /** Keeps a listed state for later pages. Bounded: the oldest is forgotten, and its pages are 410 then. */
  keepSnapshot(snapshot: Snapshot): string {
    this.#snapshotCount += 1;
    const id = this.#snapshotCount.toString();
    this.#snapshots.set(id, snapshot);
    const oldest = this.#snapshots.keys().next();
    if (this.#snapshots.size > maxSnapshots && oldest.done !== true) this.#snapshots.delete(oldest.value);
    return id;
  }

  snapshot(id: string): Snapshot | undefined {
    return this.#snapshots.get(id);
  }

  /** Forgets old versions: watches and `continue` pages from before are 410. For tests of clients. */
  compact(): void {
    this.#snapshots.clear();
    for (const table of this.#tables.values()) table.log.compact();
  }
}

const maxSnapshots = 64;
