/** Where the API server is and how this process proves who it is. The only file that imports @kubernetes/client-node. */
import { existsSync, readFileSync } from "node:fs";
import type { RequestOptions } from "node:https";
import { dirname, resolve } from "node:path";
import type { KubeConfig, User } from "@kubernetes/client-node";
import { parse } from "yaml";
import { TerminalError } from "../runtime/errors.ts";

/** Which configuration to read. */
export type KubeConfigSource =
  | { readonly type: "kubeconfig"; /** Path of a kubeconfig file. */ readonly path: string; readonly context?: string }
  | { readonly type: "in-cluster" };

/** PEM or PFX, as TLS takes it. */
type KeyMaterial = string | Buffer;

/** What makes a TLS connection to the API server trusted by both sides. */
export interface TlsMaterial {
  ca?: KeyMaterial;
  cert?: KeyMaterial;
  key?: KeyMaterial;
  pfx?: KeyMaterial;
  passphrase?: string;
  /** False only for `insecure-skip-tls-verify`. */
  rejectUnauthorized?: boolean;
  servername?: string;
}

/** What one connection to the API server needs. */
export interface Access {
  /** CA, client certificate, server name. */
  readonly tls: Readonly<TlsMaterial>;
  /** Authorization and impersonation. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The API server and the changing proofs of identity for it. */
export interface KubeEndpoint {
  /** Origin and path prefix, without a trailing slash: `https://10.0.0.1:6443`. */
  readonly server: string;
  /** Explicit proxy of the kubeconfig (`proxy-url`), if any. Proxies of the environment are not used. */
  readonly proxyUrl: string | undefined;
  /** Namespace of the context or service account. */
  readonly namespace: string | undefined;
  /** Reads files and runs exec plugins as needed. @throws TerminalError when that fails */
  access(): Promise<Access>;
}

/** @throws TerminalError `InvalidKubeconfig` that names the file and what is wrong with it */
export async function loadKubeEndpoint(source: KubeConfigSource): Promise<KubeEndpoint> {
  // Loaded here, because it costs half a second that no importer of this module should pay, and half of that where
  // client-node.ts was asked; the rest of the package (its own watch, informer and API classes) is not used.
  const { KubeConfig } = await import("@kubernetes/client-node/dist/config.js");
  const config = new KubeConfig();
  const place = source.type === "kubeconfig" ? `kubeconfig ${source.path}` : "in-cluster configuration";
  try {
    load(config, source);
  } catch (error: unknown) {
    throw invalid(place, messageOf(error), error);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw invalid(place, `context "${config.getCurrentContext()}" names no cluster`);
  if (cluster.server.includes("undefined")) {
    throw invalid(
      place,
      "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; set KUBECONFIG outside a cluster",
    );
  }
  if (cluster.proxyUrl?.startsWith("socks"))
    throw invalid(place, `proxy-url ${cluster.proxyUrl}: SOCKS is not supported`);
  return {
    server: cluster.server.replace(/\/+$/, ""),
    proxyUrl: cluster.proxyUrl,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    access: async () => {
      try {
        return await readAccess(config);
      } catch (error: unknown) {
        throw new TerminalError("KubernetesCredentialsUnreadable", `${place}: ${messageOf(error)}`, { cause: error });
      }
    },
  };
}

function load(config: KubeConfig, source: KubeConfigSource): void {
  if (source.type === "in-cluster") {
    config.loadFromCluster();
    return;
  }
  if (!existsSync(source.path)) throw new Error("the file does not exist");
  config.loadFromFile(source.path);
  if (source.context !== undefined) config.setCurrentContext(source.context);
  config.users = config.users.map((user) => withTokenFile(user, tokenFileOf(source.path, user.name)));
}

/** client-node overlooks `tokenFile` of a kubeconfig's user; its provider of that name re-reads the file every minute. */
function withTokenFile(user: User, tokenFile: string | undefined): User {
  if (tokenFile === undefined || user.token !== undefined) return user;
  return { ...user, authProvider: { name: "tokenFile", config: { tokenFile } } };
}

/** Relative paths count from the kubeconfig's folder, as everywhere in it. */
function tokenFileOf(path: string, userName: string): string | undefined {
  const raw = parse(readFileSync(path, "utf8")) as {
    readonly users?:
      readonly { readonly name?: string; readonly user?: { readonly tokenFile?: string } | null }[] | null;
  };
  const tokenFile = raw.users?.find(({ name }) => name === userName)?.user?.tokenFile;
  return tokenFile === undefined ? undefined : resolve(dirname(path), tokenFile);
}

async function readAccess(config: KubeConfig): Promise<Access> {
  const options: RequestOptions = { headers: {} };
  await config.applyToHTTPSOptions(options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    headers[name.toLowerCase()] = String(value).trim();
  }
  if (typeof options.auth === "string") {
    headers["authorization"] = `Basic ${Buffer.from(options.auth).toString("base64")}`;
  }
  return { tls: tlsOf(options), headers };
}

/** client-node fills in single values, never the lists that the type of Node allows. */
function tlsOf(options: RequestOptions): TlsMaterial {
  const tls: TlsMaterial = {};
  for (const name of ["ca", "cert", "key", "pfx"] as const) {
    const value = options[name];
    if (typeof value === "string" || Buffer.isBuffer(value)) tls[name] = value;
  }
  if (options.passphrase !== undefined) tls.passphrase = options.passphrase;
  if (options.servername !== undefined) tls.servername = options.servername;
  if (options.rejectUnauthorized !== undefined) tls.rejectUnauthorized = options.rejectUnauthorized;
  return tls;
}

function invalid(place: string, problem: string, cause?: unknown): TerminalError {
  return new TerminalError("InvalidKubeconfig", `${place}: ${problem}`, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
