import type { AdmissionAttributes, WebhookAdmission } from "./admission.ts";
import { crdStorage } from "./crds.ts";
import { cloneJson, without, type KubeJson, type KubeMeta, type StoredObject } from "./kube-json.ts";
import { presentAs, type KindRegistry, type ResourceKind } from "./kinds.ts";
import {
  dropEmpty,
  isSameContent,
  setNamespace,
  toGeneratedName,
  toTimestamp,
  toUid,
  withIdentity,
} from "./metadata.ts";
import type { UserInfo } from "./request.ts";
import { trackUpdate } from "./server-side-apply.ts";
import { alreadyExists, ApiError, conflict, forbidden, notFound, staleMessage } from "./status.ts";
import type { Store } from "./store.ts";
import * as rules from "./write-rules.ts";

/** Who writes what, and how. Made from the request by the handlers. */
export interface WriteContext {
  readonly kind: ResourceKind;
  /** "" for cluster-scoped objects. */
  readonly namespace: string;
  /** "" when the body of a create names it. */
  readonly name: string;
  /** "" or `status`, `scale`, …: for admission and managed fields. */
  readonly subresource: string;
  readonly user: UserInfo;
  readonly fieldManager: string;
  readonly dryRun: boolean;
  readonly fieldValidation: rules.FieldValidation;
  /** Collects what goes into `Warning` headers. */
  readonly warnings: string[];
}

/** What an update wants, made anew from the current object when somebody else was faster. */
export interface Change {
  /**
   * @returns the whole wanted object. Its resourceVersion, unless empty, must be that of `current`.
   * @throws ApiError to refuse
   */
  produce(current: StoredObject): KubeJson;
  /** The result carries its managed fields already (server-side apply). */
  readonly tracksFields?: boolean;
  /** `main` by default. `raw`: the result is stored as it is (server-made changes). */
  readonly part?: "main" | "status" | "raw";
}

/** What the parts of the server that write share. */
export interface WriteDeps {
  readonly store: Store;
  readonly admission: WebhookAdmission;
  readonly nowMs: () => number;
  readonly random: () => number;
}

/** A write on its way through admission. */
interface Admitted {
  readonly operation: "CREATE" | "UPDATE";
  readonly object: KubeJson;
  readonly oldObject: StoredObject | undefined;
  /** Made by the server itself: not validated. */
  readonly isRaw: boolean;
}

/** How often a change without resourceVersion is tried again after losing a race against another write. */
const maxAttempts = 30;

/** Creates and changes objects: admission, validation, managed fields, commit. Deletion is in deleter.ts. */
export class Writer {
  readonly #deps: WriteDeps;

  constructor(deps: WriteDeps) {
    this.#deps = deps;
  }

  /** The stored object, in the version of the context. @throws ApiError 404 */
  current(context: WriteContext): StoredObject {
    const found = this.#deps.store.table(context.kind.storage).get(context.namespace, context.name);
    if (found === undefined) throw notFound(context.kind, context.name);
    return presentAs(context.kind, found);
  }

