/** Controller `eni`: brings every NetworkInterface, the record of one cloud interface, to where it is wanted. */
export { EniLedger } from "./ledger.ts";
export { NetworkInterfaceReconciler, type CallTiming, type NetworkInterfaceDeps } from "./reconciler.ts";

/** Name in the configuration's `controllers` list. */
export const name = "eni";
