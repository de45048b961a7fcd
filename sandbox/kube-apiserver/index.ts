export { createApiServer } from "./api-server.ts";
export type { ApiServer } from "./api-server.ts";
export { toKubeconfig } from "./kubeconfig.ts";
