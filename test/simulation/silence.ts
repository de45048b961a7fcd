/** Invariant 6: whatever is not finished has said something within a minute, or carries a reason that tools can read. */
import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import { interfacesNodeCondition } from "../../crds/v1beta1/names.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { Node, Pod } from "../../sandbox/cluster/kinds.ts";
import { conditionOf, isOver, wantsEni } from "./facts.ts";
import type { Change, ClusterEvent, Mirror } from "./mirror.ts";

/** The longest that something unfinished may say nothing while the controlplane can work. */
const silenceMs = 60_000;

/** What others say about a pod explains nothing of ours. */
const foreignReasons: ReadonlySet<string> = new Set(["FailedCreatePodSandBox", "Scheduled"]);

/** Something unfinished that gives no reason. */
interface Mute {
  readonly uid: string;
  readonly name: string;
}

export class SilenceWatch {
  readonly #mirror: () => Mirror;
  /** When an object changed, or an event about it came, by uid; milliseconds since the epoch. */
  readonly #heardAtMs = new Map<string, number>();
  /** Since when the controlplane has been able to work. */
  #calmSinceMs: number | undefined;
  readonly #reported = new Set<string>();

  constructor(mirror: () => Mirror) {
    this.#mirror = mirror;
  }

  onChange(change: Change, nowMs: number): void {
    const { kind, after } = change;
    if (after === undefined) return;
    if (kind === "events") this.#onEvent(after, nowMs);
    if (kind === "pods" || kind === "podEnis" || kind === "networkInterfaces" || kind === "nodes") {
      this.#heardAtMs.set(after.metadata.uid ?? "", nowMs);
    }
  }

  /** Nothing can be expected for now. */
  pause(): void {
    this.#calmSinceMs = undefined;
  }

  /** @returns those that have been silent for too long, once each, in words */
  look(nowMs: number, areMachinesOurs: boolean): readonly string[] {
    const calmSinceMs = (this.#calmSinceMs ??= nowMs);
    return this.#mute(areMachinesOurs).flatMap(({ uid, name }) => {
      const silentMs = nowMs - Math.max(calmSinceMs, this.#heardAtMs.get(uid) ?? 0);
      if (silentMs <= silenceMs || this.#reported.has(uid)) return [];
      this.#reported.add(uid);
      return [`${name} says nothing for ${silentMs} ms`];
    });
  }

  #onEvent({ regarding, reason = "" }: ClusterEvent, nowMs: number): void {
    if (regarding?.uid !== undefined && !foreignReasons.has(reason)) this.#heardAtMs.set(regarding.uid, nowMs);
  }

  #mute(areMachinesOurs: boolean): readonly Mute[] {
    const mirror = this.#mirror();
    return [
      ...mirror
        .list("pods")
        .filter((pod) => isMutePod(pod, mirror))
        .map((pod) => toMute("pod", pod)),
      ...mirror
        .list("podEnis")
        .filter(isMuteRecord)
        .map((record) => toMute("PodENI", record)),
      ...mirror
        .list("networkInterfaces")
        .filter(isMuteRecord)
        .map((record) => toMute("NetworkInterface", record)),
      ...(areMachinesOurs
        ? mirror
            .list("nodes")
            .filter(isMuteNode)
            .map((node) => toMute("node", node))
        : []),
    ];
  }
}

function toMute(kind: string, { metadata }: Pod | PodENI | NetworkInterface | Node): Mute {
  return { uid: metadata.uid ?? "", name: `${kind} ${metadata.name}` };
}

function isMutePod(pod: Pod, mirror: Mirror): boolean {
  if (!wantsEni(pod) || isOver(pod) || pod.status?.phase === "Running") return false;
  const record = mirror.get("podEnis", pod.metadata.namespace ?? "", pod.metadata.name);
  const unscheduled = pod.status?.conditions?.some(
    ({ type, status, reason }) => type === "PodScheduled" && status === "False" && reason !== undefined,
  );
  return unscheduled !== true && (record === undefined || conditionOf(record) === "");
}

function isMuteRecord(record: PodENI | NetworkInterface): boolean {
  const phase = record.status?.phase;
  const isSettled = (phase === "Bind" || phase === "Unbind") && record.metadata.deletionTimestamp === undefined;
  return !isSettled && conditionOf(record) === "";
}

function isMuteNode({ status }: Node): boolean {
  return status?.conditions?.some(({ type }) => type === interfacesNodeCondition) !== true;
}
