/** Makes the process that reads a kubeconfig start without what it never uses of @kubernetes/client-node. */
import { registerHooks } from "node:module";

/** Of its 700 generated modules, `config.js` names these two, for `KubeConfig.makeApiClient`, which nobody calls here. */
const instead = `
export class ServerConfiguration {}
export function createConfiguration() {
  throw new Error("the generated API classes of @kubernetes/client-node are not loaded: see kube/client-node.ts");
}
`;

/**
 * From now on `KubeConfig` and its authenticators are loaded without the generated classes of every API: those cost 0.55 s
 * of each start and 47 MB for the life of the process.
 */
export function skipGeneratedClasses(): void {
  registerHooks({
    load: (url, context, next) =>
      url.endsWith("/@kubernetes/client-node/dist/gen/index.js")
        ? { format: "module", source: instead, shortCircuit: true }
        : next(url, context),
  });
}
