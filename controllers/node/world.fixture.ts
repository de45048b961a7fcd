/** One machine with its core Node and its record, a cloud that answers as told, and a node daemon that writes what it likes. */
import type { Node, NodeSpec } from "../../crds/v1beta1/node.gen.ts";
import type { InstanceType } from "../../domain/eni/instance-type.ts";
import type { CoreNode } from "../../domain/kubernetes/objects.ts";
import { parseNodePoolConfig, type NodePoolConfigLookup } from "../../domain/pod-network/node-pool-config.ts";
import type { OperatorError } from "../../runtime/errors.ts";
import type { Recorder } from "../../runtime/ports.ts";
import { ApiTable, Versions } from "../../test/fixtures/api-table.ts";
import { NodeReconciler } from "./index.ts";

export const machineName = "node-1";

/** As DescribeInstanceTypes has them. */
const types: Readonly<Record<string, Partial<InstanceType>>> = {
  "ecs.g7.xlarge": { eniQuantity: 4, eniTotalQuantity: 20, ipv4PerEni: 15, ipv6PerEni: 15 },
  "ecs.g7.4xlarge": { eniQuantity: 8, eniTotalQuantity: 60, ipv4PerEni: 30, ipv6PerEni: 30 },
};

export const usableConf = { vswitches: { "zone-a": ["vsw-1"] }, security_group: "sg-1", enable_eni_trunking: true };

export function aCoreNode(more: { labels?: Record<string, string | undefined>; providerId?: string } = {}): CoreNode {
  const labels = {
    "topology.kubernetes.io/region": "cn-test",
    "topology.kubernetes.io/zone": "zone-a",
    "node.kubernetes.io/instance-type": "ecs.g7.xlarge",
    ...more.labels,
  };
  const present = Object.entries(labels).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    metadata: { name: machineName, uid: "core-uid", labels: Object.fromEntries(present) },
    spec: { providerID: more.providerId ?? "cn-test.i-1" },
  };
}

export class NodeWorld {
  readonly table = new ApiTable<Node>({ versions: new Versions(), nowMs: () => 1_000_000 });
  readonly events: Parameters<Recorder["event"]>[0][] = [];
  /** Every write of the controller: its verb and body. */
  readonly writes: { readonly verb: string; readonly body: object }[] = [];
  /** Instance types that were looked up. */
  readonly lookups: string[] = [];
  node: CoreNode | undefined = aCoreNode();
  /** What the cloud says instead of the figures. */
  typeError: "NotFound" | OperatorError | undefined;
  /** `eni_conf` of the cluster; undefined when there is none. */
  conf: object | undefined = usableConf;
  /** What the cache shows instead of what is stored. */
  stale: Node | undefined;
  readonly #reconciler: NodeReconciler;

  constructor(settings: { readonly isCentralized?: boolean; readonly labelWhiteList?: Record<string, string> } = {}) {
    const { table } = this;
    const written = (verb: string, body: object, effect: () => Node): Promise<Node> =>
      new Promise((resolve) => {
        const object = effect();
        this.writes.push({ verb, body });
        resolve(object);
      });
    this.#reconciler = new NodeReconciler({
      nodes: { get: () => this.node },
      nodeRecords: {
        lister: { get: () => this.stale ?? this.record },
        client: {
          create: (object) => written("create", object, () => table.create(object)),
          patch: (_, name, patch) => written("patch", patch, () => table.patch("", name, patch)),
          patchStatus: (_, name, patch) => written("patchStatus", patch, () => table.patchStatus("", name, patch)),
        },
      },
      instanceTypes: { get: (type) => Promise.resolve(this.#lookUp(type)) },
      eniConfig: { getForNode: () => Promise.resolve(this.#config()) },
      settings: { isCentralized: false, labelWhiteList: {}, ...settings },
      recorder: { event: (event) => void this.events.push(event) },
      clock: { now: () => 1_000_000 },
    });
  }

  get record(): Node | undefined {
    return this.table.get("", machineName);
  }

  get finding(): string | undefined {
    return this.record?.status?.conditions?.[0]?.reason;
  }

  reconcile() {
    return this.#reconciler.reconcile({ namespace: "", name: machineName }, new AbortController().signal);
  }

  /** The daemon replaces parts of the spec; undefined takes one away. */
  daemonWrites(parts: { readonly [Name in keyof NodeSpec]?: NodeSpec[Name] | undefined }): void {
    const patch = Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, value ?? null]));
    const cleared = Object.fromEntries(Object.keys(parts).map((name) => [name, null]));
    this.table.patch("", machineName, { spec: cleared });
    this.table.patch("", machineName, { spec: patch });
  }

  #lookUp(instanceType: string) {
    this.lookups.push(instanceType);
    if (this.typeError !== undefined) return { instanceType, error: this.typeError };
    return {
      instanceType,
      eniQuantity: 0,
      eniTotalQuantity: 0,
      isTrunkSupported: true,
      ipv4PerEni: 0,
      ipv6PerEni: 0,
      eriQuantity: 0,
      bandwidthRx: 0,
      bandwidthTx: 0,
      networkCardIndexes: [],
      ...types[instanceType],
    };
  }

  #config(): NodePoolConfigLookup {
    if (this.conf === undefined) return { type: "missing", configMap: "eni-config" };
    try {
      return { type: "found", config: parseNodePoolConfig(JSON.stringify(this.conf)) };
    } catch (error) {
      return { type: "faulty", message: String(error) };
    }
  }
}
