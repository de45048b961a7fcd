import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import { encodePodNetworks, isFixedNamePod, parsePodNetworks, podUsesEni } from "./pod-networks.ts";
import type { NodeToServe, PodNetwork, PodToServe } from "./pod-networks.ts";

describe("parsePodNetworks", () => {
  it("reads every member, in any case of its name", () => {
    const text = JSON.stringify({
      PodNetworks: [
        {
          vswitchoptions: ["vsw-1"],
          securityGroupIds: ["sg-1"],
          interface: "eth1",
          extraRoutes: [{ dst: "10.0.0.0/8" }],
          eniOptions: { eniType: "ENI" },
          vSwitchSelectOptions: { vSwitchSelectionPolicy: "most" },
          resourceGroupID: "rg-1",
          networkInterfaceTrafficMode: "HighPerformance",
          defaultRoute: true,
          allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "5m" },
          unknown: 1,
        },
      ],
    });
    expect(parsePodNetworks(text)).toEqual([
      {
        vSwitchOptions: ["vsw-1"],
        securityGroupIds: ["sg-1"],
        interface: "eth1",
        extraRoutes: [{ dst: "10.0.0.0/8" }],
        eniType: "ENI",
        vSwitchSelectionPolicy: "most",
        resourceGroupId: "rg-1",
        networkInterfaceTrafficMode: "HighPerformance",
        defaultRoute: true,
        allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "5m" },
      },
    ]);
  });

  it.each([
    { text: "", want: /JSON/ },
    { text: "{", want: /JSON/ },
    { text: "[]", want: "the annotation must be an object, got []" },
    { text: '{"podNetworks":7}', want: ".podNetworks must be a list, got 7" },
    { text: '{"podNetworks":["eth0"]}', want: 'podNetworks[0] must be an object, got "eth0"' },
    { text: '{"podNetworks":[{},{"interface":1}]}', want: "podNetworks[1].interface must be a string, got 1" },
    { text: '{"podNetworks":[{"vSwitchOptions":[1]}]}', want: "podNetworks[0].vSwitchOptions[0] must be a string" },
    {
      text: '{"podNetworks":[{"eniOptions":{"eniType":"trunk"}}]}',
      want: "eniType must be one of Default, ENI, Trunk",
    },
    { text: '{"podNetworks":[{"defaultRoute":"yes"}]}', want: "defaultRoute must be true or false" },
  ])("refuses $text", ({ text, want }) => {
    expect(() => parsePodNetworks(text)).toThrow(want);
  });

  it.each(["null", "{}", '{"podNetworks":null}', '{"podNetworks":[]}'])("%s asks for nothing", (text) => {
    expect(parsePodNetworks(text)).toEqual([]);
  });
});

describe("encodePodNetworks", () => {
  it("writes the published bytes: member order, null lists, left-out members, Go's escapes", () => {
    const [bare] = parsePodNetworks('{"podNetworks":[{"interface":"<&>"}]}');
    expect(encodePodNetworks(bare === undefined ? [] : [bare])).toBe(
      '{"podNetworks":[{"vSwitchOptions":null,"securityGroupIDs":null,"interface":"\\u003c\\u0026\\u003e","eniOptions":{"eniType":""},"vSwitchSelectOptions":{},"resourceGroupID":"","networkInterfaceTrafficMode":"","defaultRoute":false,"allocationType":{"type":"Elastic"}}]}',
    );
  });

  it("is undone by parsing", () => {
    const network: fc.Arbitrary<PodNetwork> = fc.record({
      vSwitchOptions: fc.array(fc.string()),
      securityGroupIds: fc.array(fc.string()),
      interface: fc.string(),
      extraRoutes: fc.array(fc.record({ dst: fc.string() })),
      eniType: fc.constantFrom("", "Default", "ENI", "Trunk"),
      vSwitchSelectionPolicy: fc.constantFrom(undefined, "ordered", "random", "most"),
      resourceGroupId: fc.string(),
      networkInterfaceTrafficMode: fc.string(),
      defaultRoute: fc.boolean(),
      allocationType: fc.constantFrom<PodNetwork["allocationType"]>(
        { type: "Elastic" },
        { type: "Fixed", releaseStrategy: "Never" },
        { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "5m" },
      ),
    });
    fc.assert(
      fc.property(fc.array(network), (networks) => {
        expect(parsePodNetworks(encodePodNetworks(networks))).toEqual(networks);
      }),
    );
  });
});

describe("isFixedNamePod", () => {
  it.each([
    { owners: undefined, want: true },
    { owners: [], want: true },
    { owners: ["StatefulSet"], want: true },
    { owners: ["ReplicaSet"], want: false },
    { owners: ["Custom"], want: true },
    { owners: ["custom"], want: false },
  ])("owners $owners: $want", ({ owners, want }) => {
    expect(
      isFixedNamePod(
        owners?.map((kind) => ({ kind })),
        ["Custom"],
      ),
    ).toBe(want);
  });
});

describe("podUsesEni", () => {
  const asking = { "k8s.aliyun.com/pod-eni": "T" };
  const ignoring = { "k8s.aliyun.com/ignore-by-terway": "true" };
  const rows: {
    name: string;
    pod?: PodToServe;
    nodeLabels?: Record<string, string>;
    isCrdMode?: boolean;
    want: boolean;
  }[] = [
    { name: "asks for it", pod: { metadata: { annotations: asking }, spec: { nodeName: "n" } }, want: true },
    { name: "does not ask", want: false },
    {
      name: "asks with a word that is no bool",
      pod: { metadata: { annotations: { "k8s.aliyun.com/pod-eni": "yes" } }, spec: { nodeName: "n" } },
      want: false,
    },
    {
      name: "is on an exclusive node",
      nodeLabels: { "k8s.aliyun.com/exclusive-mode-eni-type": "ENIOnly" },
      want: true,
    },
    { name: "is in CRD mode", isCrdMode: true, want: true },
    { name: "is not scheduled", pod: { metadata: { annotations: asking }, spec: {} }, want: false },
    {
      name: "uses the host's network",
      pod: { metadata: { annotations: asking }, spec: { nodeName: "n", hostNetwork: true } },
      want: false,
    },
    {
      name: "is ignored",
      pod: { metadata: { annotations: asking, labels: ignoring }, spec: { nodeName: "n" } },
      want: false,
    },
    {
      name: "is on an ignored node",
      pod: { metadata: { annotations: asking }, spec: { nodeName: "n" } },
      nodeLabels: ignoring,
      want: false,
    },
    { name: "is on a virtual kubelet", isCrdMode: true, nodeLabels: { type: "virtual-kubelet" }, want: false },
  ];
  it.each(rows)("a pod that $name: $want", ({ pod, nodeLabels, isCrdMode, want }) => {
    const node: NodeToServe = { metadata: nodeLabels === undefined ? {} : { labels: nodeLabels } };
    expect(podUsesEni(pod ?? { metadata: {}, spec: { nodeName: "n" } }, node, isCrdMode ?? false)).toBe(want);
  });
});
