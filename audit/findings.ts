/** What the audit says: one line for each difference, with what to do about it. */

/** Every kind of difference, with its remedy. docs/audit.md has a row for each. */
export const remedies = {
  InterfaceWithoutRecord: "none, while a leader runs: its collector releases it within 12 minutes; else delete it",
  InterfaceGone: "recreate the pod; for a fixed address, delete the PodENI before: the address is lost",
  RecordWithoutOwner: "none, while a leader runs: its collector deletes it within 12 minutes; else delete it",
  NotAttached: "recreate the pod",
  OnOtherInstance: "find out who moved it, then recreate the pod",
  AddressDiffers: "recreate the pod; for a fixed address, delete the PodENI before",
  SecurityGroupsDiffer: "set the groups of the interface back in the cloud, or recreate the pod for other ones",
  SharedInterface: "delete both pods, and the PodENI that is not the older one",
  SharedAddress: "recreate the younger pod; look for who assigned the address twice",
  PodWithoutInterface: "see that the webhook is served and called, then recreate the pod",
  RecordOfOtherPod: "recreate the pod",
  PodENIWithoutPod: "see that a replica leads: it releases or detaches it; its condition Ready says what it waits for",
  ReleaseOverdue: "see that a replica leads: it releases it; its condition Ready says what it waits for",
  StuckDeletion: "its condition Ready says what it waits for; the finalizer goes when that is done",
  NodeRecordWithoutNode: "see that a replica leads with controller node: it lets the record go",
  InstanceGone: "delete the core Node: its machine does not exist any more",
  InstanceDiffers: "see that a replica leads with controller node: it corrects the record",
  TrunkMissing: "take annotation k8s.aliyun.com/trunk-on off the core Node, and recreate the pods of its trunk",
  CapacityTooHigh:
    "look again in 6 minutes, the time in which places of others are noticed; then find who else writes it",
  AddressKept: "none: it is kept for the next pod of the name; delete the PodENI to release it now",
  UnderWay: "none: look again when its time is over",
} as const;

export type FindingKind = keyof typeof remedies;

/** `drift`: something is wrong. `underWay`: it is being done, or was seen once. `kept`: it is so on purpose. */
export type Level = "drift" | "underWay" | "kept";

export interface Finding {
  readonly level: Level;
  readonly kind: FindingKind;
  /** What it is about, as kubectl names it: `podeni default/web-0`, `pod default/web-0`, `node node-1`, `interface eni-1`. */
  readonly subject: string;
  /** One sentence with both sides of the difference. */
  readonly detail: string;
  readonly remedy: string;
}

export function drift(kind: FindingKind, subject: string, detail: string): Finding {
  return { level: "drift", kind, subject, detail, remedy: remedies[kind] };
}

export function underWay(subject: string, detail: string): Finding {
  return { level: "underWay", kind: "UnderWay", subject, detail, remedy: remedies.UnderWay };
}

/** Milliseconds between the two looks of which both must see a difference: reads of the cloud lag by seconds. */
export const secondLookAfterMs = 20_000;
/** Milliseconds that a release, a detach or a deletion may take: quotas, slow guests and an outage of the cloud included. */
export const usualDeletionMs = 600_000;
/** Milliseconds that a release may be late: it is due within 5 s, and then waits for the quota. */
export const usualReleaseMs = 60_000;

/**
 * What two looks agree on. A difference that only the first saw has passed; one that only the second saw is under way,
 * for it began a moment ago. Sorted: drift first, then by subject.
 */
export function confirm(first: readonly Finding[], second: readonly Finding[]): readonly Finding[] {
  const seen = new Set(first.filter(isDrift).map(identityOf));
  return sorted(
    second.map((finding) =>
      isDrift(finding) && !seen.has(identityOf(finding)) ? underWay(finding.subject, finding.detail) : finding,
    ),
  );
}

export function isDrift({ level }: Finding): boolean {
  return level === "drift";
}

function identityOf({ kind, subject }: Finding): string {
  return `${kind} ${subject}`;
}

const levels: readonly Level[] = ["drift", "underWay", "kept"];

export function sorted(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted(
    (one, other) =>
      levels.indexOf(one.level) - levels.indexOf(other.level) || compare(identityOf(one), identityOf(other)),
  );
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

/** `3 d`, `2 h`, `5 min` or `12 s`, rounded down. */
export function ageText(ms: number): string {
  const units = [
    { name: "d", ms: 86_400_000 },
    { name: "h", ms: 3_600_000 },
    { name: "min", ms: 60_000 },
  ];
  const unit = units.find((each) => ms >= 2 * each.ms) ?? { name: "s", ms: 1_000 };
  return `${Math.max(0, Math.floor(ms / unit.ms))} ${unit.name}`;
}
