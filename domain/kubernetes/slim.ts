import { annotations as names, interfacesNodeCondition, resources, schedulingGate } from "../../crds/v1beta1/names.ts";
import type { CoreNode, Metadata, Namespace, Pod } from "./objects.ts";

// A cache of 20 000 pods as they arrive takes hundreds of MiB; what is kept here is what `objects.ts` declares.

function slimMetadata(metadata: Metadata): Metadata {
  return {
    name: metadata.name,
    ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
    ...(metadata.uid !== undefined && { uid: metadata.uid }),
    ...(metadata.resourceVersion !== undefined && { resourceVersion: metadata.resourceVersion }),
    ...(metadata.creationTimestamp !== undefined && { creationTimestamp: metadata.creationTimestamp }),
    ...(metadata.deletionTimestamp !== undefined && { deletionTimestamp: metadata.deletionTimestamp }),
    ...(metadata.labels !== undefined && { labels: metadata.labels }),
    ...(metadata.annotations !== undefined && { annotations: terwayOnly(metadata.annotations) }),
    ...(metadata.ownerReferences !== undefined && { ownerReferences: metadata.ownerReferences }),
  };
}

/** Annotations of other programs can be large (last-applied configurations); ours all carry this prefix, but for one. */
function terwayOnly(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const isRead = (name: string): boolean => name.startsWith("k8s.aliyun.com/") || name === names.cpuSet;
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => isRead(name)));
}

/** What the cache keeps of a pod. */
export function slimPod(pod: Pod): Pod {
  const { nodeName, hostNetwork, priority, schedulingGates = [] } = pod.spec ?? {};
  const ours = schedulingGates.filter(({ name }) => name === schedulingGate);
  return {
    metadata: slimMetadata(pod.metadata),
    spec: {
      ...(nodeName !== undefined && { nodeName }),
      ...(hostNetwork !== undefined && { hostNetwork }),
      ...(priority !== undefined && { priority }),
      ...(ours.length > 0 && { schedulingGates: ours }),
    },
    ...(pod.status !== undefined && { status: slimStatus(pod.status) }),
  };
}

function slimStatus({ phase, conditions = [] }: NonNullable<Pod["status"]>): NonNullable<Pod["status"]> {
  const refusals = conditions.filter(({ type, reason }) => type === "PodScheduled" && reason === "Unschedulable");
  return {
    ...(phase !== undefined && { phase }),
    ...(refusals.length > 0 && { conditions: refusals.map(({ type }) => ({ type, reason: "Unschedulable" })) }),
  };
}

/** What the cache keeps of a core node: of its status only what this program says there. */
export function slimCoreNode(node: CoreNode): CoreNode {
  const { providerID, taints } = node.spec ?? {};
  return {
    metadata: slimMetadata(node.metadata),
    spec: { ...(providerID !== undefined && { providerID }), ...(taints !== undefined && { taints }) },
    status: {
      capacity: interfacesOnly(node.status?.capacity),
      allocatable: interfacesOnly(node.status?.allocatable),
      conditions: (node.status?.conditions ?? []).filter(({ type }) => type === interfacesNodeCondition),
    },
  };
}

function interfacesOnly(quantities: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const ours: readonly string[] = Object.values(resources);
  return Object.fromEntries(Object.entries(quantities).filter(([name]) => ours.includes(name)));
}

/** What the cache keeps of a namespace. */
export function slimNamespace(namespace: Namespace): Namespace {
  return { metadata: slimMetadata(namespace.metadata) };
}
