/** A webhook on loopback, a namespace for each test, and configurations that go when the test is over. */
import type { KubeJson } from "../../sandbox/kube-apiserver/kube-json.ts";
import { uniqueName, type Answer, type Client } from "./client.ts";
import { aConfigMap } from "./objects.ts";
import { WebhookServer, type ReviewRequest } from "./webhook-server.ts";

export const configurations = "/apis/admissionregistration.k8s.io/v1";
type Type = "mutating" | "validating";

export class AdmissionWorld {
  readonly client: Client;
  readonly server: WebhookServer;
  namespace = { name: "", path: "" };
  /** Path of the config maps that the registered webhooks are asked about. */
  maps = "";
  readonly registered: string[] = [];

  private constructor(client: Client, server: WebhookServer) {
    this.client = client;
    this.server = server;
  }

  static async start(client: Client): Promise<AdmissionWorld> {
    return new AdmissionWorld(client, await WebhookServer.start());
  }

  async beginTest(): Promise<void> {
    this.namespace = await this.client.namespace({ team: "a" });
    this.maps = `${this.namespace.path}/configmaps`;
    this.server.decide = () => ({ response: { allowed: true } });
  }

  async endTest(): Promise<void> {
    for (const path of this.registered.splice(0)) await this.client.delete(path);
  }

  /** Registers a webhook for the config maps of the test's namespace, and waits until the API server has heard of it. */
  async register(type: Type, more: Record<string, unknown> = {}): Promise<void> {
    const name = uniqueName(type);
    const rules = [{ operations: ["*"], apiGroups: [""], apiVersions: ["v1"], resources: ["configmaps"] }];
    const inNamespace = { matchLabels: { "kubernetes.io/metadata.name": this.namespace.name } };
    const shared = {
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
      timeoutSeconds: 5,
      rules,
      namespaceSelector: inNamespace,
    };
    const clientConfig = (path: string) => ({ url: this.server.url(path), caBundle: this.server.caBundle });
    const kind = type === "mutating" ? "MutatingWebhookConfiguration" : "ValidatingWebhookConfiguration";
    const webhooks = [
      { ...shared, name: "hook.example.com", clientConfig: clientConfig(`/${type}`), ...more },
      // Asked about nothing else; its first question says that this configuration is in force.
      {
        ...shared,
        name: "probe.example.com",
        clientConfig: clientConfig(`/probe-${name}`),
        objectSelector: { matchLabels: { probe: name } },
      },
    ];
    const path = `${configurations}/${kind.toLowerCase()}s`;
    const created = await this.client.post(path, {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind,
      metadata: { name },
      webhooks,
    });
    if (created.status !== 201) throw new Error(`the configuration was refused: ${JSON.stringify(created.body)}`);
    this.registered.push(`${path}/${name}`);
    const probe = aConfigMap("probe", { metadata: { labels: { probe: name } } });
    const endMs = Date.now() + 10_000;
    while (!this.server.reviews.some((review) => review.path === `/probe-${name}`)) {
      if (Date.now() > endMs) throw new Error("the webhook was never asked");
      await this.client.post(`${this.maps}?dryRun=All`, probe);
    }
    this.server.reviews.length = 0;
  }

  /** What the webhook of that type was asked, in order. */
  asked(type: Type): readonly ReviewRequest[] {
    return this.server.reviews.filter(({ path }) => path === `/${type}`).map(({ request }) => request);
  }

  create(more: KubeJson = {}): Promise<Answer> {
    return this.client.post(this.maps, aConfigMap("a", more));
  }
}
