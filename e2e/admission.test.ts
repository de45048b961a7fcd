import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Pod } from "../sandbox/cluster/kinds.ts";
import { landscape } from "../sandbox/landscape.ts";
import { pathOf } from "./kube.ts";
import { aNamespace, aPlane, aPod, type AnyManifest, type PodOptions } from "./manifests.ts";
import { eventually, startWorld, type World } from "./world.ts";

const namespace = "admission";
const prefix = "k8s.aliyun.com/";
const [zoneH, zoneI] = landscape.zones;
const zoneIn = (...values: string[]) => ({ key: "topology.kubernetes.io/zone", operator: "In", values });
const ownedBy = (kind: string) => ({ ownerReferences: [{ apiVersion: "apps/v1", kind, name: "o", uid: "u" }] });
const affinityOf = (...nodeSelectorTerms: object[]) => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
});
const requesting = (...networks: readonly string[]) => ({
  [`${prefix}pod-networks-request`]: JSON.stringify(
    networks.map((network, index) => ({ network, interfaceName: `eth${index}` })),
  ),
});
const fixed = (releaseAfter: string) => ({
  allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter },
});

interface Admitted {
  readonly pod: Pod;
  /** Headers `warning`, as they came. */
  readonly warnings: string;
}

describe("admission, asked by the API server", () => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld({ nodes: 2 });
    const { kube } = world;
    await kube.apply(aNamespace(namespace));
    await kube.apply(aNamespace("team", { team: "x" }));
    await kube.apply(aNamespace("out", { [`${prefix}pod-eni`]: "false" }));
    await kube.apply(aNamespace("kube-system"));
    const eniConf = { vswitches: { [zoneH]: ["vsw-hz-h-1"] }, security_group: landscape.securityGroupId };
    await kube.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "eni-config", namespace: "kube-system" },
      ...{ data: { eni_conf: JSON.stringify(eniConf) } },
    });
    const noSelector = { selector: {} };
    const planes: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
      byPod: {},
      byNamespace: { selector: { namespaceSelector: { matchLabels: { team: "x" } } } },
      byBoth: {
        selector: {
          podSelector: { matchLabels: { plane: "both" } },
          namespaceSelector: { matchLabels: { team: "x" } },
        },
        eniOptions: { eniType: "ENI" },
      },
      sticky: { ...fixed("10m") },
      whole: { eniOptions: { eniType: "ENI" } },
      asked: noSelector,
      askedH: { ...noSelector, vSwitchOptions: ["vsw-hz-h-1"] },
      askedI: { ...noSelector, vSwitchOptions: ["vsw-hz-i-1"] },
      askedWhole: { ...noSelector, eniOptions: { eniType: "ENI" } },
    };
    // The plane of both selectors is the older one of two that match.
    const [both, ...others] = ["byBoth", ...Object.keys(planes).filter((name) => name !== "byBoth")];
    await kube.apply(aPlane(nameOf(both), planes[both]));
    const created = (await kube.plane(nameOf(both)))!.metadata.creationTimestamp ?? "";
    await eventually("the next second", () => Date.now() >= Date.parse(created) + 1_000);
    for (const name of others) await kube.apply(aPlane(nameOf(name), planes[name]));
    await Promise.all(Object.keys(planes).map((name) => kube.untilPlaneSays(nameOf(name), "VSwitchesFound")));
    await kube.apply(aPlane("unready", { selector: {}, vSwitchOptions: ["vsw-missing"] }));
    await eventually("admission knows the last plane", async () =>
      (await refusalOf({ annotations: requesting("unready") })).includes("is not ready"),
    );
  }, 90_000);

  afterAll(() => world.stop(), 30_000);

  /** Asks without storing anything. */
  const ask = (options: Partial<PodOptions>, metadata: object = {}) => {
    const manifest = aPod({ namespace, name: "web-0", ...options });
    const pod = { ...manifest, metadata: { ...manifest.metadata, ...metadata } };
    const path = `/api/v1/namespaces/${options.namespace ?? namespace}/pods?dryRun=All`;
    return world.kube.request("POST", path, pod);
  };
  const admit = async (options: Partial<PodOptions>, metadata: object = {}): Promise<Admitted> => {
    const answer = await ask(options, metadata);
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
    return { pod: answer.body as Pod, warnings: answer.headers["warning"] ?? "" };
  };
  const refusalOf = async (options: Partial<PodOptions>, metadata: object = {}): Promise<string> => {
    const { status, body } = await ask(options, metadata);
    return status === 201 ? "" : (body as { readonly message: string }).message;
  };
  const refusalOfPlane = async (name: string, spec: Readonly<Record<string, unknown>>): Promise<string> =>
    (await world.kube.refusalOf(aPlane(name, spec))) ?? "";
  const planeOf = ({ metadata }: Pod) => metadata.annotations?.[`${prefix}pod-networking`];

  it("writes annotations, to the byte, resource and zones into a pod of a plane", async () => {
    const { pod, warnings } = await admit({ plane: "by-pod" });
    expect(pod.metadata.annotations).toMatchObject({
      [`${prefix}pod-networking`]: "by-pod",
      [`${prefix}pod-eni`]: "true",
      [`${prefix}pod-networks`]:
        '{"podNetworks":[{"vSwitchOptions":["vsw-hz-h-1","vsw-hz-i-1"],"securityGroupIDs":["sg-sandbox"],"interface":"eth0","eniOptions":{"eniType":"Default"},"vSwitchSelectOptions":{"vSwitchSelectionPolicy":"ordered"},"resourceGroupID":"","networkInterfaceTrafficMode":"","defaultRoute":false,"allocationType":{"type":"Elastic"}}]}',
    });
    const one = { "aliyun/member-eni": "1" };
    expect(pod.spec.containers[0]?.resources).toMatchObject({ limits: one, requests: one });
    expect(pod.spec.affinity).toEqual(affinityOf({ matchExpressions: [zoneIn(zoneH, zoneI)] }).affinity);
    expect(pod.spec.schedulingGates).toBeUndefined();
    expect(warnings).toBe("");
  });

  it.each([
    { name: "its labels", given: { plane: "by-pod" }, want: "by-pod" },
    { name: "its namespace", given: { namespace: "team" }, want: "by-namespace" },
    { name: "both, the older of two", given: { namespace: "team", plane: "both" }, want: "by-both" },
    { name: "neither: its namespace is missing", given: { plane: "both" }, want: undefined },
    { name: "a fixed name on a Fixed plane", given: { plane: "sticky" }, want: "sticky" },
    { name: "a name that changes, on a Fixed plane", given: { plane: "sticky" }, owner: "ReplicaSet", want: undefined },
    {
      name: "its labels, but it opts out",
      given: { plane: "by-pod", labels: { [`${prefix}ignore-by-terway`]: "true" } },
    },
    { name: "its labels, but its namespace opts out", given: { plane: "by-pod", namespace: "out" } },
    { name: "its labels, but it is on the host's network", given: { plane: "by-pod", spec: { hostNetwork: true } } },
  ])("chooses the plane by $name", async ({ given, owner, want }) => {
    const { pod } = await admit(given, owner === undefined ? {} : ownedBy(owner));
    expect(planeOf(pod)).toBe(want);
    expect(pod.metadata.annotations?.[`${prefix}pod-eni`]).toBe(want === undefined ? undefined : "true");
  });

  it("warns of a pod that several planes match", async () => {
    const { warnings } = await admit({ namespace: "team", plane: "both" });
    expect(warnings).toContain("PodNetworkings by-both, by-namespace all match this pod; by-both is used");
  });

  it("warns of a pod whose oldest plane is not Ready, so that another one is used", async () => {
    const { kube } = world;
    const selector = { podSelector: { matchLabels: { shared: "yes" } } };
    await kube.apply(aPlane("older", { selector, vSwitchOptions: ["vsw-missing"] }));
    await kube.untilPlaneSays("older", "VSwitchNotFound");
    await kube.apply(aPlane("younger", { selector }));
    await kube.untilPlaneSays("younger", "VSwitchesFound");
    const { pod, warnings } = await eventually("admission knows that it is Ready", async () => {
      const admitted = await admit({ labels: { shared: "yes" } });
      return admitted.pod.spec.schedulingGates === undefined ? admitted : undefined;
    });
    expect(planeOf(pod)).toBe("younger");
    expect(warnings).toContain(
      "PodNetworkings younger, older (not Ready) all match this pod; younger is used because it is the oldest that is Ready",
    );
    await kube.create(aPod({ namespace, name: "shared", labels: { shared: "yes" } }));
    await kube.untilRunning(namespace, "shared");
    await kube.untilEvent("PodNetworking", "older", "OverlappingPodNetworking", "older (not Ready)");
  });

  it("completes a pod that only says that it wants an interface from eni-config", async () => {
    const { pod } = await admit({ annotations: { [`${prefix}pod-eni`]: "true" } });
    expect(pod.metadata.annotations?.[`${prefix}pod-networks`]).toBe(
      '{"podNetworks":[{"vSwitchOptions":["vsw-hz-h-1"],"securityGroupIDs":["sg-sandbox"],"interface":"eth0","eniOptions":{"eniType":""},"vSwitchSelectOptions":{},"resourceGroupID":"","networkInterfaceTrafficMode":"","defaultRoute":false,"allocationType":{"type":"Elastic"}}]}',
    );
    expect(pod.spec.containers[0]?.resources?.limits).toEqual({ "aliyun/member-eni": "1" });
    expect([planeOf(pod), pod.spec.affinity]).toEqual([undefined, undefined]);
  });

  it("gives a pod the planes that it asks for by name, in the zones that they share", async () => {
    const { pod } = await admit({ annotations: requesting("asked", "asked-h") });
    expect(pod.spec.containers[0]?.resources?.limits).toEqual({ "aliyun/member-eni": "2" });
    expect(pod.spec.affinity).toEqual(affinityOf({ matchExpressions: [zoneIn(zoneH)] }).affinity);
    expect(planeOf(pod)).toBeUndefined();
  });

  it.each([
    { name: "a plane of ENIs", given: { plane: "whole" }, want: { "aliyun/eni": "1" } },
    { name: "a plane of the default type", given: { plane: "by-pod" }, want: { "aliyun/member-eni": "1" } },
  ])("asks the scheduler for an interface of the kind of $name", async ({ given, want }) => {
    const { pod } = await admit(given);
    expect(pod.spec.containers[0]?.resources).toMatchObject({ limits: want, requests: want });
  });

  const disk = { key: "disk", operator: "Exists" };
  const host = { key: "metadata.name", operator: "In", values: ["n"] };
  const zones = zoneIn(zoneH, zoneI);
  it.each([
    { name: "its only term", terms: [{ matchExpressions: [disk] }], want: [{ matchExpressions: [disk, zones] }] },
    {
      name: "every term that somebody gave it before",
      terms: [{ matchExpressions: [disk] }, { matchFields: [host] }],
      want: [{ matchExpressions: [disk, zones] }, { matchFields: [host], matchExpressions: [zones] }],
    },
    {
      name: "no term that matches nothing",
      terms: [{}, { matchExpressions: [disk] }],
      want: [{}, { matchExpressions: [disk, zones] }],
    },
  ])("adds the zones to $name", async ({ terms, want }) => {
    const { pod } = await admit({ plane: "by-pod", spec: affinityOf(...terms) });
    expect(pod.spec.affinity).toEqual(affinityOf(...want).affinity);
  });

  it("adds no zone to a DaemonSet's pod", async () => {
    const { pod } = await admit({ plane: "by-pod" }, ownedBy("DaemonSet"));
    expect([planeOf(pod), pod.spec.affinity]).toEqual(["by-pod", undefined]);
  });

  const request = `unable parse annotation ${prefix}pod-networks-request, `;
  const twice = { ...requesting("asked"), [`${prefix}pod-networks`]: "" };
  const network = { interface: "eth0", vSwitchOptions: ["vsw-hz-h-1"], securityGroupIDs: ["sg-1"] };
  const naming = (...podNetworks: object[]) => ({ [`${prefix}pod-networks`]: JSON.stringify({ podNetworks }) });
  it.each([
    {
      name: "two ways to ask at once",
      annotations: twice,
      want: `pod annotations ${prefix}pod-networks, ${prefix}pod-networks-request, and ${prefix}pod-networking must be mutually exclusive`,
    },
    {
      name: "a plane that is not Ready",
      annotations: requesting("unready"),
      want: `${request}pod networking unready is not ready`,
    },
    {
      name: "a plane that does not exist",
      annotations: requesting("nothing"),
      want: `${request}podnetworkings.network.alibabacloud.com "nothing" not found`,
    },
    {
      name: "a plane with a selector",
      annotations: requesting("by-pod"),
      want: `${request}pod networking by-pod should not have selector`,
    },
    {
      name: "planes of different types",
      annotations: requesting("asked", "asked-whole"),
      want: `${request}pod networking asked-whole has different eni attach type`,
    },
    {
      name: "planes without a common zone",
      annotations: requesting("asked-h", "asked-i"),
      want: `${request}the pod networkings share no zone: asked-h is in ${zoneH}; asked-i is in ${zoneI}`,
    },
    { name: "the same interface twice", annotations: naming(network, network), want: "duplicated interface" },
    {
      name: "a long interface name",
      annotations: naming({ ...network, interface: "eth000" }),
      want: "interface name should >0 and <6 ",
    },
    {
      name: "a fixed address for a pod whose name changes",
      annotations: naming({ ...network, allocationType: { type: "Fixed" } }),
      owner: "ReplicaSet",
      want: "fixed ip only support for fixed name pod",
    },
  ])("refuses $name", async ({ annotations, owner, want }) => {
    expect(await refusalOf({ annotations }, owner === undefined ? {} : ownedBy(owner))).toContain(want.trimEnd());
  });

  it("takes a short releaseAfter in a pod's own annotation, as published", async () => {
    const { pod } = await admit({ annotations: naming({ ...network, ...fixed("5s") }) });
    expect(pod.metadata.annotations?.[`${prefix}pod-networks`]).toContain('"releaseAfter":"5s"');
  });

  it("refuses a new plane that keeps addresses for less than five minutes, and an update that shortens it", async () => {
    const { kube } = world;
    expect(await refusalOfPlane("hasty", fixed("4m59s"))).toContain("releaseAfter 4m59s is too short: at least 5m");
    expect(await kube.plane("hasty")).toBeUndefined();
    await kube.apply(aPlane("patient", fixed("5m")));
    const shorter: AnyManifest = aPlane("patient", fixed("1m"));
    expect(await kube.refusalOf(shorter)).toContain("releaseAfter 1m is too short: at least 5m");
    await kube.patch(pathOf.plane("patient"), { spec: { allocationType: { releaseAfter: "1h" } } });
    expect((await kube.plane("patient"))?.spec?.allocationType?.releaseAfter).toBe("1h");
  });
});

/** A member of the table of planes as the name of one. */
function nameOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
