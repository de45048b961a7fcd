/** The two objects that make the API server ask this program. Created at installation, not by the program. */
import { annotations, group } from "../crds/v1beta1/names.ts";

/** Where the API server finds the webhooks: the Service inside a cluster, or a URL outside of one. */
export type WebhookTarget =
  | {
      readonly type: "service";
      readonly namespace: string;
      /** @default the controller's name */ readonly name?: string;
      /** Of the Service. @default 443 */ readonly port?: number;
    }
  | { readonly type: "url"; /** Without a path, for instance `https://127.0.0.1:4443`. */ readonly url: string };

export interface WebhookConfigurationOptions {
  /** Name of both objects. Source: configuration `controllerName`. */
  readonly controllerName: string;
  readonly target: WebhookTarget;
  /** Certificates that the server's must chain to. Absent: the program fills it at start. */
  readonly caPem?: string;
  /** Of the mutating webhook. @default "Ignore", as published; validation is always `Fail`, of deletions `Ignore`. */
  readonly failurePolicy?: "Ignore" | "Fail";
  /** Seconds, 1 to 30. @default 10 */
  readonly timeoutSeconds?: number;
}

export interface WebhookConfiguration {
  readonly apiVersion: "admissionregistration.k8s.io/v1";
  readonly kind: "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration";
  readonly metadata: { readonly name: string };
  readonly webhooks: readonly object[];
}

/** An API server that cannot reach us waits so long before a deletion goes on without the warning. */
const deletionTimeoutSeconds = 3;

/**
 * Both objects, in the published form; PodNetworkings are intercepted on UPDATE as well as on CREATE, and on DELETE by a
 * webhook of its own, because the deletion of a plane must go on when nobody answers.
 */
export function webhookConfigurations(options: WebhookConfigurationOptions): {
  readonly mutating: WebhookConfiguration;
  readonly validating: WebhookConfiguration;
} {
  const planes = {
    apiGroups: [group],
    apiVersions: ["*"],
    operations: ["CREATE", "UPDATE"],
    resources: ["podnetworkings"],
    scope: "Cluster",
  };
  const pods = {
    apiGroups: [""],
    apiVersions: ["v1"],
    operations: ["CREATE"],
    resources: ["pods"],
    scope: "Namespaced",
  };
  const shared = {
    sideEffects: "None",
    admissionReviewVersions: ["v1", "v1beta1"],
    timeoutSeconds: options.timeoutSeconds ?? 10,
  };
  const apiVersion = "admissionregistration.k8s.io/v1";
  const metadata = { name: options.controllerName };
  return {
    mutating: {
      apiVersion,
      kind: "MutatingWebhookConfiguration",
      metadata,
      webhooks: [
        {
          name: "terway.mutating.k8s.io",
          clientConfig: toClientConfig(options, "/mutating"),
          rules: [pods, planes],
          namespaceSelector: { matchExpressions: [{ key: annotations.podEni, operator: "NotIn", values: ["false"] }] },
          failurePolicy: options.failurePolicy ?? "Ignore",
          ...shared,
        },
      ],
    },
    validating: {
      apiVersion,
      kind: "ValidatingWebhookConfiguration",
      metadata,
      webhooks: [
        {
          name: "terway.validate.k8s.io",
          clientConfig: toClientConfig(options, "/validate"),
          rules: [planes],
          failurePolicy: "Fail",
          ...shared,
        },
        {
          name: "terway.deletion.k8s.io",
          clientConfig: toClientConfig(options, "/validate"),
          rules: [{ ...planes, operations: ["DELETE"] }],
          failurePolicy: "Ignore",
          ...shared,
          timeoutSeconds: Math.min(shared.timeoutSeconds, deletionTimeoutSeconds),
        },
      ],
    },
  };
}

function toClientConfig({ controllerName, target, caPem }: WebhookConfigurationOptions, path: string): object {
  const caBundle = caPem === undefined ? {} : { caBundle: Buffer.from(caPem).toString("base64") };
  if (target.type === "url") return { url: `${target.url.replace(/\/$/, "")}${path}`, ...caBundle };
  return {
    service: { namespace: target.namespace, name: target.name ?? controllerName, path, port: target.port ?? 443 },
    ...caBundle,
  };
}
