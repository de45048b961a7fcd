/** Decisions about pods, their records and interfaces. */
import { detachingInterfaces, isAwaited, isUnfinished, isUnready } from "../../cmd/suspension.ts";
import { planNetworkInterface } from "../../controllers/network-interface/plan.ts";
import { toState as toInterfaceState, type Effect, type LastCall } from "../../controllers/network-interface/state.ts";
import { planSweep } from "../../controllers/interface-gc/plan.ts";
import { toAllocations } from "../../controllers/pod/allocations.ts";
import { planGate } from "../../controllers/pod/gate.ts";
import { planPod } from "../../controllers/pod/plan.ts";
import { toState as toPodState } from "../../controllers/pod/state.ts";
import { toPodRequest } from "../../controllers/pod-eni/create-request.ts";
import { findDrift } from "../../controllers/pod-eni/drift.ts";
import { planPodEni } from "../../controllers/pod-eni/plan.ts";
import { toNetworkInterface } from "../../controllers/pod-eni/records.ts";
import { interfaceOf, toState as toPodEniState, type CreationState } from "../../controllers/pod-eni/state.ts";
import { planPodNetworking } from "../../controllers/pod-networking/plan.ts";
import { ambiguity, isBehind } from "../../controllers/pod-networking/pods.ts";
import { toState as toPlaneState, type Lookup } from "../../controllers/pod-networking/state.ts";
import type { Eni, EniStatus } from "../../domain/eni/eni.ts";
import { toNodeFacts } from "../../domain/kubernetes/node-facts.ts";
import { slimCoreNode, slimPod } from "../../domain/kubernetes/slim.ts";
import { selectorMatches, type LabelSelector } from "../../domain/pod-network/label-selector.ts";
import { planesCanOverlap } from "../../domain/pod-network/plane-overlap.ts";
import { matchPlanes } from "../../domain/pod-network/plane.ts";
import { parsePodNetworks } from "../../domain/pod-network/pod-networks.ts";
import { retentionOf } from "../../domain/retention/retention.ts";
import type { VSwitch } from "../../domain/vswitch/vswitch.ts";
import { findPlaneFault } from "../../webhook/pod-networking/decide.ts";
import { Draw } from "./draw.ts";
import type { Objects } from "./objects-target.ts";
import { promise } from "./target.ts";

export function checkPodDecisions(seen: Objects): void {
  const draw = new Draw(seen.luck);
  checkPod(seen);
  checkPlanes(seen, draw);
  checkRecord(seen, draw);
  for (const record of seen.networkInterfaces) {
    isUnfinished(record);
    const state = toInterfaceState(record, drawLedger(draw), {
      clusterId: "c-1",
      suspensions: {},
      nowMs: draw.below(100_000),
    });
    const { requeueAfterMs = 1 } = planNetworkInterface(state);
    promise(requeueAfterMs > 0, `again after ${requeueAfterMs} ms`);
  }
  checkSweep(seen, draw);
}

function checkPod({ pod, coreNode, podEni, planes }: Objects): void {
  const kept = pod && slimPod(pod);
  const { requeueAfterMs = 1 } = planPod(toPodState(kept, coreNode && slimCoreNode(coreNode), podEni, false));
  promise(requeueAfterMs > 0, `again after ${requeueAfterMs} ms`);
  isAwaited(podEni, pod);
  if (pod === undefined) return;
  const gate = planGate({
    key: "ns/web-0",
    planeName: pod.metadata.annotations?.["k8s.aliyun.com/pod-networking"] ?? "",
    request: pod.metadata.annotations?.["k8s.aliyun.com/pod-networks-request"],
    labels: pod.metadata.labels ?? {},
    namespaceLabels: {},
    ownerReferences: pod.metadata.ownerReferences,
    isFixedName: true,
    planes,
    record: podEni,
    eniConfig: { vSwitchIds: ["vsw-a"], securityGroupIds: ["sg-1"], ipStack: "ipv4" },
  });
  promise(gate.type !== "needsEniConfig", "asked for what it has");
}

function checkPlanes({ planes, pod, podEni }: Objects, draw: Draw): void {
  const labels = pod?.metadata.labels ?? {};
  const matching = { labels, namespaceLabels: { app: "web" }, isFixedName: true };
  for (const plane of planes) {
    const lookups = (plane.spec?.vSwitchOptions ?? []).map((id) => drawLookup(draw, id));
    const plan = planPodNetworking(toPlaneState(plane, lookups));
    promise(plan.type === "report" || plan.vSwitchIds.length > 0, "looks for nothing");
    isUnready(plane);
    findPlaneFault(plane, true, plane);
    if (podEni !== undefined) isBehind(podEni, plane);
    const said = { conditions: plane.status?.conditions, observedGeneration: 1 };
    ambiguity(plane, planes, [{ ...matching, key: "ns/web-0" }], said);
    checkSelector(plane.spec?.selector?.podSelector, labels);
  }
  const { ready, notReady } = matchPlanes(planes, matching);
  const matched = [...ready, ...notReady];
  for (const one of matched) {
    promise(
      matched.every((other) => planesCanOverlap(one, other)),
      "two that match one pod cannot overlap",
    );
  }
}

