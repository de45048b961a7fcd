import { describe, expect, it } from "@jest/globals";
import { creatorTagValue, finalizers, machineCreatorTagValue, tags } from "../crds/v1beta1/names.ts";
import type { NetworkInterface } from "../crds/v1beta1/network-interface.gen.ts";
import type { Node } from "../crds/v1beta1/node.gen.ts";
import type { PodENI, PodEniAllocation } from "../crds/v1beta1/pod-eni.gen.ts";
import type { PodNetworking } from "../crds/v1beta1/pod-networking.gen.ts";
import type { Eni } from "../domain/eni/eni.ts";
import type { CoreNode } from "../domain/kubernetes/objects.ts";
import { compare } from "./compare.ts";
import type { FindingKind, Level } from "./findings.ts";
import type { AuditedPod, Listing } from "./listing.ts";

const nowMs = Date.parse("2026-11-22T12:00:00Z");
const ago = (ms: number): string => new Date(nowMs - ms).toISOString();
const minute = 60_000;
const condition = { type: "Ready", status: "True", reason: "Good", message: "" } as const;
const ours = { [tags.clusterId]: "c-1", [tags.creator]: creatorTagValue };
const stray = { ...ours, [tags.podEniUid]: "uid-gone" };

function anEni(eniId: string, given: Partial<Eni> = {}): Eni {
  return {
    eniId,
    status: "InUse",
    type: "Member",
    macAddress: "00:16:3e:00:00:01",
    vSwitchId: "vsw-1",
    zoneId: "zone-a",
    instanceId: "i-1",
    primaryIpv4: "10.1.0.1",
    ipv6s: [],
    securityGroupIds: ["sg-1"],
    creationTime: ago(5 * minute),
    tags: ours,
    ...given,
  };
}

function aPod(name: string, given: { [K in keyof AuditedPod]?: object } = {}): AuditedPod {
  const { metadata, spec, status } = given;
  return {
    metadata: {
      name,
      namespace: "shop",
      uid: `uid-of-${name}`,
      creationTimestamp: ago(5 * minute),
      labels: { plane: "shop" },
      annotations: { "k8s.aliyun.com/pod-eni": "true" },
      ...metadata,
    },
    spec: { nodeName: "trunked", ...spec },
    status: { phase: "Running", podIP: "10.1.0.1", ...status },
  };
}

function aPodEni(
  name: string,
  given: {
    readonly metadata?: object;
    readonly allocation?: PodEniAllocation;
    readonly status?: PodENI["status"];
  } = {},
): PodENI {
  return {
    metadata: {
      name,
      namespace: "shop",
      uid: `uid-record-${name}`,
      finalizers: [finalizers.podEni],
      annotations: { "k8s.aliyun.com/pod-uid": `uid-of-${name}` },
      ...given.metadata,
    },
    spec: {
      allocations: [
        {
          eni: { id: "eni-web", securityGroupIDs: ["sg-1"] },
          ipv4: "10.1.0.1",
          interface: "eth0",
          ...given.allocation,
        },
      ],
    },
    status: { phase: "Bind", instanceID: "i-1", ...given.status },
  };
}

function aRecord(name: string, given: { readonly metadata?: object; readonly spec?: object } = {}): NetworkInterface {
  return { metadata: { name, finalizers: [finalizers.networkInterface], ...given.metadata }, spec: { ...given.spec } };
}

function aNode(name: string, instanceId: string, given: Partial<CoreNode["metadata"]> = {}, can = {}): CoreNode {
  const labels = { "topology.kubernetes.io/zone": "zone-a", ...given.labels };
  return {
    metadata: { name, ...given, labels },
    spec: { providerID: `cn-hangzhou.${instanceId}` },
    status: { allocatable: can, capacity: can },
  };
}

function aNodeRecord(name: string, instanceID: string, given: object = {}): Node {
  return {
    metadata: { name, uid: `uid-node-${name}`, finalizers: [finalizers.node], ...given },
    spec: {
      nodeMetadata: { regionID: "cn-hangzhou", instanceType: "t", instanceID, zoneID: "zone-a" },
      nodeCap: { adapters: 8, memberAdapterLimit: 52 },
    },
  };
}

