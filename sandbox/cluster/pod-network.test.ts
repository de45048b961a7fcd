import { describe, expect, it } from "@jest/globals";
import { annotations } from "../../crds/v1beta1/names.ts";
import type { Pod, PodEni, PodEniAllocation } from "./kinds.ts";
import { nodeSpecs, type NodeSpec } from "./node-specs.ts";
import { podUsesPodEni, toPodNetwork } from "./pod-network.ts";

const [trunkNode, exclusiveNode] = nodeSpecs({ count: 2, zones: ["cn-hangzhou-h"], exclusiveShare: 0.5 }) as [
  NodeSpec,
  NodeSpec,
];

const pod: Pod = {
  metadata: { name: "web-0", namespace: "default", uid: "uid-1", annotations: { [annotations.podEni]: "true" } },
  spec: { containers: [{ name: "c" }] },
};

const eth0: PodEniAllocation = { eni: { id: "eni-1", mac: "00:16:3e:00:00:01" }, ipv4: "10.1.0.5", interface: "eth0" };

/** The complete record of a bound member. */
function aPodEni(
  change: { uid?: string; status?: PodEni["status"]; allocations?: PodEniAllocation[]; gone?: boolean } = {},
): PodEni {
  const { uid = "uid-1", status, allocations = [eth0], gone = false } = change;
  return {
    metadata: {
      name: "web-0",
      namespace: "default",
      annotations: { [annotations.podUid]: uid },
      ...(gone ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { allocations },
    status: {
      phase: "Bind",
      trunkENIID: trunkNode.trunkEniId ?? "",
      eniInfos: { "eni-1": { type: "Member", vid: 7 } },
      ...status,
    },
  };
}

describe("toPodNetwork", () => {
  const waiting: { name: string; podEni: PodEni | undefined; want: RegExp; node?: NodeSpec }[] = [
    { name: "no record", podEni: undefined, want: /not found/ },
    { name: "a record that is being deleted", podEni: aPodEni({ gone: true }), want: /being deleted/ },
    { name: "the record of a former pod", podEni: aPodEni({ uid: "uid-0" }), want: /uid-0/ },
    { name: "another phase", podEni: aPodEni({ status: { phase: "Binding" } }), want: /phase is Binding/ },
    { name: "no allocation", podEni: aPodEni({ allocations: [] }), want: /no allocation/ },
    { name: "no address", podEni: aPodEni({ allocations: [{ ...eth0, ipv4: "" }] }), want: /no IPv4/ },
    { name: "no MAC", podEni: aPodEni({ allocations: [{ ...eth0, eni: { id: "eni-1" } }] }), want: /no MAC/ },
    { name: "no eniInfos", podEni: aPodEni({ status: { eniInfos: {} } }), want: /no eniInfos/ },
    { name: "another trunk", podEni: aPodEni({ status: { trunkENIID: "eni-other" } }), want: /eni-other/ },
    { name: "no VLAN id", podEni: aPodEni({ status: { eniInfos: { "eni-1": { type: "Member" } } } }), want: /VLAN/ },
    { name: "a member on a node without trunk", podEni: aPodEni(), node: exclusiveNode, want: /no trunk/ },
    { name: "only eth1", podEni: aPodEni({ allocations: [{ ...eth0, interface: "eth1" }] }), want: /eth0/ },
  ];
  it.each(waiting)("waits with a reason: $name", ({ podEni, want, node = trunkNode }) => {
    expect(toPodNetwork(pod, node, podEni)).toEqual({ type: "waiting", reason: expect.stringMatching(want) });
  });

  it("gives the addresses of eth0 among several interfaces", () => {
    const eth1 = { eni: { id: "eni-2", mac: "00:16:3e:00:00:02" }, ipv4: "10.2.0.5", interface: "eth1" };
    const eniInfos = { "eni-1": { type: "Member", vid: 7 }, "eni-2": { type: "Member", vid: 8 } };
    const podEni = aPodEni({ allocations: [eth1, { ...eth0, ipv6: "fd00::5" }], status: { eniInfos } });
    expect(toPodNetwork(pod, trunkNode, podEni)).toEqual({ type: "ready", addresses: ["10.1.0.5", "fd00::5"] });
  });

  it("takes an exclusive interface without a trunk", () => {
    const podEni = aPodEni({ status: { trunkENIID: "", eniInfos: { "eni-1": { type: "Secondary" } } } });
    expect(toPodNetwork(pod, exclusiveNode, podEni)).toEqual({ type: "ready", addresses: ["10.1.0.5"] });
  });
});

describe("podUsesPodEni", () => {
  const plain: Pod = { ...pod, metadata: { name: "p", uid: "u" } };
  it("follows the annotation, and every pod of an exclusive node but host network and ignored ones", () => {
    expect(podUsesPodEni(pod, trunkNode)).toBe(true);
    expect(podUsesPodEni(plain, trunkNode)).toBe(false);
    expect(podUsesPodEni(plain, exclusiveNode)).toBe(true);
    expect(podUsesPodEni({ ...plain, spec: { ...plain.spec, hostNetwork: true } }, exclusiveNode)).toBe(false);
    const ignored = { "k8s.aliyun.com/ignore-by-terway": "true" };
    expect(podUsesPodEni({ ...plain, metadata: { name: "p", labels: ignored } }, exclusiveNode)).toBe(false);
  });
});
