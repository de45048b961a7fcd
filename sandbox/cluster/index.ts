export { startCluster } from "./cluster.ts";
export type { Cluster, ClusterOptions } from "./cluster.ts";
export { nodeSpecs } from "./node-specs.ts";
export type { NodeCapacity, NodeSpec, NodeSpecsInput } from "./node-specs.ts";
