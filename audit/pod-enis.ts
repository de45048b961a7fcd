/** Each PodENI against its interfaces, its pod, and its time. */
import { annotations, finalizers } from "../crds/v1beta1/names.ts";
import type { NetworkInterface } from "../crds/v1beta1/network-interface.gen.ts";
import type { PodENI, PodEniAllocation } from "../crds/v1beta1/pod-eni.gen.ts";
import { findCondition } from "../domain/conditions/conditions.ts";
import type { Eni } from "../domain/eni/eni.ts";
import { retentionOf } from "../domain/retention/retention.ts";
import { ageText, drift, remedies, underWay, usualDeletionMs, usualReleaseMs, type Finding } from "./findings.ts";
import { isFinished, keyOf, type Index, type Listing } from "./listing.ts";

export function comparePodEnis(listing: Listing, index: Index): readonly Finding[] {
  return [
    ...listing.podEnis.flatMap((podEni) => comparePodEni(podEni, listing.nowMs, index)),
    ...listing.networkInterfaces.flatMap((record) =>
      leaving(record, `networkinterface ${record.metadata.name}`, listing.nowMs),
    ),
  ];
}

function comparePodEni(podEni: PodENI, nowMs: number, index: Index): readonly Finding[] {
  const subject = `podeni ${keyOf(podEni)}`;
  const phase = podEni.status?.phase ?? "";
  if (podEni.metadata.deletionTimestamp !== undefined || phase === "Deleting" || phase === "Detaching") {
    return leaving(podEni, subject, nowMs);
  }
  const allocations = podEni.spec?.allocations ?? [];
  const interfaces = allocations.flatMap((allocation) => compareAllocation(podEni, allocation, index));
  return [...interfaces, ...compareOwner(podEni, subject, nowMs, index)];
}

// ---- its interfaces ----

function compareAllocation(podEni: PodENI, allocation: PodEniAllocation, { eniById }: Index): readonly Finding[] {
  const id = allocation.eni?.id ?? "";
  if (id === "") return [];
  const subject = `podeni ${keyOf(podEni)}`;
  const eni = eniById.get(id);
  if (eni === undefined) return [drift("InterfaceGone", subject, `the cloud has no interface ${id} any more`)];
  return [
    ...compareAttachment(podEni, eni),
    ...compareAddress(subject, allocation, eni),
    ...compareSecurityGroups(subject, allocation, eni),
  ];
}

function compareAttachment({ metadata, status }: PodENI, eni: Eni): readonly Finding[] {
  if (status?.phase !== "Bind") return [];
  const subject = `podeni ${keyOf({ metadata })}`;
  const instanceId = status.instanceID ?? "";
  if (eni.status !== "InUse") {
    return [drift("NotAttached", subject, `Bind on ${instanceId}, but interface ${eni.eniId} is ${eni.status}`)];
  }
  if (eni.instanceId === instanceId) return [];
  const where = eni.instanceId ?? "no instance";
  return [drift("OnOtherInstance", subject, `Bind on ${instanceId}, but interface ${eni.eniId} is on ${where}`)];
}

function compareAddress(subject: string, { ipv4 = "", ipv6 = "" }: PodEniAllocation, eni: Eni): readonly Finding[] {
  const isSame = (ipv4 === "" || ipv4 === eni.primaryIpv4) && (ipv6 === "" || eni.ipv6s.includes(ipv6));
  if (isSame) return [];
  const recorded = [ipv4, ipv6].filter((address) => address !== "").join(", ");
  const actual = [eni.primaryIpv4, ...eni.ipv6s].join(", ");
  return [drift("AddressDiffers", subject, `says ${recorded}, but interface ${eni.eniId} has ${actual}`)];
}

function compareSecurityGroups(subject: string, { eni: recorded }: PodEniAllocation, eni: Eni): readonly Finding[] {
  const [said, actual] = [recorded?.securityGroupIDs ?? [], eni.securityGroupIds].map(setOf);
  if (said === "" || said === actual) return [];
  return [drift("SecurityGroupsDiffer", subject, `says ${said ?? ""}, but interface ${eni.eniId} has ${actual ?? ""}`)];
}

function setOf(list: readonly string[]): string {
  return [...new Set(list)].sort().join(", ");
}

// ---- its pod, and its time ----

