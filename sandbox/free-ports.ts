import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Below what kernels hand to outgoing connections (Linux 32768-60999, macOS and Windows 49152-65535): a port from there could
 * be gone before the process that shall listen on it has started, or while it is being restarted.
 */
const lowest = 10_000;
const highest = 32_767;

/**
 * A port that was promised, and on which nobody listens yet, looks free. So a process goes through its ports one after the
 * other, and processes that run side by side have shares of their own.
 */
const shares = 32;
const portsOfShare = Math.floor((highest + 1 - lowest) / shares);
const lowestOfShare = lowest + (process.pid % shares) * portsOfShare;
let promised = 0;

/** Ports that are free now, and were not given out lately. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held = new Map<number, Server>();
  while (held.size < count) {
    const port = lowestOfShare + (promised++ % portsOfShare);
    const server = await listenOn(port);
    if (server !== undefined) held.set(port, server);
  }
  await Promise.all([...held.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  return [...held.keys()];
}

/** @returns undefined when somebody else has the port */
async function listenOn(port: number): Promise<Server | undefined> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
    return server;
  } catch (error) {
    // Not asked with `instanceof Error`: under jest, errors of Node itself are of another realm.
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE" || code === "EACCES") return undefined;
    throw error;
  }
}
