/** Which handler answers which path and kind. */
import { group } from "../crds/v1beta1/names.ts";
import { allowed } from "./admission.ts";
import type { AdmissionHandler } from "./admission.ts";
import { createPlaneDefaulting, createPlaneValidation } from "./pod-networking/index.ts";
import type { PlaneDefaultingDeps, PlaneValidationDeps } from "./pod-networking/index.ts";
import { createPodAdmission } from "./pod/index.ts";
import type { PodAdmissionDeps } from "./pod/index.ts";

export type WebhookDeps = PodAdmissionDeps & PlaneDefaultingDeps & PlaneValidationDeps;

/** The published paths: `/mutating` for pods and PodNetworkings, `/validate` for PodNetworkings. Other kinds are allowed. */
export function createRoutes(deps: WebhookDeps): Readonly<Record<string, AdmissionHandler>> {
  const admitPod = createPodAdmission(deps);
  const defaultPlane = createPlaneDefaulting(deps);
  return {
    "/mutating": (request, signal) => {
      const { kind } = request;
      if (kind.group === "" && kind.kind === "Pod") return admitPod(request, signal);
      if (kind.group === group && kind.kind === "PodNetworking") return defaultPlane(request, signal);
      return Promise.resolve(allowed());
    },
    "/validate": createPlaneValidation(deps),
  };
}
