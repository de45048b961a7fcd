import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import { annotations } from "../../crds/v1beta1/names.ts";
import type { PodENI, PodENIStatus } from "../../crds/v1beta1/pod-eni.gen.ts";
import { findCondition, setCondition, type NextCondition } from "../../domain/conditions/conditions.ts";
import { toWireTime } from "../../domain/conditions/wire-time.ts";
import type { Pod } from "../../domain/kubernetes/objects.ts";
import type {
  Clock,
  Lister,
  Logger,
  ObjectClient,
  ObjectReference,
  Recorder,
  SharedClock,
} from "../../runtime/ports.ts";
import type { Explanation, PodEniAction } from "./actions.ts";
import {
  boundCondition,
  driftReasons,
  podGoneCondition,
  podPresent,
  podPresentCondition,
  ready,
  readyCondition,
  reasons,
  upToDateCondition,
} from "./conditions.ts";
import { toEniInfos } from "./records.ts";
import { isFinished } from "./state.ts";
import type { TimingBook } from "./timings.ts";

/** The part of the executor's world that the status needs. */
export interface StatusWriterDeps {
  readonly podEnis: { readonly client: Pick<ObjectClient<PodENI>, "patchStatus"> };
  readonly networkInterfaces: { readonly lister: Pick<Lister<NetworkInterface>, "get"> };
  /** Reads past the cache, before an address is given away. */
  readonly livePods: Pick<ObjectClient<Pod>, "getLive">;
  readonly timings: TimingBook;
  readonly recorder: Recorder;
  /** Observes every finished bind. */
  readonly onBound: (seconds: number) => void;
  readonly clock: Clock;
  /** Of the times that another replica will compare with. */
  readonly sharedClock: SharedClock;
  readonly log: Logger;
}

type StatusAction = PodEniAction & {
  readonly type:
    | "reportBind"
    | "reportUnbind"
    | "reportMoved"
    | "reportNodeBack"
    | "reportDeleting"
    | "recordPodGone"
    | "releaseExpired"
    | "reportDrift";
};

/** Writes the status of PodENIs, conditions included, and tells the events that go with it. */
export class StatusWriter {
  readonly #deps: StatusWriterDeps;

  constructor(deps: StatusWriterDeps) {
    this.#deps = deps;
  }

  /** Writes why the record is not ready, and says it as an event when it is a failure; nothing when it says so already. */
  async explain(podEni: PodENI, explanation: Explanation, signal: AbortSignal): Promise<void> {
    const condition = readyCondition("False", explanation.reason, explanation.message);
    const before = findCondition(podEni.status?.conditions, ready);
    const conditions = this.#conditions(podEni, condition);
    if (conditions === podEni.status?.conditions) return;
    await this.#patchStatus(podEni, { msg: explanation.message, conditions }, signal);
    if (!explanation.isFailure || before?.reason === explanation.reason) return;
    const isMade = (podEni.spec?.allocations ?? []).every((allocation) => (allocation.eni?.id ?? "") !== "");
    const [reason, action] = isMade ? ["AttachENIFailed", "AttachENI"] : ["CreateENIFailed", "CreateENI"];
    const event = { type: "Warning", reason, action, note: `${explanation.reason}: ${explanation.message}` } as const;
    this.#deps.recorder.event({ ...event, regarding: podOf(podEni), related: referenceTo(podEni) });
    this.#deps.recorder.event({ ...event, regarding: referenceTo(podEni), related: podOf(podEni) });
  }

  /** Carries out one of the actions that write the status. */
  async report(key: string, podEni: PodENI, action: StatusAction, signal: AbortSignal): Promise<void> {
    switch (action.type) {
      case "reportBind":
        return this.#reportBind(key, podEni, action.instanceId, action.trunkEniId, signal);
      case "reportUnbind":
        return this.#reportUnbind(podEni, signal);
      case "reportMoved": {
        const message = `the pod's node is now ${action.instanceId}; its interfaces move there`;
        const conditions = this.#conditions(podEni, readyCondition("False", reasons.attaching, message));
        return this.#patchStatus(podEni, { phase: "Binding", conditions }, signal);
      }
      case "reportNodeBack": {
        const conditions = this.#conditions(podEni, boundCondition(action.instanceId));
        return this.#patchStatus(podEni, { msg: "", conditions }, signal);
      }
      case "reportDeleting":
        return this.#patchStatus(podEni, { phase: "Deleting" }, signal);
      case "recordPodGone": {
        const conditions = this.#conditions(podEni, podGoneCondition());
        return this.#patchStatus(podEni, { podLastSeen: this.#podLastSeen(), conditions }, signal);
      }
      case "releaseExpired":
        return this.#releaseExpired(podEni, signal);
      case "reportDrift":
        return this.#reportDrift(podEni, action.drift, signal);
    }
  }

