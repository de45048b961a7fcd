/** A real API server, scheduler and controller manager for a sandbox, instead of its own. */
import { writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { StartKubernetes } from "../../cmd/sandbox-world.ts";
import type { Transport } from "../../runtime/transport.ts";
import { apply } from "../../sandbox/apply.ts";
import { roleManifests } from "../installation/roles.ts";
import { startControlPlane, type ControlPlane, type ControlPlaneOptions } from "./control-plane.ts";

/** A token for the service account of `config/rbac`, with the groups that the API server gives to service accounts. */
const accountToken = "controlplane-token";
const account = {
  name: "system:serviceaccount:kube-system:terway-controlplane",
  groups: ["system:serviceaccounts", "system:serviceaccounts:kube-system"],
};

/** Name and namespace of the Service that the webhook configurations of a sandbox name. */
const service = { name: "terway-controlplane", namespace: "kube-system" } as const;

/** For `SandboxOptions.kubernetes`. `onStarted` gets the processes, for suites that end some of them. */
export function realKubernetes(
  options: Omit<ControlPlaneOptions, "directory" | "users"> & {
    readonly onStarted?: (controlPlane: ControlPlane) => void;
  } = {},
): StartKubernetes {
  return async ({ directory, webhookUrl }) => {
    const controlPlane = await startControlPlane({
      controllers: true,
      ...options,
      users: { [accountToken]: account },
      directory: join(directory, "control-plane"),
    });
    const replicaKubeconfigPath = join(directory, "controlplane-kubeconfig");
    writeFileSync(replicaKubeconfigPath, controlPlane.kubeconfigOf(accountToken), { mode: 0o600 });
    options.onStarted?.(controlPlane);
    const relay = await startRelay(webhookUrl);
    await createService(controlPlane.transport);
    // With no more rights than an installation gives it.
    for (const manifest of roleManifests()) await apply(controlPlane.transport, manifest);
    return {
      transport: controlPlane.transport,
      kubeconfigPath: controlPlane.kubeconfigPath,
      replicaKubeconfigPath,
      webhookPort: relay.port,
      hasControllers: options.controllers ?? true,
      async stop() {
        relay.close();
        await controlPlane.stop();
      },
    };
  };
}

/**
 * What kube-proxy does for the Service: hands each connection to a replica that runs. An API server refuses endpoints on
 * loopback, but follows a Service of type ExternalName.
 */
async function startRelay(targetUrl: () => string | undefined): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.once("close", () => sockets.delete(socket));
  };
  const server = createServer((incoming) => {
    keep(incoming);
    const target = targetUrl();
    if (target === undefined) {
      incoming.destroy();
      return;
    }
    const { hostname, port } = new URL(target);
    const outgoing = keep(connect({ host: hostname, port: Number(port) }));
    incoming.once("error", () => outgoing.destroy()).once("close", () => outgoing.destroy());
    outgoing.once("error", () => incoming.destroy()).once("close", () => incoming.destroy());
    incoming.pipe(outgoing).pipe(incoming);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function createService(transport: Transport): Promise<void> {
  const body = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: service.name },
    spec: { type: "ExternalName", externalName: "localhost" },
  };
  const path = `/api/v1/namespaces/${service.namespace}/services`;
  const { status, body: answer } = await transport.request({ method: "POST", path, body }, AbortSignal.timeout(10_000));
  if (status !== 201) throw new Error(`the API server refused the Service: ${JSON.stringify(answer)}`);
}
