import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { createTransport } from "../kube/transport.ts";
import { systemClock } from "../runtime/clock.ts";
import { copyOfRepository } from "./repository-copy.ts";
import { eventually } from "./world.ts";

describe("npm start", () => {
  let folder = "";
  let stdout = "";
  let stderr = "";
  let ended: { readonly code: number | null } | undefined;
  /** Sends the signal to the program and to all that it started, as a terminal does. */
  let signal: (name: "SIGINT" | "SIGKILL") => void = () => undefined;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "terway-show-"));
    const copy = copyOfRepository(join(folder, "copy"));
    const child = spawn(process.execPath, ["cmd/sandbox.ts", "--nodes", "2", "--pods", "4"], {
      cwd: copy,
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"] },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    child.stdout.on("data", (text: Buffer) => (stdout += text.toString()));
    child.stderr.on("data", (text: Buffer) => (stderr += text.toString()));
    child.once("exit", (code) => (ended = { code }));
    signal = (name) => void process.kill(-child.pid!, name);
  });

  afterAll(async () => {
    if (ended === undefined) signal("SIGKILL");
    await eventually("the program has ended", () => ended !== undefined);
    rmSync(folder, { recursive: true, force: true });
  }, 40_000);

  const untilSaid = (text: RegExp): Promise<RegExpExecArray> =>
    eventually(`it says ${String(text)}`, () => text.exec(stdout) ?? undefined, {
      limitMs: 100_000,
      state: () => ({ stdout, stderr, ended }),
    });

  it("shows pods get interfaces, and that those of the StatefulSet keep their addresses", async () => {
    await untilSaid(/^4 pods have interfaces of their own, \d+\.\d s after the first was created\.$/m);
    await untilSaid(/^Look around/m);
    const verdicts = stdout.match(/^fixed\/\S+ was deleted, .*$/gm) ?? [];
    expect(verdicts.length).toBeGreaterThan(0);
    const kept = /^fixed\/db-\d was deleted, and the controlplane killed: back with [\d.]+, the same address\.$/;
    expect(verdicts).toEqual(verdicts.map(() => expect.stringMatching(kept)));
    expect(stdout).toMatch(/^ *\d+ s {2}pods: \d+ Pending, \d+ Bind, [1-9]\d* Running {2}places: \d+\/100/m);
    expect(stderr).toBe("");
  }, 120_000);

  it("prints how to look around, and what it prints works", async () => {
    const [, kubeconfigPath = ""] = await untilSaid(/export KUBECONFIG=(\S+)/);
    const transport = await createTransport({
      source: { type: "kubeconfig", path: kubeconfigPath },
      userAgent: "terway-e2e",
      qps: 50,
      burst: 100,
      clock: systemClock,
    });
    const path = "/apis/network.alibabacloud.com/v1beta1/podenis";
    const { status, body } = await transport.request({ method: "GET", path }, AbortSignal.timeout(10_000));
    await transport.close();
    expect(status).toBe(200);
    expect((body as { readonly items: readonly unknown[] }).items.length).toBeGreaterThan(4);

    const [, reportUrl = ""] = await untilSaid(/curl (\S+)/);
    expect(await (await fetch(reportUrl)).json()).toHaveProperty("enis");
  }, 30_000);

  it("ends with status 0 on Ctrl-C, and leaves no controlplane behind", async () => {
    const configPath = join(folder, "copy", ".sandbox", "terway-controlplane-1", "ctrl-config.yaml");
    const config = parse(await readFile(configPath, "utf8")) as { readonly healthzBindAddress: string };
    const healthUrl = `http://${config.healthzBindAddress}/healthz`;
    expect((await fetch(healthUrl)).status).toBe(200);
    signal("SIGINT");
    await eventually("the program ends", () => ended, { limitMs: 15_000, state: () => ({ stderr }) });
    expect({ ended, stderr }).toEqual({ ended: { code: 0 }, stderr: "" });
    await expect(fetch(healthUrl)).rejects.toThrow();
  }, 30_000);
});
