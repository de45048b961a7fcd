import { describe, expect, it } from "@jest/globals";
import { toNodeFacts } from "./node-facts.ts";

const zone = "topology.kubernetes.io/zone";

interface Row {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly providerId?: string;
  readonly want: object;
}

const rows: readonly Row[] = [
  { name: "its instance is the part after the dot", want: { instanceId: "i-1", zone: "zone-a" } },
  {
    name: "the instance of a Lingjun machine is the whole text",
    labels: { "alibabacloud.com/lingjun-worker": "true" },
    providerId: "e01-abc.def",
    want: { instanceId: "e01-abc.def" },
  },
  {
    name: "its zone may stand under the old label",
    labels: { [zone]: "", "failure-domain.beta.kubernetes.io/zone": "zone-b" },
    want: { zone: "zone-b" },
  },
  { name: "its trunk", annotations: { "k8s.aliyun.com/trunk-on": "eni-t" }, want: { trunkEniId: "eni-t" } },
  { name: "exclusive", labels: { "k8s.aliyun.com/exclusive-mode-eni-type": "ENIONLY" }, want: { isExclusive: true } },
  { name: "shared", labels: { "k8s.aliyun.com/exclusive-mode-eni-type": "default" }, want: { isExclusive: false } },
  { name: "ignored", labels: { "k8s.aliyun.com/ignore-by-terway": "true" }, want: { isIgnored: true } },
  { name: "not ignored", labels: { "k8s.aliyun.com/ignore-by-terway": "yes" }, want: { isIgnored: false } },
  { name: "a virtual kubelet", labels: { type: "virtual-kubelet" }, want: { isIgnored: true } },
  { name: "no zone", labels: { [zone]: "" }, want: { problem: `node node-1 has no label ${zone}` } },
  { name: "no dot", providerId: "i-1", want: { problem: "node node-1 has no instance id in .spec.providerID" } },
  { name: "no instance", providerId: "", want: { problem: "node node-1 has no instance id in .spec.providerID" } },
];

describe("what a node says about its machine", () => {
  it.each(rows)("$name", ({ labels, annotations, providerId = "cn-hangzhou.i-1", want }) => {
    const merged = { [zone]: "zone-a", ...labels };
    expect(
      toNodeFacts({
        metadata: {
          name: "node-1",
          labels: Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== "")),
          ...(annotations !== undefined && { annotations }),
        },
        spec: { providerID: providerId },
      }),
    ).toMatchObject(want);
  });
});
