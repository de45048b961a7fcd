import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import type { Node } from "../../crds/v1beta1/node.gen.ts";
import type { Pod } from "../../domain/kubernetes/objects.ts";
import type { InstanceView } from "./inventory.ts";
import type { Occupancy } from "./publication.ts";
import type { Mode } from "./state.ts";

/** Where running pods and the records of interfaces are looked up. */
export interface OccupancySources {
  readonly pods: { get(key: string): Pod | undefined };
  /** With an index `node`. */
  readonly networkInterfaces: {
    get(key: string): NetworkInterface | undefined;
    byIndex(index: "node", nodeName: string): readonly NetworkInterface[];
  };
}

/** What takes places of the machine without being a running pod's. */
export function toOccupancy(record: Node, mode: Mode, view: InstanceView, sources: OccupancySources): Occupancy {
  const { networkInterfaces, pods } = sources;
  const nodeName = record.metadata.name;
  const isForeign = (eniId: string): boolean => networkInterfaces.get(eniId) === undefined;
  const entries = record.status?.networkInterfaces ?? {};
  const isPool = ({ eniId, isPool: says }: InstanceView["others"][number]): boolean =>
    entries[eniId] === undefined ? says : entries[eniId].unschedulable !== true;
  const others = view.others.filter(({ eniId }) => isForeign(eniId));
  return {
    strangers: others.filter((other) => !isPool(other)).length,
    pool: others.filter(isPool).length,
    foreignMembers: view.foreignMemberIds.filter(isForeign).length,
    leaving: networkInterfaces
      .byIndex("node", nodeName)
      .filter((each) => isAttached(each, mode) && !servesRunningPod(each, nodeName, pods)).length,
  };
}

/** It has a place, or is asking for one, of the kind that this machine publishes. */
function isAttached({ status }: NetworkInterface, mode: Mode): boolean {
  const phase = status?.phase ?? "";
  const isMember = (status?.trunkENIID ?? "") !== "";
  return phase !== "" && phase !== "Unbind" && isMember === (mode === "trunk");
}

/** The scheduler counts the pod's request itself. */
function servesRunningPod({ spec }: NetworkInterface, nodeName: string, pods: OccupancySources["pods"]): boolean {
  const { namespace = "", name = "" } = spec?.podENIRef ?? {};
  const pod = pods.get(`${namespace}/${name}`);
  return pod?.spec?.nodeName === nodeName && !finished.has(pod.status?.phase ?? "");
}

const finished: ReadonlySet<string> = new Set(["Succeeded", "Failed"]);
