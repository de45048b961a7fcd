/** Admission of PodNetworkings: fills defaults on `/mutating`, refuses what cannot work on `/validate`. */
import { createPatch } from "rfc6902";
import { group } from "../../crds/v1beta1/names.ts";
import type { EniConfig } from "../../domain/pod-network/eni-config.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import { allowed, denied, isJsonObject, undecodable } from "../admission.ts";
import type { AdmissionHandler, AdmissionRequest } from "../admission.ts";
import { defaultPlane, findPlaneFault, planeNeedsDefaults } from "./decide.ts";

export interface PlaneDefaultingDeps {
  /** Undefined when the cluster has no eni-config. @throws Error when it cannot be read */
  readonly eniConfig: { get(signal: AbortSignal): Promise<EniConfig | undefined> };
}

/** The handler of `/mutating` for PodNetworkings. */
export function createPlaneDefaulting(deps: PlaneDefaultingDeps): AdmissionHandler {
  return async ({ object }, signal) => {
    if (!isPlane(object)) return undecodable("the object is not a PodNetworking");
    if (!planeNeedsDefaults(object)) return allowed();
    const defaulted = defaultPlane(object, await deps.eniConfig.get(signal));
    return defaulted === object ? allowed() : { ...allowed(), patch: createPatch(object, defaulted) };
  };
}

/** The handler of `/validate`. Other kinds, deletions, and updates that leave the spec alone are allowed. */
export function createPlaneValidation(config: { readonly enableWebhookInjectResource: boolean }): AdmissionHandler {
  return (request) => {
    if (request.kind.group !== group || request.kind.kind !== "PodNetworking" || request.operation === "DELETE") {
      return Promise.resolve(allowed());
    }
    if (!isPlane(request.object)) return Promise.resolve(undecodable("the object is not a PodNetworking"));
    // An object from before a rule existed must stay editable in its labels and finalizers.
    if (isSpecUnchanged(request)) return Promise.resolve(allowed());
    const fault = findPlaneFault(request.object, config.enableWebhookInjectResource);
    return Promise.resolve(fault === undefined ? allowed() : denied(fault));
  };
}

/** The CRD's schema has been applied before admission is asked; only the shape that the types rest on is checked. */
function isPlane(object: unknown): object is Plane {
  if (!isJsonObject(object) || !isJsonObject(object["metadata"])) return false;
  return object["spec"] === undefined || isJsonObject(object["spec"]);
}

function isSpecUnchanged({ operation, object, oldObject }: AdmissionRequest): boolean {
  if (operation !== "UPDATE" || !isJsonObject(object) || !isJsonObject(oldObject)) return false;
  return createPatch(oldObject["spec"], object["spec"]).length === 0;
}