  /** @throws ApiError 400, 403, 404 (namespace), 409, 422, or what a webhook says */
  async create(context: WriteContext, body: unknown, tracksFields = false): Promise<StoredObject> {
    const { kind } = context;
    const draft = this.#newObject(context, body, tracksFields);
    const named = { ...context, name: draft.metadata?.name ?? "" };
    this.#requireNamespace(context, named.name);
    this.#requireDefinition(context, named.name);
    const decoded = rules.decode(kind, draft, context.fieldValidation, context.warnings);
    const nowIso = toTimestamp(this.#deps.nowMs());
    // Before admission: nobody owns what a webhook adds.
    const tracked = tracksFields ? decoded : this.#track(named, { before: undefined, after: decoded, nowIso });
    const asked = this.#admit(named, { operation: "CREATE", object: tracked, oldObject: undefined, isRaw: false });
    const object = asked === undefined ? tracked : await asked;
    this.#requireNamespace(context, named.name);
    if (this.#deps.store.table(kind.storage).get(context.namespace, named.name) !== undefined) {
      throw alreadyExists(kind, named.name);
    }
    if (context.dryRun) return object as StoredObject;
    return presentAs(kind, this.#deps.store.put(kind.storage, this.#toStored(kind, object)));
  }

  /** Puts namespaces into an empty store, without admission. */
  seedNamespaces(names: readonly string[], registry: KindRegistry): void {
    const kind = registry.find("", "v1", "namespaces");
    if (kind === undefined) return;
    const context: WriteContext = { ...seedContext, warnings: [], kind };
    for (const name of names) {
      const object = this.#newObject(context, { metadata: { name } }, false);
      this.#deps.store.put(kind.storage, rules.decode(kind, object, "Ignore", []));
    }
  }

  #newObject(context: WriteContext, body: unknown, keepsManagedFields: boolean): KubeJson {
    const { kind } = context;
    const object = withIdentity(kind, body);
    setNamespace(kind, object, context.namespace);
    const given = object.metadata ?? {};
    if ((given.resourceVersion ?? "") !== "")
      throw new ApiError(500, "", "resourceVersion should not be set on objects to be created");
    const owned = keepsManagedFields ? clientsMayNotSet.filter((name) => name !== "managedFields") : clientsMayNotSet;
    const metadata = {
      ...without(given, ...owned),
      name: this.#nameOf(given),
      uid: toUid(this.#deps.random),
      creationTimestamp: toTimestamp(this.#deps.nowMs()),
      ...(kind.hasGeneration ? { generation: 1 } : {}),
    };
    dropEmpty(metadata);
    if (kind.hasStatus && !kind.statusOnCreate) delete object["status"];
    return { ...object, metadata };
  }

  /** The given name, or one made from generateName, or "" for validation to refuse. */
  #nameOf({ name = "", generateName = "" }: KubeMeta): string {
    return name === "" && generateName !== "" ? toGeneratedName(generateName, this.#deps.random) : name;
  }

  #requireNamespace(context: WriteContext, name: string): void {
    if (!context.kind.namespaced) return;
    const namespace = this.#deps.store.table("/namespaces").get("", context.namespace);
    if (namespace === undefined) {
      const details = { name: context.namespace, kind: "namespaces" };
      throw new ApiError(404, "NotFound", `namespaces "${context.namespace}" not found`, details);
    }
    if (namespace.metadata.deletionTimestamp === undefined) return;
    const message = `namespace ${context.namespace} is being terminated`;
    const why = `unable to create new content in namespace ${context.namespace} because it is being terminated`;
    throw forbidden(context.kind, name, why, [
      { reason: "NamespaceTerminating", message, field: "metadata.namespace" },
    ]);
  }

  /** A custom resource whose definition is being deleted gets no new objects. */
  #requireDefinition({ kind }: WriteContext, name: string): void {
    if (!kind.isCustom) return;
    const crd = this.#deps.store.table(crdStorage).get("", `${kind.plural}.${kind.group}`);
    if (crd?.metadata.deletionTimestamp === undefined) return;
    throw forbidden(kind, name, "create not allowed while custom resource definition is terminating");
  }

  /** @throws ApiError 400, 404, 409, 422, or what a webhook says */
  async change(context: WriteContext, change: Change): Promise<StoredObject> {
    for (let attempt = 1; attempt <= maxAttempts; attempt++) {
      const done = await this.#attempt(context, change);
      if (done !== undefined) return done;
    }
    throw conflict(context.kind, context.name, staleMessage);
  }

  /** @returns undefined when somebody else wrote between reading and writing */
  async #attempt(context: WriteContext, change: Change): Promise<StoredObject | undefined> {
    const { kind } = context;
    const table = this.#deps.store.table(kind.storage);
    const before = table.get(context.namespace, context.name);
    const current = this.current(context);
    const wanted = this.#tracked(context, change, current);
    const isRaw = change.part === "raw";
    const asked = this.#admit(context, { operation: "UPDATE", object: wanted, oldObject: current, isRaw });
    const object = asked === undefined ? wanted : await asked;
    if (table.get(context.namespace, context.name) !== before) return undefined;
    if (isSameContent(object, current)) return current;
    if (context.dryRun) return object as StoredObject;
    return this.#commit(kind, object);
  }

