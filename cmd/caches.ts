import type { NetworkInterface } from "../crds/v1beta1/network-interface.gen.ts";
import type { Node } from "../crds/v1beta1/node.gen.ts";
import { labels } from "../crds/v1beta1/names.ts";
import type { PodENI } from "../crds/v1beta1/pod-eni.gen.ts";
import type { PodNetworking } from "../crds/v1beta1/pod-networking.gen.ts";
import type { CoreNode, Namespace, Pod } from "../domain/kubernetes/objects.ts";
import { slimCoreNode, slimNamespace, slimPod } from "../domain/kubernetes/slim.ts";
import { gateIndex, gatesOf } from "../domain/pod-network/scheduling-gate.ts";
import { sharedNetworkIndex, sharedNetworkOf } from "../domain/pod-network/shared-network.ts";
import { createObjectClient } from "../kube/object-client.ts";
import { pathOf, resourceTypes, type ResourceType } from "../kube/resources.ts";
import type { Fence } from "../runtime/fence.ts";
import { Informer } from "../runtime/informer.ts";
import type { KubeObject, Lister, ObjectClient } from "../runtime/ports.ts";
import { planeIndex, planesOf } from "../webhook/pod-networking/use.ts";
import type { World } from "./wiring.ts";

/** One kind: what is known of it, and the client whose answers go into that knowledge. */
export interface Stored<T extends KubeObject> {
  readonly informer: Informer<T>;
  readonly lister: Lister<T>;
  /** Its writes ask the fence first. */
  readonly client: ObjectClient<T>;
}

/** Every kind that is watched. */
export interface Caches {
  readonly pods: Stored<Pod>;
  readonly nodes: Stored<CoreNode>;
  readonly namespaces: Stored<Namespace>;
  readonly podNetworkings: Stored<PodNetworking>;
  readonly podEnis: Stored<PodENI>;
  readonly networkInterfaces: Stored<NetworkInterface>;
  /** Our own kind Node; the core one is `nodes`. */
  readonly nodeRecords: Stored<Node>;
}

/** Index of PodENIs by the vSwitches in which they are about to be given addresses. */
export const intentIndex = "intent";

type InformerSettings<T extends KubeObject> = ConstructorParameters<typeof Informer<T>>[0];

export function createCaches({ transport, clock, random, log, metrics }: World, fence: Fence): Caches {
  const stored = <T extends KubeObject>(resource: ResourceType, more: Partial<InformerSettings<T>> = {}): Stored<T> => {
    const path = pathOf(resource);
    const informer = new Informer<T>({
      transport,
      path,
      name: resource.plural,
      clock,
      random,
      log,
      metrics,
      ...more,
    });
    const client = createObjectClient<T>({ transport, resource, fence, onWritten: (object) => informer.put(object) });
    return { informer, lister: informer.lister, client };
  };
  return {
    pods: stored<Pod>(resourceTypes.pods, {
      transform: slimPod,
      indexes: {
        node: (pod) => listOf(pod.spec?.nodeName),
        [planeIndex]: planesOf,
        [gateIndex]: gatesOf,
        [sharedNetworkIndex]: sharedNetworkOf,
      },
    }),
    nodes: stored<CoreNode>(resourceTypes.coreNodes, { name: "core-nodes", transform: slimCoreNode }),
    namespaces: stored<Namespace>(resourceTypes.namespaces, { transform: slimNamespace }),
    podNetworkings: stored<PodNetworking>(resourceTypes.podNetworkings),
    podEnis: stored<PodENI>(resourceTypes.podEnis, {
      indexes: {
        node: (podEni) => listOf(podEni.metadata.labels?.[labels.node]),
        [planeIndex]: planesOf,
        [intentIndex]: intendedVSwitches,
      },
    }),
    networkInterfaces: stored<NetworkInterface>(resourceTypes.networkInterfaces, {
      indexes: {
        instance: (record) => listOf(record.status?.instanceID),
        node: (record) => listOf(record.status?.nodeName),
      },
    }),
    nodeRecords: stored<Node>(resourceTypes.nodeRecords, { name: "node-records" }),
  };
}

/** A vSwitch of two interfaces counts once; hardly any pod has two in one. */
function intendedVSwitches({ metadata, spec, status }: PodENI): string[] {
  if (metadata.deletionTimestamp !== undefined || status?.phase === "Deleting") return [];
  const pending = (spec?.allocations ?? []).filter(({ eni }) => (eni?.id ?? "") === "");
  return pending.flatMap(({ eni }) => listOf(eni?.vSwitchID));
}

function listOf(value: string | undefined): string[] {
  return value === undefined || value === "" ? [] : [value];
}
