import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { applyPatch, createPatch } from "rfc6902";
import type { Plane } from "../../domain/pod-network/plane.ts";
import { decidePod } from "./decide.ts";
import type { PodAdmission, PodAdmissionConfig, PodDecision } from "./decide.ts";
import type { Affinity, PodManifest } from "./manifest.ts";

const prefix = "k8s.aliyun.com/";

/** A pod of one container in namespace `ns`, labelled `app: web`, owned by nobody. */
function aPod(given: Partial<PodManifest["metadata"]> & { spec?: Partial<PodManifest["spec"]> } = {}): PodManifest {
  const { spec, ...metadata } = given;
  return {
    metadata: { name: "web-0", namespace: "ns", labels: { app: "web" }, ...metadata },
    spec: { containers: [{ name: "main" }, { name: "sidecar" }], ...spec },
  };
}

/** A Ready trunk plane for `app: web` with vSwitches in zones b and a. */
function aPlane(
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

function decide(
  given: Omit<Partial<PodAdmission>, "config"> & { config?: Partial<PodAdmissionConfig> } = {},
): PodDecision {
  return decidePod({
    pod: aPod(),
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

function mutated(decision: PodDecision): Extract<PodDecision, { type: "mutate" }> {
  if (decision.type !== "mutate") throw new Error(`not mutated: ${JSON.stringify(decision)}`);
  return decision;
}

/** A pod with `pod-networks`, one element per argument. */
function withNetworks(...networks: object[]): PodManifest {
  return aPod({ annotations: { [`${prefix}pod-networks`]: JSON.stringify({ podNetworks: networks }) } });
}

const complete = { interface: "eth0", vSwitchOptions: ["vsw-a"], securityGroupIDs: ["sg-1"] };
const eniConfig = { vSwitchIds: ["vsw-1", "vsw-2"], securityGroupIds: ["sg-9"], ipStack: "ipv4" as const };

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

  it("a pod whose only matching plane is not Ready does not run on another network", () => {
    const planes = [aPlane({ status: { status: "Fail", message: "vSwitch vsw-a was not found" } })];
    expect(decide({ planes })).toEqual({
      type: "deny",
      message: "pod networking plane matches this pod and is not ready: vSwitch vsw-a was not found",
    });
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

  it("uses the oldest of several planes, then the first by name, and reports the others", () => {
    const planes = [
      aPlane({ name: "c" }),
      aPlane({ name: "b" }),
      aPlane({ name: "a", created: "2026-02-01T00:00:00Z" }),
      aPlane({ name: "unready", created: "2020-01-01T00:00:00Z", status: {} }),
    ];
    const decision = mutated(decide({ planes }));
    expect(decision.overlapping).toEqual(["b", "c", "a"]);
    expect(decision.warnings).toEqual([
      "PodNetworkings b, c, a all match this pod; b is used because it is the oldest",
    ]);
    expect(mutated(decide({ planes: [...planes].reverse() })).overlapping).toEqual(["b", "c", "a"]);
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

describe("the injected resource", () => {
  it.each([
    { enableTrunk: true, eniTypes: ["Trunk"], want: "aliyun/member-eni" },
    { enableTrunk: true, eniTypes: ["Default"], want: "aliyun/member-eni" },
    { enableTrunk: true, eniTypes: [""], want: "aliyun/member-eni" },
    { enableTrunk: true, eniTypes: ["ENI"], want: "aliyun/eni" },
    { enableTrunk: true, eniTypes: ["Trunk", "ENI"], want: "aliyun/eni" },
    { enableTrunk: false, eniTypes: ["Trunk"], want: "aliyun/eni" },
    { enableTrunk: false, eniTypes: ["ENI"], want: "aliyun/eni" },
  ])("trunk $enableTrunk and types $eniTypes: $want", ({ enableTrunk, eniTypes, want }) => {
    const pod = withNetworks(
      ...eniTypes.map((eniType, index) => ({ ...complete, interface: `eth${index}`, eniOptions: { eniType } })),
    );
    const { containers } = mutated(decide({ pod, config: { enableTrunk } })).pod.spec;
    expect(containers?.[0]?.resources).toEqual({
      limits: { [want]: String(eniTypes.length) },
      requests: { [want]: String(eniTypes.length) },
    });
  });

  it("keeps other resources, overwrites its own, and is left out when turned off", () => {
    const spec = { containers: [{ resources: { limits: { cpu: "1", "aliyun/member-eni": "7" } } }] };
    expect(mutated(decide({ pod: aPod({ spec }) })).pod.spec.containers?.[0]?.resources).toEqual({
      limits: { cpu: "1", "aliyun/member-eni": "1" },
      requests: { "aliyun/member-eni": "1" },
    });
    expect(
      mutated(decide({ pod: aPod({ spec }), config: { enableWebhookInjectResource: false } })).pod.spec.containers,
    ).toEqual(spec.containers);
  });
});

function zoneIn(...values: string[]) {
  return { key: "topology.kubernetes.io/zone", operator: "In", values };
}

function zonesAffinity(terms: object[][]): Affinity {
  const nodeSelectorTerms = terms.map((matchExpressions) => ({ matchExpressions })) as NonNullable<
    NonNullable<Affinity["nodeAffinity"]>["requiredDuringSchedulingIgnoredDuringExecution"]
  >["nodeSelectorTerms"];
  return {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: nodeSelectorTerms ?? [] } },
  };
}

describe("zone affinity", () => {
  const disk = { key: "disk", operator: "Exists" };
  const fixed = [aPlane({ spec: { allocationType: { type: "Fixed", releaseStrategy: "Never" } } })];
  const record = { metadata: {}, spec: { zone: "zone-a", allocations: [{}] } };

  it.each([
    { name: "zero terms get one", terms: [], want: [[zoneIn("zone-a", "zone-b")]] },
    { name: "one term gets it last", terms: [[disk]], want: [[disk, zoneIn("zone-a", "zone-b")]] },
    {
      name: "every one of several terms gets it",
      terms: [[disk], [zoneIn("zone-x")]],
      want: [
        [disk, zoneIn("zone-a", "zone-b")],
        [zoneIn("zone-x"), zoneIn("zone-a", "zone-b")],
      ],
    },
  ])("$name", ({ terms, want }) => {
    const pod = aPod({ spec: { affinity: zonesAffinity(terms) } });
    expect(mutated(decide({ pod })).pod.spec.affinity).toEqual(zonesAffinity(want));
  });

  it("puts the zone of a fixed address first", () => {
    const { pod } = mutated(decide({ planes: fixed, podEni: record }));
    expect(pod.spec.affinity).toEqual(zonesAffinity([[zoneIn("zone-a"), zoneIn("zone-a", "zone-b")]]));
  });

  it("warns when no node can satisfy both", () => {
    const podEni = { metadata: {}, spec: { zone: "zone-x", allocations: [{}] } };
    expect(mutated(decide({ planes: fixed, podEni })).warnings).toEqual([
      "the fixed address of this pod is in zone zone-x, its vSwitches are in zone-a, zone-b: no node fits",
    ]);
  });

  it.each([
    { name: "an elastic pod", planes: [aPlane()], podEni: record },
    {
      name: "a record that is being deleted",
      planes: fixed,
      podEni: { ...record, metadata: { deletionTimestamp: "now" } },
    },
    {
      name: "a record without allocations",
      planes: fixed,
      podEni: { metadata: {}, spec: { zone: "zone-a", allocations: [] } },
    },
  ])("$name has no former zone", ({ planes, podEni }) => {
    expect(mutated(decide({ planes, podEni })).pod.spec.affinity).toEqual(
      zonesAffinity([[zoneIn("zone-a", "zone-b")]]),
    );
  });

  it("leaves a DaemonSet's pod where its controller put it", () => {
    const pod = aPod({ ownerReferences: [{ kind: "DaemonSet" }] });
    expect(mutated(decide({ pod })).pod.spec.affinity).toBeUndefined();
  });
});

describe("the patch", () => {
  it("turns the original into the decided pod and leaves every other member alone, whatever the pod holds", () => {
    const name = fc.stringMatching(/^[a-z]{1,8}\/?[a-z]{0,4}~?$/);
    const anyPod = fc.record({
      apiVersion: fc.constant("v1"),
      newTopLevelField: fc.jsonValue(),
      metadata: fc.record({
        labels: fc.dictionary(name, fc.string()).map((labels) => ({ ...labels, app: "web" })),
        annotations: fc.option(fc.dictionary(name, fc.string()), { nil: undefined }),
        ownerReferences: fc.array(fc.record({ kind: fc.constantFrom("StatefulSet", "ReplicaSet", "DaemonSet") }), {
          maxLength: 2,
        }),
      }),
      spec: fc.record({
        fieldOfTheFuture: fc.jsonValue(),
        containers: fc.array(fc.record({ name, image: fc.string(), future: fc.jsonValue() }), {
          minLength: 1,
          maxLength: 3,
        }),
      }),
    });
    fc.assert(
      fc.property(anyPod, (generated) => {
        const original = JSON.parse(JSON.stringify(generated)) as typeof generated;
        const { pod } = mutated(decide({ pod: original as PodManifest }));
        const patched: unknown = JSON.parse(JSON.stringify(original));
        const patch = createPatch(original, pod);
        expect(applyPatch(patched, patch).filter((result) => result !== null)).toEqual([]);
        expect(patched).toEqual(JSON.parse(JSON.stringify(pod)));
        const allowed = /^\/(metadata\/annotations|spec\/affinity|spec\/containers\/0\/resources)(\/|$)/;
        expect(patch.map(({ path }) => path).filter((path) => !allowed.test(path))).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});
