/** What the objects of the cluster and the cloud say, in the words of the promises. */
import { annotations, interfacesNodeCondition, labels, resources, tags } from "../../crds/v1beta1/names.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import { parseGoDuration } from "../../domain/retention/go-duration.ts";
import type { SimulatedCloud } from "../../sandbox/alibaba-cloud/index.ts";
import type { Node, Pod } from "../../sandbox/cluster/kinds.ts";
import { matchesNode } from "../../sandbox/cluster/scheduling.ts";
import { landscape } from "../../sandbox/landscape.ts";
import type { SimulatedEni } from "../../sandbox/alibaba-cloud/model.ts";
import type { Mirror } from "./mirror.ts";

/** Admission gave it interfaces of its own. */
export function wantsEni({ metadata }: Pod): boolean {
  return metadata.annotations?.[annotations.podEni] === "true" && metadata.labels?.[labels.ignore] === undefined;
}

export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** It will not run any more. */
export function isOver(pod: Pod): boolean {
  return isFinished(pod) || pod.metadata.deletionTimestamp !== undefined;
}

export function nameOf(object: { readonly metadata: { readonly name: string } }): string {
  return object.metadata.name;
}

/** It waits for the scheduler, and none of the machines where it may run is of the kind that has such interfaces. */
export function hasNoMachine(pod: Pod, mirror: Mirror): boolean {
  const requests = pod.spec.containers[0]?.resources?.requests ?? {};
  if (pod.spec.nodeName !== undefined || !wantsEni(pod)) return false;
  const wantsWhole = requests[resources.eni] !== undefined;
  return !mirror.list("nodes").some((node) => {
    const isExclusive = node.metadata.labels?.[labels.exclusiveMode] !== undefined;
    return isExclusive === wantsWhole && matchesNode(pod, node);
  });
}

/** Reason and message of a Ready condition that is False; empty when there is none. */
export function conditionOf({
  status,
}: {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}): string {
  const ready = status?.conditions?.find((condition) => condition.type === "Ready" && condition.status === "False");
  return ready === undefined ? "" : `${ready.reason}: ${ready.message}`;
}

export function eniIdsOf(podEni: PodENI): readonly string[] {
  return (podEni.spec?.allocations ?? []).flatMap(({ eni }) =>
    eni?.id === undefined || eni.id === "" ? [] : [eni.id],
  );
}

/** Interfaces that records name. */
export function wantedIds(mirror: Mirror): ReadonlySet<string> {
  return new Set(mirror.list("podEnis").flatMap((podEni) => eniIdsOf(podEni)));
}

/** Interfaces that the program made for pods, and trunks that it made for machines that are gone. */
export function ownOf(cloud: SimulatedCloud, mirror: Mirror): readonly SimulatedEni[] {
  const records = mirror.list("nodeRecords");
  const uids = new Set(records.map(({ metadata }) => metadata.uid));
  const named = new Set(records.flatMap(({ status }) => Object.keys(status?.networkInterfaces ?? {})));
  const isOfMachine = ({ type, instanceId, tags: all, eniId }: SimulatedEni): boolean =>
    type === "Trunk" && (instanceId !== undefined || uids.has(all.get(tags.nodeUid)) || named.has(eniId));
  return cloud
    .enis()
    .filter((eni) => eni.tags.get(tags.clusterId) === landscape.clusterId)
    .filter((eni) => !isOfMachine(eni));
}

/** Milliseconds that a fixed address is kept; undefined for an elastic one. */
export function ttlOf(podEni: PodENI): number | undefined {
  const ttls = (podEni.spec?.allocations ?? []).flatMap(({ allocationType }) =>
    allocationType?.type !== "Fixed"
      ? []
      : [
          allocationType.releaseStrategy === "TTL"
            ? (parseGoDuration(allocationType.releaseAfter ?? "") ?? Infinity)
            : Infinity,
        ],
  );
  return ttls.length === 0 ? undefined : Math.max(...ttls);
}

/** Source: providerID `region.instance`. */
export function instanceOf(node: Node | undefined): string | undefined {
  return node?.spec?.providerID?.split(".")[1];
}

export function isInterfacesReady(node: Node): boolean {
  return (
    node.status?.conditions?.some(({ type, status }) => type === interfacesNodeCondition && status === "True") ?? false
  );
}
