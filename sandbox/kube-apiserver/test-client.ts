import { systemClock } from "../../runtime/clock.ts";
import type { TransportRequest, TransportResponse } from "../../runtime/transport.ts";
import { createApiServer, type ApiServer, type ApiServerOptions } from "./api-server.ts";
import type { KubeJson } from "./kube-json.ts";

/** An answer with its body taken as an object, which tests look into. */
export interface TestAnswer extends TransportResponse {
  readonly body: KubeJson & { items?: KubeJson[]; message?: string; reason?: string; details?: { causes?: unknown[] } };
}

/** A few words for requests through the in-process transport, for tests. */
export class TestClient {
  readonly server: ApiServer;

  constructor(options: Partial<ApiServerOptions> = {}) {
    this.server = createApiServer({ clock: systemClock, ...options });
  }

  async send(method: TransportRequest["method"], path: string, body?: unknown, contentType = ""): Promise<TestAnswer> {
    const headers = { "user-agent": "test/1", ...(contentType === "" ? {} : { "content-type": contentType }) };
    const answer = await this.server.transport().request({ method, path, body, headers }, AbortSignal.timeout(5_000));
    return { ...answer, body: answer.body as TestAnswer["body"] };
  }

  get(path: string): Promise<TestAnswer> {
    return this.send("GET", path);
  }

  post(path: string, body: unknown): Promise<TestAnswer> {
    return this.send("POST", path, body);
  }

  put(path: string, body: unknown): Promise<TestAnswer> {
    return this.send("PUT", path, body);
  }

  delete(path: string, body?: unknown): Promise<TestAnswer> {
    return this.send("DELETE", path, body);
  }

  merge(path: string, body: unknown): Promise<TestAnswer> {
    return this.send("PATCH", path, body, "application/merge-patch+json");
  }

  /** Everything that a watch shows until `isEnough` says so or it ends. */
  async watch(path: string, isEnough: (events: WatchLine[]) => boolean = () => false): Promise<WatchLine[]> {
    const events: WatchLine[] = [];
    const stop = new AbortController();
    const onEvent = (event: unknown) => {
      events.push(event as WatchLine);
      if (isEnough(events)) stop.abort();
    };
    await this.server
      .transport()
      .stream({ method: "GET", path }, onEvent, stop.signal)
      .catch((error: unknown) => {
        if (!stop.signal.aborted) throw error;
      });
    return events;
  }

  /** Asks again until the answer is as wanted. @throws Error after two seconds */
  async eventually(path: string, isWanted: (answer: TestAnswer) => boolean): Promise<TestAnswer> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const answer = await this.get(path);
      if (isWanted(answer)) return answer;
      await systemClock.sleep(10);
    }
    throw new Error(`${path} never became as wanted`);
  }
}

/** One line of a watch. */
export interface WatchLine {
  readonly type: string;
  readonly object: KubeJson & { code?: number; reason?: string };
}

export function aConfigMap(name: string, more: KubeJson = {}): KubeJson {
  return { apiVersion: "v1", kind: "ConfigMap", ...more, metadata: { name, ...more.metadata } };
}

export function aPod(name: string, more: KubeJson = {}): KubeJson {
  return {
    apiVersion: "v1",
    kind: "Pod",
    spec: { containers: [{ name: "c", image: "i:1" }] },
    ...more,
    metadata: { name, ...more.metadata },
  };
}

/** A custom resource definition with status, a required field, a default and a selectable field. */
export function aCrd(more: KubeJson = {}): KubeJson {
  const spec = {
    type: "object",
    required: ["size"],
    properties: {
      size: { type: "integer", minimum: 1 },
      color: { type: "string", enum: ["Red", "Blue"], default: "Red" },
    },
  };
  const status = { type: "object", properties: { phase: { type: "string" } } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "things.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "things", kind: "Thing", shortNames: ["th"], categories: ["all"] },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {} },
          selectableFields: [{ jsonPath: ".spec.color" }],
          additionalPrinterColumns: [{ name: "Size", type: "integer", jsonPath: ".spec.size" }],
          schema: { openAPIV3Schema: { type: "object", properties: { spec, status } } },
        },
      ],
    },
    ...more,
  };
}

export function aThing(name: string, more: KubeJson = {}): KubeJson {
  return {
    apiVersion: "example.com/v1",
    kind: "Thing",
    spec: { size: 1 },
    ...more,
    metadata: { name, ...more.metadata },
  };
}
