/** Interface collector: releases cloud interfaces, and deletes records, that nobody owns. */
export { InterfaceCollector } from "./collector.ts";