const plane: PodNetworking = {
  metadata: { name: "shop" },
  spec: { eniOptions: { eniType: "Default" }, selector: { podSelector: { matchLabels: { plane: "shop" } } } },
  status: { status: "Ready", conditions: [{ ...condition, lastTransitionTime: ago(60 * minute) }] },
};
const free = { status: "Available", type: "Secondary", instanceId: "" } as const;
const exclusive = { labels: { "k8s.aliyun.com/exclusive-mode-eni-type": "eniOnly" } };
const trunked = aNode(
  "trunked",
  "i-1",
  { annotations: { "k8s.aliyun.com/trunk-on": "eni-trunk" } },
  { "aliyun/member-eni": "52" },
);

/** One bound pod on a machine with a trunk, an exclusive machine, and whatever others have in the VPC. */
const healthy: Listing = {
  nowMs,
  clusterId: "c-1",
  isCrdMode: false,
  customStatefulWorkloadKinds: [],
  enis: [
    anEni("eni-web", { trunkEniId: "eni-trunk" }),
    anEni("eni-p1", { type: "Primary", primaryIpv4: "10.9.0.1", tags: {} }),
    anEni("eni-p2", { type: "Primary", primaryIpv4: "10.9.0.2", instanceId: "i-2", tags: {} }),
    anEni("eni-trunk", { type: "Trunk", primaryIpv4: "10.9.0.3", tags: {} }),
    anEni("eni-others", { type: "Secondary", instanceId: "i-9", tags: {} }),
    anEni("eni-other-cluster", { ...free, tags: { ...stray, [tags.clusterId]: "c-2" } }),
    anEni("eni-other-trunk", {
      type: "Trunk",
      status: "Available",
      tags: { [tags.clusterId]: "c-2", [tags.creator]: machineCreatorTagValue, [tags.nodeUid]: "uid-x" },
    }),
    anEni("eni-excluded", { ...free, tags: { ...stray, "terway.alibabacloud.com/excluded": "true" } }),
    anEni("eni-pool", { type: "Secondary", tags: { ...ours, [tags.creator]: machineCreatorTagValue } }),
  ],
  pods: [
    aPod("web"),
    aPod("plain", { metadata: { labels: {}, annotations: {} }, status: { podIP: "172.20.0.9" } }),
    aPod("host-1", { metadata: { annotations: {} }, spec: { hostNetwork: true }, status: { podIP: "10.9.0.1" } }),
    aPod("host-2", { metadata: { annotations: {} }, spec: { hostNetwork: true }, status: { podIP: "10.9.0.1" } }),
    aPod("older", {
      metadata: { annotations: {}, creationTimestamp: ago(61 * minute) },
      status: { podIP: "172.20.0.8" },
    }),
    aPod("waiting", { status: { phase: "Pending", podIP: "" } }),
  ],
  coreNodes: [
    trunked,
    aNode("whole", "i-2", exclusive, { "aliyun/eni": "7" }),
    aNode("virtual", "i-none", { labels: { type: "virtual-kubelet" } }),
  ],
  namespaces: [
    { metadata: { name: "shop" } },
    { metadata: { name: "off", labels: { "k8s.aliyun.com/pod-eni": "false" } } },
  ],
  podNetworkings: [plane],
  podEnis: [aPodEni("web"), aPodEni("waiting", { allocation: { eni: {}, ipv4: "" }, status: { phase: "Binding" } })],
  networkInterfaces: [aRecord("eni-web")],
  nodeRecords: [aNodeRecord("trunked", "i-1"), aNodeRecord("whole", "i-2")],
};

type Change = (listing: Listing) => Partial<Listing>;

const withEni =
  (eniId: string, given: Partial<Eni>): Change =>
  ({ enis }) => ({ enis: [...enis.filter((eni) => eni.eniId !== eniId), anEni(eniId, given)] });
const withoutEni =
  (eniId: string): Change =>
  ({ enis }) => ({ enis: enis.filter((eni) => eni.eniId !== eniId) });
const withPod =
  (pod: AuditedPod): Change =>
  ({ pods }) => ({ pods: [...pods.filter(({ metadata }) => metadata.name !== pod.metadata.name), pod] });
const withoutPod: Change = ({ pods }) => ({ pods: pods.filter(({ metadata }) => metadata.name !== "web") });
const withPodEni =
  (podEni: PodENI): Change =>
  ({ podEnis }) => ({ podEnis: [...podEnis.filter(({ metadata }) => metadata.name !== podEni.metadata.name), podEni] });
