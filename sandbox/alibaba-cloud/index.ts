/** The simulated Alibaba Cloud: ECS and VPC of one account in one region. See README.md. */
export { createCloud, type CloudAnswer, type SimulatedCloud } from "./cloud.ts";
export type { Api } from "./api.ts";
export type { CloudOptions, Credentials, Latencies } from "./options.ts";
export type { FaultEffect, FaultRule } from "./faults.ts";
export { parseFaults } from "./fault-file.ts";
export type { SimulatedEni } from "./model.ts";
export type { EniReport, Report } from "./report.ts";
