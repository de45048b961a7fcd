/** Admission of PodNetworkings: fills defaults on `/mutating`; on `/validate` refuses what cannot work, warns of deletions. */
import { group } from "../../crds/v1beta1/names.ts";
import type { EniConfig } from "../../domain/pod-network/eni-config.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import { allowed, denied, isJsonObject, undecodable } from "../admission.ts";
import type { AdmissionAnswer, AdmissionHandler, AdmissionRequest } from "../admission.ts";
import { createJsonPatch } from "../json-patch.ts";
import { defaultPlane, findPlaneFault, planeNeedsDefaults, toDeletionWarnings } from "./decide.ts";
import { isText, listOf, mapOf, nullable, optional, shape } from "../shape.ts";
import { findPlaneUse } from "./use.ts";
import type { PlaneUseDeps } from "./use.ts";

export interface PlaneDefaultingDeps {
  /** Undefined when the cluster has no eni-config. @throws Error when it cannot be read */
  readonly eniConfig: { get(signal: AbortSignal): Promise<EniConfig | undefined> };
}

export interface PlaneValidationDeps {
  readonly pods: PlaneUseDeps["pods"];
  readonly podEnis: PlaneUseDeps["podEnis"];
  readonly config: { readonly enableWebhookInjectResource: boolean };
}

/** The handler of `/mutating` for PodNetworkings. */
export function createPlaneDefaulting(deps: PlaneDefaultingDeps): AdmissionHandler {
  return async ({ object }, signal) => {
    if (!isPlane(object)) return undecodable("the object is not a PodNetworking");
    if (!planeNeedsDefaults(object)) return allowed();
    const defaulted = defaultPlane(object, await deps.eniConfig.get(signal));
    return defaulted === object ? allowed() : { ...allowed(), patch: createJsonPatch(object, defaulted) };
  };
}

/** The handler of `/validate`. Other kinds, and updates that leave the spec alone, are allowed; deletions always are. */
export function createPlaneValidation(deps: PlaneValidationDeps): AdmissionHandler {
  return (request) => {
    const { group: ofGroup, kind } = request.kind;
    if (ofGroup !== group || kind !== "PodNetworking") return Promise.resolve(allowed());
    return Promise.resolve(request.operation === "DELETE" ? admitDeletion(request, deps) : validate(request, deps));
  };
}

function validate(request: AdmissionRequest, { config }: PlaneValidationDeps): AdmissionAnswer {
  if (!isPlane(request.object) || !hasPlaneTypes(request.object))
    return undecodable("the object is not a PodNetworking");
  // An object from before a rule existed must stay editable in its labels and finalizers.
  if (isSpecUnchanged(request)) return allowed();
  const { object, oldObject } = request;
  const fault = findPlaneFault(object, config.enableWebhookInjectResource, isPlane(oldObject) ? oldObject : undefined);
  return fault === undefined ? allowed() : denied(fault);
}

/**
 * Told, not refused: the interfaces that exist need the plane no longer, a refusal would also stop the removal of a whole
 * namespace or release in one go, and whoever wants to be kept from it can put a finalizer on the plane.
 */
function admitDeletion({ name }: AdmissionRequest, deps: PlaneValidationDeps): AdmissionAnswer {
  const warnings = toDeletionWarnings(name, findPlaneUse(name, deps));
  return warnings.length === 0 ? allowed() : { ...allowed(), warnings };
}

const isSelector = nullable(
  shape({
    matchLabels: nullable(mapOf(isText)),
    matchExpressions: nullable(
      listOf(shape({ key: optional(isText), operator: optional(isText), values: nullable(listOf(isText)) })),
    ),
  }),
);

/** What is judged of a plane; the CRD's schema lets no other pass. */
const hasPlaneTypes = shape({
  spec: optional(
    shape({
      selector: nullable(shape({ podSelector: isSelector, namespaceSelector: isSelector })),
      vSwitchOptions: nullable(listOf(isText)),
      securityGroupIDs: nullable(listOf(isText)),
      eniOptions: nullable(shape({ eniType: optional(isText) })),
      allocationType: nullable(shape({ releaseStrategy: optional(isText), releaseAfter: optional(isText) })),
    }),
  ),
});

/** The least that defaults need. The API server applies the CRD's schema after it asked for them, and says what is wrong. */
function isPlane(object: unknown): object is Plane {
  if (!isJsonObject(object) || !isJsonObject(object["metadata"])) return false;
  return object["spec"] === undefined || isJsonObject(object["spec"]);
}

function isSpecUnchanged({ operation, object, oldObject }: AdmissionRequest): boolean {
  if (operation !== "UPDATE" || !isJsonObject(object) || !isJsonObject(oldObject)) return false;
  return createJsonPatch(oldObject["spec"], object["spec"]).length === 0;
}
