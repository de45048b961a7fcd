/** The simulated Alibaba Cloud: ECS and VPC of one account in one region. See README.md. */
export { createCloud, type SimulatedCloud } from "./cloud.ts";
export type { CloudOptions, Latencies } from "./options.ts";
export type { FaultRule } from "./faults.ts";
export { parseFaults } from "./fault-file.ts";
export type { EniReport, Report } from "./report.ts";
