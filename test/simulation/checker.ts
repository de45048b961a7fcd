/** The invariants of the system, judged from outside: by what the API server stores and the cloud is asked. */
import { labels, tags } from "../../crds/v1beta1/names.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import { defaultCallsPerMinute, type ApiName } from "../../cloud/call.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { SimulatedCloud } from "../../sandbox/alibaba-cloud/index.ts";
import type { Pod } from "../../sandbox/cluster/kinds.ts";
import { landscape } from "../../sandbox/landscape.ts";
import { parseGoDuration } from "../../domain/retention/go-duration.ts";
import type { Machine } from "./machine.ts";
import type { Change, Mirror } from "./mirror.ts";
import type { LogLine } from "./replica.ts";

/** A broken promise. */
export interface Violation {
  /** Which promise; the same for every instance of it. */
  readonly invariant: string;
  readonly detail: string;
  readonly atMs: number;
}

/** The longest that an interface of nobody may live while the controlplane can work. Source: design, invariant 2. */
const leakMs = 60_000;
/** The longest that something unfinished may say nothing while the controlplane can work. Source: invariant 6. */
const silenceMs = 60_000;
const minuteMs = 60_000;

export class Checker {
  readonly violations: Violation[] = [];
  readonly #cloud: SimulatedCloud;
  readonly #mirror: () => Mirror;
  /** Since when an interface belongs to nobody, milliseconds of quiet weather. */
  readonly #orphans = new Map<string, number>();
  readonly #calls = new Map<ApiName, { minute: number; count: number }>();
  /** When each pod of a fixed address really went, by PodENI uid. */
  readonly #podGoneAtMs = new Map<string, number>();
  /** PodENIs that a user deleted, or whose interface a user took away: their addresses are free to go. */
  readonly #givenUp = new Set<string>();
  /** The address of each fixed record, by uid. */
  readonly #kept = new Map<string, string>();
  /** Since when a pod waits unexplained, by uid. */
  readonly #silent = new Map<string, number>();

  constructor(cloud: SimulatedCloud, mirror: () => Mirror) {
    this.#cloud = cloud;
    this.#mirror = mirror;
  }

  /** A user deletes this record by hand. */
  giveUp(podEni: PodENI): void {
    this.#givenUp.add(podEni.metadata.uid ?? "");
  }

  /** A user took its interface away, and it says so. */
  isMissing(podEni: PodENI): boolean {
    return this.#givenUp.has(podEni.metadata.uid ?? "") && conditionOf(podEni).startsWith("InterfaceMissing");
  }

  onChange(change: Change): void {
    if (change.kind === "podEnis") this.#onPodEni(change.before, change.after);
    if (change.kind === "pods") this.#onPod(change.before, change.after);
  }

  onLog({ level, message, fields, replica }: LogLine): void {
    const error = fields["error"];
    if (level !== "error") return;
    if (message === "a part of the process failed" || message === "leader lease lost") return;
    const isOurs = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
    if (isOurs || /panic|invariant/i.test(`${message} ${error instanceof Error ? error.name : ""}`)) {
      this.report("no part of the program breaks", `${replica}: ${message} ${describeError(error)}`);
    }
  }

  onCloudChange(machine: Machine, identity: string, api: ApiName, parameters: Readonly<Record<string, string>>): void {
    this.#countCall(api);
    const holder = this.#mirror().list("leases")[0]?.spec?.holderIdentity ?? "";
    if (holder !== identity) {
      this.report(
        "only the holder of the lease changes the cloud",
        `${machine.name} (${identity}) calls ${api} while ${holder === "" ? "nobody" : holder} holds the lease`,
      );
    }
    const eniId = parameters["NetworkInterfaceId"];
    if (eniId !== undefined) this.#judgeTarget(api, eniId);
  }

  onCloudRead(api: ApiName): void {
    this.#countCall(api);
  }

  /** To be called every few seconds. `canWork`: a leader has been able to work for the whole time since the last call. */
  look(canWork: boolean): void {
    const nowMs = systemClock.now();
    if (!canWork) {
      this.#orphans.clear();
      this.#silent.clear();
      return;
    }
    this.#lookForOrphans(nowMs);
    this.#lookForSilence(nowMs);
  }

