/** Pods that run without the interface that they are to have, and addresses that two of them have. */
import { annotations } from "../crds/v1beta1/names.ts";
import type { PodENI } from "../crds/v1beta1/pod-eni.gen.ts";
import type { PodNetworking } from "../crds/v1beta1/pod-networking.gen.ts";
import { findCondition } from "../domain/conditions/conditions.ts";
import { interfaceIdsOf } from "../domain/eni/orphans.ts";
import type { CoreNode } from "../domain/kubernetes/objects.ts";
import { matchPlanes } from "../domain/pod-network/plane.ts";
import { isFixedNamePod, nodeIsIgnored, podIsConsidered, podUsesEni } from "../domain/pod-network/pod-networks.ts";
import { drift, type Finding, type FindingKind } from "./findings.ts";
import { groupBy, isOver, keyOf, type AuditedPod, type Index, type Listing } from "./listing.ts";

export function comparePods(listing: Listing, index: Index): readonly Finding[] {
  const running = listing.pods.filter((pod) => pod.status?.phase === "Running" && !isOver(pod));
  return [
    ...running.flatMap((pod) => comparePod(pod, listing, index)),
    ...findShared("SharedAddress", "address", running.flatMap(addressOf)),
    ...findShared("SharedInterface", "interface", listing.podEnis.flatMap(interfacesOf)),
  ];
}

/** A node that is not there any more says nothing. */
const unknownNode: CoreNode = { metadata: { name: "" } };

function comparePod(pod: AuditedPod, listing: Listing, index: Index): readonly Finding[] {
  const node = index.coreNodeByName.get(pod.spec?.nodeName ?? "") ?? unknownNode;
  if (!podIsConsidered(pod) || nodeIsIgnored(node)) return [];
  const subject = `pod ${keyOf(pod)}`;
  const podEni = index.podEniByKey.get(keyOf(pod));
  if (podUsesEni(pod, node, listing.isCrdMode)) return compareRecord(subject, podEni);
  const plane = findPlane(pod, listing, index);
  if (plane === undefined) return [];
  const text = `matches PodNetworking ${plane.metadata.name}, which was Ready before it came, and runs on the shared network`;
  return [drift("PodWithoutInterface", subject, text)];
}

function compareRecord(subject: string, podEni: PodENI | undefined): readonly Finding[] {
  if (podEni === undefined) return [drift("PodWithoutInterface", subject, "runs, but has no PodENI")];
  const phase = podEni.status?.phase ?? "";
  if (phase === "Bind") return [];
  return [drift("PodWithoutInterface", subject, `runs, but its PodENI is ${phase === "" ? "new" : phase}`)];
}

/** The plane that admission would have given the pod; undefined too while the pod may be older than its readiness. */
function findPlane(pod: AuditedPod, listing: Listing, { namespaceLabels }: Index): PodNetworking | undefined {
  const { namespace = "", labels = {}, ownerReferences, creationTimestamp = "" } = pod.metadata;
  const ofNamespace = namespaceLabels.get(namespace) ?? {};
  // The namespace has turned the webhook off.
  if (ofNamespace[annotations.podEni] === "false") return undefined;
  const { ready } = matchPlanes(listing.podNetworkings, {
    labels,
    namespaceLabels: ofNamespace,
    isFixedName: isFixedNamePod(ownerReferences, listing.customStatefulWorkloadKinds),
  });
  const name = ready[0]?.metadata.name;
  return listing.podNetworkings.find((plane) => plane.metadata.name === name && wasReadyAt(plane, creationTimestamp));
}

function wasReadyAt({ status }: PodNetworking, time: string): boolean {
  const readySince = findCondition(status?.conditions, "Ready")?.lastTransitionTime;
  return readySince !== undefined && Date.parse(readySince) < Date.parse(time);
}

/** Something that belongs to one, and who has it. */
interface Holding {
  readonly what: string;
  readonly holder: string;
}

function addressOf(pod: AuditedPod): readonly Holding[] {
  const address = pod.status?.podIP ?? "";
  return address === "" || pod.spec?.hostNetwork === true ? [] : [{ what: address, holder: `pod ${keyOf(pod)}` }];
}

function interfacesOf(podEni: PodENI): readonly Holding[] {
  return interfaceIdsOf(podEni).map((id) => ({ what: id, holder: `podeni ${keyOf(podEni)}` }));
}

function findShared(kind: FindingKind, noun: string, holdings: readonly Holding[]): readonly Finding[] {
  const holders = groupBy(holdings, ({ what }) => what);
  return [...holders].flatMap(([what, list]) => {
    const names = [...new Set(list.map(({ holder }) => holder))].sort();
    return names.length < 2 ? [] : [drift(kind, `${noun} ${what}`, `${names.join(" and ")} have it`)];
  });
}
