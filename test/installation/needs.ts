/** Every kind of call that the program makes to the API server, and where: what the roles must allow, and no more. */
import { group } from "../../crds/v1beta1/names.ts";

const names = { webhook: "terway-controlplane", certificate: "terway-controlplane-webhook-cert" };
const crdNames = ["networkinterfaces", "noderuntimes", "nodes", "podenis", "podnetworkings"].map(
  (plural) => `${plural}.${group}`,
);

/** The end-to-end suite of node-capacity runs these with the installed roles on a real API server. */

export interface Need {
  readonly group?: string;
  readonly resource: string;
  readonly verbs: readonly string[];
  /** Absent: objects of any name. */
  readonly names?: readonly string[];
  /** Absent: any namespace, or none. */
  readonly namespace?: string;
  /** Where the call is made. */
  readonly by: string;
  /** Why a run of a few seconds does not make it. */
  readonly unseen?: string;
}

export const needs: readonly Need[] = [
  { resource: "pods", verbs: ["list", "watch"], by: "informer, cmd/wiring.ts" },
  { resource: "pods", verbs: ["get"], by: "livePods, controllers/pod-eni/status-writer.ts", unseen: "only on doubt" },
  {
    resource: "pods",
    verbs: ["patch"],
    by: "controllers/pod/gatekeeper.ts",
    unseen: "only for a pod whose plane was not Ready when it was admitted",
  },
  { resource: "nodes", verbs: ["list", "watch"], by: "informer, cmd/wiring.ts" },
  { resource: "nodes", verbs: ["patch"], by: "controllers/node-capacity" },
  { resource: "nodes/status", verbs: ["patch"], by: "controllers/node-capacity" },
  { resource: "namespaces", verbs: ["list", "watch"], by: "informer, cmd/wiring.ts" },
  {
    resource: "namespaces",
    verbs: ["get"],
    by: "liveNamespaces, webhook/pod/index.ts",
    unseen: "only for a namespace that the cache does not have yet",
  },
  {
    resource: "configmaps",
    verbs: ["get"],
    namespace: "kube-system",
    by: "cmd/eni-config-source.ts; a machine's label names which",
  },
  { group, resource: "podnetworkings", verbs: ["list", "watch"], by: "informer, cmd/wiring.ts" },
  { group, resource: "podnetworkings/status", verbs: ["patch"], by: "controllers/pod-networking" },
  { group, resource: "podenis", verbs: ["list", "watch"], by: "informer, cmd/wiring.ts" },
  { group, resource: "podenis", verbs: ["create"], by: "controllers/pod" },
  { group, resource: "podenis", verbs: ["patch"], by: "controllers/pod and pod-eni" },
  { group, resource: "podenis", verbs: ["delete"], by: "controllers/pod-eni/executor.ts" },
  { group, resource: "podenis/status", verbs: ["patch"], by: "controllers/pod and pod-eni" },
  { group, resource: "networkinterfaces", verbs: ["list", "watch"], by: "informer, cmd/wiring.ts" },
  { group, resource: "networkinterfaces", verbs: ["create", "delete"], by: "controllers/pod-eni/executor.ts" },
  { group, resource: "networkinterfaces", verbs: ["patch"], by: "controllers/network-interface" },
  { group, resource: "networkinterfaces/status", verbs: ["patch"], by: "controllers/network-interface" },
  { group, resource: "nodes", verbs: ["list", "watch"], by: "informer, cmd/wiring.ts" },
  { group, resource: "nodes", verbs: ["create", "patch"], by: "controllers/node" },
  { group, resource: "nodes/status", verbs: ["patch"], by: "controllers/node" },
  {
    resource: "nodes/finalizers",
    verbs: ["update"],
    by: "controllers/node, blockOwnerDeletion",
    unseen: "an admission plugin asks for it, no call",
  },
  { group, resource: "noderuntimes", verbs: ["list"], by: "kube/crd-installer.ts, whyNotListed" },
  { group: "events.k8s.io", resource: "events", verbs: ["create"], by: "kube/event-recorder.ts" },
  {
    group: "events.k8s.io",
    resource: "events",
    verbs: ["patch"],
    by: "kube/event-recorder.ts",
    unseen: "a series is counted every 30 s",
  },
  {
    group: "apiextensions.k8s.io",
    resource: "customresourcedefinitions",
    verbs: ["create"],
    by: "kube/crd-installer.ts",
  },
  {
    group: "apiextensions.k8s.io",
    resource: "customresourcedefinitions",
    verbs: ["get"],
    names: crdNames,
    by: "kube/crd-installer.ts",
  },
  {
    group: "apiextensions.k8s.io",
    resource: "customresourcedefinitions",
    verbs: ["update"],
    names: crdNames,
    by: "kube/crd-installer.ts, of an older version",
  },
  ...["mutatingwebhookconfigurations", "validatingwebhookconfigurations"].map((resource) => ({
    group: "admissionregistration.k8s.io",
    resource,
    verbs: ["get", "patch"],
    names: [names.webhook],
    by: "webhook/certificates.ts",
  })),
  { resource: "secrets", verbs: ["create"], namespace: "kube-system", by: "webhook/certificates.ts" },
  {
    resource: "secrets",
    verbs: ["get"],
    names: [names.certificate],
    namespace: "kube-system",
    by: "webhook/certificates.ts",
  },
  {
    resource: "secrets",
    verbs: ["update"],
    names: [names.certificate],
    namespace: "kube-system",
    by: "webhook/certificates.ts",
    unseen: "a certificate is renewed after months",
  },
  {
    group: "coordination.k8s.io",
    resource: "leases",
    verbs: ["create"],
    namespace: "kube-system",
    by: "runtime/leader-election.ts",
  },
  {
    group: "coordination.k8s.io",
    resource: "leases",
    verbs: ["get", "update"],
    names: ["terway-controlplane"],
    namespace: "kube-system",
    by: "runtime/leader-election.ts",
  },
];