function compareOwner(podEni: PodENI, subject: string, nowMs: number, { podByKey }: Index): readonly Finding[] {
  const pod = podByKey.get(keyOf(podEni));
  if (pod !== undefined && !isFinished(pod.status?.phase)) return compareUid(podEni, subject, pod.metadata.uid ?? "");
  if (podEni.status?.phase !== "Unbind") {
    const phase = podEni.status?.phase ?? "";
    return [
      drift(
        "PodENIWithoutPod",
        subject,
        `its pod is gone, but it is ${phase === "" ? "new" : phase}${sayReady(podEni)}`,
      ),
    ];
  }
  return compareRetention(podEni, subject, nowMs, pod !== undefined);
}

/** A successor that has just come is told of the pod, once it runs. */
function compareUid(podEni: PodENI, subject: string, podUid: string): readonly Finding[] {
  const recorded = podEni.metadata.annotations?.[annotations.podUid] ?? "";
  if (recorded === "" || recorded === podUid || podEni.status?.phase !== "Bind") return [];
  return [drift("RecordOfOtherPod", subject, `bound for pod ${recorded}, but the pod of that name is ${podUid}`)];
}

function compareRetention(podEni: PodENI, subject: string, nowMs: number, hasPod: boolean): readonly Finding[] {
  const allocations = podEni.spec?.allocations ?? [];
  const addresses = allocations.map(({ ipv4 = "" }) => ipv4).join(", ");
  const goneAtMs = Date.parse(podEni.status?.podLastSeen ?? "");
  const retention = retentionOf(
    allocations.map(({ allocationType }) => allocationType ?? {}),
    Number.isNaN(goneAtMs) ? nowMs : goneAtMs,
  );
  const kept = (why: string): Finding => ({
    level: "kept",
    kind: "AddressKept",
    subject,
    detail: `${addresses} ${why}`,
    remedy: remedies.AddressKept,
  });
  // Its time has not begun, or does not count while an ended pod is there.
  if (hasPod) return [kept("is kept while its ended pod is there")];
  switch (retention.type) {
    case "release":
      return [drift("PodENIWithoutPod", subject, `its pod is gone and nothing keeps ${addresses}${sayReady(podEni)}`)];
    case "keepForever":
      return [kept(`is kept until its PodENI is deleted: ${retention.reason}`)];
    case "keepUntil": {
      const lateMs = nowMs - retention.atMs;
      const due = new Date(retention.atMs).toISOString();
      if (lateMs <= 0) return [kept(`is kept until ${due}`)];
      const text = `${addresses} was to be released at ${due}, ${ageText(lateMs)} ago${sayReady(podEni)}`;
      return [lateMs <= usualReleaseMs ? underWay(subject, text) : drift("ReleaseOverdue", subject, text)];
    }
  }
}

// ---- what is on its way out ----

/** Of a PodENI or a NetworkInterface. */
function leaving(record: PodENI | NetworkInterface, subject: string, nowMs: number): readonly Finding[] {
  const exit = exitOf(record);
  if (exit === undefined) return [];
  const sinceMs = Date.parse(exit.since);
  const agoMs = Number.isNaN(sinceMs) ? 0 : nowMs - sinceMs;
  const text = `${exit.what} for ${ageText(agoMs)}${sayReady(record)}`;
  return [agoMs <= usualDeletionMs ? underWay(subject, text) : drift("StuckDeletion", subject, text)];
}

/** Undefined for what stays, and for what only a finalizer of somebody else keeps: that is not ours to finish. */
function exitOf(record: PodENI | NetworkInterface): { readonly what: string; readonly since: string } | undefined {
  const { deletionTimestamp, finalizers: held = [] } = record.metadata;
  if (deletionTimestamp !== undefined) {
    return held.some((each) => ours.has(each)) ? { what: "being deleted", since: deletionTimestamp } : undefined;
  }
  const phase = record.status?.phase ?? "";
  if (phase !== "Deleting" && phase !== "Detaching") return undefined;
  return { what: phase, since: findReady(record)?.lastTransitionTime ?? "" };
}

const ours: ReadonlySet<string> = new Set(Object.values(finalizers));

function findReady(record: PodENI | NetworkInterface) {
  return findCondition(record.status?.conditions, "Ready");
}

/** What its condition says of the obstacle. */
function sayReady(record: PodENI | NetworkInterface): string {
  const ready = findReady(record);
  return ready === undefined || ready.status === "True" ? "" : ` (${ready.reason}: ${ready.message})`;
}
