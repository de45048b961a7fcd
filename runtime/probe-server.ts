import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";
import type { Runnable } from "./manager.ts";
import type { Logger } from "./ports.ts";

/** A probe server also tells where it listens, for port 0. */
export interface ProbeServer extends Runnable {
  readonly beforeCaches: true;
  readonly needsLeader: false;
  /** Port that is listened on; undefined before that. */
  port(): number | undefined;
}

interface HealthOptions {
  /** `host:port`, `:port` for all interfaces; `"0"` or empty for none. */
  readonly address: string;
  /** What keeps the process from being ready, one line each (Manager.notReady). */
  readonly notReady: () => readonly string[];
  /** Why the process should be restarted; undefined while it is alive. @default alive while it answers */
  readonly notLive?: () => string | undefined;
  readonly log: Logger;
}

interface MetricsOptions {
  /** `host:port`; `"0"` or empty for none. */
  readonly address: string;
  readonly metrics: { readonly registry: Registry };
  readonly log: Logger;
}

type Route = (response: ServerResponse) => void | Promise<void>;
type Routes = Readonly<Record<string, Route>>;

/** Serves /healthz and /readyz: 200 `ok`, or 500 with the reasons, as text. Undefined when the address is `"0"`. */
export function healthServer(options: HealthOptions): ProbeServer | undefined {
  return serverOn("health", options.address, healthRoutes(options), options.log);
}

/** Serves /metrics in the text format of Prometheus. Undefined when the address is `"0"`. */
export function metricsServer(options: MetricsOptions): ProbeServer | undefined {
  return serverOn("metrics", options.address, metricsRoutes(options), options.log);
}

/** Both; on one listener when their addresses are equal. */
export function probeServers(health: HealthOptions, metrics: MetricsOptions): readonly ProbeServer[] {
  const both =
    health.address === metrics.address
      ? [serverOn("probes", health.address, { ...healthRoutes(health), ...metricsRoutes(metrics) }, health.log)]
      : [healthServer(health), metricsServer(metrics)];
  return both.filter((server) => server !== undefined);
}

function healthRoutes({ notReady, notLive }: HealthOptions): Routes {
  return {
    "/healthz": (response) => {
      const why = notLive?.();
      answer(response, why === undefined ? 200 : 500, why ?? "ok");
    },
    "/readyz": (response) => {
      const why = notReady();
      answer(response, why.length === 0 ? 200 : 500, why.length === 0 ? "ok" : why.join("\n"));
    },
  };
}

function metricsRoutes({ metrics }: MetricsOptions): Routes {
  return {
    "/metrics": async (response) => {
      const text = await metrics.registry.metrics();
      response.setHeader("content-type", metrics.registry.contentType);
      response.end(text);
    },
  };
}

function serverOn(name: string, address: string, routes: Routes, log: Logger): ProbeServer | undefined {
  const listen = parseAddress(address);
  if (!listen) return undefined;
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://probe").pathname.replace(/(.)\/$/, "$1");
    const route = routes[path];
    if (!route) {
      answer(response, 404, "not found");
      return;
    }
    void Promise.resolve()
      .then(() => route(response))
      .catch((error: unknown) => {
        log.error("probe failed", { path, error });
        answer(response, 500, "internal error");
      });
  });
  let port: number | undefined;
  return {
    name: `${name} server`,
    needsLeader: false,
    beforeCaches: true,
    port: () => port,
    ready: () => (port === undefined ? "not listening yet" : undefined),
    start: async (signal) => {
      port = await listenOn(server, listen);
      log.info("listening", { part: `${name} server`, address, port });
      await closedAfter(server, signal);
      port = undefined;
    },
  };
}

/** Splits `host:port`, `[v6]:port` or `:port`. @throws Error for anything else but none (`"0"`, empty). */
function parseAddress(address: string): { readonly host?: string; readonly port: number } | undefined {
  if (address === "" || address === "0") return undefined;
  const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(address) ?? [];
  if (port === "" || Number(port) > 65_535) throw new Error(`"${address}" is no listen address (host:port)`);
  return host === "" ? { port: Number(port) } : { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
}

function listenOn(server: Server, options: { readonly host?: string; readonly port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve(portOf(server.address()));
    });
  });
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Resolves when the server is closed after `signal` aborted; rejects when it breaks. */
function closedAfter(server: Server, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const close = () => {
      server.close(() => resolve());
      server.closeAllConnections();
    };
    if (signal.aborted) close();
    else signal.addEventListener("abort", close, { once: true });
  });
}

function answer(response: ServerResponse, status: number, text: string): void {
  if (response.writableEnded) return;
  response.statusCode = status;
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.setHeader("x-content-type-options", "nosniff");
  response.end(`${text}\n`);
}