const withRecord =
  (record: NetworkInterface): Change =>
  ({ networkInterfaces }) => ({ networkInterfaces: [...networkInterfaces, record] });
const withNode =
  (node: CoreNode): Change =>
  ({ coreNodes }) => ({
    coreNodes: [...coreNodes.filter(({ metadata }) => metadata.name !== node.metadata.name), node],
  });
const withNodeRecord =
  (record: Node): Change =>
  ({ nodeRecords }) => ({
    nodeRecords: [...nodeRecords.filter(({ metadata }) => metadata.name !== record.metadata.name), record],
  });
const all =
  (...changes: readonly Change[]): Change =>
  (listing) =>
    changes.reduce<Listing>((now, change) => ({ ...now, ...change(now) }), listing);

/** Of a fixed address whose pod has been gone for ten minutes. */
const kept = (allocationType: PodEniAllocation["allocationType"]): Change =>
  all(
    withoutPod,
    withEni("eni-web", { status: "Available" }),
    withPodEni(
      aPodEni("web", {
        allocation: { eni: { id: "eni-web" }, ipv4: "10.1.0.1", ...(allocationType && { allocationType }) },
        status: { phase: "Unbind", instanceID: "", podLastSeen: ago(10 * minute) },
      }),
    ),
  );
const ttl = (releaseAfter: string) => ({ type: "Fixed", releaseStrategy: "TTL", releaseAfter }) as const;
const deleting = (agoMs: number) => ({ deletionTimestamp: ago(agoMs) });

interface Row {
  readonly name: string;
  readonly change: Change;
  /** Level, kind, subject. */
  readonly found: readonly (readonly [Level, FindingKind, string])[];
  readonly says?: string;
}

const web = "podeni shop/web";
const node = "node trunked";

