/** Admission of pods: reads what decides, decides, and turns the decision into an answer. */
import { group, version } from "../../crds/v1beta1/names.ts";
import type { EniConfig } from "../../domain/pod-network/eni-config.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import type { PodEniRecord } from "../../domain/pod-network/zone-affinity.ts";
import type { KubeObject, Lister, Recorder } from "../../runtime/ports.ts";
import { keyOf } from "../../runtime/reconcile.ts";
import { allowed, denied, undecodable } from "../admission.ts";
import type { AdmissionAnswer, AdmissionHandler, AdmissionRequest } from "../admission.ts";
import { createJsonPatch } from "../json-patch.ts";
import { decidePod, describeOverlap, noMatch } from "./decide.ts";
import type { Overlap, PodAdmissionConfig, PodDecision } from "./decide.ts";
import { isPodManifest, type PodManifest, type StringMap } from "./manifest.ts";

export interface PodAdmissionDeps {
  readonly planes: Pick<Lister<Plane>, "list">;
  /**
   * All planes past the cache; undefined when they cannot be read now. Asked before a pod is let go to the shared network, for
   * a plane and its first pods often come in one `kubectl apply`.
   */
  readonly livePlanes: (signal: AbortSignal) => Promise<readonly Plane[] | undefined>;
  readonly podEnis: Pick<Lister<PodEniRecord>, "get">;
  readonly namespaces: {
    readonly lister: Pick<Lister<KubeObject>, "get">;
    /** Asked when the cache does not have it yet: a namespace and its first pods often come in one `kubectl apply`. */
    readonly getLive: (name: string, signal: AbortSignal) => Promise<KubeObject | undefined>;
  };
  /** Undefined when the cluster has no eni-config. @throws Error when it cannot be read */
  readonly eniConfig: { get(signal: AbortSignal): Promise<EniConfig | undefined> };
  readonly recorder: Recorder;
  readonly config: PodAdmissionConfig;
}

/** The handler of `/mutating` for pods. */
export function createPodAdmission(deps: PodAdmissionDeps): AdmissionHandler {
  return async (request, signal) => {
    const { object } = request;
    if (!isPodManifest(object)) return undecodable("the object is not a Pod");
    const decision = await decideWithReads(deps, object, request, signal);
    if (decision.type === "mutate" && decision.overlapping !== undefined && !request.dryRun) {
      reportOverlap(deps, decision.overlapping);
    }
    return toAnswer(object, decision);
  };
}

async function decideWithReads(
  deps: PodAdmissionDeps,
  pod: PodManifest,
  request: AdmissionRequest,
  signal: AbortSignal,
): Promise<PodDecision> {
  const decision = await decideWith(deps, deps.planes.list(), { pod, request }, signal);
  if (decision.type !== "allow" || decision.message !== noMatch) return decision;
  const planes = await deps.livePlanes(signal);
  return planes === undefined ? decision : decideWith(deps, planes, { pod, request }, signal);
}

async function decideWith(
  deps: PodAdmissionDeps,
  planes: readonly Plane[],
  { pod, request }: { readonly pod: PodManifest; readonly request: AdmissionRequest },
  signal: AbortSignal,
): Promise<PodDecision> {
  const namespace = pod.metadata.namespace ?? request.namespace;
  const name = pod.metadata.name ?? request.name;
  const admission = {
    pod,
    podKey: keyOf({ namespace, name }),
    planes,
    // Without a plane no selector can match, and the namespace need not be known.
    namespaceLabels: planes.length === 0 ? {} : await readNamespaceLabels(deps, namespace, signal),
    podEni: name === "" ? undefined : deps.podEnis.get(keyOf({ namespace, name })),
    eniConfig: undefined,
    config: deps.config,
  };
  const decision = decidePod(admission);
  if (decision.type !== "needsEniConfig") return decision;
  const eniConfig = await deps.eniConfig.get(signal);
  if (eniConfig === undefined) throw new Error("ConfigMap kube-system/eni-config does not exist");
  return decidePod({ ...admission, eniConfig });
}

async function readNamespaceLabels(deps: PodAdmissionDeps, name: string, signal: AbortSignal): Promise<StringMap> {
  const namespace = deps.namespaces.lister.get(name) ?? (await deps.namespaces.getLive(name, signal));
  if (namespace === undefined) throw new Error(`namespace ${name} does not exist`);
  return namespace.metadata.labels ?? {};
}

function toAnswer(object: unknown, decision: PodDecision): AdmissionAnswer {
  switch (decision.type) {
    case "allow":
      return allowed(decision.message);
    case "deny":
      return denied(decision.message);
    case "needsEniConfig":
      throw new Error("the pod needs eni-config and got it");
    case "mutate":
      return { ...allowed(), patch: createJsonPatch(object, decision.pod), warnings: decision.warnings };
  }
}

/** One event on each plane. The note is the same for every pod, so that the recorder folds a burst into one. */
function reportOverlap(deps: PodAdmissionDeps, overlap: Overlap): void {
  const names = [...overlap.ready, ...overlap.notReady];
  for (const plane of deps.planes.list().filter(({ metadata }) => names.includes(metadata.name))) {
    const { name } = plane.metadata;
    deps.recorder.event({
      regarding: { apiVersion: `${group}/${version}`, kind: "PodNetworking", name },
      type: "Warning",
      reason: "OverlappingPodNetworking",
      action: "AdmitPod",
      note: describeOverlap(overlap, "match the same pods"),
    });
  }
}
