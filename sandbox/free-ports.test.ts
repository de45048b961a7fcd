import { execFileSync } from "node:child_process";
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

test("a port that was given out is not given to another process, though nobody listens on it yet", async () => {
  const given = await freePorts(300);
  const program = `import { freePorts } from "./free-ports.ts"; console.log(JSON.stringify(await freePorts(3_000)))`;
  const options = { cwd: import.meta.dirname, encoding: "utf8", maxBuffer: 1_000_000 } as const;
  const others = JSON.parse(
    execFileSync(process.execPath, ["--input-type=module-typescript", "-e", program], options),
  ) as number[];
  expect(others.filter((port) => given.includes(port))).toEqual([]);
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
