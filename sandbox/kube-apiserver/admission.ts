import rfc6902 from "rfc6902";
import { cloneJson, isObject, memberObject, stringAt, type JsonObject, type KubeJson } from "./kube-json.ts";
import { apiVersionOf, type ResourceKind } from "./kinds.ts";
import type { UserInfo } from "./request.ts";
import { matchesLabelSelector } from "./selectors.ts";
import { ApiError, internalError } from "./status.ts";
import type { Store } from "./store.ts";
import type { WebhookCaller } from "./webhook-caller.ts";

/** One change on its way to the store, as admission sees it. */
export interface AdmissionAttributes {
  readonly kind: ResourceKind;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly operation: "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
  readonly object: KubeJson | undefined;
  readonly oldObject: KubeJson | undefined;
  readonly options: JsonObject;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** Warnings of webhooks are added to it. */
  readonly warnings: string[];
}

interface Webhook {
  readonly name: string;
  readonly config: JsonObject;
}

const configurations = {
  mutating: "admissionregistration.k8s.io/mutatingwebhookconfigurations",
  validating: "admissionregistration.k8s.io/validatingwebhookconfigurations",
} as const;

/**
 * Admission by webhooks, as configured by the objects in the store. Not done: matchConditions, reinvocation, matching of
 * equivalent versions. Source: Kubernetes docs, "Dynamic Admission Control".
 */
export class WebhookAdmission {
  readonly #store: Store;
  readonly #caller: WebhookCaller;
  readonly #random: () => number;
  readonly #newUid: () => string;

  constructor(deps: { store: Store; caller: WebhookCaller; random: () => number; newUid: () => string }) {
    this.#store = deps.store;
    this.#caller = deps.caller;
    this.#random = deps.random;
    this.#newUid = deps.newUid;
  }

  /** True when `mutate` or `validate` would call somebody, so that all others may skip the await. */
  concerns(attributes: AdmissionAttributes): boolean {
    return this.#matching("mutating", attributes).length + this.#matching("validating", attributes).length > 0;
  }

  /** The object after every matching mutating webhook, one after the other by name. @throws ApiError when one denies */
  async mutate(attributes: AdmissionAttributes): Promise<KubeJson | undefined> {
    let object = attributes.object;
    for (const webhook of this.#matching("mutating", attributes)) {
      const response = await this.#review(webhook, { ...attributes, object });
      const patch = response["patch"];
      if (typeof patch === "string" && object !== undefined) object = patched(webhook.name, object, patch);
    }
    return object;
  }

  /** @throws ApiError when one denies */
  async validate(attributes: AdmissionAttributes): Promise<void> {
    await Promise.all(this.#matching("validating", attributes).map((webhook) => this.#review(webhook, attributes)));
  }

  #matching(phase: keyof typeof configurations, attributes: AdmissionAttributes): Webhook[] {
    if (attributes.kind.group === "admissionregistration.k8s.io") return [];
    const list = this.#store.table(configurations[phase]).list("");
    return list.flatMap((configuration) => {
      const webhooks = Array.isArray(configuration["webhooks"]) ? configuration["webhooks"].filter(isObject) : [];
      return webhooks
        .filter((config) => this.#matches(config, attributes))
        .map((config) => ({ name: stringAt(config, ["name"]), config }));
    });
  }

  #matches(config: JsonObject, attributes: AdmissionAttributes): boolean {
    const rules = Array.isArray(config["rules"]) ? config["rules"].filter(isObject) : [];
    return (
      rules.some((rule) => ruleMatches(rule, attributes)) &&
      this.#namespaceMatches(config["namespaceSelector"], attributes) &&
      objectMatches(config["objectSelector"], attributes)
    );
  }

  #namespaceMatches(selector: unknown, attributes: AdmissionAttributes): boolean {
    if (!isObject(selector) || Object.keys(selector).length === 0) return true;
    if (attributes.kind.storage === "/namespaces") return matchesLabelSelector(selector, labelsOf(attributes));
    if (!attributes.kind.namespaced) return true;
    const namespace = this.#store.table("/namespaces").get("", attributes.namespace);
    return matchesLabelSelector(selector, namespace?.metadata.labels ?? {});
  }

  /** @returns the response of an allowed review; empty when the failure of the call is ignored */
  async #review(webhook: Webhook, attributes: AdmissionAttributes): Promise<JsonObject> {
    const uid = this.#newUid();
    const seconds = webhook.config["timeoutSeconds"];
    const timeoutMs = (typeof seconds === "number" ? seconds : 10) * 1_000;
    let response: JsonObject;
    try {
      const config = memberObject(webhook.config, "clientConfig");
      const review = toReview(uid, attributes);
      response = responseOf(await this.#caller.call({ config, review, timeoutMs, random: this.#random }), uid);
    } catch (error) {
      if (webhook.config["failurePolicy"] === "Ignore") return {};
      const why = error instanceof Error ? error.message : String(error);
      throw internalError(`failed calling webhook "${webhook.name}": ${why}`);
    }
    const warnings = Array.isArray(response["warnings"]) ? response["warnings"] : [];
    attributes.warnings.push(...warnings.map(String));
    if (response["allowed"] !== true) throw denial(webhook.name, memberObject(response, "status"));
    return response;
  }
}