  /** What must hold once everything has come to rest. */
  atRest(): void {
    const mirror = this.#mirror();
    for (const pod of mirror.list("pods")) {
      if (!wantsEni(pod) || isOver(pod) || pod.status?.phase === "Running" || this.#isDeprived(pod)) continue;
      this.report("the system comes to rest by itself", `pod ${nameOf(pod)} does not run: ${this.#why(pod)}`);
    }
    for (const podEni of mirror.list("podEnis")) {
      const phase = podEni.status?.phase ?? "";
      const isSettled = phase === "Bind" || phase === "Unbind" || this.isMissing(podEni);
      if (!isSettled || podEni.metadata.deletionTimestamp !== undefined) {
        this.report(
          "the system comes to rest by itself",
          `PodENI ${nameOf(podEni)} is still "${phase}": ${conditionOf(podEni)}`,
        );
      } else if (
        phase === "Bind" &&
        mirror.get("pods", podEni.metadata.namespace ?? "", podEni.metadata.name) === undefined
      ) {
        this.report("the system comes to rest by itself", `PodENI ${nameOf(podEni)} is Bind and has no pod`);
      }
    }
    const wanted = new Set(mirror.list("podEnis").flatMap((podEni) => eniIdsOf(podEni)));
    for (const { metadata } of mirror.list("networkInterfaces")) {
      if (!wanted.has(metadata.name))
        this.report("nothing leaks", `NetworkInterface ${metadata.name} belongs to nobody`);
    }
    for (const eni of this.#own()) {
      if (!wanted.has(eni.eniId))
        this.report("nothing leaks", `interface ${eni.eniId} (${eni.status}) belongs to nobody`);
    }
    const existing = new Set(this.#own().map(({ eniId }) => eniId));
    for (const podEni of mirror.list("podEnis")) {
      if (conditionOf(podEni).startsWith("InterfaceMissing")) continue;
      for (const eniId of eniIdsOf(podEni).filter((id) => !existing.has(id))) {
        this.report("every record has its interface", `${nameOf(podEni)} names ${eniId}, which does not exist`);
      }
    }
  }

  /** What must hold once every pod and every record was deleted. */
  atEnd(): void {
    const mirror = this.#mirror();
    const left = [
      ...mirror
        .list("podEnis")
        .map((podEni) => `PodENI ${nameOf(podEni)} ${podEni.status?.phase ?? ""} ${conditionOf(podEni)}`),
      ...mirror.list("networkInterfaces").map(({ metadata }) => `NetworkInterface ${metadata.name}`),
      ...this.#own().map(({ eniId, status }) => `interface ${eniId} ${status}`),
    ];
    if (left.length > 0) this.report("nothing leaks", `left at the end: ${left.join(", ")}`);
  }

  #own() {
    return this.#cloud.enis().filter((eni) => eni.tags.get(tags.clusterId) === landscape.clusterId);
  }

  #countCall(api: ApiName): void {
    const minute = Math.floor(systemClock.now() / minuteMs);
    const counted = this.#calls.get(api);
    const count = counted?.minute === minute ? counted.count + 1 : 1;
    this.#calls.set(api, { minute, count });
    if (count > defaultCallsPerMinute[api])
      this.report("quotas are never exceeded", `${api}: ${count} calls in a minute`);
  }

  #judgeTarget(api: ApiName, eniId: string): void {
    const eni = this.#cloud.enis().find((candidate) => candidate.eniId === eniId);
    if (eni === undefined) return;
    if (eni.tags.get(tags.clusterId) !== landscape.clusterId) {
      this.report("what is not ours is not touched", `${api} of ${eniId}`);
      return;
    }
    if (api !== "DetachNetworkInterface" && api !== "DeleteNetworkInterface") return;
    const podEni = this.#mirror()
      .list("podEnis")
      .find((candidate) => eniIdsOf(candidate).includes(eniId));
    if (podEni === undefined || podEni.metadata.deletionTimestamp !== undefined) return;
    if (this.#givenUp.has(podEni.metadata.uid ?? "")) return;
    this.#judgeRelease(api, eniId, podEni);
  }

