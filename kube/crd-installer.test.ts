import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import FakeTimers from "@sinonjs/fake-timers";
import { crdVersionAnnotation } from "../crds/v1beta1/names.ts";
import { systemClock } from "../runtime/clock.ts";
import { TerminalError, TransientError } from "../runtime/errors.ts";
import type { Logger } from "../runtime/ports.ts";
import type { Transport, TransportRequest, TransportResponse } from "../runtime/transport.ts";
import { installCrds, isOlder } from "./crd-installer.ts";
import { readCrdManifests, type CustomResourceDefinition } from "./crd-manifests.ts";

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

/** The CRD endpoints of an API server that establishes and serves a CRD a while after it was made. */
class CrdServer implements Transport {
  readonly crds = new Map<string, CustomResourceDefinition & { readonly readyAtMs: number }>();
  readonly writes: string[] = [];
  servedAfterMs = 400;
  /** Called before a write; what it returns is the answer. */
  intercept: (request: TransportRequest) => TransportResponse | undefined = () => undefined;
  #version = 0;

  request(request: TransportRequest): Promise<TransportResponse> {
    return Promise.resolve(this.#answer(request));
  }

  stream(): Promise<TransportResponse> {
    return Promise.reject(new Error("not expected"));
  }

  put(crd: CustomResourceDefinition): TransportResponse {
    this.#version += 1;
    const metadata = { ...crd.metadata, resourceVersion: String(this.#version) };
    const readyAtMs = this.crds.get(crd.metadata.name)?.readyAtMs ?? Date.now() + this.servedAfterMs;
    this.crds.set(crd.metadata.name, { ...crd, metadata, readyAtMs });
    return { status: 200, headers: {}, body: this.crds.get(crd.metadata.name) };
  }

  #answer(request: TransportRequest): TransportResponse {
    const [path = ""] = request.path.split("?");
    const name = path.split("/customresourcedefinitions")[1]?.slice(1);
    if (name === undefined) {
      const plural = path.split("/").at(-1) ?? "";
      const served = this.crds.get(`${plural}.network.alibabacloud.com`);
      // Served a little later than established, as the real one.
      return {
        status: served !== undefined && Date.now() >= served.readyAtMs + 100 ? 200 : 404,
        headers: {},
        body: {},
      };
    }
    if (request.method !== "GET") {
      const answer = this.intercept(request);
      if (answer !== undefined) return answer;
      // A write of the main resource leaves the status alone.
      const { metadata, spec } = request.body as CustomResourceDefinition;
      const crd = { metadata, spec };
      this.writes.push(`${request.method} ${crd.metadata.name}`);
      return this.put(crd);
    }
    const crd = this.crds.get(name);
    if (crd === undefined) return { status: 404, headers: {}, body: { reason: "NotFound" } };
    const established = { type: "Established", status: Date.now() >= crd.readyAtMs ? "True" : "False" };
    return { status: 200, headers: {}, body: { status: { conditions: [established] }, ...crd } };
  }
}

let clock: FakeTimers.Clock;
let crds: readonly CustomResourceDefinition[];
beforeEach(async () => {
  crds = await readCrdManifests();
  clock = FakeTimers.install();
});
afterEach(() => clock.uninstall());

async function install(server: CrdServer, log: Logger = silent): Promise<unknown> {
  const outcome = installCrds({
    transport: server,
    crds,
    clock: systemClock,
    log,
    signal: new AbortController().signal,
    timeoutMs: 5_000,
  }).catch((error: unknown) => error);
  await clock.tickAsync(10_000);
  return await outcome;
}

function withVersion(crd: CustomResourceDefinition, version: string | undefined): CustomResourceDefinition {
  const annotations = { foreign: "kept", ...(version === undefined ? {} : { [crdVersionAnnotation]: version }) };
  return { ...crd, metadata: { ...crd.metadata, annotations }, spec: { ...crd.spec, versions: [] } };
}

describe("installing the CRDs", () => {
  it("creates all five on an empty cluster and returns once they are served", async () => {
    const server = new CrdServer();
    const startedMs = Date.now();
    let servedAtMs = 0;
    const outcome = installCrds({
      transport: server,
      crds,
      clock: systemClock,
      log: silent,
      signal: new AbortController().signal,
    });
    void outcome.then(() => (servedAtMs = Date.now()));
    await clock.tickAsync(5_000);
    expect(new Set((await outcome).values())).toEqual(new Set(["created"]));
    expect(server.writes).toHaveLength(5);
    expect(servedAtMs - startedMs).toBeGreaterThanOrEqual(500);
    expect(servedAtMs - startedMs).toBeLessThan(1_000);
  });

  it.each([
    { name: "lower", version: "v0.0.9", want: "upgraded" },
    { name: "missing", version: undefined, want: "upgraded" },
    { name: "invalid", version: "newest", want: "upgraded" },
    { name: "higher", version: "v9.0.0", want: "newer" },
  ])("with a $name version annotation: $want", async ({ version, want }) => {
    const server = new CrdServer();
    for (const crd of crds) server.put(withVersion(crd, version));
    const warned: unknown[] = [];
    const log: Logger = { ...silent, warn: (message, fields) => void warned.push({ message, ...fields }) };
    expect(new Set(((await install(server, log)) as Map<string, string>).values())).toEqual(new Set([want]));
    expect(warned).toHaveLength(want === "newer" ? crds.length : 0);
    const message = expect.stringContaining("newer release");
    for (const each of warned) expect(each).toMatchObject({ message, version, name: expect.any(String) });
    for (const crd of crds) {
      const live = server.crds.get(crd.metadata.name)!;
      expect(live.metadata.annotations).toMatchObject({ foreign: "kept" });
      expect(live.spec).toEqual(want === "upgraded" ? crd.spec : { ...crd.spec, versions: [] });
    }
  });

  it("writes nothing the second time", async () => {
    const server = new CrdServer();
    await install(server);
    await install(server);
    expect(server.writes).toHaveLength(5);
  });

  it("looks again when another replica was faster", async () => {
    const server = new CrdServer();
    const lost = new Set<string>();
    server.intercept = (request) => {
      const crd = request.body as CustomResourceDefinition;
      if (lost.has(crd.metadata.name)) return undefined;
      lost.add(crd.metadata.name);
      server.put(crd);
      return { status: 409, headers: {}, body: { reason: request.method === "POST" ? "AlreadyExists" : "Conflict" } };
    };
    expect(new Set(((await install(server)) as Map<string, string>).values())).toEqual(new Set(["left"]));
  });

  it("names the CRD that is not served in time", async () => {
    const server = new CrdServer();
    server.servedAfterMs = 60_000;
    const error = await install(server);
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({
      reason: "CRDNotServed",
      message: expect.stringMatching(/\.network\.alibabacloud\.com is not served after 5000 ms: not established/),
    });
  });

  it("ends at once when the permission is missing or the name is taken", async () => {
    const refusing = new CrdServer();
    refusing.intercept = () => ({
      status: 403,
      headers: {},
      body: { reason: "Forbidden", message: "x cannot create resource" },
    });
    expect(await install(refusing)).toMatchObject({
      category: "terminal",
      message: expect.stringContaining('grant verb "create"'),
    });
    const taken = new CrdServer();
    for (const crd of crds) {
      const conditions = [{ type: "NamesAccepted", status: "False", message: '"pn" is already in use' }];
      taken.put({ ...crd, status: { conditions } });
    }
    const error = await install(taken);
    expect(error).toBeInstanceOf(TerminalError);
    expect(error).toMatchObject({ message: expect.stringContaining('"pn" is already in use') });
  });
});

describe("isOlder", () => {
  it.each([
    { live: "v0.4.2", builtIn: "v0.4.3", want: true },
    { live: "v0.4.3", builtIn: "v0.4.3", want: false },
    { live: "v0.10.0", builtIn: "v0.9.0", want: false },
    { live: "v0.4.3-rc.1", builtIn: "v0.4.3", want: true },
    { live: "", builtIn: "v0.1.0", want: true },
  ])("$live before $builtIn: $want", ({ live, builtIn, want }) => {
    expect(isOlder(live, builtIn)).toBe(want);
  });
});
