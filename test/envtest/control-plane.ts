/** A real Kubernetes control plane on loopback for one suite: etcd, kube-apiserver and, if wanted, the real controllers. */
import { spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { createTransport, type KubeTransport } from "../../kube/transport.ts";
import { systemClock } from "../../runtime/clock.ts";
import { freePorts } from "../../sandbox/free-ports.ts";
import { toKubeconfig } from "../../sandbox/kube-apiserver/index.ts";
import { locate, type BinaryName } from "./binaries.ts";

export interface ControlPlaneOptions {
  /** An empty or missing folder for data, certificates and logs. */
  readonly directory: string;
  /** Whether kube-controller-manager and kube-scheduler run. @default false */
  readonly controllers?: boolean;
  /** Added to kube-apiserver's own. */
  readonly apiServerFlags?: readonly string[];
  /** Users beside the administrator, by token. RBAC is on: without a binding they may do nothing. */
  readonly users?: Readonly<Record<string, { readonly name: string; readonly groups: readonly string[] }>>;
}

export interface ControlPlane {
  readonly url: string;
  readonly caPem: string;
  /** Of the administrator. */
  readonly kubeconfigPath: string;
  /** Of the administrator; without a client-side limit that a test could reach. */
  readonly transport: KubeTransport;
  /** Kubeconfig text of the user with that token. */
  kubeconfigOf(token: string): string;
  /** kill -9 of kube-apiserver; resolves when it is gone. Its port stays reserved for `startApiServer`. */
  killApiServer(): Promise<void>;
  /** Starts it again; resolves when it is ready. */
  startApiServer(flags?: readonly string[]): Promise<void>;
  /** kill -9 of everything; resolves when all is gone. */
  stop(): Promise<void>;
}

const adminToken = "admin-token";
/** A cold start on two busy cores takes 4 s; much more means that it will not come. */
const readyWithinMs = 60_000;

/** @throws Error naming the program that did not start, with the end of its log */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { directory, controllers = false, users = {} } = options;
  mkdirSync(directory, { recursive: true });
  const [etcdPort, apiPort, managerPort, schedulerPort] = (await freePorts(4)) as [number, number, number, number];
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const url = `https://127.0.0.1:${apiPort}`;
  makeServiceAccountKey(directory);
  writeFileSync(join(directory, "tokens.csv"), toTokens(users), { mode: 0o600 });

  const programs = new Programs(directory);
  programs.start("etcd", [
    ...["--data-dir", "etcd", "--unsafe-no-fsync", "--log-level", "error"],
    ...["--listen-peer-urls", "http://127.0.0.1:0", "--listen-client-urls", etcdUrl],
    ...["--advertise-client-urls", etcdUrl],
  ]);
  const apiServerFlags = [
    ...["--etcd-servers", etcdUrl, "--bind-address", "127.0.0.1", "--secure-port", String(apiPort), "--cert-dir", "."],
    ...["--authorization-mode", "RBAC", "--token-auth-file", "tokens.csv"],
    ...["--service-cluster-ip-range", "10.96.0.0/24", "--service-account-issuer", "https://kubernetes.default.svc"],
    ...["--service-account-key-file", "sa.key", "--service-account-signing-key-file", "sa.key"],
    // Pods are created in namespaces of a moment ago, whose service account has yet to be made.
    "--disable-admission-plugins=ServiceAccount",
    ...(options.apiServerFlags ?? []),
  ];
  const startApiServer = async (flags: readonly string[] = []): Promise<void> => {
    programs.start("kube-apiserver", [...apiServerFlags, ...flags]);
    await untilReady(url, programs);
  };
  try {
    await startApiServer();
  } catch (error) {
    await programs.stop();
    throw error;
  }
  const caPem = readFileSync(join(directory, "apiserver.crt"), "utf8");
  const kubeconfigOf = (token: string): string => toKubeconfig({ url, caPem, token, name: "real" });
  const kubeconfigPath = join(directory, "kubeconfig");
  writeFileSync(kubeconfigPath, kubeconfigOf(adminToken), { mode: 0o600 });
  if (controllers) startControllers(programs, { managerPort, schedulerPort });
  const transport = await createTransport({
    source: { type: "kubeconfig", path: kubeconfigPath },
    userAgent: "terway-controlplane-tests",
    qps: 10_000,
    burst: 10_000,
    clock: systemClock,
  });
  return {
    url,
    caPem,
    kubeconfigPath,
    transport,
    kubeconfigOf,
    killApiServer: () => programs.kill("kube-apiserver"),
    startApiServer,
    async stop() {
      await transport.close();
      await programs.stop();
    },
  };
}