const rows: readonly Row[] = [
  { name: "all is well, whatever others have in the VPC", change: () => ({}), found: [] },

  // Interfaces.
  {
    name: "an interface of ours that no record names, with its age",
    change: withEni("eni-2", { ...free, tags: stray, creationTime: ago(150_000) }),
    found: [["drift", "InterfaceWithoutRecord", "interface eni-2"]],
    says: "Available, 10.1.0.1, 2 min old",
  },
  {
    name: "one that its PodENI is still to name",
    change: withEni("eni-2", { tags: { ...ours, [tags.podEniUid]: "uid-record-waiting" } }),
    found: [["underWay", "UnderWay", "interface eni-2"]],
  },
  {
    name: "one that is being deleted",
    change: withEni("eni-2", { status: "Deleting", tags: stray }),
    found: [["underWay", "UnderWay", "interface eni-2"]],
  },
  {
    name: "one of the published program that is younger than 10 minutes",
    change: withEni("eni-2", { creationTime: ago(599_999) }),
    found: [["underWay", "UnderWay", "interface eni-2"]],
    says: "the collector takes it when it is 10 min old",
  },
  {
    name: "one of the published program that is 10 minutes old",
    change: withEni("eni-2", { creationTime: ago(10 * minute) }),
    found: [["drift", "InterfaceWithoutRecord", "interface eni-2"]],
  },
  {
    name: "a trunk of ours that is nowhere, and whose Node is gone",
    change: withEni("eni-2", {
      type: "Trunk",
      status: "Available",
      tags: { ...ours, [tags.creator]: machineCreatorTagValue, [tags.nodeUid]: "uid-gone" },
    }),
    found: [["drift", "InterfaceWithoutRecord", "interface eni-2"]],
  },
  {
    name: "a record whose interface the cloud does not have",
    change: withoutEni("eni-web"),
    found: [["drift", "InterfaceGone", web]],
    says: "eni-web",
  },
  {
    name: "a record without PodENI",
    change: all(withEni("eni-2", {}), withRecord(aRecord("eni-2"))),
    found: [["drift", "RecordWithoutOwner", "networkinterface eni-2"]],
  },
  {
    name: "a record that its policy keeps",
    change: all(withEni("eni-2", {}), withRecord(aRecord("eni-2", { spec: { managePolicy: { unManaged: true } } }))),
    found: [],
  },
  {
    name: "a record that its policy keeps, without interface",
    change: withRecord(aRecord("eni-2", { spec: { managePolicy: { cache: true } } })),
    found: [["drift", "InterfaceGone", "networkinterface eni-2"]],
  },

  // PodENIs.
  {
    name: "Bind, and the interface is free",
    change: withEni("eni-web", { status: "Available" }),
    found: [["drift", "NotAttached", web]],
    says: "Bind on i-1, but interface eni-web is Available",
  },
  {
    name: "Bind, and the interface is on another instance",
    change: withEni("eni-web", { instanceId: "i-2" }),
    found: [["drift", "OnOtherInstance", web]],
    says: "Bind on i-1, but interface eni-web is on i-2",
  },
  {
    name: "Bind with another address",
    change: withEni("eni-web", { primaryIpv4: "10.1.0.7" }),
    found: [["drift", "AddressDiffers", web]],
    says: "says 10.1.0.1, but interface eni-web has 10.1.0.7",
  },
  {
    name: "Bind with other security groups",
    change: withEni("eni-web", { securityGroupIds: ["sg-2"] }),
    found: [["drift", "SecurityGroupsDiffer", web]],
    says: "says sg-1, but interface eni-web has sg-2",
  },
  { name: "its elastic record, pod gone", change: withoutPod, found: [["drift", "PodENIWithoutPod", web]] },
  {
    name: "bound for another pod of the name",
    change: withPod(aPod("web", { metadata: { uid: "uid-next" } })),
    found: [["drift", "RecordOfOtherPod", web]],
  },
  {
    name: "in deletion for less than 10 minutes",
    change: all(withoutPod, withPodEni(aPodEni("web", { metadata: deleting(10 * minute) }))),
    found: [["underWay", "UnderWay", web]],
  },
  {
    name: "in deletion for longer",
    change: all(withoutPod, withPodEni(aPodEni("web", { metadata: deleting(10 * minute + 1) }))),
    found: [["drift", "StuckDeletion", web]],
  },
  {
    name: "detaching for longer, by its condition",
    change: withPodEni(
      aPodEni("web", {
        status: {
          phase: "Detaching",
          conditions: [
            { ...condition, status: "False", reason: "Busy", message: "later", lastTransitionTime: ago(60 * minute) },
          ],
        },
      }),
    ),
    found: [
      ["drift", "PodWithoutInterface", "pod shop/web"],
      ["drift", "StuckDeletion", web],
    ],
  },
  {
    name: "in deletion for long, held by somebody else's finalizer alone",
    change: all(
      withoutPod,
      withPodEni(aPodEni("web", { metadata: { ...deleting(99 * minute), finalizers: ["example.com/x"] } })),
    ),
    found: [],
  },
  {
    name: "a NetworkInterface in deletion for longer",
    change: withRecord(aRecord("eni-2", { metadata: deleting(11 * minute) })),
    found: [["drift", "StuckDeletion", "networkinterface eni-2"]],
  },

  // Fixed addresses.
  {
    name: "a fixed address before its time",
    change: kept(ttl("11m")),
    found: [["kept", "AddressKept", web]],
    says: `10.1.0.1 is kept until ${ago(-minute)}`,
  },
  { name: "at most a minute after it", change: kept(ttl("9m")), found: [["underWay", "UnderWay", web]] },
  {
    name: "more than a minute after it",
    change: kept(ttl("8m59s")),
    found: [["drift", "ReleaseOverdue", web]],
    says: "61 s ago",
  },
  {
    name: "a fixed address that is kept for ever",
    change: kept({ type: "Fixed", releaseStrategy: "Never" }),
    found: [["kept", "AddressKept", web]],
  },
  {
    name: "an address that nothing keeps",
    change: kept({ type: "Elastic" }),
    found: [["drift", "PodENIWithoutPod", web]],
  },

  // Pods.
  {
    name: "a pod that runs without PodENI",
    change: withPod(aPod("bare", { status: { podIP: "172.20.0.7" } })),
    found: [["drift", "PodWithoutInterface", "pod shop/bare"]],
  },
  {
    name: "a pod that matches a Ready plane, and that admission did not see",
    change: withPod(aPod("missed", { metadata: { annotations: {} }, status: { podIP: "172.20.0.7" } })),
    found: [["drift", "PodWithoutInterface", "pod shop/missed"]],
    says: "matches PodNetworking shop",
  },
  {
    name: "the same in a namespace that has turned the webhook off",
    change: withPod(aPod("off", { metadata: { namespace: "off", annotations: {} }, status: { podIP: "172.20.0.7" } })),
    found: [],
  },
  {
    name: "the same with the label that says to leave it alone",
    change: withPod(
      aPod("left", { metadata: { labels: { "k8s.aliyun.com/ignore-by-terway": "true" } }, status: { podIP: "" } }),
    ),
    found: [],
  },
  {
    name: "two pods with one address",
    change: withPod(aPod("twin", { metadata: { labels: {}, annotations: {} } })),
    found: [["drift", "SharedAddress", "address 10.1.0.1"]],
    says: "pod shop/twin and pod shop/web have it",
  },
  {
    name: "two pods with one address, one of which has ended",
    change: withPod(aPod("twin", { metadata: { labels: {}, annotations: {} }, status: { phase: "Succeeded" } })),
    found: [],
  },
  {
    name: "two PodENIs with one interface",
    change: all(withPod(aPod("twin", { status: { podIP: "" } })), withPodEni(aPodEni("twin"))),
    found: [["drift", "SharedInterface", "interface eni-web"]],
  },

  // Machines.
  {
    name: "a machine that is gone",
    change: all(withoutEni("eni-p2")),
    found: [["drift", "InstanceGone", "node whole"]],
  },
  {
    name: "a record of another instance",
    change: withNodeRecord(aNodeRecord("trunked", "i-7")),
    found: [["drift", "InstanceDiffers", node]],
  },
  {
    name: "a record without node",
    change: withNodeRecord(aNodeRecord("lost", "i-7")),
    found: [["drift", "NodeRecordWithoutNode", "nodes.network.alibabacloud.com lost"]],
    says: "finalizer network.alibabacloud.com/node-controller holds it",
  },
  {
    name: "a record without node in deletion",
    change: withNodeRecord(aNodeRecord("lost", "i-7", deleting(minute))),
    found: [["underWay", "UnderWay", "nodes.network.alibabacloud.com lost"]],
  },
  {
    name: "a record without node in deletion for long",
    change: withNodeRecord(aNodeRecord("lost", "i-7", deleting(11 * minute))),
    found: [["drift", "StuckDeletion", "nodes.network.alibabacloud.com lost"]],
  },
  {
    name: "a trunk that is gone, and places on it",
    change: withoutEni("eni-trunk"),
    found: [
      ["drift", "CapacityTooHigh", node],
      ["drift", "TrunkMissing", node],
    ],
    says: "advertises 52 aliyun/member-eni, and 0 can be attached",
  },
  {
    name: "a trunk that is elsewhere",
    change: all(
      withEni("eni-trunk", { type: "Trunk", instanceId: "i-2", tags: {} }),
      withNode({ ...trunked, status: {} }),
    ),
    found: [
      ["drift", "CapacityTooHigh", "node whole"],
      ["drift", "TrunkMissing", node],
    ],
    says: "which is on i-2",
  },
  {
    name: "members that others have on the trunk",
    change: withEni("eni-foreign", { tags: {}, primaryIpv4: "10.1.0.8" }),
    found: [["drift", "CapacityTooHigh", node]],
    says: "advertises 52 aliyun/member-eni, and 51 can be attached",
  },
  {
    name: "places that others have on an exclusive machine",
    change: withEni("eni-foreign", { type: "Secondary", instanceId: "i-2", tags: {}, primaryIpv4: "10.1.0.8" }),
    found: [["drift", "CapacityTooHigh", "node whole"]],
    says: "advertises 7 aliyun/eni, and 6 can be attached",
  },
];

describe("the audit of one look", () => {
  it.each(rows)("$name", ({ change, found, says }) => {
    const findings = compare({ ...healthy, ...change(healthy) });
    expect(findings.map(({ level, kind, subject }) => [level, kind, subject])).toEqual(found);
    for (const { remedy } of findings) expect(remedy).not.toBe("");
    if (says !== undefined) expect(findings.map(({ detail }) => detail).join("\n")).toContain(says);
  });

  it("names each row once", () => {
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  });
});
