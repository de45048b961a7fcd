import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { parseAllDocuments } from "yaml";
import type { Manifest } from "../sandbox/apply.ts";
import { locate } from "../test/envtest/binaries.ts";
import { eventually, startWorld, type World } from "./world.ts";

const samples = join(import.meta.dirname, "..", "config", "samples");
const { KUBECTL: given, PATH } = process.env;
const program = given ?? locate("kubectl") ?? "kubectl";
// One that was named must work; one that is merely not there is no failure.
const isThere = given !== undefined || spawnSync(program, ["version", "--client"]).status === 0;
const suite = isThere ? describe : describe.skip;

suite(isThere ? "kubectl" : "kubectl: there is none on PATH, and KUBECTL names none", () => {
  let world: World;
  /** Home of kubectl, for its caches. */
  let home = "";

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "terway-kubectl-"));
    world = await startWorld({ nodes: 2 });
  }, 90_000);

  afterAll(async () => {
    await world.stop();
    rmSync(home, { recursive: true, force: true });
  }, 30_000);

  const optionsOf = () => ({ env: { PATH, HOME: home, KUBECONFIG: world.sandbox.kubeconfigPath } });

  /** Its output, which a user reads: warnings are part of it. @throws Error with what it says when it fails */
  const kubectl = async (...args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await promisify(execFile)(program, args, { ...optionsOf(), timeout: 60_000 });
    return stdout + stderr;
  };

  it("applies every sample, finds nothing to change the second time, and watches their pods until they run", async () => {
    const seen: string[] = [];
    const watch = spawn(program, ["get", "pods", "-n", "fixed", "-w"], optionsOf());
    createInterface({ input: watch.stdout }).on("line", (line) => seen.push(line));
    const statuses = () => seen.flatMap((line) => /^db-0 +\S+ +(\w+)/.exec(line)?.[1] ?? []);
    try {
      const objects = objectsIn(samples);
      expect(endingsOf(await kubectl("apply", "-f", samples))).toEqual(objects.map(() => "created"));
      expect(endingsOf(await kubectl("apply", "-f", samples))).toEqual(objects.map(() => "unchanged"));
      await eventually("the watch shows it running", () => statuses().includes("Running"), { state: () => seen });
      expect(seen[0]).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE$/);
      // Behind its gate for a moment when it comes before its plane is Ready, for all is applied at once.
      expect(statuses().join(" ")).toMatch(/^(SchedulingGated )*Pending .*ContainerCreating Running$/);
    } finally {
      watch.kill();
    }
  }, 60_000);

  it("shows planes, records and interfaces in columns that answer what users ask", async () => {
    const [planes, records] = tablesIn(await kubectl("get", "podnetworkings,podenis", "-A"));
    expect(planes![0]).toEqual({
      NAME: "podnetworking.network.alibabacloud.com/elastic",
      STATUS: "Ready",
      TYPE: "Trunk",
      ALLOCATION: "Elastic",
      RELEASE: "",
      REASON: "VSwitchesFound",
      AGE: expect.stringMatching(/^\d+s$/),
    });
    const { pod, podEni } = await world.kube.untilRunning("fixed", "db-0");
    const eniId = podEni.spec!.allocations![0]!.eni!.id!;
    expect(records!.find(({ NAME }) => NAME?.endsWith("/db-0"))).toEqual({
      NAMESPACE: "fixed",
      NAME: "podeni.network.alibabacloud.com/db-0",
      PHASE: "Bind",
      NODE: pod.spec.nodeName,
      IPV4: pod.status?.podIP,
      ENI: eniId,
      REASON: "Bound",
      AGE: expect.stringMatching(/^\d+s$/),
    });
    // Short name, as README.md has it.
    const [interfaces] = tablesIn(await kubectl("get", "ni"));
    expect(interfaces!.find(({ NAME }) => NAME === eniId)).toMatchObject({ PHASE: "Bind", PODNAME: "db-0" });
  }, 30_000);

  it.each([
    {
      of: "pod",
      args: ["pod", "-n", "fixed", "db-0"],
      says: [/^IP: +10\./m, /k8s\.aliyun\.com\/pod-networking: fixed/],
    },
    {
      of: "record",
      args: ["pe", "-n", "fixed", "db-0"],
      says: [/CreateENISucceed .* created eni-/, /AttachENISucceed/, /Release After: +10m/],
    },
    { of: "plane", args: ["pn", "fixed"], says: [/SyncPodNetworkingSucceed/, /Reason: +VSwitchesFound/] },
  ])(
    "describes a $of with its events",
    async ({ args, says }) => {
      const text = await kubectl("describe", ...args);
      for (const pattern of says) expect(text).toMatch(pattern);
    },
    30_000,
  );

  it("deletes the samples: planes are gone at once, namespaces once their records are released", async () => {
    // Waiting for the namespaces would take seconds. They take along what is in them, maybe before kubectl asks for it.
    const flags = ["--wait=false", "--ignore-not-found"];
    const lines = (await kubectl("delete", "-f", samples, ...flags)).trimEnd().split("\n");
    const [warnings = [], others = []] = [true, false].map((wanted) =>
      lines.filter((line) => line.startsWith("Warning: ") === wanted),
    );
    expect(warnings.join("\n")).toMatch(/^Warning: PodNetworking elastic is used by 3 pods \(elastic\/web-/m);
    // Newer ones add where it was.
    for (const line of others) expect(line).toMatch(/ deleted( from \S+ namespace)?$/);
    expect(await kubectl("get", "pn")).toBe("No resources found\n");
    const [namespaces] = tablesIn(await kubectl("get", "namespaces"));
    const active = namespaces!.filter(({ STATUS }) => STATUS === "Active").map(({ NAME }) => NAME);
    for (const name of ["elastic", "fixed", "exclusive"]) expect(active).not.toContain(name);
  }, 30_000);
});

function objectsIn(folder: string): readonly Manifest[] {
  return readdirSync(folder).flatMap((name) =>
    parseAllDocuments(readFileSync(join(folder, name), "utf8")).map((document) => document.toJS() as Manifest),
  );
}

/** The last word of each line. */
function endingsOf(text: string): readonly (string | undefined)[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" ").at(-1));
}

/** Rows by heading; tables are separated by an empty line. A cell begins under its heading and may be empty. */
function tablesIn(text: string): readonly (readonly Readonly<Record<string, string>>[])[] {
  return text.split("\n\n").map((table) => {
    const [header = "", ...rows] = table.trimEnd().split("\n");
    const headings = [...header.matchAll(/\S+/g)].map(({ 0: name, index }) => ({ name, index }));
    return rows.map((row) =>
      Object.fromEntries(
        headings.map(({ name, index }, position) => [name, row.slice(index, headings[position + 1]?.index).trim()]),
      ),
    );
  });
}
