/**
 * A process of its own that runs a control plane until its standard input ends, which it does with the process that
 * started it, however that one ends. Arguments: a folder, and `ControlPlaneOptions` as JSON.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startControlPlane, type ControlPlaneOptions } from "../envtest/control-plane.ts";

const [directory = "", options = "{}"] = process.argv.slice(2);
// Ctrl-C reaches the whole group; the end of the input follows it.
process.on("SIGINT", () => undefined);
const ended = new Promise<void>((resolve) => process.stdin.resume().once("end", resolve).once("error", resolve));
const controlPlane = await startControlPlane({
  ...(JSON.parse(options) as Omit<ControlPlaneOptions, "directory">),
  directory,
});
writeFileSync(join(directory, "endpoint.json"), JSON.stringify({ url: controlPlane.url, caPem: controlPlane.caPem }));
// Whoever started it may have ended since, and the pipe with it.
process.stdout.on("error", () => undefined).write("ready\n");
await ended;
await controlPlane.stop();
rmSync(directory, { recursive: true, force: true });
process.exit(0);
