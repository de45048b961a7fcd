import { Agent, request, type RequestOptions } from "node:https";
import { stringAt, memberObject, valueAt, type JsonObject } from "./kube-json.ts";

/** One call of an admission webhook. */
export interface WebhookCall {
  /** `webhooks[].clientConfig`: url or service, and caBundle. */
  readonly config: JsonObject;
  /** The AdmissionReview. */
  readonly review: JsonObject;
  readonly timeoutMs: number;
  readonly random: () => number;
}

/** Sends an AdmissionReview. Replaceable, so that a simulation needs no sockets. */
export interface WebhookCaller {
  /** @returns the AdmissionReview of the answer. @throws Error whose message begins `failed to call webhook: ` */
  call(call: WebhookCall): Promise<unknown>;
}

/** Where a service of the cluster can be reached from this process, for instance `https://127.0.0.1:4443`. */
export type ServiceResolver = (namespace: string, name: string, port: number) => string | undefined;

/** Calls webhooks over HTTPS and checks their certificate against caBundle, as kube-apiserver does. */
export class HttpsWebhookCaller implements WebhookCaller {
  readonly #resolveService: ServiceResolver;
  /** One keep-alive agent per certificate authority and server name. */
  readonly #agents = new Map<string, Agent>();

  constructor(resolveService: ServiceResolver) {
    this.#resolveService = resolveService;
  }

  async call({ config, review, timeoutMs }: WebhookCall): Promise<unknown> {
    const timeout = `${timeoutMs / 1_000}s`;
    const { url, servername } = this.#target(config, timeout);
    url.searchParams.set("timeout", timeout);
    const agent = this.#agentFor(stringAt(config, ["caBundle"]), servername);
    try {
      return await post(url, { agent, timeoutMs, servername }, review);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`failed to call webhook: Post "${url.href}": ${why}`, { cause: error });
    }
  }

  /** Closes idle connections. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #target(config: JsonObject, timeout: string): { url: URL; servername: string } {
    const given = stringAt(config, ["url"]);
    if (given !== "") {
      const url = new URL(given);
      return { url, servername: url.hostname };
    }
    const service = memberObject(config, "service");
    const name = stringAt(service, ["name"]);
    const namespace = stringAt(service, ["namespace"]);
    const port = valueAt(service, ["port"]);
    const number = typeof port === "number" ? port : 443;
    const path = stringAt(service, ["path"]) || "/";
    const base = this.#resolveService(namespace, name, number);
    if (base === undefined) {
      const url = `https://${name}.${namespace}.svc:${number}${path}?timeout=${timeout}`;
      throw new Error(`failed to call webhook: Post "${url}": service "${name}" not found`);
    }
    return { url: new URL(path, base), servername: `${name}.${namespace}.svc` };
  }

  #agentFor(caBundle: string, servername: string): Agent {
    const key = `${servername} ${caBundle}`;
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      const ca = caBundle === "" ? {} : { ca: Buffer.from(caBundle, "base64").toString("utf8") };
      agent = new Agent({ keepAlive: true, ...ca });
      this.#agents.set(key, agent);
    }
    return agent;
  }
}

function post(
  url: URL,
  { agent, timeoutMs, servername }: { agent: Agent; timeoutMs: number; servername: string },
  body: JsonObject,
): Promise<unknown> {
  const isAddress = /^[\d.]+$|:/.test(servername);
  const options: RequestOptions = {
    method: "POST",
    agent,
    headers: { "content-type": "application/json", accept: "application/json" },
    signal: AbortSignal.timeout(timeoutMs),
    ...(isAddress ? {} : { servername }),
  };
  return new Promise((resolve, reject) => {
    const call = request(url, options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        try {
          resolve(parseAnswer(answer.statusCode ?? 0, Buffer.concat(chunks).toString("utf8")));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
    call.on("error", (error) => {
      reject(
        error.name === "AbortError" || error.name === "TimeoutError" ? new Error("context deadline exceeded") : error,
      );
    });
    call.end(JSON.stringify(body));
  });
}

function parseAnswer(status: number, text: string): unknown {
  if (status < 200 || status > 299) throw new Error(`the server responded with the status code ${status}: ${text}`);
  return JSON.parse(text) as unknown;
}
