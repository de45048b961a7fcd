import { annotations, schedulingGate } from "../../crds/v1beta1/names.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { Namespace, Pod } from "../../domain/kubernetes/objects.ts";
import type { EniConfig } from "../../domain/pod-network/eni-config.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import { encodePodNetworks, isFixedNamePod } from "../../domain/pod-network/pod-networks.ts";
import { isGated } from "../../domain/pod-network/scheduling-gate.ts";
import { constrainZones, type Affinity } from "../../domain/pod-network/zone-affinity.ts";
import { ConflictError, NotFoundError, OperatorError, TerminalError } from "../../runtime/errors.ts";
import type { Lister, Logger, ObjectClient, Recorder } from "../../runtime/ports.ts";
import { keyOf, type Result } from "../../runtime/reconcile.ts";
import { gateReasons, type GateReason } from "./conditions.ts";
import { planGate, type GatePlan, type GateState } from "./gate.ts";

/** What it needs of the world; cmd/controllers.ts supplies it. */
export interface GatekeeperDeps {
  /** Caches do not keep what is changed here, so the pod is read anew. */
  readonly pods: Pick<ObjectClient<Pod>, "getLive" | "patch">;
  readonly planes: Pick<Lister<Plane>, "list">;
  readonly namespaces: Pick<Lister<Namespace>, "get">;
  /** Undefined when the cluster has no eni-config. @throws Error when it cannot be read */
  readonly eniConfig: { get(signal: AbortSignal): Promise<EniConfig | undefined> };
  readonly customStatefulWorkloadKinds: readonly string[];
  readonly recorder: Recorder;
  readonly log: Logger;
}

/** A pod as the API server has it. */
interface LivePod extends Pod {
  readonly spec?: NonNullable<Pod["spec"]> & { readonly affinity?: Affinity };
}

/** Whatever the pod waits for wakes it; the event is repeated so that it is there when somebody looks. Milliseconds. */
const repeatMs = 5 * 60_000;

/** Opens the scheduling gate of pods whose plane was not Ready when they were admitted, or says why it stays closed. */
export class Gatekeeper {
  readonly #deps: GatekeeperDeps;

  constructor(deps: GatekeeperDeps) {
    this.#deps = deps;
  }

  /** Looks at one gated pod. @throws OperatorError */
  async tend(pod: Pod, podEni: PodENI | undefined, signal: AbortSignal): Promise<Result> {
    try {
      const plan = await this.#plan(pod, podEni, signal);
      if (plan.type === "wait") {
        this.#say(pod, plan.reason, plan.message);
        return { requeueAfterMs: repeatMs };
      }
      await this.#open(pod, plan, signal);
      return {};
    } catch (error) {
      const isUnsaid = error instanceof OperatorError && !(error instanceof ConflictError);
      if (isUnsaid && !(error instanceof NotFoundError))
        this.#say(pod, gateReasons.schedulingGateNotRemoved, error.message);
      throw error;
    }
  }

  async #plan(
    pod: Pod,
    record: PodENI | undefined,
    signal: AbortSignal,
  ): Promise<Exclude<GatePlan, { type: "needsEniConfig" }>> {
    const state = this.#observe(pod, record);
    const plan = planGate(state);
    if (plan.type !== "needsEniConfig") return plan;
    const eniConfig = await this.#deps.eniConfig.get(signal);
    const completed = eniConfig === undefined ? plan : planGate({ ...state, eniConfig });
    if (completed.type !== "needsEniConfig") return completed;
    throw new TerminalError("InvalidSpec", "ConfigMap kube-system/eni-config does not exist");
  }

  #observe(pod: Pod, record: PodENI | undefined): GateState {
    const { namespace = "", name, labels = {}, annotations: notes = {}, ownerReferences } = pod.metadata;
    return {
      key: keyOf({ namespace, name }),
      planeName: notes[annotations.podNetworking] ?? "",
      request: notes[annotations.podNetworksRequest],
      labels,
      namespaceLabels: this.#deps.namespaces.get(namespace)?.metadata.labels ?? {},
      ownerReferences,
      isFixedName: isFixedNamePod(ownerReferences, this.#deps.customStatefulWorkloadKinds),
      planes: this.#deps.planes.list(),
      record,
      eniConfig: undefined,
    };
  }

  /** One write: networks, zones, and the gate off. It goes through only if nobody else changed the pod meanwhile. */
  async #open(pod: Pod, plan: Extract<GatePlan, { type: "open" }>, signal: AbortSignal): Promise<void> {
    const { name, namespace = "", uid } = pod.metadata;
    const live: LivePod | undefined = await this.#deps.pods.getLive(namespace, name, signal);
    if (live === undefined || live.metadata.uid !== uid || !isGated(live)) return;
    const affinity = constrainZones(live.spec?.affinity, plan.zones);
    const patch = {
      metadata: {
        resourceVersion: live.metadata.resourceVersion,
        annotations: {
          ...(plan.planeName !== undefined && { [annotations.podNetworking]: plan.planeName }),
          [annotations.podNetworks]: encodePodNetworks(plan.networks),
        },
      },
      spec: {
        schedulingGates: (live.spec?.schedulingGates ?? []).filter((gate) => gate.name !== schedulingGate),
        ...(affinity !== undefined && { affinity }),
      },
    };
    await this.#deps.pods.patch(namespace, name, patch, signal);
    this.#deps.log.info("pod may be scheduled", { controller: "pod", namespace, name });
  }

  #say(pod: Pod, reason: GateReason, note: string): void {
    const { name, namespace = "", uid } = pod.metadata;
    this.#deps.recorder.event({
      regarding: { apiVersion: "v1", kind: "Pod", namespace, name, ...(uid !== undefined && { uid }) },
      type: "Warning",
      reason,
      action: "SchedulePod",
      note,
    });
    this.#deps.log.warn("pod waits behind its scheduling gate", { controller: "pod", namespace, name, reason: note });
  }
}
