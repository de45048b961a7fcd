/** Every wire name of the published control plane that this program reads or writes, in one place. */

/** API group and version of the five kinds. */
export const group = "network.alibabacloud.com";
export const version = "v1beta1";

/** On a CRD object: the schema version that the installer compares. */
export const crdVersionAnnotation = "crd.network.alibabacloud.com/version";

export const finalizers = {
  /** On PodENI; set by controller `pod`, removed by `pod-eni` when no interface is left. */
  podEni: "network.alibabacloud.com/pod-eni",
  /** On PodENIs of old releases; honoured and removed like `podEni`. */
  podEniLegacy: "pod-eni",
  /** On NetworkInterface; removed by controller `eni` once the cloud interface is gone. */
  networkInterface: "network.alibabacloud.com/eni",
  /** On our Node; set and removed by controller `node`. */
  node: "network.alibabacloud.com/node-controller",
} as const;

export const annotations = {
  /** On Pod: `"true"` means the pod gets its own interfaces. As a Namespace label `"false"` turns the pod webhook off. */
  podEni: "k8s.aliyun.com/pod-eni",
  /** On Pod: JSON `{"podNetworks":[…]}`, the interfaces that the pod gets. Written by the webhook or the user. */
  podNetworks: "k8s.aliyun.com/pod-networks",
  /** On Pod: JSON list of plane references, by the user. */
  podNetworksRequest: "k8s.aliyun.com/pod-networks-request",
  /** On Pod: name of the PodNetworking that matched. Written by the webhook. */
  podNetworking: "k8s.aliyun.com/pod-networking",
  /** On PodENI: UID of the pod that owns the record. The node daemon refuses a mismatch. */
  podUid: "k8s.aliyun.com/pod-uid",
  /** On PodENI and NetworkInterface of Lingjun machines: the cloud API that serves them. */
  enoApi: "k8s.aliyun.com/eno-api",
  /** On Pod, by tools that pin processors: JSON `{"container":{"0":{…}}}`, the inner keys are NUMA nodes. */
  cpuSet: "cpuSet",
  /** On the core Node: id of its trunk interface. */
  trunkOn: "k8s.aliyun.com/trunk-on",
  /**
   * On PodENI, ours: JSON `{"eth0":2}`, how often each interface's creation was decided anew. Part of the client token,
   * so it is written before the call that it names.
   */
  createAttempts: "k8s.aliyun.com/create-attempts",
  /**
   * On our Node, ours: JSON of those of `spec.eni`, `pool`, `flavor` and `datapath` that controller `node` wrote, as it
   * wrote them. What has another value now was written by somebody else and is theirs.
   */
  nodeSpecApplied: "k8s.aliyun.com/node-spec-applied",
  /** On the core Node: how many addresses for pods it can have. Schedulers and autoscalers read it. */
  maxAvailableIp: "k8s.aliyun.com/max-available-ip",
  /**
   * On the Node CR, ours: JSON `{"attempt":2,"vSwitch":"vsw-1"}`, how often the making of its trunk was decided anew and
   * where. Names the client token, so it is written before the call.
   */
  trunkIntent: "k8s.aliyun.com/trunk-intent",
} as const;

export const labels = {
  /** On PodENI and NetworkInterface: node name. The node daemon's informer selects on it. */
  node: "k8s.aliyun.com/node",
  /** On Pod or core Node, exactly `true`: leave alone. */
  ignore: "k8s.aliyun.com/ignore-by-terway",
  /** On core Node and our Node: `eniOnly` (any case) makes every pod of the node use exclusive interfaces. */
  exclusiveMode: "k8s.aliyun.com/exclusive-mode-eni-type",
  /** On our Node: its name. */
  nodeName: "name",
  /** On core Node: name of a ConfigMap in `kube-system` that is merged over eni-config for this machine. */
  nodeConfig: "terway-config",
  /** On core Node: `virtual-kubelet` nodes are left alone. */
  nodeType: "type",
  lingjunWorker: "alibabacloud.com/lingjun-worker",
  zone: "topology.kubernetes.io/zone",
  zoneLegacy: "failure-domain.beta.kubernetes.io/zone",
  region: "topology.kubernetes.io/region",
  instanceType: "node.kubernetes.io/instance-type",
} as const;

/**
 * On Pod, ours: keeps the pod from being scheduled until the PodNetworking that serves it is Ready, because the zones in
 * which it may run are not known before. Set by the webhook, taken off by controller `pod`.
 */
export const schedulingGate = "network.alibabacloud.com/pod-networking";

/**
 * Key of the taint with which a node may register so that no pod lands before it can be served; taken off when it can.
 * Never put on by this program.
 */
export const notReadyTaint = "network.alibabacloud.com/not-ready";

/** Type of the condition on the core Node that says whether pods with interfaces of their own can be served there. */
export const interfacesNodeCondition = "TerwayInterfaces";

/** Extended resources by which the scheduler counts exclusive and member interfaces. */
export const resources = { eni: "aliyun/eni", memberEni: "aliyun/member-eni" } as const;

/** Tags on every interface this program makes. The first two are published; the others say which record owns it. */
export const tags = {
  clusterId: "ack.aliyun.com",
  creator: "creator",
  podEniUid: "k8s.aliyun.com/pod-eni-uid",
  interface: "k8s.aliyun.com/interface",
  /** The create attempt (annotation `create-attempts`) that made the interface, as a decimal. */
  attempt: "k8s.aliyun.com/create-attempt",
  /** On trunks: UID of the Node CR that the trunk was made for. */
  nodeUid: "k8s.aliyun.com/node-uid",
} as const;

/** An interface with this tag is left alone, whatever else is on it. Source: documentation of the ERDMA controller. */
export const excludedTag = { key: "terway.alibabacloud.com/excluded", value: "true" } as const;

/** Value of the tag `creator` on exclusive interfaces. */
export const creatorTagValue = "terway-controller";

/** Value of the tag `creator` on interfaces of the machine: its trunk and the pool of shared addresses. */
export const machineCreatorTagValue = "terway";

/** The daemon's configuration, which admission reads for defaults. */
export const eniConfig = { namespace: "kube-system", name: "eni-config", key: "eni_conf" } as const;
