import { annotations, group, version } from "../../crds/v1beta1/names.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { PodNetworking } from "../../crds/v1beta1/pod-networking.gen.ts";
import { setCondition, type Condition, type NextCondition } from "../../domain/conditions/conditions.ts";
import { toWireTime } from "../../domain/conditions/wire-time.ts";
import type { Namespace, Pod } from "../../domain/kubernetes/objects.ts";
import { hasSelector } from "../../domain/pod-network/plane.ts";
import { isFixedNamePod } from "../../domain/pod-network/pod-networks.ts";
import { isOptedOut } from "../../domain/pod-network/shared-network.ts";
import { isFixed } from "../../domain/retention/retention.ts";
import type { VSwitch } from "../../domain/vswitch/vswitch.ts";
import { NotFoundError, OperatorError, ThrottledError, WaitingError } from "../../runtime/errors.ts";
import type { Clock, Lister, ObjectClient, Recorder } from "../../runtime/ports.ts";
import { keyOf, type Reconciler, type Request, type Result } from "../../runtime/reconcile.ts";
import { readyCondition } from "./conditions.ts";
import { Overlaps } from "./overlaps.ts";
import { planPodNetworking, type PlaneReport } from "./plan.ts";
import { ambiguity, isBehind, isMatched, podsUpToDate, type PodBehind, type PodOfPlane } from "./pods.ts";
import { toState, type Lookup, type RecordedVSwitch } from "./state.ts";

/** A vSwitch that could not be read, and why. */
export interface UnreadVSwitch {
  readonly vSwitchId: string;
  readonly error: "NotFound" | OperatorError;
}

type VSwitchResult = VSwitch | UnreadVSwitch;

/** What this reconciler needs of the world; cmd/planes.ts supplies it. */
export interface PodNetworkingDeps {
  readonly lister: Pick<Lister<PodNetworking>, "get">;
  readonly client: Pick<ObjectClient<PodNetworking>, "patchStatus">;
  readonly pods: {
    get(key: string): Pod | undefined;
    /** Pods that have interfaces of the plane. */
    of(plane: string): readonly Pod[];
    /** Pods of a namespace that are on the shared network and did not opt out. */
    onSharedNetwork(namespace: string): readonly Pod[];
  };
  /** PodENIs that have interfaces of the plane. */
  readonly recordsOf: (plane: string) => readonly PodENI[];
  readonly namespaces: Pick<Lister<Namespace>, "get" | "list">;
  /** Source: configuration `customStatefulWorkloadKinds`. */
  readonly customStatefulWorkloadKinds: readonly string[];
  readonly vSwitches: {
    /** One result per id; an id that cannot be read says so in its place. */
    get(ids: readonly string[], signal: AbortSignal): Promise<readonly VSwitchResult[]>;
    /** The same at no cost; undefined for what was not looked up of late. */
    known(ids: readonly string[]): readonly (VSwitchResult | undefined)[];
  };
  readonly recorder: Recorder;
  readonly clock: Pick<Clock, "now">;
}

/** What the pods say changes with every pod, so it is written at most so often; milliseconds. */
const podsSettleMs = 10_000;

/** Keeps a plane's status true: are its vSwitches there, in which zones, and what of its pods does not follow it. */
export class PodNetworkingReconciler implements Reconciler {
  readonly #deps: PodNetworkingDeps;
  readonly #overlaps = new Overlaps();
  /** When a condition of the pods was written, milliseconds since the epoch, by plane. */
  readonly #podsWrittenAtMs = new Map<string, number>();

  constructor(deps: PodNetworkingDeps) {
    this.#deps = deps;
  }

  async reconcile(request: Request, signal: AbortSignal): Promise<Result> {
    const plane = this.#deps.lister.get(keyOf(request));
    if (plane === undefined || plane.metadata.deletionTimestamp !== undefined) return {};
    let lookups = this.#known(plane.spec?.vSwitchOptions ?? []);
    let plan = planPodNetworking(toState(plane, lookups));
    if (plan.type === "look") {
      const read = await this.#deps.vSwitches.get(plan.vSwitchIds, signal);
      const byId = new Map(read.map((result) => [result.vSwitchId, toLookup(result)]));
      lookups = lookups.map((lookup) => byId.get(lookup.id) ?? lookup);
      plan = planPodNetworking(toState(plane, lookups));
    }
    return plan.type === "look" ? {} : this.#report(plane, plan, signal);
  }

