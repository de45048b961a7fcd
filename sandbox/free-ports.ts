import { randomInt } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Below what kernels hand to outgoing connections (Linux 32768-60999, macOS and Windows 49152-65535): a port from there could
 * be gone before the process that shall listen on it has started, or while it is being restarted.
 */
const lowest = 10_000;
const highest = 32_767;

/**
 * TCP ports that are free now, and that nobody else is given while this process lives: a port on which nobody listens yet
 * looks free, so each is marked by a UDP socket with its number.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = randomInt(lowest, highest + 1);
    if ((await isFree(port)) && (await mark(port))) ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  if (!(await isBound(server))) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** @returns false when another process, or an earlier call, has marked it */
async function mark(port: number): Promise<boolean> {
  const socket = createSocket("udp4").bind({ port, address: "127.0.0.1", exclusive: true });
  if (!(await isBound(socket))) return false;
  socket.unref();
  return true;
}

/** @returns false when somebody else has the port */
async function isBound(socket: Server | Socket): Promise<boolean> {
  try {
    await once(socket, "listening");
    return true;
  } catch (error) {
    // Not asked with `instanceof Error`: under jest, errors of Node itself are of another realm.
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE" || code === "EACCES") return false;
    throw error;
  }
}
