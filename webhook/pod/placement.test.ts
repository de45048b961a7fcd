import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import { applyPatch, createPatch } from "rfc6902";
import { aPlane, aPod, complete, decide, mutated, withNetworks, zoneIn, zonesAffinity } from "./fixtures.ts";
import type { PodManifest } from "./manifest.ts";

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

describe("zone affinity", () => {
  const disk = { key: "disk", operator: "Exists" };
  const fixed = [aPlane({ spec: { allocationType: { type: "Fixed", releaseStrategy: "Never" } } })];
  const record = { metadata: {}, spec: { zone: "zone-a", allocations: [{}] } };

  it.each([
    { name: "zero terms get one", terms: [], want: [[zoneIn("zone-a", "zone-b")]] },
    { name: "a term that matches nothing goes on to match nothing", terms: [[]], want: [[]] },
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

  it("is required once, however often the pod is admitted", () => {
    const once = mutated(decide({ planes: fixed, podEni: record })).pod.spec;
    const again = mutated(decide({ pod: aPod({ spec: once }), planes: fixed, podEni: record })).pod.spec;
    expect(again).toEqual(once);
  });

  const elsewhere = { metadata: {}, spec: { zone: "zone-x", allocations: [{}] } };
  const conflict =
    "the fixed address of this pod is in zone zone-x, its vSwitches are in zone-a, zone-b: no node fits; delete PodENI ns/web-0 to give the address up, or give the PodNetworking a vSwitch in zone-x";

  it("lets a pod wait that no node fits, says what helps, and binds it to no zone yet", () => {
    const { pod, warnings } = mutated(decide({ planes: fixed, podEni: elsewhere }));
    expect(warnings).toEqual([conflict]);
    expect(pod.spec.affinity).toBeUndefined();
    expect(pod.spec.schedulingGates).toEqual([{ name: "network.alibabacloud.com/pod-networking" }]);
  });

  it("says the same of a pod that names its node and so cannot wait", () => {
    const pod = aPod({ spec: { nodeName: "node-1" } });
    const decision = mutated(decide({ pod, planes: fixed, podEni: elsewhere }));
    expect(decision.warnings).toEqual([conflict]);
    expect(decision.pod.spec.schedulingGates).toBeUndefined();
    expect(decision.pod.spec.affinity).toEqual(zonesAffinity([[zoneIn("zone-x"), zoneIn("zone-a", "zone-b")]]));
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