/**
 * The nodes' life-cycle controller takes the taint of new nodes away. Stand-in kubelets renew nothing, so it must not miss
 * them.
 */
function startControllers(
  programs: Programs,
  { managerPort, schedulerPort }: { readonly managerPort: number; readonly schedulerPort: number },
): void {
  const shared = [
    "--kubeconfig",
    "kubeconfig",
    "--leader-elect=false",
    "--bind-address",
    "127.0.0.1",
    "--cert-dir",
    ".",
  ];
  const unlimited = ["--kube-api-qps", "500", "--kube-api-burst", "1000"];
  programs.start("kube-controller-manager", [
    ...shared,
    ...unlimited,
    ...["--secure-port", String(managerPort), "--service-account-private-key-file", "sa.key"],
    ...["--root-ca-file", "apiserver.crt", "--use-service-account-credentials"],
    ...["--node-monitor-period", "1s", "--node-monitor-grace-period", "1h", "--node-startup-grace-period", "1h"],
    "--flex-volume-plugin-dir=flex",
  ]);
  programs.start("kube-scheduler", [...shared, ...unlimited, "--secure-port", String(schedulerPort)]);
}

/** The processes of one control plane. */
class Programs {
  readonly #directory: string;
  readonly #running = new Map<BinaryName, { readonly child: ChildProcess; readonly ended: Promise<void> }>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws Error when it is not there: see `whyNoControlPlane` */
  start(name: BinaryName, flags: readonly string[]): void {
    const path = locate(name);
    if (path === undefined) throw new Error(`${name} was not found; "npm run envtest" builds it`);
    const log = createWriteStream(join(this.#directory, `${name}.log`), { flags: "a" });
    const [command = path, ...args] = [...guard(), path, ...flags];
    const child = spawn(command, args, { cwd: this.#directory, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.pipe(log);
    child.stderr.pipe(log);
    const ended = new Promise<void>((resolve) => {
      child.once("close", () => {
        if (this.#running.get(name)?.child === child) this.#running.delete(name);
        resolve();
      });
      child.once("error", () => resolve());
    });
    this.#running.set(name, { child, ended });
  }

  isRunning(name: BinaryName): boolean {
    return this.#running.has(name);
  }

  async kill(name: BinaryName): Promise<void> {
    const program = this.#running.get(name);
    program?.child.kill("SIGKILL");
    await program?.ended;
  }

  async stop(): Promise<void> {
    // Top down, so that none of them fills its log with the absence of the next.
    for (const name of [...this.#running.keys()].reverse()) await this.kill(name);
  }

  logOf(name: BinaryName): string {
    return readFileSync(join(this.#directory, `${name}.log`), "utf8").slice(-2_000);
  }
}

/** On Linux the kernel ends the program with the process that started it, also when that one is killed. */
function guard(): readonly string[] {
  const setpriv = "/usr/bin/setpriv";
  return existsSync(setpriv) ? [setpriv, "--pdeathsig", "KILL", "--"] : [];
}

async function untilReady(url: string, programs: Programs): Promise<void> {
  const endMs = systemClock.monotonic() + readyWithinMs;
  while (!(await isReady(url))) {
    for (const name of ["etcd", "kube-apiserver"] as const) {
      if (!programs.isRunning(name)) throw new Error(`${name} ended while starting: ${programs.logOf(name)}`);
    }
    if (systemClock.monotonic() > endMs) {
      throw new Error(`kube-apiserver was not ready within ${readyWithinMs} ms: ${programs.logOf("kube-apiserver")}`);
    }
    await systemClock.sleep(50);
  }
}

/** Its certificate is made by itself at its first start, so nothing can vouch for it yet; the answer is only a status. */
async function isReady(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(`${url}/readyz`, { rejectUnauthorized: false, timeout: 2_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    asked.once("timeout", () => asked.destroy());
    asked.once("error", () => resolve(false));
    asked.end();
  });
}

/** kube-apiserver refuses elliptic keys in PKCS #8, so this one is SEC 1. */
function makeServiceAccountKey(directory: string): void {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(join(directory, "sa.key"), privateKey.export({ type: "sec1", format: "pem" }), { mode: 0o600 });
}

function toTokens(users: NonNullable<ControlPlaneOptions["users"]>): string {
  const admin = [adminToken, "admin", "1", '"system:masters"'];
  const others = Object.entries(users).map(([token, { name, groups }], index) => [
    ...[token, name, String(index + 2), `"${groups.join(",")}"`],
  ]);
  return [admin, ...others].map((fields) => fields.join(",")).join("\n") + "\n";
}
