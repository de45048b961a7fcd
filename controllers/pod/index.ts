/** Controller `pod`: keeps the record of a pod's interfaces (PodENI) in step with the pod. */
export { Gatekeeper } from "./gatekeeper.ts";
export { PodReconciler } from "./reconciler.ts";

/** Name in the configuration's `controllers` list. */
export const name = "pod";