/** The same with labels that are nothing but labels. */
function checkSelector(selector: LabelSelector | null | undefined, labels: Readonly<Record<string, string>>): void {
  if (selector === null || selector === undefined) return;
  const bare = Object.assign(Object.create(null) as Record<string, string>, labels);
  promise(selectorMatches(selector, labels) === selectorMatches(selector, bare), "a label that is none");
}

function drawLookup(draw: Draw, id: string): Lookup {
  return draw.pick<Lookup>([
    { type: "unknown", id },
    { type: "found", id, zone: draw.word(["zone-a"]) },
    { type: "missing", id },
    { type: "denied", id, message: "no", missingAction: "vpc:DescribeVSwitches" },
    { type: "failed", id, message: "no", retryAfterMs: draw.below(100_000) },
  ]);
}

const vSwitch: VSwitch = {
  vSwitchId: "vsw-a",
  vpcId: "vpc-1",
  zoneId: "zone-a",
  ipv4Cidr: "10.0.0.0/24",
  ipv6Cidr: "",
  freeIpv4Count: 3,
  isExhausted: false,
};

function checkRecord({ podEni, pod, coreNode, networkInterfaces }: Objects, draw: Draw): void {
  if (podEni === undefined) return;
  const nowMs = draw.below(100_000);
  const state = toPodEniState({
    podEni,
    pod,
    node: coreNode,
    networkInterface: (eniId) => networkInterfaces.find(({ metadata }) => metadata.name === eniId),
    creation: () => drawCreation(draw),
    creationHold: () =>
      draw.chance(0.2) ? { reason: "X", message: "held", isDue: draw.chance(0.5), retryAfterMs: 1_000 } : undefined,
    isKnownGone: () => draw.chance(0.1),
    vSwitchIsUnusable: () => draw.chance(0.3),
    vSwitches: new Map([["vsw-a", vSwitch]]),
    place: draw.pick(["held", "waiting", "none"]),
    placesAhead: draw.chance(0.5) ? draw.below(1_000) : undefined,
    retryAtMs: draw.chance(0.3) ? draw.below(100_000) : undefined,
    needsIpv6: draw.chance(0.2),
    enableTrunk: draw.chance(0.7),
    suspensions: draw.chance(0.1) ? { bind: { reason: "Degraded", message: "held back", sinceMs: 0 } } : {},
    networkCards: () => (draw.chance(0.1) ? { count: 2, taken: [0, draw.below(3)] } : undefined),
    nowMs,
    sharedNowMs: Date.parse("2026-01-01T00:00:00Z") + nowMs * 10,
  });
  const { requeueAfterMs = 1 } = planPodEni(state, (count) => draw.below(count));
  promise(requeueAfterMs >= 0 && Number.isFinite(requeueAfterMs), `again after ${requeueAfterMs} ms`);
  detachingInterfaces(podEni);
  isUnfinished(podEni);
  const allocations = podEni.spec?.allocations ?? [];
  for (const allocation of state.allocations) {
    promise(Number.isInteger(allocation.attempt), `attempt ${String(allocation.attempt)}`);
    const request = toPodRequest(podEni, allocation, { clusterId: "c-1", needsIpv6: state.needsIpv6 });
    promise(/^[\x20-\x7e]{1,64}$/.test(request.clientToken), `client token ${request.clientToken}`);
  }
  for (const allocation of allocations) {
    interfaceOf(allocation);
    toNetworkInterface(podEni, allocation);
  }
  checkDrift(pod, podEni);
  checkRetention(podEni, draw);
  checkAllocations({ pod, coreNode }, draw);
}

function checkDrift(pod: Objects["pod"], podEni: NonNullable<Objects["podEni"]>): void {
  const drift = findDrift(pod?.metadata.annotations?.["k8s.aliyun.com/pod-networks"], podEni.spec?.allocations ?? []);
  promise(
    drift === undefined || drift.endsWith("recreate the pod") || drift.includes("delete its PodENI"),
    () => `drift ${drift}`,
  );
}

