/** What it is for the world to be at rest. */
import { conditionOf, eniIdsOf, hasNoMachine, isInterfacesReady, isOver, ownOf, wantedIds, wantsEni } from "./facts.ts";
import type { Checker } from "./checker.ts";
import type { Mirror } from "./mirror.ts";
import type { SimulatedWorld } from "./world.ts";

export interface Scene {
  readonly world: SimulatedWorld;
  readonly mirror: Mirror;
  readonly checker: Checker;
}

/** Every pod runs or has ended, every record is settled, every machine serves, and nothing is left of what went. */
export function isAtRest({ world, mirror, checker }: Scene): boolean {
  const pods = mirror.list("pods").filter(({ metadata }) => metadata.labels?.["plane"] !== undefined);
  const podEnis = mirror.list("podEnis");
  const isBound = (name: string): boolean =>
    podEnis.some(({ metadata, status }) => metadata.name === name && status?.phase === "Bind");
  const deprived = new Set(podEnis.filter((each) => checker.isExcused(each)).map(({ metadata }) => metadata.name));
  const wanted = wantedIds(mirror);
  const existing = new Set(ownOf(world.cloud, mirror).map(({ eniId }) => eniId));
  const nodes = new Set(mirror.list("nodes").map(({ metadata }) => metadata.name));
  return (
    pods.every(
      (pod) =>
        pod.metadata.deletionTimestamp === undefined &&
        // The pod garbage collector deletes the pods of a node that is gone.
        (pod.spec.nodeName === undefined || nodes.has(pod.spec.nodeName)) &&
        (isOver(pod) ||
          hasNoMachine(pod, mirror) ||
          deprived.has(pod.metadata.name) ||
          (pod.status?.phase === "Running" && (!wantsEni(pod) || isBound(pod.metadata.name)))),
    ) &&
    podEnis.every(
      ({ status, metadata }) =>
        metadata.deletionTimestamp === undefined &&
        (status?.phase === "Unbind" ||
          deprived.has(metadata.name) ||
          (status?.phase === "Bind" &&
            pods.some((pod) => pod.metadata.name === metadata.name && pod.status?.phase === "Running"))),
    ) &&
    podEnis.every((podEni) => conditionOf(podEni) !== "" || eniIdsOf(podEni).every((id) => existing.has(id))) &&
    mirror
      .list("networkInterfaces")
      .every(({ metadata }) => wanted.has(metadata.name) && metadata.deletionTimestamp === undefined) &&
    [...existing].every((eniId) => wanted.has(eniId)) &&
    (world.setting.machines === "equipped" || mirror.list("nodes").every(isInterfacesReady))
  );
}

/** The world at rest, without what chance decides: ids, addresses, nodes. */
export function describe({ world, mirror }: Scene): readonly string[] {
  return [
    ...mirror
      .list("pods")
      .filter(({ metadata }) => metadata.labels?.["plane"] !== undefined)
      .map(({ metadata, status }) => `pod ${metadata.name} ${status?.phase ?? ""}`),
    ...mirror
      .list("podEnis")
      .map(
        ({ metadata, spec, status }) =>
          `record ${metadata.name} ${status?.phase ?? ""} ${spec?.allocations?.length ?? 0}`,
      ),
    `${mirror.list("networkInterfaces").length} interface records`,
    `interfaces: ${ownOf(world.cloud, mirror)
      .map(({ status }) => status)
      .sort()
      .join(" ")}`,
  ];
}

export function isEmpty({ world, mirror }: Scene): boolean {
  const left = [mirror.list("podEnis"), mirror.list("networkInterfaces"), ownOf(world.cloud, mirror)];
  return left.every((list) => list.length === 0);
}
