import { group, version } from "../../crds/v1beta1/names.ts";
import type { PodNetworking } from "../../crds/v1beta1/pod-networking.gen.ts";
import { setCondition } from "../../domain/conditions/conditions.ts";
import { toWireTime } from "../../domain/conditions/wire-time.ts";
import type { VSwitch } from "../../domain/vswitch/vswitch.ts";
import { NotFoundError, OperatorError, ThrottledError, WaitingError } from "../../runtime/errors.ts";
import type { Clock, Lister, ObjectClient, Recorder } from "../../runtime/ports.ts";
import { keyOf, type Reconciler, type Request, type Result } from "../../runtime/reconcile.ts";
import { readyCondition } from "./conditions.ts";
import { planPodNetworking, type PlaneReport } from "./plan.ts";
import { toState, type Lookup } from "./state.ts";

/** A vSwitch that could not be read, and why. */
export interface UnreadVSwitch {
  readonly vSwitchId: string;
  readonly error: "NotFound" | OperatorError;
}

/** What this reconciler needs of the world; cmd/controlplane.ts supplies it. */
export interface PodNetworkingDeps {
  readonly lister: Pick<Lister<PodNetworking>, "get">;
  readonly client: Pick<ObjectClient<PodNetworking>, "patchStatus">;
  readonly vSwitches: {
    /** One result per id; an id that cannot be read says so in its place. */
    get(ids: readonly string[], signal: AbortSignal): Promise<readonly (VSwitch | UnreadVSwitch)[]>;
  };
  readonly recorder: Recorder;
  readonly clock: Pick<Clock, "now">;
}

/** Keeps a plane's status true: are its vSwitches there, and in which zones. */
export class PodNetworkingReconciler implements Reconciler {
  readonly #deps: PodNetworkingDeps;

  constructor(deps: PodNetworkingDeps) {
    this.#deps = deps;
  }

  async reconcile(request: Request, signal: AbortSignal): Promise<Result> {
    const plane = this.#deps.lister.get(keyOf(request));
    if (plane === undefined || plane.metadata.deletionTimestamp !== undefined) return {};
    let plan = planPodNetworking(toState(plane, undefined));
    if (plan.type === "look") {
      const results = await this.#deps.vSwitches.get(plan.vSwitchIds, signal);
      plan = planPodNetworking(toState(plane, results.map(toLookup)));
    }
    if (plan.type === "report") await this.#report(plane, plan, signal);
    return plan.type === "look" || plan.requeueAfterMs === undefined ? {} : { requeueAfterMs: plan.requeueAfterMs };
  }

  /** Writes the status, then tells the user; an object that is gone needs neither. */
  async #report(plane: PodNetworking, report: PlaneReport, signal: AbortSignal): Promise<void> {
    const { metadata, status } = plane;
    const nowIso = toWireTime(this.#deps.clock.now());
    const condition = readyCondition(report.reason, report.message, metadata.generation ?? 0);
    const patch = {
      // Guarded: the conditions are a list, which a merge patch replaces as a whole.
      metadata: { resourceVersion: metadata.resourceVersion },
      status: {
        status: report.phase,
        vSwitches: report.vSwitches,
        message: report.message,
        updateAt: nowIso,
        conditions: setCondition(status?.conditions, condition, nowIso),
      },
    };
    try {
      await this.#deps.client.patchStatus("", metadata.name, patch, signal);
    } catch (error) {
      if (error instanceof NotFoundError) return;
      throw error;
    }
    if (report.isNews) this.#tell(plane, report);
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

function toLookup(result: VSwitch | UnreadVSwitch): Lookup {
  const { vSwitchId: id } = result;
  if (!("error" in result)) return { type: "found", id, zone: result.zoneId };
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
