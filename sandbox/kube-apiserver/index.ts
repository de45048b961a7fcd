export { createApiServer } from "./api-server.ts";
export type { ApiServer, ApiServerOptions, ApiServerStats } from "./api-server.ts";
export { toKubeconfig } from "./kubeconfig.ts";
export type { Listening, ListenOptions } from "./https-listener.ts";
export type { UserInfo } from "./request.ts";
export type { ServiceResolver, WebhookCall, WebhookCaller } from "./webhook-caller.ts";
