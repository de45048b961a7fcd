import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "@jest/globals";
import { freePorts } from "./free-ports.ts";

test("ports differ, are free, and are none that the kernel gives to outgoing connections", async () => {
  const ports = await freePorts(50);
  expect(new Set(ports).size).toBe(50);
  expect(ports.filter((port) => port >= 10_000 && port < 32_768)).toEqual(ports);
  for (const port of ports) {
    const server = createServer().listen(port, "127.0.0.1");
    await new Promise((resolve, reject) => server.once("listening", resolve).once("error", reject));
    await new Promise((resolve) => server.close(resolve));
  }
});

test("a port is not given out again while its process may still be starting", async () => {
  const first = await freePorts(20);
  const more = await Promise.all(Array.from({ length: 20 }, () => freePorts(10)));
  expect(new Set([...first, ...more.flat()]).size).toBe(220);
});

test("ports on which somebody listens are passed over", async () => {
  const taken = await freePorts(400);
  const servers = taken.map((port) => createServer().listen(port, "127.0.0.1"));
  try {
    await Promise.all(servers.map((server) => once(server, "listening")));
    const ports = await freePorts(50);
    expect(ports.filter((port) => taken.includes(port))).toEqual([]);
  } finally {
    for (const server of servers) server.close();
  }
});
