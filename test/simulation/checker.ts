/** The invariants of the system, judged from outside: by what the API server stores and the cloud is asked. */
import { tags } from "../../crds/v1beta1/names.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { ApiName } from "../../cloud/call.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { SimulatedCloud } from "../../sandbox/alibaba-cloud/index.ts";
import type { Pod } from "../../sandbox/cluster/kinds.ts";
import { landscape } from "../../sandbox/landscape.ts";
import type { TransportRequest } from "../../runtime/transport.ts";
import { CapacityWatch } from "./capacity.ts";
import {
  conditionOf,
  eniIdsOf,
  hasNoMachine,
  instanceOf,
  isFinished,
  isOver,
  nameOf,
  ownOf,
  ttlOf,
  wantedIds,
  wantsEni,
} from "./facts.ts";
import type { Machine } from "./machine.ts";
import type { Change, Mirror } from "./mirror.ts";
import type { LogLine } from "./replica.ts";
import { callsPerMinuteOf, type Setting } from "./setting.ts";
import { SilenceWatch } from "./silence.ts";

/** A broken promise. */
export interface Violation {
  /** Which promise; the same for every instance of it. */
  readonly invariant: string;
  readonly detail: string;
  readonly atMs: number;
}

/**
 * The longest that an interface of nobody may live while the controlplane can work, milliseconds. Where calls are few, it may
 * have to wait for the minutes of its former leaders to end.
 */
const leakMs = { published: 60_000, tight: 240_000 } as const;
/** Admission may have begun so long before the pod was stored: its time limit and a margin, milliseconds. */
const admissionMs = 11_000;
const minuteMs = 60_000;

