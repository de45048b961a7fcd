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
