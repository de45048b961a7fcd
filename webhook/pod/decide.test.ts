import { describe, expect, it } from "@jest/globals";
import type { Plane } from "../../domain/pod-network/plane.ts";
import {
  aPlane,
  aPod,
  complete,
  decide,
  eniConfig,
  mutated,
  prefix,
  withNetworks,
  zoneIn,
  zonesAffinity,
} from "./fixtures.ts";

describe("pods that admission leaves alone", () => {
  it.each([
    {
      name: "host network, before anything else",
      pod: aPod({ spec: { hostNetwork: true, containers: [] } }),
      message: "host network",
    },
    { name: "no containers", pod: aPod({ spec: { containers: [] } }), message: "" },
    {
      name: "the ignore label",
      pod: aPod({ labels: { app: "web", [`${prefix}ignore-by-terway`]: "true" } }),
      message: "",
    },
    { name: "no plane", pod: aPod({ labels: {} }), message: "not match" },
  ])("$name", ({ pod, message }) => {
    expect(decide({ pod })).toEqual({ type: "allow", message });
  });
});

describe("refusals, in the published words", () => {
  it.each([
    {
      name: "two of the three annotations, even when empty",
      pod: aPod({ annotations: { [`${prefix}pod-networks`]: "", [`${prefix}pod-networking`]: "" } }),
      message:
        "pod annotations k8s.aliyun.com/pod-networks, k8s.aliyun.com/pod-networks-request, and k8s.aliyun.com/pod-networking must be mutually exclusive",
    },
    {
      name: "networks that are no JSON",
      pod: aPod({ annotations: { [`${prefix}pod-networks`]: "{" } }),
      message: /^unable parse annotation field k8s\.aliyun\.com\/pod-networks, /,
    },
    {
      name: "a request that is no JSON",
      pod: aPod({ annotations: { [`${prefix}pod-networks-request`]: "nope" } }),
      message: /^unable parse annotation k8s\.aliyun\.com\/pod-networks-request, /,
    },
    {
      name: "eleven security groups, before the bad name",
      pod: withNetworks({
        ...complete,
        interface: "",
        securityGroupIDs: Array.from({ length: 11 }, (_, index) => `sg-${index}`),
      }),
      message: "security group can not more than 10",
    },
    {
      name: "no interface name",
      pod: withNetworks({ ...complete, interface: "" }),
      message: "interface name should >0 and <6 ",
    },
    {
      name: "an interface name of six",
      pod: withNetworks({ ...complete, interface: "eth000" }),
      message: "interface name should >0 and <6 ",
    },
    { name: "the same interface twice", pod: withNetworks(complete, complete), message: "duplicated interface" },
    {
      name: "the first network's fault before the second's",
      pod: withNetworks(complete, { ...complete, interface: "toolong" }, complete),
      message: "interface name should >0 and <6 ",
    },
    {
      name: "a fixed address for a pod of a ReplicaSet",
      pod: {
        ...withNetworks({ ...complete, allocationType: { type: "Fixed" } }),
        ...{
          metadata: {
            ...withNetworks({ ...complete, allocationType: { type: "Fixed" } }).metadata,
            ownerReferences: [{ kind: "ReplicaSet" }],
          },
        },
      },
      message: "fixed ip only support for fixed name pod",
    },
    {
      name: "a releaseAfter that is no duration",
      pod: withNetworks({
        ...complete,
        allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "soon" },
      }),
      message: "invalid releaseAfter soon",
    },
  ])("$name", ({ pod, message }) => {
    const decision = decide({ pod });
    expect(decision).toEqual({
      type: "deny",
      message: typeof message === "string" ? message : expect.stringMatching(message),
    });
  });
});

describe("a pod whose only matching planes are not Ready", () => {
  const gate = { name: "network.alibabacloud.com/pod-networking" };
  const why = "pod networking plane matches this pod and is not ready: vSwitch vsw-a was not found";
  const planes = [
    aPlane({ status: { status: "Fail", message: "vSwitch vsw-a was not found", vSwitches: [{ id: "x", zone: "x" }] } }),
    aPlane({ name: "younger", created: "2026-02-01T00:00:00Z", status: {} }),
  ];

  it("does not run on another network: it gets all but the zones, and waits behind a gate", () => {
    const ready = mutated(decide());
    const { pod, warnings, overlapping } = mutated(decide({ planes }));
    expect(pod.metadata).toEqual(ready.pod.metadata);
    expect(pod.spec).toEqual({ containers: ready.pod.spec.containers, schedulingGates: [gate] });
    expect([warnings, overlapping]).toEqual([[why], undefined]);
  });

  it.each([
    {
      name: "another's gate",
      schedulingGates: [{ name: "example.com/other" }],
      want: [{ name: "example.com/other" }, gate],
    },
    { name: "the gate itself", schedulingGates: [gate], want: [gate] },
  ])("keeps $name, and has ours once", ({ schedulingGates, want }) => {
    expect(mutated(decide({ pod: aPod({ spec: { schedulingGates } }), planes })).pod.spec.schedulingGates).toEqual(
      want,
    );
  });

  it("gets no zone of a fixed address either, for it may have to be given up", () => {
    const fixed = [aPlane({ spec: { allocationType: { type: "Fixed", releaseStrategy: "Never" } }, status: {} })];
    const podEni = { metadata: {}, spec: { zone: "zone-a", allocations: [{}] } };
    expect(mutated(decide({ planes: fixed, podEni })).pod.spec.affinity).toBeUndefined();
  });

  it("is refused when it names its node, where no gate can be", () => {
    expect(decide({ pod: aPod({ spec: { nodeName: "node-1" } }), planes })).toEqual({ type: "deny", message: why });
  });

  it("is still refused for what it asks wrongly", () => {
    const crowded = aPlane({
      status: {},
      spec: { securityGroupIDs: Array.from({ length: 11 }, (_, index) => `sg-${index}`) },
    });
    expect(decide({ planes: [crowded] })).toEqual({ type: "deny", message: "security group can not more than 10" });
  });
});

