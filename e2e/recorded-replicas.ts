/** Replicas that speak through proxies of their own, so that each call has a known sender. */
import { join } from "node:path";
import type { ReplicaAccess } from "../cmd/sandbox-world.ts";
import { startRecordingProxy, type RecordedCall, type RecordingProxy } from "../test/fixtures/recording-proxy.ts";
import { startKubeProxy } from "./kube-proxy.ts";

const leasePath = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/terway-controlplane";

export class RecordedReplicas {
  readonly #folder: string;
  /** By their number; a restarted one gets a new pair of proxies. */
  readonly #replicas: RecordedReplica[] = [];

  /** `folder`: where their kubeconfigs go. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Option `between` of a sandbox. */
  readonly between = async (index: number, access: ReplicaAccess): Promise<ReplicaAccess> => {
    const kubeconfigPath = join(this.#folder, `kubeconfig-${index}`);
    const kube = await startKubeProxy(access.kubeconfigPath, kubeconfigPath);
    const cloud = await startRecordingProxy({ url: `http://${access.cloudEndpoint}` });
    this.#replicas[index]?.close();
    this.#replicas[index] = new RecordedReplica(kube, cloud);
    return { kubeconfigPath, cloudEndpoint: new URL(cloud.url).host };
  };

  /** The replica that runs under that number now. What it asked stays readable after it has ended. */
  of(index: number): RecordedReplica {
    const replica = this.#replicas[index];
    if (replica === undefined) throw new Error(`no replica ${index} was started`);
    return replica;
  }

  close(): void {
    for (const replica of this.#replicas) replica.close();
  }
}

class RecordedReplica {
  readonly #kube: RecordingProxy;
  readonly #cloud: RecordingProxy;

  constructor(kube: RecordingProxy, cloud: RecordingProxy) {
    this.#kube = kube;
    this.#cloud = cloud;
  }

  /** Calls to the cloud. */
  get cloudCalls(): readonly RecordedCall[] {
    return this.#cloud.calls;
  }

  /** Calls that change the cloud. */
  get cloudWrites(): readonly RecordedCall[] {
    return this.cloudCalls.filter(isWrite);
  }

  /**
   * Calls from that epoch millisecond on that changed something, in the cluster or the cloud. Those at the lease are guarded
   * by its version. A call that was being handed to the kernel when its process was stopped leaves when that goes on, so
   * what the API server refused, for another has written since, changed nothing.
   */
  changesSince(epochMs: number): readonly RecordedCall[] {
    const isRefused = ({ status }: RecordedCall) => status === 404 || status === 409;
    const calls = [...this.#kube.calls.filter(isWrite).filter((call) => !isRefused(call)), ...this.cloudWrites];
    return calls.filter(({ atMs }) => atMs >= epochMs);
  }

  /** Answers to its calls that change the cloud come so much later from now on. */
  delayCloudWrites(delayMs: number): void {
    this.#cloud.setFaults({ delayMs: (call) => (isWrite(call) ? delayMs : 0) });
  }

  close(): void {
    this.#kube.close();
    this.#cloud.close();
  }
}

function isWrite({ method, path, headers }: RecordedCall): boolean {
  const action = String(headers["x-acs-action"] ?? "");
  if (action !== "") return !action.startsWith("Describe");
  return method !== "GET" && !path.startsWith(leasePath);
}
