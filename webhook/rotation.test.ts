/**
 * Certificates are renewed while pods are created without a pause, through the sandbox's API server, which calls two replicas
 * over real TLS and lets no pod pass that they did not admit.
 */
import { afterEach, describe, expect, it } from "@jest/globals";
import { HttpsWebhookCaller, type WebhookCaller, type WebhookCall } from "../sandbox/kube-apiserver/webhook-caller.ts";
import { WebhookWorld, type WebhookReplica } from "../test/fixtures/webhook-world.ts";
import { allowed } from "./admission.ts";
import { keepCertificate } from "./certificate-keeper.ts";
import { WebhookServer } from "./server.ts";

const minuteMs = 60_000;
/** Due 4 minutes after it was made, as its first hour lies in the past; valid for 36. */
const lifeMs = 96 * minuteMs;
/** Certificates are verified against the machine's clock: the virtual one starts so far behind that all are valid now. */
const behindMs = 20 * minuteMs;
/** An API server sees a changed webhook configuration so late. */
const watchLagMs = 20_000;

interface RunningReplica extends WebhookReplica {
  readonly server: WebhookServer;
  stop(): Promise<void>;
}

/**
 * An API server's side of the calls: every call is a fresh connection, verified against the caBundle as it was a while ago,
 * to one replica after the other.
 */
class LaggingCaller implements WebhookCaller {
  readonly #seen = new Map<string, { readonly atMs: number; readonly caBundle: string }[]>();
  readonly #nowMs: () => number;
  readonly #urls: () => readonly string[];
  readonly callsByUrl = new Map<string, number>();
  #calls = 0;

  constructor(nowMs: () => number, urls: () => readonly string[]) {
    this.#nowMs = nowMs;
    this.#urls = urls;
  }

  async call(call: WebhookCall): Promise<unknown> {
    const urls = this.#urls();
    const url = urls[this.#calls++ % urls.length] ?? "https://127.0.0.1:1";
    this.callsByUrl.set(url, (this.callsByUrl.get(url) ?? 0) + 1);
    const caller = new HttpsWebhookCaller(() => url);
    try {
      return await caller.call({ ...call, config: { ...call.config, caBundle: this.look(call.config) } });
    } finally {
      caller.close();
    }
  }

  /** Takes note of the caBundle, and gives the one that the API server knows of. */
  look(config: WebhookCall["config"]): string {
    const path = JSON.stringify(config["service"]);
    const caBundle = String(config["caBundle"]);
    const history = this.#seen.get(path) ?? [];
    this.#seen.set(path, history);
    const nowMs = this.#nowMs();
    if (history.at(-1)?.caBundle !== caBundle) history.push({ atMs: nowMs, caBundle });
    return (history.findLast(({ atMs }) => atMs <= nowMs - watchLagMs) ?? history[0])?.caBundle ?? "";
  }
}

let cleanUp: (() => Promise<void>) | undefined;
afterEach(() => cleanUp?.());

async function aCluster() {
  const replicas: RunningReplica[] = [];
  const caller: LaggingCaller = new LaggingCaller(
    () => world.clock.now(),
    () => replicas.map(({ server }) => `https://127.0.0.1:${server.port}`),
  );
  const world = new WebhookWorld({ startMs: Date.now() - behindMs, webhookCaller: caller });
  await world.install();
  const start = async (skewMs: number): Promise<RunningReplica> => {
    const replica = world.addReplica({ lifeMs, skewMs });
    const stop = new AbortController();
    const { bundle } = await replica.certificates.start(stop.signal);
    const server = new WebhookServer({
      port: 0,
      host: "127.0.0.1",
      tls: { cert: bundle.certPem, key: bundle.keyPem },
      routes: { "/mutating": () => Promise.resolve(allowed()), "/validate": () => Promise.resolve(allowed()) },
      log: replica.log,
    });
    await server.listen();
    const kept = keepCertificate({ ...replica, server, random: Math.random }, stop.signal);
    return {
      ...replica,
      server,
      stop: async () => {
        stop.abort();
        await kept;
        await server.close();
      },
    };
  };
  cleanUp = async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    world.close();
  };
  return { world, caller, replicas, start };
}

/** Creates and deletes pods one after the other until it is told to stop. */
async function createPods(
  world: WebhookWorld,
  stream: number,
  failures: string[],
  isOver: () => boolean,
): Promise<number> {
  const pods = "/api/v1/namespaces/default/pods";
  const spec = { containers: [{ name: "c", image: "i:1" }] };
  for (let index = 0; ; index++) {
    if (isOver()) return index;
    const name = `pod-${stream}-${index}`;
    try {
      await world.send("POST", pods, { apiVersion: "v1", kind: "Pod", metadata: { name }, spec });
      await world.send("DELETE", `${pods}/${name}?gracePeriodSeconds=0`);
    } catch (error) {
      failures.push(String(error).slice(0, 300));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe("ten renewals under load", () => {
  it("fail no admission, with replicas ten minutes apart, API servers that lag, and a restart in between", async () => {
    const { world, caller, replicas, start } = await aCluster();
    replicas.push(await start(5 * minuteMs), await start(-5 * minuteMs));
    const failures: string[] = [];
    let isOver = false;
    const streams = Promise.all([0, 1, 2].map((stream) => createPods(world, stream, failures, () => isOver)));
    const certificates = [(await world.secret())!.certPem];
    let restarts = 0;
    let restartedAt = 0;
    for (let step = 0; certificates.length <= 10 && step < 1_000; step++) {
      await world.pass(10_000);
      // Real time for the pods of this step: some meet every state of the renewal.
      await new Promise((resolve) => setTimeout(resolve, 8));
      const { certPem } = (await world.secret())!;
      if (certPem !== certificates.at(-1)) certificates.push(certPem);
      const isHalfway = (await world.secret("next")) !== undefined || certificates.length === 7;
      if (restartedAt === certificates.length || !isHalfway || ![4, 7].includes(certificates.length)) continue;
      // Before and after the next certificate was promoted: a replica is replaced by one that knows the Secret only.
      const [leaving] = replicas.splice(0, 1);
      replicas.push(await start(0));
      await leaving?.stop();
      restarts++;
      restartedAt = certificates.length;
    }
    isOver = true;
    const counts = await streams;
    expect({ failures, restarts, certificates: new Set(certificates).size }).toEqual({
      failures: [],
      restarts: 2,
      certificates: 11,
    });
    expect(Math.min(...counts)).toBeGreaterThan(100);
    expect(caller.callsByUrl.size).toBe(4);
  }, 60_000);
});