/** What only the leader writes; admission's own configuration is every replica's. */
const recordPaths = /\/(podenis|networkinterfaces|nodes|podnetworkings|pods)\//;

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
  /** Since when each plane is there, by name. */
  readonly #planeSinceMs = new Map<string, number>();
  readonly #setting: Setting;
  readonly #silence: SilenceWatch;
  readonly #capacity: CapacityWatch;

  constructor(setting: Setting, cloud: SimulatedCloud, mirror: () => Mirror) {
    this.#setting = setting;
    this.#cloud = cloud;
    this.#mirror = mirror;
    this.#silence = new SilenceWatch(mirror);
    this.#capacity = new CapacityWatch(cloud, mirror);
  }

  /** Somebody else in the account takes the trunk of that machine. */
  trunkIsTaken(instanceId: string): void {
    this.#capacity.trunkIsTaken(instanceId);
  }

  instanceIsLost(instanceId: string): void {
    this.#capacity.instanceIsLost(instanceId);
  }

  /** A user deletes this record by hand. */
  giveUp(podEni: PodENI): void {
    this.#givenUp.add(podEni.metadata.uid ?? "");
  }

  /**
   * It waits for a person, and says so: a user took its interface away; or its plane was deleted, and the next pod of its name,
   * which came in without, stands where every pod has interfaces, and in another zone or without a trunk.
   */
  isExcused(podEni: PodENI): boolean {
    const { namespace = "", name, uid = "" } = podEni.metadata;
    const pod = this.#mirror().get("pods", namespace, name);
    const said = conditionOf(podEni);
    if (
      pod !== undefined &&
      !wantsEni(pod) &&
      /^(ZoneMismatch|NodeWithoutTrunk): .*no PodNetworking matched/.test(said)
    )
      return true;
    return this.#givenUp.has(uid) && said.startsWith("InterfaceMissing");
  }

  onChange(change: Change): void {
    this.#silence.onChange(change, systemClock.now());
    if (change.kind === "planes") this.#onPlane(change.before?.metadata.name, change.after?.metadata.name);
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
    this.#judgeHolder(identity, "only the holder of the lease changes the cloud", `${machine.name} calls ${api}`);
    const eniId = parameters["NetworkInterfaceId"];
    if (eniId !== undefined) this.#judgeTarget(api, eniId);
  }

  onClusterSend(machine: Machine, identity: string, { method, path }: TransportRequest): void {
    if (!recordPaths.test(path)) return;
    const what = `${machine.name} sends ${method} ${path}`;
    this.#judgeHolder(identity, "only the holder of the lease changes records", what);
  }

  onCloudRead(api: ApiName): void {
    this.#countCall(api);
  }

  /** To be called every few seconds. `canWork`: a leader has been able to work for the whole time since the last call. */
  look(canWork: boolean): void {
    const nowMs = systemClock.now();
    if (!canWork) {
      this.#orphans.clear();
      this.#silence.pause();
      this.#capacity.pause();
      return;
    }
    this.#lookForOrphans(nowMs);
    const isBare = this.#setting.machines === "bare";
    for (const detail of this.#silence.look(nowMs, isBare))
      this.report("whatever is unfinished explains itself", detail);
    if (!isBare) return;
    for (const detail of this.#capacity.look(nowMs)) this.report("no node promises more than it can carry", detail);
  }

  /** What must hold once everything has come to rest. */
  atRest(): void {
    const mirror = this.#mirror();
    for (const pod of mirror.list("pods")) {
      if (!wantsEni(pod) || isOver(pod) || pod.status?.phase === "Running" || this.#isDeprived(pod)) continue;
      if (hasNoMachine(pod, mirror)) continue;
      this.report("the system comes to rest by itself", `pod ${nameOf(pod)} does not run: ${this.#why(pod)}`);
    }
    for (const podEni of mirror.list("podEnis")) {
      const phase = podEni.status?.phase ?? "";
      const isSettled = phase === "Bind" || phase === "Unbind" || this.isExcused(podEni);
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
    const wanted = wantedIds(mirror);
    for (const { metadata } of mirror.list("networkInterfaces")) {
      if (metadata.deletionTimestamp !== undefined)
        this.report("the system comes to rest by itself", `NetworkInterface ${metadata.name} is still being deleted`);
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
    return ownOf(this.#cloud, this.#mirror());
  }

  #judgeHolder(identity: string, invariant: string, what: string): void {
    const holder = this.#mirror().list("leases")[0]?.spec?.holderIdentity ?? "";
    if (holder !== identity)
      this.report(invariant, `${what} as ${identity}, while ${holder || "nobody"} holds the lease`);
  }

  #countCall(api: ApiName): void {
    const minute = Math.floor(systemClock.now() / minuteMs);
    const counted = this.#calls.get(api);
    const count = counted?.minute === minute ? counted.count + 1 : 1;
    this.#calls.set(api, { minute, count });
    if (count > callsPerMinuteOf(this.#setting, api))
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

  #onPlane(before: string | undefined, after: string | undefined): void {
    if (after === undefined) this.#planeSinceMs.delete(before ?? "");
    else if (before === undefined) this.#planeSinceMs.set(after, systemClock.now());
  }

  /** Invariant 5: whoever matches a plane does not come in without it. */
  #judgeAdmission(pod: Pod): void {
    const plane = pod.metadata.labels?.["plane"] ?? "";
    const sinceMs = this.#planeSinceMs.get(plane);
    if (wantsEni(pod) || sinceMs === undefined || systemClock.now() - sinceMs < admissionMs) return;
    this.report("no pod comes past its plane", `${nameOf(pod)} was let in without plane ${plane}, which is there`);
  }

  #onPod(before: Pod | undefined, after: Pod | undefined): void {
    const pod = after ?? before;
    if (before === undefined && after !== undefined) this.#judgeAdmission(after);
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
    const instanceId = instanceOf(mirror.get("nodes", "", pod.spec.nodeName ?? ""));
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
    const instanceId = instanceOf(this.#mirror().get("nodes", "", pod.spec.nodeName ?? ""));
    return instanceId !== undefined && this.#hasInstance(instanceId);
  }

  #hasInstance(instanceId: string | undefined): boolean {
    return this.#cloud.enis().some((eni) => eni.type === "Primary" && eni.instanceId === instanceId);
  }

  #lookForOrphans(nowMs: number): void {
    const mirror = this.#mirror();
    const wanted = wantedIds(mirror);
    const orphans = this.#own().filter(({ eniId }) => !wanted.has(eniId));
    const ids = new Set(orphans.map(({ eniId }) => eniId));
    for (const eniId of this.#orphans.keys()) if (!ids.has(eniId)) this.#orphans.delete(eniId);
    for (const { eniId, status } of orphans) {
      const sinceMs = this.#orphans.get(eniId) ?? nowMs;
      this.#orphans.set(eniId, sinceMs);
      if (nowMs - sinceMs > leakMs[this.#setting.quotas]) {
        this.report("nothing leaks", `interface ${eniId} (${status}) belongs to nobody for ${nowMs - sinceMs} ms`);
        this.#orphans.set(eniId, Infinity);
      }
    }
  }

  /** A user took its kept address away, and it says so. */
  #isDeprived(pod: Pod): boolean {
    const podEni = this.#mirror().get("podEnis", pod.metadata.namespace ?? "", pod.metadata.name);
    return podEni !== undefined && this.isExcused(podEni);
  }

  /** What pod or record say about why it does not run. */
  #why(pod: Pod): string {
    const { namespace = "", name } = pod.metadata;
    const podEni = this.#mirror().get("podEnis", namespace, name);
    const said = podEni === undefined ? "" : conditionOf(podEni);
    if (said !== "") return said;
    const unscheduled = pod.status?.conditions?.find(
      ({ type, status }) => type === "PodScheduled" && status === "False",
    );
    return unscheduled === undefined ? "" : `${unscheduled.reason ?? ""}: ${unscheduled.message ?? ""}`;
  }

  /** Records a broken promise that somebody else found. */
  report(invariant: string, detail: string): void {
    this.violations.push({ invariant, detail, atMs: systemClock.now() });
  }
}

function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : "";
}
