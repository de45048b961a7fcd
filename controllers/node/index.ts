/** Controller `node`: one Node of our group for each machine, with what the machine is and can carry. */
export { NodeReconciler } from "./reconciler.ts";

/** Name in the configuration's `controllers` list. Off unless it is named there, as published. */
export const name = "node";