  #judgeRelease(api: ApiName, eniId: string, podEni: PodENI): void {
    const mirror = this.#mirror();
    const pod = mirror.get("pods", podEni.metadata.namespace ?? "", podEni.metadata.name);
    const isItsPod = pod !== undefined && podEni.metadata.annotations?.["k8s.aliyun.com/pod-uid"] === pod.metadata.uid;
    if (isItsPod && podEni.status?.phase === "Bind" && !isOver(pod)) {
      this.report("what is in use is not taken away", `${api} of ${eniId} of running pod ${nameOf(pod)}`);
    }
    const ttlMs = ttlOf(podEni);
    if (api !== "DeleteNetworkInterface" || ttlMs === undefined) return;
    const goneAtMs = this.#podGoneAtMs.get(podEni.metadata.uid ?? "");
    const heldMs = goneAtMs === undefined ? 0 : systemClock.now() - goneAtMs;
    if (heldMs < ttlMs) {
      this.report(
        "a fixed address is never released early",
        `${eniId} of ${nameOf(podEni)} is deleted ${heldMs} ms after its pod, ${ttlMs} ms were promised`,
      );
    }
  }

  #onPodEni(before: PodENI | undefined, after: PodENI | undefined): void {
    if (after === undefined) {
      this.#podGoneAtMs.delete(before?.metadata.uid ?? "");
      return;
    }
    const own = new Set(eniIdsOf(after));
    if (own.size === 0) return;
    for (const other of this.#mirror().list("podEnis")) {
      if (other.metadata.uid === after.metadata.uid) continue;
      const shared = eniIdsOf(other).find((id) => own.has(id));
      if (shared !== undefined) {
        this.report("an interface belongs to one pod", `${shared} is in ${nameOf(other)} and ${nameOf(after)}`);
      }
    }
  }

  #onPod(before: Pod | undefined, after: Pod | undefined): void {
    const pod = after ?? before;
    if (pod === undefined || !wantsEni(pod)) return;
    if (after === undefined || isFinished(after) || before?.metadata.uid !== after.metadata.uid) {
      const podEni = this.#mirror().get("podEnis", pod.metadata.namespace ?? "", pod.metadata.name);
      const goneUid = before?.metadata.uid;
      if (podEni !== undefined && podEni.metadata.annotations?.["k8s.aliyun.com/pod-uid"] === goneUid) {
        const uid = podEni.metadata.uid ?? "";
        if (!this.#podGoneAtMs.has(uid)) this.#podGoneAtMs.set(uid, systemClock.now());
      }
    }
    if (after?.status?.phase === "Running" && before?.status?.phase !== "Running") this.#judgeStart(after);
  }

  #judgeStart(pod: Pod): void {
    const mirror = this.#mirror();
    const podEni = mirror.get("podEnis", pod.metadata.namespace ?? "", pod.metadata.name);
    this.#podGoneAtMs.delete(podEni?.metadata.uid ?? "");
    const allocation = podEni?.spec?.allocations?.find((each) => each.ipv4 === pod.status?.podIP);
    if (allocation === undefined) {
      this.report(
        "a pod runs on the network that was chosen for it",
        `${nameOf(pod)} runs with ${pod.status?.podIP ?? "nothing"}`,
      );
      return;
    }
    this.#judgeKept(podEni, pod.status?.podIP ?? "");
    const eni = this.#cloud.enis().find(({ eniId }) => eniId === allocation.eni?.id);
    const instanceId = mirror.get("nodes", "", pod.spec.nodeName ?? "")?.spec?.providerID?.split(".")[1];
    const isLost = eni === undefined && !this.#hasInstance(instanceId);
    if (!isLost && (eni?.status !== "InUse" || (instanceId !== undefined && eni.instanceId !== instanceId))) {
      this.report(
        "a pod that runs has its interface on its machine",
        `${nameOf(pod)} on ${instanceId ?? "?"} runs with ${allocation.eni?.id ?? ""}, which is ${eni?.status ?? "gone"} on ${eni?.instanceId ?? "nothing"}`,
      );
    }
    for (const other of mirror.list("pods")) {
      if (other.metadata.uid === pod.metadata.uid || isOver(other) || other.status?.podIP !== pod.status?.podIP)
        continue;
      if (!this.#stillHolds(other)) continue;
      this.report("an address belongs to one pod", `${pod.status?.podIP ?? ""}: ${nameOf(other)} and ${nameOf(pod)}`);
    }
  }

  #judgeKept(podEni: PodENI | undefined, address: string): void {
    if (podEni === undefined || ttlOf(podEni) === undefined) return;
    const uid = podEni.metadata.uid ?? "";
    const before = this.#kept.get(uid) ?? address;
    this.#kept.set(uid, address);
    if (before !== address && !this.#givenUp.has(uid)) {
      this.report("a fixed address stays", `${nameOf(podEni)} had ${before} and has ${address}`);
    }
  }

  /** A pod on a machine that is gone lost its interface with it, though its object is still there. */
  #stillHolds(pod: Pod): boolean {
    const instanceId = this.#mirror()
      .get("nodes", "", pod.spec.nodeName ?? "")
      ?.spec?.providerID?.split(".")[1];
    return instanceId !== undefined && this.#hasInstance(instanceId);
  }

  #hasInstance(instanceId: string | undefined): boolean {
    return this.#cloud.enis().some((eni) => eni.type === "Primary" && eni.instanceId === instanceId);
  }

  #lookForOrphans(nowMs: number): void {
    const mirror = this.#mirror();
    const wanted = new Set(mirror.list("podEnis").flatMap((podEni) => eniIdsOf(podEni)));
    const orphans = this.#own().filter(({ eniId }) => !wanted.has(eniId));
    const ids = new Set(orphans.map(({ eniId }) => eniId));
    for (const eniId of this.#orphans.keys()) if (!ids.has(eniId)) this.#orphans.delete(eniId);
    for (const { eniId, status } of orphans) {
      const sinceMs = this.#orphans.get(eniId) ?? nowMs;
      this.#orphans.set(eniId, sinceMs);
      if (nowMs - sinceMs > leakMs) {
        this.report("nothing leaks", `interface ${eniId} (${status}) belongs to nobody for ${nowMs - sinceMs} ms`);
        this.#orphans.set(eniId, Infinity);
      }
    }
  }

  #lookForSilence(nowMs: number): void {
    const waiting = this.#mirror()
      .list("pods")
      .filter(
        (pod) => wantsEni(pod) && !isOver(pod) && pod.spec.nodeName !== undefined && pod.status?.phase !== "Running",
      );
    const uids = new Set(waiting.map(({ metadata }) => metadata.uid ?? ""));
    for (const uid of this.#silent.keys()) if (!uids.has(uid)) this.#silent.delete(uid);
    for (const pod of waiting) {
      const uid = pod.metadata.uid ?? "";
      if (this.#why(pod) !== "") {
        this.#silent.delete(uid);
        continue;
      }
      const sinceMs = this.#silent.get(uid) ?? nowMs;
      this.#silent.set(uid, sinceMs);
      if (nowMs - sinceMs > silenceMs) {
        this.report("every stuck pod explains itself", `${nameOf(pod)} says nothing for ${nowMs - sinceMs} ms`);
        this.#silent.set(uid, Infinity);
      }
    }
  }

  /** A user took its kept address away, and it says so. */
  #isDeprived(pod: Pod): boolean {
    const podEni = this.#mirror().get("podEnis", pod.metadata.namespace ?? "", pod.metadata.name);
    return podEni !== undefined && this.isMissing(podEni);
  }

  /** What pod or record say about why it does not run. */
  #why(pod: Pod): string {
    const { namespace = "", name } = pod.metadata;
    const podEni = this.#mirror().get("podEnis", namespace, name);
    const said = podEni === undefined ? "" : conditionOf(podEni);
    if (said !== "") return said;
    const event = this.#mirror()
      .list("events")
      .find(
        ({ regarding, reason }) =>
          regarding?.name === name && regarding.kind === "Pod" && reason?.startsWith("Pod") === true,
      );
    return event?.reason ?? "";
  }

  /** Records a broken promise that somebody else found. */
  report(invariant: string, detail: string): void {
    this.violations.push({ invariant, detail, atMs: systemClock.now() });
  }
}

function eniIdsOf(podEni: PodENI): readonly string[] {
  return (podEni.spec?.allocations ?? []).flatMap(({ eni }) =>
    eni?.id === undefined || eni.id === "" ? [] : [eni.id],
  );
}

function ttlOf(podEni: PodENI): number | undefined {
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

function wantsEni(pod: Pod): boolean {
  return pod.metadata.labels?.["plane"] !== undefined && !(labels.ignore in pod.metadata.labels);
}

function isFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** It will not run any more. */
function isOver(pod: Pod): boolean {
  return isFinished(pod) || pod.metadata.deletionTimestamp !== undefined;
}

function nameOf(object: { readonly metadata: { readonly name: string } }): string {
  return object.metadata.name;
}

function conditionOf(podEni: PodENI): string {
  const ready = podEni.status?.conditions?.find(({ type, status }) => type === "Ready" && status === "False");
  return ready === undefined ? "" : `${ready.reason}: ${ready.message}`;
}

function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : "";
}