describe("a pod that matches a plane", () => {
  it("gets byte-exact annotations, the resource on its first container, and the plane's zones, sorted", () => {
    const { pod, warnings, overlapping } = mutated(decide());
    expect(pod.metadata.annotations).toEqual({
      [`${prefix}pod-networking`]: "plane",
      [`${prefix}pod-networks`]:
        '{"podNetworks":[{"vSwitchOptions":["vsw-b","vsw-a"],"securityGroupIDs":["sg-1"],"interface":"eth0","eniOptions":{"eniType":"Trunk"},"vSwitchSelectOptions":{"vSwitchSelectionPolicy":"ordered"},"resourceGroupID":"","networkInterfaceTrafficMode":"","defaultRoute":false,"allocationType":{"type":"Elastic"}}]}',
      [`${prefix}pod-eni`]: "true",
    });
    const one = { "aliyun/member-eni": "1" };
    expect(pod.spec.containers).toEqual([
      { name: "main", resources: { limits: one, requests: one } },
      { name: "sidecar" },
    ]);
    expect(pod.spec.affinity).toEqual(zonesAffinity([[zoneIn("zone-a", "zone-b")]]));
    expect([warnings, overlapping]).toEqual([[], undefined]);
  });

  it("uses the oldest of several planes that are Ready, then the first by name, and names the others", () => {
    const planes = [
      aPlane({ name: "c" }),
      aPlane({ name: "b" }),
      aPlane({ name: "a", created: "2026-02-01T00:00:00Z" }),
    ];
    const decision = mutated(decide({ planes }));
    const overlapping = { ready: ["b", "c", "a"], notReady: [] };
    expect(decision.overlapping).toEqual(overlapping);
    expect(decision.warnings).toEqual([
      "PodNetworkings b, c, a all match this pod; b is used because it is the oldest",
    ]);
    expect(mutated(decide({ planes: [...planes].reverse() })).overlapping).toEqual(overlapping);
  });

  it.each([
    { age: "an older", created: "2020-01-01T00:00:00Z" },
    { age: "a younger", created: "2027-01-01T00:00:00Z" },
  ])("names $age plane that is not Ready and so is not used", ({ created }) => {
    const decision = mutated(
      decide({ planes: [aPlane({ name: "used" }), aPlane({ name: "late", created, status: {} })] }),
    );
    expect(decision.pod.metadata.annotations?.[`${prefix}pod-networking`]).toBe("used");
    expect(decision.overlapping).toEqual({ ready: ["used"], notReady: ["late"] });
    expect(decision.warnings).toEqual([
      "PodNetworkings used, late (not Ready) all match this pod; used is used because it is the oldest that is Ready",
    ]);
  });

  it.each([
    { name: "no selector never matches", spec: { selector: {} }, matches: false },
    { name: "a null selector is none", spec: { selector: { podSelector: null } }, matches: false },
    { name: "an empty selector matches everything", spec: { selector: { podSelector: {} } }, matches: true },
    {
      name: "both selectors must match",
      spec: { selector: { podSelector: {}, namespaceSelector: { matchLabels: { team: "x" } } } },
      matches: false,
    },
    {
      name: "the namespace's labels count",
      spec: { selector: { namespaceSelector: { matchExpressions: [{ key: "team", operator: "In", values: ["y"] }] } } },
      matches: true,
    },
    {
      name: "a malformed requirement matches nothing",
      spec: { selector: { podSelector: { matchExpressions: [{ key: "app", operator: "Is", values: ["web"] }] } } },
      matches: false,
    },
  ])("$name", ({ spec, matches }) => {
    const decision = decide({ planes: [aPlane({ spec })], namespaceLabels: { team: "y" } });
    expect(decision.type).toBe(matches ? "mutate" : "allow");
  });

  it.each([
    { kinds: undefined, custom: [], matches: true },
    { kinds: ["StatefulSet"], custom: [], matches: true },
    { kinds: ["ReplicaSet"], custom: [], matches: false },
    { kinds: ["CloneSet"], custom: ["CloneSet"], matches: true },
    { kinds: ["cloneset"], custom: ["CloneSet"], matches: false },
  ])("a Fixed plane and owners $kinds with custom kinds $custom: $matches", ({ kinds, custom, matches }) => {
    const pod = aPod(kinds === undefined ? {} : { ownerReferences: kinds.map((kind) => ({ kind })) });
    const planes = [aPlane({ spec: { allocationType: { type: "Fixed", releaseStrategy: "Never" } } })];
    expect(decide({ pod, planes, config: { customStatefulWorkloadKinds: custom } }).type).toBe(
      matches ? "mutate" : "allow",
    );
  });
});

