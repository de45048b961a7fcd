/** Controller `pod-networking`: finds the vSwitches of every plane, and says whether pods may use it and which do not follow it. */
export { isBehind, namesPodsWithout } from "./pods.ts";
export { PodNetworkingReconciler, type PodNetworkingDeps } from "./reconciler.ts";
export { PlaneSurvey } from "./survey.ts";

/** Name in the configuration's `controllers` list. */
export const name = "pod-networking";

/** Planes are few, and the vSwitch cache serves one reader at a time best. Source: the published program. */
export const workers = 1;
