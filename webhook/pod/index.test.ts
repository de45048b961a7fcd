import { describe, expect, it } from "@jest/globals";
import type { KubeObject, Recorder } from "../../runtime/ports.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import { EniConfigSource } from "../../cmd/eni-config-source.ts";
import type { AdmissionRequest } from "../admission.ts";
import { createPodAdmission } from "./index.ts";

function aPlane(name: string): Plane {
  return {
    metadata: { name },
    spec: {
      selector: { namespaceSelector: { matchLabels: { team: "x" } } },
      vSwitchOptions: ["vsw-1"],
      securityGroupIDs: ["sg-1"],
    },
    status: { status: "Ready", vSwitches: [{ id: "vsw-1", zone: "zone-a" }] },
  };
}

/** Handlers over planes, a namespace that only a live read knows, and an eni-config of the given text. */
function aWorld(
  given: {
    planes?: Plane[];
    livePlanes?: readonly Plane[] | undefined;
    namespace?: KubeObject;
    eniConf?: string | Error;
  } = {},
) {
  const events: Parameters<Recorder["event"]>[0][] = [];
  let reads = 0;
  let nowMs = 0;
  const { eniConf } = given;
  const handler = createPodAdmission({
    planes: { list: () => given.planes ?? [] },
    livePlanes: () => Promise.resolve(given.livePlanes),
    podEnis: { get: () => undefined },
    namespaces: { lister: { get: () => undefined }, getLive: () => Promise.resolve(given.namespace) },
    eniConfig: new EniConfigSource({
      getConfigMap: () => {
        reads += 1;
        if (eniConf instanceof Error) return Promise.reject(eniConf);
        return Promise.resolve(eniConf === undefined ? undefined : { data: { eni_conf: eniConf } });
      },
      clock: { monotonic: () => nowMs, sleep: () => Promise.resolve() },
    }),
    recorder: { event: (event) => void events.push(event) },
    config: { enableTrunk: true, enableWebhookInjectResource: true, isCrdMode: false, customStatefulWorkloadKinds: [] },
  });
  const ask = (request: Partial<AdmissionRequest> = {}, annotations?: Record<string, string>) =>
    handler(
      {
        uid: "u",
        kind: { group: "", version: "v1", kind: "Pod" },
        operation: "CREATE",
        name: "",
        namespace: "ns",
        dryRun: false,
        object: { metadata: { generateName: "web-", annotations }, spec: { containers: [{}] } },
        oldObject: undefined,
        ...request,
      },
      new AbortController().signal,
    );
  return { ask, events, reads: () => reads, pass: (ms: number) => (nowMs += ms) };
}

const wantsEni = { "k8s.aliyun.com/pod-eni": "true" };
const namespace: KubeObject = { metadata: { name: "ns", labels: { team: "x" } } };

