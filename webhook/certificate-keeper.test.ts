import { afterEach, describe, expect, it } from "@jest/globals";
import type { Transport } from "../runtime/transport.ts";
import { WebhookWorld } from "../test/fixtures/webhook-world.ts";
import { keepCertificate } from "./certificate-keeper.ts";
import type { ServerTls } from "./server.ts";

const minuteMs = 60_000;

let world: WebhookWorld | undefined;
afterEach(() => world?.close());

/** A replica whose certificate is kept, over a network that can fail and hang. */
async function aKeptReplica(given: { readonly lifeMs?: number } = {}) {
  const current = new WebhookWorld();
  world = current;
  await current.install();
  const network: { state: "up" | "down" | "hanging" } = { state: "up" };
  const transport: Transport = {
    request: async (request, signal) => {
      if (network.state === "down") throw new Error("connection refused");
      if (network.state === "hanging") await current.clock.sleep(minuteMs * 60, signal);
      return await current.transport.request(request, signal);
    },
    stream: () => Promise.reject(new Error("not needed")),
  };
  const replica = current.addReplica({ ...given, transport });
  const stop = new AbortController();
  const { bundle } = await replica.certificates.start(stop.signal);
  const presented: ServerTls[] = [];
  const ended = keepCertificate(
    { ...replica, server: { setCertificate: (tls) => presented.push(tls) }, random: () => 0.5 },
    stop.signal,
  );
  return { ...replica, network, bundle, presented, stop, ended, world: current };
}

async function minutes({ world: current }: { readonly world: WebhookWorld }, count: number): Promise<void> {
  for (let half = 0; half < count * 2; half++) await current.pass(minuteMs / 2);
}

describe("keepCertificate", () => {
  it("repairs within a minute what was changed by hand", async () => {
    const kept = await aKeptReplica();
    await kept.world.putTrust("mutating", "");
    await kept.world.putSecret(undefined);
    await minutes(kept, 1.5);
    expect(await kept.world.trusted()).toEqual([kept.bundle.caPem, kept.bundle.caPem, kept.bundle.caPem]);
    expect(await kept.world.secret()).toEqual(kept.bundle);
    kept.stop.abort();
    await kept.ended;
  });

  it.each(["down", "hanging"] as const)(
    "outlives an API server that is %s, and goes on when it is back",
    async (state) => {
      const kept = await aKeptReplica();
      kept.network.state = state;
      await minutes(kept, 4);
      expect(kept.lines.filter(({ level }) => level === "warn").length).toBeGreaterThanOrEqual(2);
      kept.network.state = "up";
      await kept.world.putSecret(undefined);
      await minutes(kept, 2.5);
      expect(await kept.world.secret()).toEqual(kept.bundle);
      kept.stop.abort();
      await kept.ended;
    },
  );

  it("hands a renewed certificate to the server once", async () => {
    // Its first hour lies in the past, so two thirds are over in four minutes.
    const kept = await aKeptReplica({ lifeMs: 96 * minuteMs });
    await minutes(kept, 7);
    const fresh = (await kept.world.secret())!;
    expect(fresh.certPem).not.toBe(kept.bundle.certPem);
    expect(kept.presented.at(-1)).toEqual({ cert: fresh.certPem, key: fresh.keyPem });
    expect(kept.presented.filter(({ cert }) => cert === fresh.certPem)).toHaveLength(1);
    kept.stop.abort();
    await kept.ended;
  });

  it("ends when it is told to, in the middle of a check too", async () => {
    const kept = await aKeptReplica();
    kept.network.state = "hanging";
    await minutes(kept, 1);
    kept.stop.abort();
    await kept.ended;
    expect(kept.lines.filter(({ level }) => level !== "info")).toEqual([]);
  });
});
