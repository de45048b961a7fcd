/** Replicas that speak through proxies of their own, so that each call has a known sender. */
import { join } from "node:path";
import type { ReplicaAccess } from "../cmd/sandbox-world.ts";
import { startRecordingProxy, type RecordedCall, type RecordingProxy } from "../test/fixtures/recording-proxy.ts";
import { startKubeProxy } from "./kube-proxy.ts";

const leasePath = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/terway-controlplane";

export class RecordedReplicas {
  readonly #folder: string;
  /** What each replica asks, by its number; a restarted one gets a new pair. */
  readonly #kubes: RecordingProxy[] = [];
  readonly #clouds: RecordingProxy[] = [];

  /** `folder`: where their kubeconfigs go. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Option `between` of a sandbox. */
  readonly between = async (index: number, access: ReplicaAccess): Promise<ReplicaAccess> => {
    const kubeconfigPath = join(this.#folder, `kubeconfig-${index}`);
    const kube = await startKubeProxy(access.kubeconfigPath, kubeconfigPath);
    const cloud = await startRecordingProxy({ url: `http://${access.cloudEndpoint}` });
    this.#kubes[index]?.close();
    this.#clouds[index]?.close();
    this.#kubes[index] = kube;
    this.#clouds[index] = cloud;
    return { kubeconfigPath, cloudEndpoint: new URL(cloud.url).host };
  };

  /** Calls of that replica to the cloud. */
  cloudCalls(index: number): readonly RecordedCall[] {
    return this.#clouds[index]?.calls ?? [];
  }

  /** Calls of that replica that change the cloud. */
  cloudWrites(index: number): readonly RecordedCall[] {
    return this.cloudCalls(index).filter(isWrite);
  }

  /** Calls of that replica that change something, in the cluster or the cloud; those at the lease are guarded by its version. */
  writes(index: number): readonly RecordedCall[] {
    return [...(this.#kubes[index]?.calls ?? []).filter(isWrite), ...this.cloudWrites(index)];
  }

  close(): void {
    for (const proxy of [...this.#kubes, ...this.#clouds]) proxy.close();
  }
}

function isWrite({ method, path, headers }: RecordedCall): boolean {
  const action = String(headers["x-acs-action"] ?? "");
  if (action !== "") return !action.startsWith("Describe");
  return method !== "GET" && !path.startsWith(leasePath);
}
