/**
 * The API server that a contract suite runs on: the sandbox's, or with `TEST_API=real` a kube-apiserver. Both are spoken to
 * over HTTPS. Every suite has a sandbox of its own; a kube-apiserver takes seconds to start, so suites that run in one
 * process and want the same flags share one.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, jest } from "@jest/globals";
import { createTransport, type KubeTransport } from "../../kube/transport.ts";
import { systemClock } from "../../runtime/clock.ts";
import { createApiServer, toKubeconfig } from "../../sandbox/kube-apiserver/index.ts";
import { whyNoControlPlane } from "../envtest/binaries.ts";
import { Client, type Endpoint } from "./client.ts";

/** True when the suites run on a kube-apiserver. */
const isReal = process.env["TEST_API"] === "real";

export interface ApiOptions {
  /** Whether kube-controller-manager runs beside a real API server: for garbage collection and ends of namespaces. @default false */
  readonly controllers?: boolean;
  /** Of a real API server, added to its own. */
  readonly apiServerFlags?: readonly string[];
}

/** What the tests of a suite get. */
export interface Api {
  /** There once the first test runs. */
  readonly client: Client;
  /** The sandbox forgets its old versions at once; a real one does so by itself, as its flags say. */
  compact(): void;
}

interface RunningApi {
  readonly endpoint: Endpoint;
  compact(): void;
  stop(): Promise<void>;
}

/** A `describe` whose tests share one API server; skipped, with the reason in its title, where there is none. */
export function describeApi(title: string, define: (api: Api) => void, options: ApiOptions = {}): void {
  const why = isReal ? whyNoControlPlane() : undefined;
  const name = `${title} (${isReal ? "kube-apiserver" : "sandbox"}${why === undefined ? "" : `: ${why}`})`;
  let running: RunningApi | undefined;
  let transport: KubeTransport | undefined;
  let client: Client | undefined;
  const suite = (): void => {
    // A real API server on two busy cores answers slowly at first.
    jest.setTimeout(30_000);
    beforeAll(async () => {
      running = isReal ? await startReal(options) : await startSandbox();
      transport = await connect(running.endpoint);
      client = new Client(transport, running.endpoint);
    }, 90_000);
    afterAll(async () => {
      await transport?.close();
      await running?.stop();
    }, 30_000);
    define({
      get client() {
        if (client === undefined) throw new Error("the API server is not up yet: use it within tests");
        return client;
      },
      compact: () => running?.compact(),
    });
  };
  if (why === undefined) describe(name, suite);
  else describe.skip(name, suite);
}

const token = "admin-token";

async function connect({ url, caPem }: Endpoint): Promise<KubeTransport> {
  const directory = mkdtempSync(join(tmpdir(), "contract-"));
  const path = join(directory, "kubeconfig");
  writeFileSync(path, toKubeconfig({ url, caPem, token }), { mode: 0o600 });
  const transport = await createTransport({
    source: { type: "kubeconfig", path },
    userAgent: "terway-controlplane-tests",
    qps: 10_000,
    burst: 10_000,
    clock: systemClock,
    // The file is gone by then.
    credentialAgeMs: 3_600_000,
  });
  await transport.request({ method: "GET", path: "/version" }, AbortSignal.timeout(10_000));
  rmSync(directory, { recursive: true });
  return transport;
}

async function startSandbox(): Promise<RunningApi> {
  const server = createApiServer({ clock: systemClock });
  const listening = await server.listen({
    host: "127.0.0.1",
    tokens: { [token]: { name: "admin", groups: ["system:masters", "system:authenticated"] } },
  });
  return {
    endpoint: { url: listening.url, caPem: listening.caPem, token },
    compact: () => server.compact(),
    async stop() {
      await listening.close();
      server.close();
    },
  };
}

/** The one that runs already for this process, or a new one. It ends with this process. */
async function startReal({ controllers = false, apiServerFlags = [] }: ApiOptions): Promise<RunningApi> {
  const kind = [controllers ? "controllers" : "alone", ...apiServerFlags].join("").replace(/[^a-z0-9]/g, "");
  const directory = join(tmpdir(), `contract-${process.pid}-${kind}`);
  const path = join(directory, "endpoint.json");
  if (!existsSync(path)) await startProcess(directory, { controllers, apiServerFlags });
  const endpoint = JSON.parse(readFileSync(path, "utf8")) as { readonly url: string; readonly caPem: string };
  return { endpoint: { ...endpoint, token }, compact: () => undefined, stop: () => Promise.resolve() };
}

async function startProcess(directory: string, options: ApiOptions): Promise<void> {
  const script = fileURLToPath(new URL("./real-api.ts", import.meta.url));
  const child = spawn(process.execPath, [script, directory, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("error", reject).once("close", () => reject(new Error(`the control plane did not start: ${said}`)));
  });
  // The process that runs the tests does not wait for it; its end closes the pipe, and that ends the control plane.
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr])
    if ("unref" in stream) (stream as { unref(): void }).unref();
}
