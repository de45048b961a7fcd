/** A few words for requests to an API server, for tests of what it answers. */
import { randomBytes } from "node:crypto";
import { request as httpsRequest } from "node:https";
import { systemClock } from "../../runtime/clock.ts";
import type { Transport, TransportRequest, TransportResponse } from "../../runtime/transport.ts";
import type { KubeJson, ManagedFieldsEntry } from "../../sandbox/kube-apiserver/kube-json.ts";

export interface Endpoint {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
}

/** What an answer's body may hold: an object, a list or a Status. */
export interface Body extends KubeJson {
  readonly items?: readonly KubeJson[];
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly status?: unknown;
  readonly spec?: unknown;
  readonly data?: unknown;
  readonly details?: {
    readonly name?: string;
    readonly causes?: readonly { readonly field?: string; readonly reason?: string; readonly message?: string }[];
    readonly retryAfterSeconds?: number;
  };
}

export interface Answer extends TransportResponse {
  readonly body: Body;
}

/** One line of a watch. */
export interface WatchLine {
  readonly type: string;
  readonly object: Body;
}

export interface SendOptions {
  readonly contentType?: string;
  readonly accept?: string;
  readonly userAgent?: string;
}

export const patchTypes = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
} as const;

/** `kubectl get` asks for this. */
export const tableAccept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

export class Client {
  readonly #transport: Transport;
  readonly #endpoint: Endpoint;

  constructor(transport: Transport, endpoint: Endpoint) {
    this.#transport = transport;
    this.#endpoint = endpoint;
  }

  async send(
    method: TransportRequest["method"],
    path: string,
    body?: unknown,
    { contentType, accept, userAgent }: SendOptions = {},
  ): Promise<Answer> {
    const headers = {
      ...(contentType === undefined ? {} : { "content-type": contentType }),
      ...(accept === undefined ? {} : { accept }),
      ...(userAgent === undefined ? {} : { "user-agent": userAgent }),
    };
    const answer = await this.#transport.request({ method, path, body, headers }, AbortSignal.timeout(20_000));
    return { ...answer, body: answer.body as Body };
  }

  get(path: string, accept?: string): Promise<Answer> {
    return this.send("GET", path, undefined, accept === undefined ? {} : { accept });
  }

  post(path: string, body: unknown): Promise<Answer> {
    return this.send("POST", path, body);
  }

  put(path: string, body: unknown): Promise<Answer> {
    return this.send("PUT", path, body);
  }

  delete(path: string, body?: unknown): Promise<Answer> {
    return this.send("DELETE", path, body);
  }

  patch(type: keyof typeof patchTypes, path: string, body: unknown): Promise<Answer> {
    return this.send("PATCH", path, body, { contentType: patchTypes[type] });
  }

  merge(path: string, body: unknown): Promise<Answer> {
    return this.patch("merge", path, body);
  }

  /** Server-side apply by `manager`; `query` begins with `&`. */
  apply(path: string, manager: string, body: unknown, query = ""): Promise<Answer> {
    return this.patch("apply", `${path}?fieldManager=${manager}${query}`, body);
  }