function labelsOf({ object, oldObject }: AdmissionAttributes): Readonly<Record<string, string>> {
  return (object ?? oldObject)?.metadata?.labels ?? {};
}

function includes(list: unknown, value: string): boolean {
  return Array.isArray(list) && (list.includes("*") || list.includes(value));
}

function ruleMatches(rule: JsonObject, attributes: AdmissionAttributes): boolean {
  const { kind, operation, subresource } = attributes;
  const scope = rule["scope"] ?? "*";
  return (
    includes(rule["operations"], operation) &&
    includes(rule["apiGroups"], kind.group) &&
    includes(rule["apiVersions"], kind.version) &&
    (scope === "*" || scope === (kind.namespaced ? "Namespaced" : "Cluster")) &&
    resourceMatches(rule["resources"], kind.plural, subresource)
  );
}

/** `*` is every resource but no subresource; `pods/*` are the subresources of pods. */
function resourceMatches(resources: unknown, plural: string, subresource: string): boolean {
  if (!Array.isArray(resources)) return false;
  const wanted = subresource === "" ? [plural, "*"] : [`${plural}/${subresource}`, `${plural}/*`, `*/${subresource}`];
  return ["*/*", ...wanted].some((pattern) => resources.includes(pattern));
}

function objectMatches(selector: unknown, { object, oldObject }: AdmissionAttributes): boolean {
  if (!isObject(selector) || Object.keys(selector).length === 0) return true;
  return [object, oldObject].some(
    (candidate) => candidate !== undefined && matchesLabelSelector(selector, candidate.metadata?.labels ?? {}),
  );
}

function toReview(uid: string, attributes: AdmissionAttributes): JsonObject {
  const { kind, namespace, name, subresource, operation, user } = attributes;
  const groupVersionKind = { group: kind.group, version: kind.version, kind: kind.kind };
  const resource = { group: kind.group, version: kind.version, resource: kind.plural };
  const request = {
    uid,
    kind: groupVersionKind,
    resource,
    ...(subresource === "" ? {} : { subResource: subresource, requestSubResource: subresource }),
    requestKind: groupVersionKind,
    requestResource: resource,
    ...(name === "" ? {} : { name }),
    ...(namespace === "" ? {} : { namespace }),
    operation,
    userInfo: { username: user.name, groups: [...user.groups] },
    object: forReview(kind, attributes.object),
    oldObject: forReview(kind, attributes.oldObject),
    dryRun: attributes.dryRun,
    options: attributes.options,
  };
  return { kind: "AdmissionReview", apiVersion: "admission.k8s.io/v1", request };
}

function forReview(kind: ResourceKind, object: KubeJson | undefined): JsonObject | null {
  return object === undefined ? null : { kind: kind.kind, apiVersion: apiVersionOf(kind), ...object };
}

function responseOf(review: unknown, uid: string): JsonObject {
  const response = memberObject(review, "response");
  if (response["uid"] !== uid) {
    throw new Error(`expected response.uid="${uid}", got "${stringAt(response, ["uid"])}"`);
  }
  return response;
}

function patched(webhook: string, object: KubeJson, patch: string): KubeJson {
  const copy = cloneJson(object);
  try {
    const operations = JSON.parse(Buffer.from(patch, "base64").toString("utf8")) as rfc6902.Operation[];
    const failure = rfc6902.applyPatch(copy, operations).find((result) => result !== null);
    if (failure !== undefined) throw failure;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw internalError(`failed to apply the patch of webhook "${webhook}": ${why}`);
  }
  return copy;
}

/** Never below 400, whatever the webhook says. Source: kube-apiserver's `webhookerrors.ToStatusErr`. */
function denial(webhook: string, status: JsonObject): ApiError {
  const by = `admission webhook "${webhook}" denied the request`;
  const message = stringAt(status, ["message"]);
  const reason = stringAt(status, ["reason"]);
  const given = status["code"];
  const code = typeof given === "number" && given >= 400 ? given : 400;
  const text = message !== "" ? message : reason;
  const details = isObject(status["details"]) ? status["details"] : undefined;
  return new ApiError(code, reason, text === "" ? `${by} without explanation` : `${by}: ${text}`, details);
}