  /** The wanted object with its managed fields, as webhooks see it: nobody owns what they add. */
  #tracked(context: WriteContext, change: Change, current: StoredObject): KubeJson {
    const produced = cloneJson(change.produce(current));
    const wanted = change.part === "raw" ? produced : this.#prepare(context, change, { produced, current });
    if (change.tracksFields === true) return wanted;
    if (asksToForget(produced)) return { ...wanted, metadata: without(wanted.metadata ?? {}, "managedFields") };
    return this.#track(context, { before: current, after: wanted, nowIso: toTimestamp(this.#deps.nowMs()) });
  }

  #prepare(
    context: WriteContext,
    change: Change,
    { produced, current }: { produced: KubeJson; current: StoredObject },
  ): KubeJson {
    const { kind } = context;
    const object = withIdentity(kind, produced);
    setNamespace(kind, object, context.namespace);
    const version = object.metadata?.resourceVersion ?? "";
    if (version !== "" && version !== current.metadata.resourceVersion)
      throw conflict(kind, context.name, staleMessage);
    const decoded = rules.decode(kind, object, context.fieldValidation, context.warnings);
    const managedFields = change.tracksFields === true ? decoded.metadata?.managedFields : undefined;
    const merge = change.part === "status" ? rules.mergeStatus : rules.mergeMain;
    return withManagedFields(merge(kind, decoded, current), managedFields);
  }

  /**
   * Validation, between mutating and validating webhooks when there are any.
   *
   * @returns undefined at once, not as a promise, when no webhook is concerned: read and commit are one step then
   */
  #admit(context: WriteContext, admitted: Admitted): Promise<KubeJson> | undefined {
    const attributes = toAttributes(context, admitted);
    if (this.#deps.admission.concerns(attributes)) return this.#askWebhooks(context, admitted, attributes);
    if (!admitted.isRaw) rules.validateObject(context.kind, admitted.object, admitted.oldObject);
    return undefined;
  }

  async #askWebhooks(context: WriteContext, admitted: Admitted, attributes: AdmissionAttributes): Promise<KubeJson> {
    const mutated = (await this.#deps.admission.mutate(attributes)) ?? admitted.object;
    const isSame = mutated === admitted.object;
    const object = isSame ? mutated : this.#afterMutation(context, mutated, admitted.oldObject);
    if (!admitted.isRaw) rules.validateObject(context.kind, object, admitted.oldObject);
    await this.#deps.admission.validate({ ...attributes, object });
    return object;
  }

  /** Webhooks change spec and labels; what belongs to the server is put right again. */
  #afterMutation(context: WriteContext, object: KubeJson, old: StoredObject | undefined): KubeJson {
    const decoded = rules.decode(context.kind, object, "Ignore", []);
    if (old === undefined || context.subresource !== "") return decoded;
    const managedFields = decoded.metadata?.managedFields;
    return withManagedFields(rules.mergeMain(context.kind, decoded, old), managedFields);
  }

  #track(
    context: WriteContext,
    { before, after, nowIso }: { before: StoredObject | undefined; after: KubeJson; nowIso: string },
  ): KubeJson {
    const { kind, subresource, fieldManager } = context;
    return trackUpdate({
      before,
      after,
      manager: fieldManager,
      ...(subresource === "" ? {} : { subresource }),
      nowIso,
      ...(kind.schema === undefined ? {} : { schema: kind.schema }),
    });
  }

  /** Stores a change, or removes the object when the change took away the last thing that held it. */
  #commit(kind: ResourceKind, object: KubeJson): StoredObject {
    const stored = this.#toStored(kind, object);
    if (!isFinished(object)) return presentAs(kind, this.#deps.store.put(kind.storage, stored));
    return presentAs(kind, this.#deps.store.remove(kind.storage, stored as StoredObject));
  }

  #toStored(kind: ResourceKind, object: KubeJson): KubeJson {
    if (kind.toStored !== undefined) return kind.toStored(object);
    return object.apiVersion === kind.storageApiVersion ? object : { ...object, apiVersion: kind.storageApiVersion };
  }
}

/** Metadata of a new object that is the server's alone. */
const clientsMayNotSet: readonly string[] = [
  "managedFields",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "resourceVersion",
  "generation",
  "selfLink",
];

const seedContext = {
  namespace: "",
  name: "",
  subresource: "",
  user: { name: "system:apiserver", groups: ["system:masters"] },
  fieldManager: "kube-apiserver",
  dryRun: false,
  fieldValidation: "Ignore",
} as const;

/** `managedFields: [{}]` is how a client has all of them forgotten. */
function asksToForget({ metadata }: KubeJson): boolean {
  const [first, ...others] = metadata?.managedFields ?? [];
  return first !== undefined && others.length === 0 && Object.keys(first).length === 0;
}

/** An apply brings its own, which the merge with the old object must not lose. */
function withManagedFields(object: KubeJson, managedFields: KubeMeta["managedFields"]): KubeJson {
  return managedFields === undefined ? object : { ...object, metadata: { ...object.metadata, managedFields } };
}

/** What admission is told of a write. */
export function toAttributes(
  context: WriteContext,
  change: Pick<AdmissionAttributes, "operation" | "object" | "oldObject">,
): AdmissionAttributes {
  const { kind, namespace, name, subresource, user, dryRun, warnings, fieldManager } = context;
  const optionsKind = `${change.operation.charAt(0)}${change.operation.slice(1).toLowerCase()}Options`;
  const options = { kind: optionsKind, apiVersion: "meta.k8s.io/v1", fieldManager };
  const { operation, object, oldObject } = change;
  return { kind, namespace, name, subresource, user, dryRun, warnings, operation, object, oldObject, options };
}

/** True when a deletion under way has nothing to wait for any more. */
export function isFinished(object: KubeJson): boolean {
  const metadata = object.metadata ?? {};
  if (metadata.deletionTimestamp === undefined) return false;
  const namespaceFinalizers =
    object.kind === "Namespace" && object.apiVersion === "v1" ? namespaceHolds(object) : false;
  return (
    (metadata.finalizers ?? []).length === 0 && (metadata.deletionGracePeriodSeconds ?? 0) === 0 && !namespaceFinalizers
  );
}

function namespaceHolds(namespace: KubeJson): boolean {
  const spec = namespace["spec"] as { finalizers?: unknown[] } | undefined;
  return (spec?.finalizers ?? []).length > 0;
}
