/** Controller `eni`: brings every NetworkInterface, the record of one cloud interface, to where it is wanted. */
export { EniLedger } from "./ledger.ts";
export { NetworkInterfaceReconciler } from "./reconciler.ts";

/** Name in the configuration's `controllers` list. */
export const name = "eni";
