import { stringify } from "yaml";

/** The YAML text of a kubeconfig for one server and one bearer token. */
export function toKubeconfig(options: {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
  /** Name of cluster, user and context. @default "sandbox" */
  readonly name?: string;
}): string {
  const { url, caPem, token, name = "sandbox" } = options;
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: url, "certificate-authority-data": Buffer.from(caPem).toString("base64") } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}