describe("admission of pods", () => {
  it.each([
    { name: "no object", object: "pod" },
    { name: "no spec", object: { metadata: {} } },
    { name: "containers that are no list", object: { metadata: {}, spec: { containers: { 0: {} } } } },
    { name: "a container that is nothing", object: { metadata: {}, spec: { containers: [null] } } },
    { name: "annotations that are no texts", object: { metadata: { annotations: { a: 1 } }, spec: {} } },
    { name: "owners that are nothing", object: { metadata: { ownerReferences: null }, spec: {} } },
    { name: "gates without names", object: { metadata: {}, spec: { schedulingGates: [{}] } } },
    {
      name: "an affinity of another form",
      object: {
        metadata: {},
        spec: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [] } } },
      },
    },
  ])("says of an object with $name that it is no Pod", async ({ object }) => {
    expect(await aWorld().ask({ object })).toEqual({ allowed: false, code: 500, message: "the object is not a Pod" });
  });

  it("reads a namespace that the cache does not have yet", async () => {
    const { ask, events } = aWorld({ planes: [aPlane("one")], namespace });
    expect((await ask()).patch?.length).toBeGreaterThan(0);
    expect(events).toEqual([]);
  });

  it("looks past its cache before it lets a pod go to the shared network", async () => {
    const known = aWorld({ planes: [aPlane("one")], livePlanes: [], namespace });
    expect((await known.ask()).patch?.length).toBeGreaterThan(0);
    const unknown = aWorld({ planes: [], livePlanes: [aPlane("one")], namespace });
    expect((await unknown.ask()).patch?.length).toBeGreaterThan(0);
    const none = aWorld({ planes: [], livePlanes: [], namespace });
    expect(await none.ask()).toEqual({ allowed: true, code: 200, message: "not match" });
    const unread = aWorld({ planes: [], livePlanes: undefined, namespace });
    expect(await unread.ask()).toEqual({ allowed: true, code: 200, message: "not match" });
  });

  it("cannot tell when the namespace cannot be found", async () => {
    await expect(aWorld({ planes: [aPlane("one")] }).ask()).rejects.toThrow("namespace ns does not exist");
  });

  it("reports overlapping planes on each of them, but not in a dry run", async () => {
    const world = aWorld({ planes: [aPlane("two"), aPlane("one")], namespace });
    await world.ask({ dryRun: true });
    expect(world.events).toEqual([]);
    expect((await world.ask()).warnings).toHaveLength(1);
    expect(world.events.map(({ regarding, reason }) => [regarding.name, reason])).toEqual([
      ["two", "OverlappingPodNetworking"],
      ["one", "OverlappingPodNetworking"],
    ]);
  });

  it("reads eni-config once in ten seconds", async () => {
    const world = aWorld({ eniConf: '{"vswitches":{"zone-b":["vsw-2"],"zone-a":["vsw-1"]},"security_group":"sg-1"}' });
    await world.ask({}, wantsEni);
    await world.ask({}, wantsEni);
    expect(world.reads()).toBe(1);
    world.pass(10_000);
    const { patch } = await world.ask({}, wantsEni);
    expect(world.reads()).toBe(2);
    expect(JSON.stringify(patch)).toContain('[\\"vsw-1\\",\\"vsw-2\\"]');
  });

  it.each([
    { name: "is missing", eniConf: undefined, want: "eni-config does not exist" },
    { name: "is empty", eniConf: "", want: "eni_conf is empty" },
    { name: "names an unknown ip_stack", eniConf: '{"ip_stack":"ipv5"}', want: "ip_stack" },
    {
      name: "names eleven groups",
      eniConf: JSON.stringify({ security_groups: Array.from({ length: 11 }, (_, index) => `sg-${index}`) }),
      want: "11 security groups",
    },
    { name: "cannot be read", eniConf: new Error("timeout"), want: "timeout" },
  ])("cannot tell when eni-config $name", async ({ eniConf, want }) => {
    await expect(aWorld(eniConf === undefined ? {} : { eniConf }).ask({}, wantsEni)).rejects.toThrow(want);
  });

  it("answers a pod of thousands of containers and alternatives in the time of any other", async () => {
    const parts = Array.from({ length: 3_000 }, (_, index) => ({
      matchExpressions: [{ key: `k-${index}`, operator: "Exists" }],
    }));
    const affinity = {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: parts } },
    };
    const world = aWorld({ planes: [aPlane("one")], namespace: { metadata: { name: "ns", labels: { team: "x" } } } });
    const object = { metadata: {}, spec: { containers: parts.map((_, index) => ({ name: `c-${index}` })), affinity } };
    const startMs = performance.now();
    const { patch } = await world.ask({ object });
    expect(patch).toHaveLength(3_000 + 2);
    // About 50 ms; a shortest patch, found by comparing each with each, takes minutes.
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  it.each([undefined, 7, {}, { metadata: {} }])("does not understand %p", async (object) => {
    expect(await aWorld().ask({ object })).toMatchObject({ allowed: false, code: 500 });
  });
});