  /** A plane is new or has changed. Returns those whose pods it may share, or might have shared. */
  planeChanged(plane: PodNetworking): readonly string[] {
    return this.#overlaps.put(plane);
  }

  /** A plane is gone. Returns those whose pods it might have shared. */
  planeGone(name: string): readonly string[] {
    this.#podsWrittenAtMs.delete(name);
    return this.#overlaps.remove(name);
  }

  /** Planes that may share the pods of this one. */
  neighboursOf(plane: string): readonly string[] {
    return this.#overlaps.of(plane);
  }

  #known(ids: readonly string[]): readonly Lookup[] {
    const known = this.#deps.vSwitches.known(ids);
    return ids.map((id, index) => toLookup(known[index] ?? { vSwitchId: id }));
  }

  /** Writes the status if it says something else, then tells the user; an object that is gone needs neither. */
  async #report(plane: PodNetworking, report: PlaneReport, signal: AbortSignal): Promise<Result> {
    const { metadata, status } = plane;
    const nowMs = this.#deps.clock.now();
    const nowIso = toWireTime(nowMs);
    const condition = readyCondition(report.reason, report.message, metadata.generation ?? 0);
    const own = setCondition(status?.conditions, condition, nowIso);
    const conditions = this.#podConditions(plane).reduce((all, each) => setCondition(all, each, nowIso), own);
    const changes = {
      isNews: isNews(status, report),
      ofReady: own !== status?.conditions,
      ofPods: conditions !== own,
    };
    const writeInMs = this.#writeInMs(metadata.name, changes, nowMs);
    if (writeInMs > 0) return soonest(report.requeueAfterMs, writeInMs);
    const isWritten = await this.#write(plane, report, { conditions, nowIso }, signal);
    if (changes.ofPods) this.#podsWrittenAtMs.set(metadata.name, nowMs);
    if (isWritten && changes.isNews) this.#tell(plane, report);
    return soonest(report.requeueAfterMs);
  }

  /** Milliseconds until the changes are to be written; Infinity when there are none. */
  #writeInMs(
    name: string,
    changes: { readonly isNews: boolean; readonly ofReady: boolean; readonly ofPods: boolean },
    nowMs: number,
  ): number {
    if (changes.isNews || changes.ofReady) return 0;
    return changes.ofPods ? (this.#podsWrittenAtMs.get(name) ?? -Infinity) + podsSettleMs - nowMs : Infinity;
  }

  async #write(
    { metadata }: PodNetworking,
    report: PlaneReport,
    { conditions, nowIso }: { readonly conditions: readonly Condition[]; readonly nowIso: string },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { phase, vSwitches, message } = report;
    const patch = {
      // Guarded: the conditions are a list, which a merge patch replaces as a whole.
      metadata: { resourceVersion: metadata.resourceVersion },
      status: { status: phase, vSwitches, message, updateAt: nowIso, conditions },
    };
    try {
      await this.#deps.client.patchStatus("", metadata.name, patch, signal);
      return true;
    } catch (error) {
      if (error instanceof NotFoundError) return false;
      throw error;
    }
  }

  // ---- its pods ----

  #podConditions(plane: PodNetworking): readonly NextCondition[] {
    const { name, generation: observedGeneration = 0 } = plane.metadata;
    const behind = this.#deps.recordsOf(name).flatMap((record) => this.#behind(record, plane));
    const neighbours = this.#overlaps.of(name).flatMap((other) => this.#deps.lister.get(other) ?? []);
    // Without another plane no pod needs to be looked at.
    const pods = neighbours.length === 0 ? [] : [plane, ...neighbours].flatMap((each) => this.#podsOf(each));
    const said = { conditions: plane.status?.conditions, observedGeneration };
    const shared = ambiguity(plane, neighbours, pods, said);
    return [podsUpToDate(behind, this.#without(plane), observedGeneration), ...(shared === undefined ? [] : [shared])];
  }

  /** Keys of pods that the plane matches and that were admitted before it did. */
  #without(plane: PodNetworking): readonly string[] {
    if (!hasSelector(plane)) return [];
    const namespaces = this.#deps.namespaces.list().filter((namespace) => !isOptedOut(namespace));
    const pods = namespaces.flatMap(({ metadata }) => this.#deps.pods.onSharedNetwork(metadata.name));
    return pods.map((pod) => this.#toMatch(pod)).flatMap((pod) => (isMatched(plane, pod) ? [pod.key] : []));
  }

  /** Records that outlive their pods say nothing about pods. */
  #behind(record: PodENI, plane: PodNetworking): readonly PodBehind[] {
    if (!isBehind(record, plane)) return [];
    const { namespace = "", name } = record.metadata;
    const key = keyOf({ namespace, name });
    const pod = this.#deps.pods.get(key);
    if (pod === undefined || !isAlive(pod)) return [];
    const types = (record.spec?.allocations ?? []).map(({ allocationType }) => allocationType ?? {});
    return [{ key, isFixed: isFixed(types) }];
  }

  /** Those that its selector chose; one that asks for planes by name is not chosen. */
  #podsOf({ metadata: { name: plane } }: PodNetworking): readonly PodOfPlane[] {
    const chosen = this.#deps.pods
      .of(plane)
      .filter((pod) => pod.metadata.annotations?.[annotations.podNetworking] === plane);
    return chosen.filter(isAlive).map((pod) => this.#toMatch(pod));
  }

  #toMatch({ metadata: { namespace = "", name, labels = {}, ownerReferences } }: Pod): PodOfPlane {
    const { namespaces, customStatefulWorkloadKinds } = this.#deps;
    return {
      key: keyOf({ namespace, name }),
      labels,
      namespaceLabels: namespaces.get(namespace)?.metadata.labels ?? {},
      isFixedName: isFixedNamePod(ownerReferences, customStatefulWorkloadKinds),
    };
  }

  #tell({ metadata }: PodNetworking, report: PlaneReport): void {
    const isReady = report.phase === "Ready";
    this.#deps.recorder.event({
      regarding: {
        apiVersion: `${group}/${version}`,
        kind: "PodNetworking",
        name: metadata.name,
        ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
      },
      type: isReady ? "Normal" : "Warning",
      reason: isReady ? "SyncPodNetworkingSucceed" : "SyncPodNetworkingFailed",
      action: "SyncPodNetworking",
      note: isReady ? "Synced" : report.message,
    });
  }
}

