import { describe, expect, it } from "@jest/globals";
import {
  annotations,
  creatorTagValue,
  eniConfig,
  finalizers,
  interfacesNodeCondition,
  labels,
  machineCreatorTagValue,
  notReadyTaint,
  resources,
  schedulingGate,
  tags,
} from "./names.ts";

/** What users, other programs and stored objects use. A change here breaks a cluster that runs. */
const published = {
  annotations: {
    podEni: "k8s.aliyun.com/pod-eni",
    podNetworks: "k8s.aliyun.com/pod-networks",
    podNetworksRequest: "k8s.aliyun.com/pod-networks-request",
    podNetworking: "k8s.aliyun.com/pod-networking",
    podUid: "k8s.aliyun.com/pod-uid",
    enoApi: "k8s.aliyun.com/eno-api",
    trunkOn: "k8s.aliyun.com/trunk-on",
    maxAvailableIp: "k8s.aliyun.com/max-available-ip",
  },
  labels: {
    node: "k8s.aliyun.com/node",
    ignore: "k8s.aliyun.com/ignore-by-terway",
    exclusiveMode: "k8s.aliyun.com/exclusive-mode-eni-type",
    lingjunWorker: "alibabacloud.com/lingjun-worker",
    nodeType: "type",
    nodeName: "name",
    nodeConfig: "terway-config",
  },
  finalizers: {
    podEni: "network.alibabacloud.com/pod-eni",
    podEniLegacy: "pod-eni",
    networkInterface: "network.alibabacloud.com/eni",
    node: "network.alibabacloud.com/node-controller",
  },
  resources: { eni: "aliyun/eni", memberEni: "aliyun/member-eni" },
  tags: { clusterId: "ack.aliyun.com", creator: "creator" },
  eniConfig: { namespace: "kube-system", name: "eni-config", key: "eni_conf" },
};

describe("names on the wire", () => {
  it("are the published ones", () => {
    expect({ annotations, labels, finalizers, resources, tags, eniConfig }).toMatchObject(published);
    expect([creatorTagValue, machineCreatorTagValue]).toEqual(["terway-controller", "terway"]);
  });

  it("that are ours stay what they are, for stored objects have them", () => {
    expect([annotations.createAttempts, annotations.nodeSpecApplied, annotations.trunkIntent]).toEqual([
      "k8s.aliyun.com/create-attempts",
      "k8s.aliyun.com/node-spec-applied",
      "k8s.aliyun.com/trunk-intent",
    ]);
    expect(schedulingGate).toBe("network.alibabacloud.com/pod-networking");
    expect([tags.podEniUid, tags.interface, tags.attempt, tags.nodeUid]).toEqual([
      "k8s.aliyun.com/pod-eni-uid",
      "k8s.aliyun.com/interface",
      "k8s.aliyun.com/create-attempt",
      "k8s.aliyun.com/node-uid",
    ]);
    expect([notReadyTaint, interfacesNodeCondition]).toEqual([
      "network.alibabacloud.com/not-ready",
      "TerwayInterfaces",
    ]);
  });
});
