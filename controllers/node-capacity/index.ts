/** Controller `node-capacity`: gives each machine its trunk, and publishes how many interfaces for pods it can carry now. */
export { NodeCapacityReconciler, type NodeCapacityDeps } from "./reconciler.ts";

/** Of its metrics and log lines. */
export const name = "node-capacity";

/** It runs when this name is enabled in the configuration's `controllers` list, and `centralizedIPAM` is true. */
export const enabledBy = "node";

/** Its calls to the cloud run beside the workers. */
export const workers = 20;
