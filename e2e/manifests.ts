/** The objects that users of the suites apply. */
import { landscape } from "../sandbox/landscape.ts";
import type { Manifest } from "../sandbox/apply.ts";

export type AnyManifest = Manifest & Readonly<Record<string, unknown>>;

export function aNamespace(name: string, labels: Readonly<Record<string, string>> = {}): AnyManifest {
  return { apiVersion: "v1", kind: "Namespace", metadata: named({ name, labels }) };
}

/** A plane that serves pods with label `plane: <name>` in both zones; `spec` replaces members. */
export function aPlane(name: string, spec: Readonly<Record<string, unknown>> = {}): AnyManifest {
  return {
    apiVersion: "network.alibabacloud.com/v1beta1",
    kind: "PodNetworking",
    metadata: { name },
    spec: {
      allocationType: { type: "Elastic" },
      selector: { podSelector: { matchLabels: { plane: name } } },
      securityGroupIDs: [landscape.securityGroupId],
      vSwitchOptions: ["vsw-hz-h-1", "vsw-hz-i-1"],
      ...spec,
    },
  };
}

export interface PodOptions {
  readonly namespace: string;
  readonly name: string;
  readonly plane?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** @default "sandbox/pause" */
  readonly image?: string;
  /** Members that are added to the spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

export function aPod(options: PodOptions): AnyManifest {
  const { namespace, name, plane, labels = {}, annotations = {}, image = "sandbox/pause", spec = {} } = options;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: named({ name, namespace, labels: { ...labels, ...(plane !== undefined && { plane }) }, annotations }),
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "main", image, resources: { requests: { cpu: "10m" } } }],
      ...spec,
    },
  };
}

/**
 * Annotations of a pod that names its networks itself: a fixed address on a vSwitch of either zone. Its time may be shorter
 * than a PodNetworking's.
 */
export function aFixedNetwork(releaseAfter: string): Readonly<Record<string, string>> {
  const network = {
    interface: "eth0",
    vSwitchOptions: ["vsw-hz-h-1", "vsw-hz-i-1"],
    securityGroupIDs: [landscape.securityGroupId],
    allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter },
  };
  return { "k8s.aliyun.com/pod-networks": JSON.stringify({ podNetworks: [network] }) };
}

/** A StatefulSet of `replicas` pods with label `plane: <plane>`, all started at once. */
export function aStatefulSet(options: {
  readonly namespace: string;
  readonly name: string;
  readonly plane: string;
  readonly replicas: number;
  /** Of its pods. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}): AnyManifest {
  const { namespace, name, plane, replicas, annotations = {}, spec = {} } = options;
  const labels = { plane, app: name };
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name, namespace },
    spec: {
      serviceName: name,
      replicas,
      podManagementPolicy: "Parallel",
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name: "main", image: "sandbox/pause", resources: { requests: { cpu: "10m" } } }],
          ...spec,
        },
      },
    },
  };
}

/** Members of a pod's spec that keep it in one zone. */
export function inZone(zone: string): Readonly<Record<string, unknown>> {
  return { nodeSelector: { "topology.kubernetes.io/zone": zone } };
}

/** Lets metadata have more members than a manifest's type names. */
function named<T extends Manifest["metadata"]>(metadata: T): T {
  return metadata;
}
