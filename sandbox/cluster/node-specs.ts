/** Nodes as Alibaba Cloud Container Service for Kubernetes shows them. */
import { annotations, labels, resources as extended } from "../../crds/v1beta1/names.ts";
import type { Node } from "./kinds.ts";

/** One machine of the sandbox. */
export interface NodeSpec {
  readonly name: string;
  /** For instance `cn-hangzhou-h`. */
  readonly zone: string;
  /** ECS instance, for instance `i-sandbox0001`. */
  readonly instanceId: string;
  readonly instanceType: string;
  readonly regionId: string;
  /** Trunk interface of the machine; absent: the node carries no members. */
  readonly trunkEniId?: string;
  /** Label `exclusive-mode-eni-type: eniOnly`: every pod of the node gets interfaces of its own. */
  readonly exclusive?: boolean;
  readonly capacity: NodeCapacity;
  readonly internalIp: string;
  /** Beside those that follow from the other members. */
  readonly labels?: Readonly<Record<string, string>>;
  /** With which it registers. */
  readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
}

/** Quantities as Kubernetes writes them (`4`, `16Gi`). */
export interface NodeCapacity {
  readonly cpu: string | number;
  readonly memory: string | number;
  readonly pods: string | number;
  readonly "aliyun/member-eni"?: number;
  readonly "aliyun/eni"?: number;
}

export interface NodeSpecsInput {
  readonly count: number;
  /** Nodes take them in turn. */
  readonly zones: readonly string[];
  /** @default "ecs.g7.xlarge" */
  readonly instanceType?: string;
  /** @default "cn-hangzhou" */
  readonly regionId?: string;
  /** Share of exclusive nodes, 0 to 1; they come last, and at least one exists when it is above 0. @default 0 */
  readonly exclusiveShare?: number;
  /** Members per trunk node. @default 16 (ecs.g7.xlarge: EniTotalQuantity 20 − EniQuantity 4) */
  readonly memberEnis?: number;
  /** Exclusive interfaces per exclusive node. @default 3 (ecs.g7.xlarge: EniQuantity 4 − the primary) */
  readonly enis?: number;
  /** @default "4" */
  readonly cpu?: string;
  /** @default "16Gi" */
  readonly memory?: string;
  /** @default 110 */
  readonly pods?: number;
  /** Names are this and a number from 1. @default "node-" */
  readonly namePrefix?: string;
}

const defaults = {
  instanceType: "ecs.g7.xlarge",
  regionId: "cn-hangzhou",
  exclusiveShare: 0,
  memberEnis: 16,
  enis: 3,
  cpu: "4",
  memory: "16Gi",
  pods: 110,
  namePrefix: "node-",
} as const;

/** Deterministic: the same input gives the same nodes, instances, trunks and addresses. */
export function nodeSpecs(input: NodeSpecsInput): NodeSpec[] {
  const { count, zones, exclusiveShare, namePrefix, ...machine } = { ...defaults, ...input };
  const { instanceType, regionId, memberEnis, enis, cpu, memory, pods } = machine;
  if (zones.length === 0) throw new RangeError("nodes need at least one zone");
  const exclusiveCount = Math.min(count, Math.ceil(count * exclusiveShare));
  return Array.from({ length: count }, (_, index) => {
    const number = String(index + 1).padStart(4, "0");
    const exclusive = index >= count - exclusiveCount;
    return {
      name: `${namePrefix}${number}`,
      zone: zones[index % zones.length] ?? "",
      instanceId: `i-sandbox${number}`,
      instanceType,
      regionId,
      ...(exclusive ? { exclusive } : { trunkEniId: `eni-trunk${number}` }),
      capacity: { cpu, memory, pods, [exclusive ? extended.eni : extended.memberEni]: exclusive ? enis : memberEnis },
      // 10.0.0.0/16 belongs to the machines; pod vSwitches and the pod CIDR of the kubelets lie elsewhere.
      internalIp: `10.0.${(index + 1) >> 8}.${(index + 1) & 255}`,
    };
  });
}

/** The Node object of a machine, with its status: node creation keeps the status that is sent along. */
export function toNode(spec: NodeSpec, nowIso: string): Node {
  const { name, zone, regionId, instanceType, instanceId } = spec;
  const capacity = Object.fromEntries(Object.entries(spec.capacity).map(([key, value]) => [key, String(value)]));
  const condition = { lastHeartbeatTime: nowIso, lastTransitionTime: nowIso };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        [labels.zone]: zone,
        [labels.region]: regionId,
        [labels.instanceType]: instanceType,
        ...(spec.exclusive === true ? { [labels.exclusiveMode]: "eniOnly" } : {}),
        ...spec.labels,
      },
      annotations: spec.trunkEniId === undefined ? {} : { [annotations.trunkOn]: spec.trunkEniId },
    },
    // ACK's providerID has no cloud prefix: region, dot, instance.
    spec: { providerID: `${regionId}.${instanceId}`, ...(spec.taints !== undefined && { taints: [...spec.taints] }) },
    status: {
      capacity,
      allocatable: capacity,
      addresses: [
        { type: "InternalIP", address: spec.internalIp },
        { type: "Hostname", address: name },
      ],
      conditions: [
        {
          ...condition,
          type: "MemoryPressure",
          status: "False",
          reason: "KubeletHasSufficientMemory",
          message: "kubelet has sufficient memory available",
        },
        {
          ...condition,
          type: "Ready",
          status: "True",
          reason: "KubeletReady",
          message: "kubelet is posting ready status",
        },
      ],
      nodeInfo: {
        architecture: "amd64",
        operatingSystem: "linux",
        osImage: "Alibaba Cloud Linux 3 (sandbox)",
        kernelVersion: "5.10.134-sandbox",
        containerRuntimeVersion: "containerd://1.7.0",
        kubeletVersion: "v1.35.0",
        kubeProxyVersion: "",
        bootID: instanceId,
        machineID: instanceId,
        systemUUID: instanceId,
      },
    },
  };
}
