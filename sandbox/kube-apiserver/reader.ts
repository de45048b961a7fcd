import type { KubeJson, StoredObject } from "./kube-json.ts";
import { presentAs, type ResourceKind } from "./kinds.ts";
import type { ApiRequest, ResourceRoute } from "./request.ts";
import { both, nameInSelector, parseFieldSelector, parseLabelSelector, type Selection } from "./selectors.ts";
import { badRequest, expired, notFound, tooLargeResourceVersion } from "./status.ts";
import type { ResourceTable, Snapshot, Store } from "./store.ts";

/** One page of a list, at one version. */
export interface ListPage {
  readonly items: readonly StoredObject[];
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
}

/** What of a collection a list or a watch is about. */
export interface Scope {
  readonly kind: ResourceKind;
  readonly namespace: string;
  readonly selection: Selection | undefined;
}

/** Reads the selection of a list, watch or deletecollection. @throws ApiError 400 */
export function parseScope(request: ApiRequest, route: ResourceRoute): Scope {
  const { kind, namespace, name } = route;
  const labels = parseLabelSelector(request.query.get("labelSelector") ?? "");
  const fields = parseFieldSelector(request.query.get("fieldSelector") ?? "", kind);
  const named: Selection | undefined = name === "" ? undefined : (object: KubeJson) => object.metadata?.name === name;
  return { kind, namespace, selection: both(named, both(labels, fields)) };
}

/** Everything in scope now, in the version that the client asked for. */
export function selectNow(table: ResourceTable, scope: Scope): readonly StoredObject[] {
  const { kind, namespace, selection } = scope;
  const all = table.list(namespace);
  const chosen = selection === undefined ? all : all.filter(selection);
  return chosen.map((object) => presentAs(kind, object));
}

/** `resourceVersion` of the query; 0 when absent. @throws ApiError 400 when it is no number */
export function parseVersion(text: string | null): number {
  if (text === null || text === "") return 0;
  if (!/^\d+$/.test(text))
    throw badRequest(
      `invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
}

/** Reads objects: one, or pages of many. */
export class Reader {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws ApiError 404, or 504 for a version that is not reached yet */
  get(request: ApiRequest, route: ResourceRoute): StoredObject {
    this.#requireReached(parseVersion(request.query.get("resourceVersion")));
    const found = this.#store.table(route.kind.storage).get(route.namespace, route.name);
    if (found === undefined) throw notFound(route.kind, route.name);
    return presentAs(route.kind, found);
  }

  /** @throws ApiError 400, 410 for a continue token or exact version that is too old, 504 for one not reached */
  list(request: ApiRequest, route: ResourceRoute): ListPage {
    const limit = Number(request.query.get("limit") ?? "0");
    const token = request.query.get("continue") ?? "";
    const scope = parseScope(request, route);
    if (token !== "") return this.#nextPage(token, { limit, request, scope });
    const version = parseVersion(request.query.get("resourceVersion"));
    this.#requireReached(version);
    const exact = request.query.get("resourceVersionMatch") === "Exact";
    if (exact && version !== this.#store.revision) {
      throw expired(`The resourceVersion for the provided list is too old.`);
    }
    const snapshot = { revision: this.#store.revision, items: this.#select(request, scope) };
    return this.#page(snapshot, { start: 0, limit, id: "", scope });
  }

  /** As {@link selectNow}, without looking at every object when the selector names one. */
  #select(request: ApiRequest, scope: Scope): readonly StoredObject[] {
    const table = this.#store.table(scope.kind.storage);
    const name = nameInSelector(request.query.get("fieldSelector") ?? "");
    if (name === undefined || (scope.kind.namespaced && scope.namespace === "")) return selectNow(table, scope);
    const found = table.get(scope.namespace, name);
    if (found === undefined || scope.selection?.(found) === false) return [];
    return [presentAs(scope.kind, found)];
  }

  #requireReached(version: number): void {
    if (version > this.#store.revision) throw tooLargeResourceVersion(version, this.#store.revision);
  }

  #nextPage(text: string, { limit, request, scope }: { limit: number; request: ApiRequest; scope: Scope }): ListPage {
    const token = decodeToken(text);
    if ((request.query.get("resourceVersion") ?? "") !== "") {
      throw badRequest("specifying resource version is not allowed when using continue");
    }
    if (token.id === "") {
      const items = this.#select(request, scope);
      const start = items.findIndex((item) => isAfter(item, token.last));
      const snapshot = { revision: this.#store.revision, items };
      return this.#page(snapshot, { start: start < 0 ? items.length : start, limit, id: "", scope });
    }
    const snapshot = this.#store.snapshot(token.id);
    if (snapshot === undefined) throw expired(expiredTokenMessage, encodeToken({ ...token, id: "" }));
    return this.#page(snapshot, { start: token.end, limit, id: token.id, scope });
  }

  #page(
    snapshot: Snapshot,
    { start, limit, id, scope }: { start: number; limit: number; id: string; scope: Scope },
  ): ListPage {
    const resourceVersion = snapshot.revision.toString();
    const end = limit > 0 ? start + limit : snapshot.items.length;
    const items = snapshot.items.slice(start, end);
    const remaining = snapshot.items.length - end;
    if (remaining <= 0) return { items, metadata: { resourceVersion } };
    const kept = id === "" ? this.#store.keepSnapshot(snapshot) : id;
    const last = keyOf(items.at(-1));
    const metadata = { resourceVersion, continue: encodeToken({ id: kept, end, last }) };
    // How many a selector would let through is not known without looking.
    return {
      items,
      metadata: scope.selection === undefined ? { ...metadata, remainingItemCount: remaining } : metadata,
    };
  }
}

const expiredTokenMessage =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

/** Namespace and name, by which lists are sorted. */
type ObjectKey = readonly [string, string];

/** Where a list goes on: at a place of a kept state, or, without an id, after an object in whatever there is then. */
interface ContinueToken {
  readonly id: string;
  readonly end: number;
  readonly last: ObjectKey;
}

function keyOf(object: StoredObject | undefined): ObjectKey {
  return [object?.metadata.namespace ?? "", object?.metadata.name ?? ""];
}

function isAfter(object: StoredObject, [namespace, name]: ObjectKey): boolean {
  const key = keyOf(object);
  return key[0] === namespace ? key[1] > name : key[0] > namespace;
}

function encodeToken({ id, end, last }: ContinueToken): string {
  return Buffer.from(JSON.stringify([id, end, ...last])).toString("base64url");
}

function decodeToken(token: string): ContinueToken {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
    const [id, end, namespace, name] = Array.isArray(parsed) ? (parsed as unknown[]) : [];
    if (
      typeof id === "string" &&
      typeof end === "number" &&
      typeof namespace === "string" &&
      typeof name === "string"
    ) {
      return { id, end, last: [namespace, name] };
    }
  } catch {
    // Falls through: a token that is not ours.
  }
  throw badRequest("invalid continue token: continue key is not valid: the token is not one of this server");
}