describe("defaults from eni-config", () => {
  it.each([
    {
      name: "a pod that asks for an ENI and matches nothing",
      given: { pod: aPod({ labels: {}, annotations: { [`${prefix}pod-eni`]: "true" } }) },
    },
    { name: "every pod in CRD mode", given: { pod: aPod({ labels: {} }), config: { isCrdMode: true } } },
    { name: "eth0 without vSwitches", given: { pod: withNetworks({ interface: "eth0" }) } },
  ])("$name gets them on eth0, after they were asked for", ({ given }) => {
    expect(decide(given)).toEqual({ type: "needsEniConfig" });
    const { pod } = mutated(decide({ ...given, eniConfig }));
    expect(pod.metadata.annotations?.[`${prefix}pod-networks`]).toContain(
      '{"vSwitchOptions":["vsw-1","vsw-2"],"securityGroupIDs":["sg-9"],"interface":"eth0","eniOptions":{"eniType":""},"vSwitchSelectOptions":{},',
    );
    expect(pod.metadata.annotations?.[`${prefix}pod-networking`]).toBeUndefined();
    expect(pod.spec.affinity).toBeUndefined();
  });

  it("leaves further interfaces as they are, and warns that they cannot start", () => {
    const { pod, warnings } = mutated(decide({ pod: withNetworks(complete, { interface: "eth1" }), eniConfig }));
    expect(pod.metadata.annotations?.[`${prefix}pod-networks`]).toContain(
      '{"vSwitchOptions":null,"securityGroupIDs":null,"interface":"eth1"',
    );
    expect(warnings).toEqual(["interface eth1 has no vSwitchOptions or no securityGroupIDs: the pod cannot start"]);
  });
});

describe("pod-networks-request", () => {
  const byName = (name: string, given: { spec?: Plane["spec"]; zones?: string[]; status?: string } = {}) =>
    aPlane({
      name,
      spec: { ...given.spec, selector: given.spec?.selector ?? {} },
      status: {
        status: given.status ?? "Ready",
        vSwitches: (given.zones ?? ["zone-a", "zone-b"]).map((zone) => ({ id: zone, zone })),
      },
    });
  const requesting = (...requests: object[]) =>
    aPod({ annotations: { [`${prefix}pod-networks-request`]: JSON.stringify(requests) } });

  it("takes the planes by name, with the routes of the request, in the zones that they share", () => {
    const pod = requesting(
      { network: "one" },
      { network: "two", interfaceName: "eth1", defaultRoute: true, routes: [{ dst: "10.0.0.0/8" }] },
    );
    const planes = [byName("one"), byName("two", { zones: ["zone-b", "zone-c"] })];
    const decision = mutated(decide({ pod, planes }));
    const text = decision.pod.metadata.annotations?.[`${prefix}pod-networks`] ?? "";
    expect(text).toContain('"interface":"eth1","extraRoutes":[{"dst":"10.0.0.0/8"}],"eniOptions"');
    expect(text).toContain('"defaultRoute":true');
    expect(decision.pod.spec.containers?.[0]?.resources?.limits).toEqual({ "aliyun/member-eni": "2" });
    expect(decision.pod.spec.affinity).toEqual(zonesAffinity([[zoneIn("zone-b")]]));
  });

  it.each([
    { name: "an unknown plane", planes: [], message: 'podnetworkings.network.alibabacloud.com "one" not found' },
    {
      name: "a plane that is not Ready",
      planes: [byName("one", { status: "Fail" })],
      message: "pod networking one is not ready",
    },
    {
      name: "a plane with a selector",
      planes: [byName("one", { spec: { selector: { podSelector: {} } } })],
      message: "pod networking one should not have selector",
    },
    {
      name: "planes of different attach types",
      planes: [byName("one"), byName("two", { spec: { eniOptions: { eniType: "ENI" } } })],
      message: "pod networking two has different eni attach type",
    },
    {
      name: "planes without a common zone",
      planes: [byName("one", { zones: ["zone-a"] }), byName("two", { zones: ["zone-b"] })],
      message: "the pod networkings share no zone: one is in zone-a; two is in zone-b",
    },
  ])("refuses $name", ({ planes, message }) => {
    const pod = requesting({ network: "one" }, { network: "two", interfaceName: "eth1" });
    expect(decide({ pod, planes })).toEqual({
      type: "deny",
      message: `unable parse annotation k8s.aliyun.com/pod-networks-request, ${message}`,
    });
  });

  it("an empty list counts as absent", () => {
    expect(mutated(decide({ pod: requesting() })).pod.metadata.annotations?.[`${prefix}pod-networking`]).toBe("plane");
  });
});