  async #reportBind(
    key: string,
    podEni: PodENI,
    instanceId: string,
    trunkEniId: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, networkInterfaces, recorder, timings, log, onBound } = this.#deps;
    const allocations = podEni.spec?.allocations ?? [];
    const eniIds = allocations.map((allocation) => allocation.eni?.id ?? "");
    const nowMs = clock.now();
    let conditions = this.#conditions(podEni, boundCondition(instanceId));
    const isFixed = allocations.some((allocation) => allocation.allocationType?.type === "Fixed");
    if (findCondition(conditions, podPresent) !== undefined) {
      conditions = setCondition(conditions, podPresentCondition(), toWireTime(nowMs));
    }
    const status = {
      phase: "Bind",
      instanceID: instanceId,
      trunkENIID: trunkEniId,
      eniInfos: toEniInfos(eniIds, (eniId) => networkInterfaces.lister.get(eniId)),
      ...((podEni.status?.msg ?? "") !== "" && { msg: "" }),
      ...(isFixed && { podLastSeen: this.#podLastSeen() }),
      conditions,
    };
    await this.#patchStatus(podEni, status, signal);
    recorder.event({
      regarding: referenceTo(podEni),
      related: podOf(podEni),
      type: "Normal",
      reason: "AttachENISucceed",
      action: "AttachENI",
      note: `attached eni ${eniIds.join(", ")}`,
    });
    const totalMs = nowMs - Date.parse(podEni.metadata.creationTimestamp ?? "");
    onBound(totalMs / 1_000);
    const { namespace, name } = podEni.metadata;
    log.info("pod bound", { controller: "pod-eni", namespace, name, ...timings.take(key), totalMs });
  }

  async #reportUnbind(podEni: PodENI, signal: AbortSignal): Promise<void> {
    const infos = Object.keys(podEni.status?.eniInfos ?? {}).map(
      (eniId) => [eniId, { status: "Unbind", networkCardIndex: null }] as const,
    );
    const kept = (podEni.spec?.allocations ?? []).map((allocation) => allocation.ipv4 ?? "").filter((ip) => ip !== "");
    const message = `${kept.join(", ")} kept for the next pod of this name`;
    await this.#patchStatus(
      podEni,
      {
        phase: "Unbind",
        instanceID: null,
        trunkENIID: null,
        eniInfos: Object.fromEntries(infos),
        conditions: this.#conditions(podEni, readyCondition("False", reasons.retained, message)),
      },
      signal,
    );
    this.#deps.recorder.event({
      regarding: referenceTo(podEni),
      type: "Normal",
      reason: "DetachENISucceed",
      action: "DetachENI",
      note: message,
    });
  }

  async #releaseExpired(podEni: PodENI, signal: AbortSignal): Promise<void> {
    const { namespace = "", name } = podEni.metadata;
    const pod = await this.#deps.livePods.getLive(namespace, name, signal);
    // The cache has yet to learn of that pod; its arrival wakes the record.
    if (pod !== undefined && !isFinished(pod)) return;
    await this.#patchStatus(podEni, { phase: "Deleting" }, signal);
  }

  async #reportDrift(podEni: PodENI, drift: string | undefined, signal: AbortSignal): Promise<void> {
    await this.#patchStatus(podEni, { conditions: this.#conditions(podEni, upToDateCondition(drift)) }, signal);
    if (drift === undefined) return;
    this.#deps.recorder.event({
      regarding: podOf(podEni),
      related: referenceTo(podEni),
      type: "Warning",
      reason: driftReasons.changed,
      action: "SyncPodENI",
      note: drift,
    });
  }

  /** By nobody's clock before now. */
  #podLastSeen(): string {
    return toWireTime(this.#deps.sharedClock.bounds().latestMs);
  }

  #conditions(podEni: PodENI, next: NextCondition): NonNullable<PodENIStatus["conditions"]> {
    return setCondition(podEni.status?.conditions, next, toWireTime(this.#deps.clock.now()));
  }

  /** Guarded by the version that the decision was made from: controller `pod` writes the phase too. */
  async #patchStatus(podEni: PodENI, status: object, signal: AbortSignal): Promise<void> {
    const { namespace = "", name, resourceVersion } = podEni.metadata;
    await this.#deps.podEnis.client.patchStatus(namespace, name, { metadata: { resourceVersion }, status }, signal);
  }
}

/** For events about the record. */
export function referenceTo(podEni: PodENI): ObjectReference {
  const { namespace = "", name, uid } = podEni.metadata;
  const kind = { apiVersion: "network.alibabacloud.com/v1beta1", kind: "PodENI" };
  return { ...kind, namespace, name, ...(uid !== undefined && { uid }) };
}

/** For events about the pod that the record was made for. */
export function podOf(podEni: PodENI): ObjectReference {
  const { namespace = "", name } = podEni.metadata;
  const uid = podEni.metadata.annotations?.[annotations.podUid];
  return { apiVersion: "v1", kind: "Pod", namespace, name, ...(uid !== undefined && { uid }) };
}
