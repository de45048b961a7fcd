import { setCondition } from "../../domain/conditions/conditions.ts";
import { toWireTime } from "../../domain/conditions/wire-time.ts";
import type { Node } from "../../crds/v1beta1/node.gen.ts";
import type { InstanceType } from "../../domain/eni/instance-type.ts";
import type { CoreNode } from "../../domain/kubernetes/objects.ts";
import type { NodePoolConfigLookup } from "../../domain/pod-network/node-pool-config.ts";
import { NotFoundError, OperatorError, SuspendedError, ThrottledError, WaitingError } from "../../runtime/errors.ts";
import type { Clock, Lister, ObjectClient, Recorder } from "../../runtime/ports.ts";
import { keyOf, type Reconciler, type Request, type Result } from "../../runtime/reconcile.ts";
import { readyCondition } from "./conditions.ts";
import { planNode, type NodePlan, type NodeReport } from "./plan.ts";
import type { Notice } from "./sections.ts";
import { toState, type InstanceTypeLookup, type Lookups, type NodeSettings } from "./state.ts";

/** What this reconciler needs of the world; cmd/controllers.ts supplies it. */
export interface NodeDeps {
  readonly nodes: Pick<Lister<CoreNode>, "get">;
  readonly nodeRecords: {
    readonly lister: Pick<Lister<Node>, "get">;
    readonly client: Pick<ObjectClient<Node>, "create" | "patch" | "patchStatus">;
  };
  readonly instanceTypes: {
    /** From a memory that all machines share. Never rejects but for AbortError. */
    get(
      instanceType: string,
      signal: AbortSignal,
    ): Promise<InstanceType | { readonly instanceType: string; readonly error: "NotFound" | OperatorError }>;
  };
  readonly eniConfig: {
    /** @param configMap the machine's own, merged over the cluster's; empty for none. @throws OperatorError */
    getForNode(configMap: string, signal: AbortSignal): Promise<NodePoolConfigLookup>;
  };
  readonly settings: NodeSettings;
  readonly recorder: Recorder;
  readonly clock: Pick<Clock, "now">;
}

/** Keeps the record of a machine in step with its core Node. */
export class NodeReconciler implements Reconciler {
  readonly #deps: NodeDeps;
  /** Machines that are left alone and were told so by this process. */
  readonly #told = new Set<string>();

  constructor(deps: NodeDeps) {
    this.#deps = deps;
  }

  async reconcile(request: Request, signal: AbortSignal): Promise<Result> {
    const { nodes, nodeRecords, settings } = this.#deps;
    const key = keyOf(request);
    const node = nodes.get(key);
    const record = nodeRecords.lister.get(key);
    const state = toState(key, { node, record }, settings);
    let plan = planNode(state);
    if (plan.type === "look") plan = planNode({ ...state, lookups: await this.#lookUp(plan, signal) });
    await this.#execute(plan, { name: key, node, record }, signal);
    return "requeueAfterMs" in plan ? { requeueAfterMs: plan.requeueAfterMs } : {};
  }

  async #lookUp(look: NodePlan & { readonly type: "look" }, signal: AbortSignal): Promise<Lookups> {
    const { instanceTypes, eniConfig } = this.#deps;
    const [type, config] = await Promise.all([
      look.instanceType === undefined ? undefined : instanceTypes.get(look.instanceType, signal),
      look.configMap === undefined ? undefined : eniConfig.getForNode(look.configMap, signal),
    ]);
    return {
      ...(type !== undefined && { instanceType: toLookup(type) }),
      ...(config !== undefined && { config }),
    };
  }

  async #execute(plan: NodePlan, objects: Objects, signal: AbortSignal): Promise<void> {
    switch (plan.type) {
      case "settled":
      case "look":
        return;
      case "leave":
        this.#tellOnce(objects, plan.note);
        return;
      case "release":
        if (objects.record !== undefined) await this.#release(objects.record, plan.finalizers, signal);
        return;
      case "report":
        await this.#report(plan, objects, signal);
        return;
    }
  }

  async #release({ metadata }: Node, finalizers: readonly string[], signal: AbortSignal): Promise<void> {
    const patch = { metadata: { resourceVersion: metadata.resourceVersion, finalizers } };
    try {
      await this.#deps.nodeRecords.client.patch("", metadata.name, patch, signal);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }

  /** Writes the record, then its condition, then tells the owner of the machine. */
  async #report(report: NodeReport, objects: Objects, signal: AbortSignal): Promise<void> {
    const { client } = this.#deps.nodeRecords;
    const written = await this.#write(report, objects.record, signal);
    if (written === undefined) return;
    const { metadata, status } = written;
    const nowIso = toWireTime(this.#deps.clock.now());
    const next = readyCondition(report.finding, metadata.generation ?? 0);
    const conditions = setCondition(status?.conditions, next, nowIso);
    if (conditions !== status?.conditions) {
      // Guarded: the conditions are a list, which a merge patch replaces as a whole.
      const patch = { metadata: { resourceVersion: metadata.resourceVersion }, status: { conditions } };
      await client.patchStatus("", metadata.name, patch, signal);
    }
    for (const notice of report.news) this.#tell(objects, notice);
  }

  /** The record as the API server has it now. */
  async #write(report: NodeReport, record: Node | undefined, signal: AbortSignal): Promise<Node | undefined> {
    const { client } = this.#deps.nodeRecords;
    if (report.create !== undefined) return client.create(report.create, signal);
    if (report.patch === undefined || record === undefined) return record;
    const { name, resourceVersion } = record.metadata;
    return client.patch("", name, guarded(report.patch, resourceVersion), signal);
  }

  #tellOnce(objects: Objects, note: string): void {
    if (this.#told.has(objects.name)) return;
    this.#told.add(objects.name);
    this.#tell(objects, { reason: "ConfigError", note });
  }

  #tell({ name, node }: Objects, { reason, note }: Notice): void {
    const uid = node?.metadata.uid;
    this.#deps.recorder.event({
      regarding: { apiVersion: "v1", kind: "Node", name, ...(uid !== undefined && { uid }) },
      type: "Warning",
      reason,
      action: "Config",
      note,
    });
  }
}

interface Objects {
  readonly name: string;
  readonly node: CoreNode | undefined;
  readonly record: Node | undefined;
}

/** With the version that was read, so that what a daemon wrote meanwhile is seen before anything is written. */
function guarded(patch: NonNullable<NodeReport["patch"]>, resourceVersion: string | undefined): object {
  const metadata = patch["metadata"] ?? {};
  return { ...patch, metadata: { ...metadata, resourceVersion } };
}

function toLookup(
  result: InstanceType | { readonly instanceType: string; readonly error: "NotFound" | OperatorError },
): InstanceTypeLookup {
  if (!("error" in result)) return { type: "found", instanceType: result };
  const { error } = result;
  if (error === "NotFound") return { type: "missing" };
  const missingAction = error.cloud?.missingAction;
  if (missingAction !== undefined) return { type: "denied", message: error.message, missingAction };
  const isHeldBack = error instanceof SuspendedError;
  return { type: "failed", message: error.message, retryAfterMs: retryAfterMsOf(error), isHeldBack };
}

/** Milliseconds that the error itself asks for, 0 when it does not. */
function retryAfterMsOf(error: OperatorError): number {
  if (error instanceof ThrottledError) return error.retryAfterMs;
  if (error instanceof WaitingError) return error.requeueAfterMs;
  return 0;
}
