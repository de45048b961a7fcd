/** An admission webhook on loopback that a test tells what to answer. */
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import { makeServingCertificate } from "../../sandbox/kube-apiserver/serving-certificate.ts";
import type { KubeJson } from "../../sandbox/kube-apiserver/kube-json.ts";

export interface ReviewRequest {
  readonly uid: string;
  readonly operation: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly object: KubeJson | null;
  readonly oldObject: KubeJson | null;
  readonly [field: string]: unknown;
}

/** What it answers; `hang` is no answer at all. */
export interface Decision {
  readonly status?: number;
  readonly text?: string;
  readonly response?: Readonly<Record<string, unknown>>;
  readonly hang?: boolean;
}

export class WebhookServer {
  readonly caBundle: string;
  /** Requests that came to each path, in order, with the query that they came with. */
  readonly reviews: { readonly path: string; readonly query: string; readonly request: ReviewRequest }[] = [];
  decide: (request: ReviewRequest, path: string) => Decision = () => ({ response: { allowed: true } });
  readonly #server: Server;

  private constructor(server: Server, certPem: string) {
    this.#server = server;
    this.caBundle = Buffer.from(certPem).toString("base64");
  }

  static async start(): Promise<WebhookServer> {
    const { certPem, keyPem } = makeServingCertificate(Date.now());
    const server = createServer({ cert: certPem, key: keyPem });
    const made = new WebhookServer(server, certPem);
    server.on("request", (request, answer) => {
      let text = "";
      request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      request.once("end", () => {
        const { pathname, search } = new URL(request.url ?? "/", "https://localhost");
        const review = (JSON.parse(text) as { readonly request: ReviewRequest }).request;
        made.reviews.push({ path: pathname, query: search, request: review });
        const decision = made.decide(review, pathname);
        if (decision.hang === true) return;
        answer.writeHead(decision.status ?? 200, { "content-type": "application/json" });
        answer.end(decision.text ?? made.#review(review.uid, decision));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return made;
  }

  #review(uid: string, { response }: Decision): string {
    return JSON.stringify({
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      response: { uid, ...response },
    });
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  url(path: string): string {
    return `https://127.0.0.1:${this.port}${path}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** An allowed response with a JSON patch. */
export function patching(operations: readonly object[], more: object = {}): Decision {
  const patch = Buffer.from(JSON.stringify(operations)).toString("base64");
  return { response: { allowed: true, patchType: "JSONPatch", patch, ...more } };
}