  /** Creates what a test needs. @throws Error when that fails */
  async create(path: string, body: unknown): Promise<KubeJson> {
    const answer = await this.post(path, body);
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /**
   * Creates a custom resource by server-side apply, because a kube-apiserver holds a POST back for 2 s while the definition
   * is new. @throws Error when that fails
   */
  async createByApply(path: string, body: KubeJson): Promise<KubeJson> {
    const answer = await this.apply(`${path}/${body.metadata?.name ?? ""}`, "tests", body);
    if (answer.status !== 201) throw new Error(`PATCH ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** A new namespace, so that no test sees another's objects. Returns its path. */
  async namespace(
    labels: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly name: string; readonly path: string }> {
    const name = uniqueName("ns");
    await this.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
    return { name, path: `/api/v1/namespaces/${name}` };
  }

  /** What a watch shows until `isEnough` says so or it ends. @throws Error when nothing of that comes in ten seconds */
  async watch(
    path: string,
    isEnough: (lines: readonly WatchLine[]) => boolean = () => false,
    accept?: string,
  ): Promise<readonly WatchLine[]> {
    const lines: WatchLine[] = [];
    const enough = new AbortController();
    const signal = AbortSignal.any([enough.signal, AbortSignal.timeout(10_000)]);
    const headers = accept === undefined ? {} : { accept };
    try {
      const { status, body } = await this.#transport.stream(
        { method: "GET", path, headers },
        (event) => {
          if (enough.signal.aborted) return;
          lines.push(event as WatchLine);
          if (isEnough(lines)) enough.abort();
        },
        signal,
      );
      if (status !== 200) throw new Error(`watch ${path}: ${status} ${JSON.stringify(body)}`);
    } catch (error) {
      if (!enough.signal.aborted) throw new Error(`watch ${path} after ${shown(lines).join(", ")}`, { cause: error });
    }
    return lines;
  }

  /** The refusal of a watch, which is no stream. */
  async refusedWatch(path: string): Promise<Answer> {
    const answer = await this.#transport.stream({ method: "GET", path }, () => undefined, AbortSignal.timeout(10_000));
    return { ...answer, body: answer.body as Body };
  }

  /** Asks again until the answer is as wanted. @throws Error with the last answer after fifteen seconds */
  async eventually(path: string, isWanted: (answer: Answer) => boolean): Promise<Answer> {
    const endMs = systemClock.monotonic() + 15_000;
    for (;;) {
      const answer = await this.get(path);
      if (isWanted(answer)) return answer;
      if (systemClock.monotonic() > endMs) throw new Error(`${path} stayed ${JSON.stringify(answer.body)}`);
      await systemClock.sleep(20);
    }
  }

  /** A request of which not even the body need be JSON. */
  raw(options: {
    readonly method: string;
    readonly path: string;
    readonly body?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly token?: string;
  }): Promise<Answer> {
    const { method, path, body = "", headers = {}, token = this.#endpoint.token } = options;
    const { url, caPem: ca } = this.#endpoint;
    const authorization = token === "" ? {} : { authorization: `Bearer ${token}` };
    return new Promise((resolve, reject) => {
      const asked = httpsRequest(
        new URL(path, url),
        { method, ca, agent: false, headers: { "content-type": "application/json", ...authorization, ...headers } },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
          answer.once("error", reject).once("end", () => {
            const names = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
            resolve({
              status: answer.statusCode ?? 0,
              headers: Object.fromEntries(names) as Record<string, string>,
              body: parsed(text) as Body,
            });
          });
        },
      );
      asked.once("error", reject);
      asked.end(body);
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A name that no other test uses. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString("hex")}`;
}

export function namesOf({ body }: Answer): readonly string[] {
  return (body.items ?? []).map((item) => item.metadata?.name ?? "");
}

/** `ADDED a`, one per line of a watch. */
export function shown(lines: readonly WatchLine[]): readonly string[] {
  return lines.map(({ type, object }) => `${type} ${object.metadata?.name ?? ""}`);
}

export function versionOf(object: KubeJson): string {
  return object.metadata?.resourceVersion ?? "";
}

/** Manager and operation of each entry of managed fields, sorted: `me Apply status`. */
export function managersOf(object: KubeJson): readonly string[] {
  return (object.metadata?.managedFields ?? []).map(describeEntry).sort();
}

function describeEntry({ manager = "", operation = "Update", subresource }: ManagedFieldsEntry): string {
  return `${manager} ${operation}${subresource === undefined ? "" : ` ${subresource}`}`;
}

/** The fields that a manager owns; undefined for none. */
export function fieldsOf(object: KubeJson, manager: string, operation?: "Apply" | "Update"): unknown {
  return object.metadata?.managedFields?.find(
    (entry) => entry.manager === manager && (operation === undefined || entry.operation === operation),
  )?.fieldsV1;
}

export const isGone = ({ status }: Answer): boolean => status === 404;
