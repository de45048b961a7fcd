import { createServer as createHttpServer, Agent as HttpAgent, request as httpRequest, type Server } from "node:http";
import { createServer as createHttpsServer, Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { makeServingCertificate } from "../sandbox/kube-apiserver/serving-certificate.ts";
import { SendGate } from "./send-gate.ts";

describe.each(["http", "https"] as const)("a gate in front of %s requests", (scheme) => {
  const certificate = makeServingCertificate(Date.now());
  const agent =
    scheme === "http"
      ? new HttpAgent({ keepAlive: true })
      : new HttpsAgent({ keepAlive: true, ca: certificate.certPem });
  let server: Server | undefined;
  let received = 0;

  const start = async (): Promise<number> => {
    received = 0;
    const answer: Parameters<typeof createHttpServer>[1] = (_, response) => {
      received += 1;
      response.end("{}");
    };
    server =
      scheme === "http"
        ? createHttpServer(answer)
        : createHttpsServer({ cert: certificate.certPem, key: certificate.keyPem }, answer);
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server?.once("listening", resolve));
    return (server.address() as AddressInfo).port;
  };
  afterEach(() => {
    agent.destroy();
    server?.closeAllConnections();
    server?.close();
  });

  const get = (port: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port, path: "/", agent };
      const asked = scheme === "http" ? httpRequest(options) : httpsRequest(options);
      asked.once("response", (response) => {
        response.resume().once("end", () => resolve(response.statusCode ?? 0));
      });
      asked.once("error", reject);
      asked.end();
    });

  it("lets them through while the check passes, over new and kept connections", async () => {
    const port = await start();
    const gate = new SendGate(() => undefined);
    await expect(gate.guard(() => get(port))).resolves.toBe(200);
    await expect(gate.guard(() => get(port))).resolves.toBe(200);
    expect(received).toBe(2);
    expect(gate.refusal).toBeUndefined();
  });

  it("holds one back whose check fails once its connection is there", async () => {
    const port = await start();
    let isConnected = false;
    // With TLS the keys are made in the middle of the handshake, after the connection.
    server?.once(scheme === "http" ? "connection" : "keylog", () => (isConnected = true));
    const gate = new SendGate(() => {
      if (isConnected) throw new Error("not any more");
    });
    await expect(gate.guard(() => get(port))).rejects.toThrow("held back");
    expect(gate.refusal).toEqual(new Error("not any more"));
    expect(received).toBe(0);
  });

  it("holds one back that would use a kept connection", async () => {
    const port = await start();
    await get(port);
    const gate = new SendGate(() => {
      throw new Error("not any more");
    });
    await expect(gate.guard(() => get(port))).rejects.toThrow("held back");
    expect(received).toBe(1);
  });

  it("does not concern requests of others", async () => {
    const port = await start();
    const gate = new SendGate(() => {
      throw new Error("not any more");
    });
    const [ours, others] = await Promise.allSettled([gate.guard(() => get(port)), get(port)]);
    expect([ours.status, others.status]).toEqual(["rejected", "fulfilled"]);
    expect(received).toBe(1);
  });
});
