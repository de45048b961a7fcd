/** Pods, planes and a decision with everything at its default, for the tests of decide.ts. */
import type { Plane } from "../../domain/pod-network/plane.ts";
import type { Affinity } from "../../domain/pod-network/zone-affinity.ts";
import { decidePod } from "./decide.ts";
import type { PodAdmission, PodAdmissionConfig, PodDecision } from "./decide.ts";
import type { PodManifest } from "./manifest.ts";

export const prefix = "k8s.aliyun.com/";

/** A pod of one container in namespace `ns`, labelled `app: web`, owned by nobody. */
export function aPod(
  given: Partial<PodManifest["metadata"]> & { spec?: Partial<PodManifest["spec"]> } = {},
): PodManifest {
  const { spec, ...metadata } = given;
  return {
    metadata: { name: "web-0", namespace: "ns", labels: { app: "web" }, ...metadata },
    spec: { containers: [{ name: "main" }, { name: "sidecar" }], ...spec },
  };
}

/** A Ready trunk plane for `app: web` with vSwitches in zones b and a. */
export function aPlane(
  given: { name?: string; created?: string; spec?: Plane["spec"]; status?: Plane["status"] } = {},
): Plane {
  return {
    metadata: { name: given.name ?? "plane", creationTimestamp: given.created ?? "2026-01-01T00:00:00Z" },
    spec: {
      eniOptions: { eniType: "Trunk" },
      allocationType: { type: "Elastic" },
      selector: { podSelector: { matchLabels: { app: "web" } } },
      vSwitchOptions: ["vsw-b", "vsw-a"],
      securityGroupIDs: ["sg-1"],
      vSwitchSelectOptions: { vSwitchSelectionPolicy: "ordered" },
      ...given.spec,
    },
    status: given.status ?? {
      status: "Ready",
      vSwitches: [
        { id: "vsw-b", zone: "zone-b" },
        { id: "vsw-a", zone: "zone-a" },
      ],
    },
  };
}

export function decide(
  given: Omit<Partial<PodAdmission>, "config"> & { config?: Partial<PodAdmissionConfig> } = {},
): PodDecision {
  return decidePod({
    pod: aPod(),
    podKey: "ns/web-0",
    planes: [aPlane()],
    namespaceLabels: {},
    podEni: undefined,
    eniConfig: undefined,
    ...given,
    config: {
      enableTrunk: true,
      enableWebhookInjectResource: true,
      isCrdMode: false,
      customStatefulWorkloadKinds: [],
      ...given.config,
    },
  });
}

export function mutated(decision: PodDecision): Extract<PodDecision, { type: "mutate" }> {
  if (decision.type !== "mutate") throw new Error(`not mutated: ${JSON.stringify(decision)}`);
  return decision;
}

/** A pod with `pod-networks`, one element per argument. */
export function withNetworks(...networks: object[]): PodManifest {
  return aPod({ annotations: { [`${prefix}pod-networks`]: JSON.stringify({ podNetworks: networks }) } });
}

export const complete = { interface: "eth0", vSwitchOptions: ["vsw-a"], securityGroupIDs: ["sg-1"] };
export const eniConfig = { vSwitchIds: ["vsw-1", "vsw-2"], securityGroupIds: ["sg-9"], ipStack: "ipv4" as const };

export function zoneIn(...values: string[]) {
  return { key: "topology.kubernetes.io/zone", operator: "In", values };
}

export function zonesAffinity(terms: object[][]): Affinity {
  const nodeSelectorTerms = terms.map((matchExpressions) => ({ matchExpressions })) as NonNullable<
    NonNullable<Affinity["nodeAffinity"]>["requiredDuringSchedulingIgnoredDuringExecution"]
  >["nodeSelectorTerms"];
  return {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: nodeSelectorTerms ?? [] } },
  };
}
