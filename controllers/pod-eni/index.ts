/** Controller `pod-eni`: takes the interfaces of a pod from intent to Bind, keeps fixed ones, and gives them back. */
export { PodEniReconciler } from "./reconciler.ts";
export { TimingBook } from "./timings.ts";

/** Name in the configuration's `controllers` list. */
export const name = "pod-eni";