/** A pod that went later keeps its address longer, and one record more never releases sooner. */
function checkRetention(podEni: NonNullable<Objects["podEni"]>, draw: Draw): void {
  const kinds = (podEni.spec?.allocations ?? []).map(({ allocationType }) => allocationType ?? {});
  const atMs = draw.below(100_000);
  const untilMs = (list: typeof kinds, fromMs: number): number => {
    const retention = retentionOf(list, fromMs);
    return retention.type === "release" ? -Infinity : retention.type === "keepForever" ? Infinity : retention.atMs;
  };
  const until = untilMs(kinds, atMs);
  promise(!Number.isNaN(until) && until >= untilMs(kinds.slice(1), atMs), "kept less long for one more allocation");
  promise(untilMs(kinds, atMs + 1_000) >= until, "released sooner although the pod went later");
}

function checkAllocations({ pod, coreNode }: Pick<Objects, "pod" | "coreNode">, draw: Draw): void {
  const annotation = pod?.metadata.annotations?.["k8s.aliyun.com/pod-networks"];
  const node = coreNode && toNodeFacts(coreNode);
  if (annotation === undefined || node === undefined || "problem" in node) return;
  let networks;
  try {
    networks = parsePodNetworks(annotation);
  } catch {
    return;
  }
  const inputs = {
    networks,
    node,
    vSwitches: new Map([["vsw-a", vSwitch]]),
    enableTrunk: draw.chance(0.5),
    needsIpv6: false,
    pick: () => 0,
  };
  const made = toAllocations(inputs);
  promise("problem" in made || made.length === networks.length, "not one allocation for each network");
}

function drawCreation(draw: Draw): CreationState {
  return draw.pick<CreationState>([
    { type: "none" },
    { type: "running" },
    { type: "done", eni: drawEni(draw) },
    {
      type: "failed",
      failure: {
        remedy: draw.pick(["nextVSwitch", "newToken", "repeat", "stop", "wait"]),
        reason: "X",
        message: "no",
        retryAfterMs: draw.below(10_000),
      },
    },
  ]);
}

function drawEni(draw: Draw): Eni {
  return {
    eniId: draw.pick(["eni-1", "eni-2", "eni-3"]),
    status: draw.pick<EniStatus>(["Available", "Attaching", "InUse", "Detaching", "Deleting", "Unknown"]),
    type: draw.pick(["Primary", "Secondary", "Trunk", "Member"]),
    macAddress: "",
    vSwitchId: "vsw-a",
    zoneId: "zone-a",
    primaryIpv4: "10.0.0.1",
    ipv6s: [],
    securityGroupIds: [],
    tags: draw.chance(0.7) ? { "ack.aliyun.com": "c-1", creator: "terway-controller" } : {},
    ...(draw.chance(0.5) && { instanceId: draw.pick(["i-1", "i-2"]) }),
  };
}

function drawLedger(draw: Draw) {
  const at = (): number => draw.below(100_000);
  const lastCall = (): LastCall => ({
    effect: draw.pick<Effect>(["attach", "detach", "delete"]),
    startedAtMs: at(),
    outcome: draw.pick<LastCall["outcome"]>([
      { type: "running" },
      { type: "accepted", atMs: at() },
      { type: "unknown", atMs: at() },
      { type: "refused", atMs: at(), retryAtMs: at(), knowledgeHolds: draw.chance(0.5) },
    ]),
    tries: 1 + draw.below(50),
  });
  const knowledge = { eni: draw.chance(0.8) ? drawEni(draw) : undefined, observedAtMs: at(), sameSinceMs: at() };
  return {
    leadsSinceMs: at(),
    ...(draw.chance(0.8) && { knowledge }),
    ...(draw.chance(0.6) && { lastCall: lastCall() }),
  };
}

/** What a record names is never collected, and nothing at first sight. */
function checkSweep({ podEni, networkInterfaces }: Objects, draw: Draw): void {
  const owned = new Set(networkInterfaces.map(({ metadata }) => metadata.name));
  const { collect } = planSweep({
    enis: draw.list(3, () => ({
      eni: drawEni(draw),
      ...(draw.chance(0.5) && { podEniUid: "uid-1" }),
      ...(draw.chance(0.3) && { createdAtMs: 0 }),
    })),
    clusterId: "c-1",
    ownedEniIds: owned,
    unmadeInterfacesByUid: new Map([[podEni?.metadata.uid ?? "", new Set(["eth0"])]]),
    unreferencedRecords: [],
    trunkByNodeUid: new Map(),
    suspectSinceMs: new Map(draw.chance(0.5) ? [["eni-1", 0]] : []),
    nowMs: 1_000_000,
  });
  promise(
    collect.every(({ eniId }) => !owned.has(eniId) && eniId === "eni-1"),
    "an interface that is owned or was just seen is collected",
  );
}
