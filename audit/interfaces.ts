/** Interfaces of the cloud that no record names, and records whose interface the cloud does not have. */
import type { NetworkInterface } from "../crds/v1beta1/network-interface.gen.ts";
import { excludedTag, machineCreatorTagValue, tags } from "../crds/v1beta1/names.ts";
import type { Eni } from "../domain/eni/eni.ts";
import { interfaceIdsOf, isOrphan, ownersOf, toListed, untaggedAgeMs } from "../domain/eni/orphans.ts";
import type { ListedEni, Owners } from "../domain/eni/orphans.ts";
import { isOurs } from "../domain/eni/ownership.ts";
import { ageText, drift, underWay, type Finding } from "./findings.ts";
import type { Index, Listing } from "./listing.ts";

export function compareInterfaces(listing: Listing, index: Index): readonly Finding[] {
  const owners = ownersOf(listing);
  const referenced = new Set(listing.podEnis.flatMap(interfaceIdsOf));
  const unreferenced = new Set(owners.unreferencedRecords);
  const listed = listing.enis.filter((eni) => isMade(eni, listing.clusterId)).map(toListed);
  return [
    ...listed.flatMap((each) => withoutRecord(each, owners, listing)),
    // What a PodENI names is told of the PodENI.
    ...listing.networkInterfaces
      .filter(({ metadata: { name } }) => !referenced.has(name) && !unreferenced.has(name))
      .flatMap((record) => compareKept(record, index)),
    ...owners.unreferencedRecords.map((name) =>
      drift("RecordWithoutOwner", `networkinterface ${name}`, "no PodENI names it"),
    ),
  ];
}

/** For pods of this cluster, or as a trunk by this program. Whoever else made one: it is never ours. */
function isMade(eni: Eni, clusterId: string): boolean {
  if (isOurs(eni, clusterId)) return true;
  const { type, tags: own } = eni;
  if (type !== "Trunk" || own[excludedTag.key] === excludedTag.value) return false;
  return own[tags.clusterId] === clusterId && own[tags.creator] === machineCreatorTagValue;
}

function withoutRecord(listed: ListedEni, owners: Owners, listing: Listing): readonly Finding[] {
  const { eni } = listed;
  if (owners.ownedEniIds.has(eni.eniId) || eni.type === "Trunk") return orphanedTrunk(listed, owners, listing);
  const subject = `interface ${eni.eniId}`;
  const what = `${describe(listed, listing.nowMs)}; no PodENI or NetworkInterface names it`;
  if (isOrphan(listed, { ...owners, ...listing })) return [drift("InterfaceWithoutRecord", subject, what)];
  return [underWay(subject, `${what}; ${whyLeft(listed)}`)];
}

function orphanedTrunk(listed: ListedEni, owners: Owners, listing: Listing): readonly Finding[] {
  if (!isOrphan(listed, { ...owners, ...listing })) return [];
  const what = `${describe(listed, listing.nowMs)}, a trunk that is attached nowhere; its Node does not name it`;
  return [drift("InterfaceWithoutRecord", `interface ${listed.eni.eniId}`, what)];
}

/** Why the collector leaves it for now. */
function whyLeft({ eni, podEniUid }: ListedEni): string {
  if (eni.status === "Deleting") return "it is being deleted";
  if (podEniUid === undefined) return `the collector takes it when it is ${ageText(untaggedAgeMs)} old`;
  return "its PodENI is still to name it";
}

function describe({ eni, createdAtMs }: ListedEni, nowMs: number): string {
  const age = createdAtMs === undefined ? "of unknown age" : `${ageText(nowMs - createdAtMs)} old`;
  return `${eni.status}, ${eni.primaryIpv4}, ${age}`;
}

/** A record that its policy keeps. One that is being deleted is gone from the cloud before its record. */
function compareKept({ metadata }: NetworkInterface, { eniById }: Index): readonly Finding[] {
  if (metadata.deletionTimestamp !== undefined || eniById.has(metadata.name)) return [];
  return [drift("InterfaceGone", `networkinterface ${metadata.name}`, "the cloud has no such interface")];
}
