/** Something between a process and its API server that a test can look into, or make a bad connection. */
import { readFileSync, writeFileSync } from "node:fs";
import { parse } from "yaml";
import { toKubeconfig } from "../sandbox/kube-apiserver/index.ts";
import { startRecordingProxy, type RecordingProxy } from "../test/fixtures/recording-proxy.ts";

/**
 * Starts a proxy to the API server of the kubeconfig at `path`, and writes a kubeconfig with the same user that leads to the
 * proxy. Both kubeconfigs are as `toKubeconfig` writes them.
 */
export async function startKubeProxy(path: string, ownPath: string): Promise<RecordingProxy> {
  const { clusters, users } = parse(readFileSync(path, "utf8")) as {
    readonly clusters: readonly { readonly cluster: Readonly<Record<string, string>> }[];
    readonly users: readonly { readonly user: { readonly token: string } }[];
  };
  const { server = "", "certificate-authority-data": ca = "" } = clusters[0]?.cluster ?? {};
  const proxy = await startRecordingProxy({ url: server, caPem: Buffer.from(ca, "base64").toString("utf8") });
  const token = users[0]?.user.token ?? "";
  writeFileSync(ownPath, toKubeconfig({ url: proxy.url, caPem: proxy.caPem ?? "", token }), { mode: 0o600 });
  return proxy;
}
