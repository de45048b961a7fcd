/** The whole adapter against the sandbox API server, over HTTPS as in production. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { PodENI } from "../crds/v1beta1/pod-eni.gen.ts";
import { systemClock } from "../runtime/clock.ts";
import { AlreadyExistsError, ConflictError, NotFoundError, TerminalError } from "../runtime/errors.ts";
import type { Logger } from "../runtime/ports.ts";
import { createApiServer, toKubeconfig } from "../sandbox/kube-apiserver/index.ts";
import { installCrds } from "./crd-installer.ts";
import { readCrdManifests } from "./crd-manifests.ts";
import { EventRecorder } from "./event-recorder.ts";
import { createLeaseClient } from "./lease-client.ts";
import { createObjectClient } from "./object-client.ts";
import { pathOf, resourceTypes } from "./resources.ts";
import { createTransport, type KubeTransport } from "./transport.ts";

const signal = new AbortController().signal;
const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

let transport: KubeTransport;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  const server = createApiServer({ clock: systemClock });
  const user = { name: "operator", groups: ["system:masters"] };
  const listening = await server.listen({ host: "127.0.0.1", tokens: { secret: user } });
  const folder = await mkdtemp(join(tmpdir(), "kube-sandbox-"));
  const path = join(folder, "kubeconfig");
  await writeFile(path, toKubeconfig({ url: listening.url, caPem: listening.caPem, token: "secret" }));
  const source = { type: "kubeconfig", path } as const;
  transport = await createTransport({ source, userAgent: "test", qps: 500, burst: 500, clock: systemClock });
  closers.push(
    () => rm(folder, { recursive: true }),
    () => server.close(),
    () => listening.close(),
    () => transport.close(),
  );
  const crds = await readCrdManifests();
  await installCrds({ transport, crds, clock: systemClock, log: silent, signal });
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

function podEni(name: string): PodENI {
  return {
    metadata: { name, namespace: "default", finalizers: ["network.alibabacloud.com/pod-eni"] },
    spec: { zone: "z" },
  };
}

describe("the Kubernetes adapter on the sandbox API server", () => {
  it("leads an object through its life, with every refusal in its class", async () => {
    const client = createObjectClient<PodENI>({ transport, resource: resourceTypes.podEnis });
    const made = await client.create(podEni("life"), signal);
    await expect(client.create(podEni("life"), signal)).rejects.toThrow(AlreadyExistsError);
    const bound = await client.patchStatus("default", "life", { status: { phase: "Bind" } }, signal);
    expect(bound).toMatchObject({ status: { phase: "Bind" }, metadata: { generation: 1 } });
    await expect(client.update({ ...made, spec: { zone: "y" } }, signal)).rejects.toThrow(ConflictError);
    const moved = await client.update({ ...bound, spec: { zone: "y" } }, signal);
    expect(moved).toMatchObject({ spec: { zone: "y" }, status: { phase: "Bind" }, metadata: { generation: 2 } });
    const unbound = await client.updateStatus(
      { ...moved, spec: { zone: "ignored" }, status: { phase: "Unbind" } },
      signal,
    );
    expect(unbound).toMatchObject({ spec: { zone: "y" }, status: { phase: "Unbind" } });
    await expect(client.patch("default", "life", { spec: { zone: 7 } }, signal)).rejects.toThrow(/spec\.zone/);
    await expect(client.patch("default", "life", { spec: { zone: 7 } }, signal)).rejects.toThrow(TerminalError);
    await expect(client.delete("default", "life", { uid: "another" }, signal)).rejects.toThrow(ConflictError);
    await client.delete("default", "life", {}, signal);
    expect(await client.getLive("default", "life", signal)).toHaveProperty("metadata.deletionTimestamp");
    await client.patch("default", "life", { metadata: { finalizers: null } }, signal);
    expect(await client.getLive("default", "life", signal)).toBeUndefined();
    await expect(client.patch("default", "life", {}, signal)).rejects.toThrow(NotFoundError);
    await client.delete("default", "life", {}, signal);
  });

  it("watches", async () => {
    const abort = new AbortController();
    const client = createObjectClient<PodENI>({ transport, resource: resourceTypes.podEnis });
    const seen: string[] = [];
    const path = `${pathOf(resourceTypes.podEnis)}?watch=true`;
    const watch = transport.stream(
      { method: "GET", path },
      (event) => {
        const { type, object } = event as { type: string; object: PodENI };
        seen.push(`${type} ${object.metadata.name}`);
        if (seen.length === 2) abort.abort();
      },
      abort.signal,
    );
    await client.create(podEni("watched"), signal);
    await client.patchStatus("default", "watched", { status: { phase: "Bind" } }, signal);
    await expect(watch).rejects.toMatchObject({ name: "AbortError" });
    expect(seen.at(-1)).toBe("MODIFIED watched");
  });

  it("records an event that the core API shows too", async () => {
    const recorder = new EventRecorder({
      transport,
      clock: systemClock,
      random: () => 0.5,
      log: silent,
      instance: "r0",
    });
    recorder.forController("pod").event({
      regarding: { apiVersion: "v1", kind: "Pod", namespace: "default", name: "web-0" },
      type: "Warning",
      reason: "CreateENIFailed",
      action: "CreateENI",
      note: "x".repeat(2000),
    });
    const list = async () =>
      (await transport.request({ method: "GET", path: "/api/v1/namespaces/default/events" }, signal)).body;
    for (let tries = 0; tries < 50 && ((await list()) as { items: unknown[] }).items.length === 0; tries += 1) {
      await systemClock.sleep(10);
    }
    expect(await list()).toMatchObject({
      items: [
        {
          reason: "CreateENIFailed",
          involvedObject: { kind: "Pod", name: "web-0" },
          message: expect.stringMatching(/^x{1021}…$/),
        },
      ],
    });
    await recorder.stop();
  });

  it("keeps a lease", async () => {
    const leases = createLeaseClient(transport);
    expect(await leases.get("kube-system", "terway", signal)).toBeUndefined();
    const lease = {
      metadata: { namespace: "kube-system", name: "terway" },
      spec: { holderIdentity: "a", leaseDurationSeconds: 15 },
    };
    const first = await leases.create(lease, signal);
    await expect(leases.create(lease, signal)).rejects.toThrow(AlreadyExistsError);
    await leases.update({ ...first, spec: { ...first.spec, holderIdentity: "b" } }, signal);
    await expect(leases.update(first, signal)).rejects.toThrow(ConflictError);
  });
});