function isAlive({ metadata, status }: Pod): boolean {
  const isFinished = status?.phase === "Succeeded" || status?.phase === "Failed";
  return metadata.deletionTimestamp === undefined && !isFinished;
}

/** True when the user sees something else than before, which is worth an event. */
function isNews(status: PodNetworking["status"], { phase, message, vSwitches }: PlaneReport): boolean {
  const recorded = (status?.vSwitches ?? []).map(({ id = "", zone = "" }) => ({ id, zone }));
  return status?.status !== phase || (status.message ?? "") !== message || !sameRecords(vSwitches, recorded);
}

function sameRecords(one: readonly RecordedVSwitch[], other: readonly RecordedVSwitch[]): boolean {
  if (one.length !== other.length) return false;
  return one.every(({ id, zone }, index) => other[index]?.id === id && other[index].zone === zone);
}

/** The earliest of the times, milliseconds from now; undefined and Infinity are never. */
function soonest(...times: readonly (number | undefined)[]): Result {
  const requeueAfterMs = Math.min(...times.map((time) => time ?? Infinity));
  return requeueAfterMs === Infinity ? {} : { requeueAfterMs };
}

function toLookup(result: VSwitchResult | { readonly vSwitchId: string }): Lookup {
  const { vSwitchId: id } = result;
  if ("zoneId" in result) return { type: "found", id, zone: result.zoneId };
  if (!("error" in result)) return { type: "unknown", id };
  const { error } = result;
  if (error === "NotFound") return { type: "missing", id };
  const missingAction = error.cloud?.missingAction;
  if (missingAction !== undefined) return { type: "denied", id, message: error.message, missingAction };
  return { type: "failed", id, message: error.message, retryAfterMs: retryAfterMsOf(error) };
}

/** Milliseconds that the error itself asks for, 0 when it does not. */
function retryAfterMsOf(error: OperatorError): number {
  if (error instanceof ThrottledError) return error.retryAfterMs;
  if (error instanceof WaitingError) return error.requeueAfterMs;
  return 0;
}
