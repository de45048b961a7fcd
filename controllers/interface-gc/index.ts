/** Interface collector: releases cloud interfaces, and deletes records, that nobody owns. */
export { InterfaceCollector, type CollectorDeps } from "./collector.ts";

/** Name in log lines; the collector runs whenever controller `pod-eni` does, as in the published program. */
export const name = "interface-gc";
