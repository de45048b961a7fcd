import { describe, expect, it } from "@jest/globals";
import type { Plane } from "../../domain/pod-network/plane.ts";
import type { AdmissionRequest } from "../admission.ts";
import { ObjectStore } from "../../runtime/object-store.ts";
import type { KubeObject } from "../../runtime/ports.ts";
import { defaultPlane, findPlaneFault, toDeletionWarnings } from "./decide.ts";
import { createPlaneDefaulting, createPlaneValidation } from "./index.ts";
import { planeIndex, planesOf } from "./use.ts";

function aPlane(spec: Plane["spec"] = {}): Plane {
  return {
    metadata: { name: "plane" },
    spec: { vSwitchOptions: ["vsw-1"], securityGroupIDs: ["sg-1"], eniOptions: { eniType: "Trunk" }, ...spec },
  };
}

const eniConfig = { vSwitchIds: ["vsw-8", "vsw-9"], securityGroupIds: ["sg-9"], ipStack: "ipv4" as const };
const elevenGroups = Array.from({ length: 11 }, (_, index) => `sg-${index}`);
const retention = (releaseStrategy: string | undefined, releaseAfter: string | undefined) => ({
  allocationType: {
    type: "Fixed" as const,
    ...(releaseStrategy === undefined ? {} : { releaseStrategy }),
    ...(releaseAfter === undefined ? {} : { releaseAfter }),
  },
});

describe("validation of what is no PodNetworking", () => {
  it.each([
    { name: "a time that is a number", spec: { allocationType: { releaseStrategy: "TTL", releaseAfter: 300 } } },
    { name: "vSwitches that are no list", spec: { vSwitchOptions: "vsw-1" } },
    { name: "a selector of another form", spec: { selector: { podSelector: { matchExpressions: {} } } } },
  ])("refuses $name", async ({ spec }) => {
    const deps = { pods: aStore([]), podEnis: aStore([]), config: { enableWebhookInjectResource: true } };
    const object = { ...aPlane(), spec: { ...aPlane().spec, ...spec } };
    const { signal } = new AbortController();
    const answer = await createPlaneValidation(deps)(aRequest({ object }), signal);
    expect(answer).toEqual({ allowed: false, code: 500, message: "the object is not a PodNetworking" });
  });
});

describe("findPlaneFault", () => {
  it.each([
    { name: "a plane in order", spec: {}, want: undefined },
    {
      name: "no vSwitch, before no group",
      spec: { vSwitchOptions: [], securityGroupIDs: [] },
      want: "vSwitchOptions is not set",
    },
    { name: "no security group", spec: { securityGroupIDs: [] }, want: "security group is not set" },
    { name: "eleven groups", spec: { securityGroupIDs: elevenGroups }, want: "security group can not more than 10" },
    { name: "ten groups", spec: { securityGroupIDs: elevenGroups.slice(1) }, want: undefined },
    { name: "TTL without a time", spec: retention("TTL", undefined), want: "invalid releaseAfter " },
    { name: "TTL with a bare number", spec: retention("TTL", "30"), want: "invalid releaseAfter 30" },
    { name: "TTL with a negative time", spec: retention("TTL", "-5m"), want: "invalid releaseAfter -5m" },
    { name: "TTL", spec: retention("TTL", "1h30m"), want: undefined },
    { name: "no strategy and nonsense", spec: retention(undefined, "soon"), want: "invalid releaseAfter soon" },
    {
      name: "Never with a time",
      spec: retention("Never", "5m"),
      want: "releaseAfter must be empty when releaseStrategy is never",
    },
    { name: "Never", spec: retention("Never", undefined), want: undefined },
    {
      name: "TTL of less than five minutes",
      spec: retention("TTL", "4m59s"),
      want: "releaseAfter 4m59s is too short: at least 5m",
    },
    { name: "TTL of nothing", spec: retention("TTL", "0"), want: "releaseAfter 0 is too short: at least 5m" },
    { name: "TTL of five minutes, in seconds", spec: retention("TTL", "300s"), want: undefined },
    { name: "a short time that nothing reads", spec: retention(undefined, "1m"), want: undefined },
    {
      name: "a malformed selector",
      spec: { selector: { podSelector: { matchExpressions: [{ key: "app", operator: "In" }] } } },
      want: "podSelector: operator In on label app needs values",
    },
  ])("$name", ({ spec, want }) => {
    expect(findPlaneFault(aPlane(spec), true)).toBe(want);
  });

  const short = "releaseAfter 1m is too short: at least 5m";
  it.each([
    { name: "that was there already may stay", old: retention("TTL", "1m"), want: undefined },
    { name: "that was longer", old: retention("TTL", "10m"), want: short },
    { name: "that was shorter", old: retention("TTL", "30s"), want: short },
    { name: "that nothing read", old: retention(undefined, "1m"), want: short },
    { name: "where there was no retention", old: {}, want: short },
  ])("a short releaseAfter in an update $name: $want", ({ old, want }) => {
    expect(findPlaneFault(aPlane(retention("TTL", "1m")), true, aPlane(old))).toBe(want);
  });

  const message = "attachType must be default when podSelector and namespaceSelector are not set";
  it.each([
    { eniType: "Trunk", selector: undefined, want: message },
    { eniType: "ENI", selector: {}, want: message },
    { eniType: "Default", selector: undefined, want: undefined },
    { eniType: "", selector: undefined, want: undefined },
    { eniType: "Trunk", selector: { podSelector: {} }, want: undefined },
  ] as const)("without injection, type $eniType and selector $selector: $want", ({ eniType, selector, want }) => {
    const plane = aPlane({ eniOptions: { eniType }, ...(selector === undefined ? {} : { selector }) });
    expect(findPlaneFault(plane, false)).toBe(want);
    expect(findPlaneFault({ ...plane, spec: { ...plane.spec, vSwitchOptions: [] } }, false)).toBe(
      want ?? "vSwitchOptions is not set",
    );
  });
});

describe("defaultPlane", () => {
  it.each([
    { name: "both", spec: { vSwitchOptions: [], securityGroupIDs: [] }, want: [["vsw-8", "vsw-9"], ["sg-9"]] },
    { name: "only the empty one", spec: { vSwitchOptions: [] }, want: [["vsw-8", "vsw-9"], ["sg-1"]] },
    { name: "nothing", spec: {}, want: [["vsw-1"], ["sg-1"]] },
  ])("fills $name", ({ spec, want }) => {
    const { spec: filled } = defaultPlane(aPlane(spec), eniConfig);
    expect([filled?.vSwitchOptions, filled?.securityGroupIDs]).toEqual(want);
  });
});

/** A cache with the index that the wiring declares, of objects named by their keys. */
function aStore(objects: readonly { readonly key: string; readonly annotations?: Readonly<Record<string, string>> }[]) {
  const store = new ObjectStore<KubeObject>({ [planeIndex]: planesOf });
  for (const { key, annotations = {} } of objects) {
    const [namespace = "", name = ""] = key.split("/");
    store.set(key, { metadata: { namespace, name, annotations } });
  }
  return store;
}

function aRequest(given: Partial<AdmissionRequest>): AdmissionRequest {
  return {
    uid: "u",
    kind: { group: "network.alibabacloud.com", version: "v1beta1", kind: "PodNetworking" },
    operation: "CREATE",
    name: "plane",
    namespace: "",
    dryRun: false,
    object: aPlane(),
    oldObject: undefined,
    ...given,
  };
}

describe("the handlers", () => {
  const signal = new AbortController().signal;
  const validate = createPlaneValidation({
    pods: aStore([]),
    podEnis: aStore([]),
    config: { enableWebhookInjectResource: true },
  });
  const broken = aPlane({ vSwitchOptions: [] });

  it.each([
    { name: "a good plane", given: {}, allowed: true },
    { name: "a broken plane", given: { object: broken }, allowed: false },
    {
      name: "an update that breaks it",
      given: { operation: "UPDATE", object: broken, oldObject: aPlane() },
      allowed: false,
    },
    {
      name: "an update of the labels of a plane that was always broken",
      given: {
        operation: "UPDATE",
        object: { ...broken, metadata: { name: "plane", labels: { a: "b" } } },
        oldObject: broken,
      },
      allowed: true,
    },
    {
      name: "an update of something else of a plane with a short releaseAfter",
      given: {
        operation: "UPDATE",
        object: aPlane({ ...retention("TTL", "1m"), securityGroupIDs: ["sg-2"] }),
        oldObject: aPlane(retention("TTL", "1m")),
      },
      allowed: true,
    },
    { name: "a deletion", given: { operation: "DELETE", object: undefined }, allowed: true },
    { name: "another kind", given: { kind: { group: "", version: "v1", kind: "Pod" }, object: {} }, allowed: true },
    { name: "an object that is none", given: { object: 7 }, allowed: false },
  ])("validation of $name: $allowed", async ({ given, allowed }) => {
    expect((await validate(aRequest(given), signal)).allowed).toBe(allowed);
  });

  it("defaulting patches only what is empty, and nothing when the cluster has no eni-config", async () => {
    const ask = (config: typeof eniConfig | undefined) =>
      createPlaneDefaulting({ eniConfig: { get: () => Promise.resolve(config) } })(
        aRequest({ object: broken }),
        signal,
      );
    expect((await ask(eniConfig)).patch?.map(({ path }) => path)).toEqual(["/spec/vSwitchOptions"]);
    expect(await ask(undefined)).toEqual({ allowed: true, code: 200 });
  });

  it("defaulting cannot tell when eni-config cannot be read", async () => {
    const handler = createPlaneDefaulting({ eniConfig: { get: () => Promise.reject(new Error("down")) } });
    await expect(handler(aRequest({ object: broken }), signal)).rejects.toThrow("down");
  });
});

const matched = (plane: string) => ({ "k8s.aliyun.com/pod-networking": plane });
const requested = (...planes: unknown[]) => ({
  "k8s.aliyun.com/pod-networks-request": JSON.stringify(planes.map((network) => ({ network }))),
});

describe("planesOf", () => {
  it.each([
    { name: "a pod without annotations", annotations: undefined, want: [] },
    { name: "a pod that a selector matched", annotations: matched("a"), want: ["a"] },
    { name: "a pod that asks for two planes, one twice", annotations: requested("a", "b", "a"), want: ["a", "b"] },
    { name: "elements without a plane", annotations: requested(undefined, 7, ""), want: [] },
    { name: "no JSON", annotations: { "k8s.aliyun.com/pod-networks-request": "{" }, want: [] },
    { name: "JSON that is no list", annotations: { "k8s.aliyun.com/pod-networks-request": "{}" }, want: [] },
    { name: "a list of nothing", annotations: { "k8s.aliyun.com/pod-networks-request": "[null, 1]" }, want: [] },
  ])("of $name are $want", ({ annotations, want }) => {
    expect(planesOf({ metadata: { name: "p", ...(annotations && { annotations }) } })).toEqual(want);
  });
});

describe("the deletion of a plane", () => {
  const signal = new AbortController().signal;
  const web = ["ns/web-0", "ns/web-1"].map((key) => ({ key, annotations: matched("plane") }));
  const cases: {
    readonly name: string;
    readonly pods: Parameters<typeof aStore>[0];
    readonly podEnis: Parameters<typeof aStore>[0];
    readonly want: readonly string[];
  }[] = [
    { name: "that nobody uses", pods: [{ key: "ns/a", annotations: matched("other") }], podEnis: [], want: [] },
    {
      name: "that two pods use, with and without a record",
      pods: web,
      podEnis: web.slice(1),
      want: [
        "PodNetworking plane is used by 2 pods (ns/web-0, ns/web-1): they keep their interfaces, but pods that are created from now on, their successors included, do not get one from it",
      ],
    },
    {
      name: "that keeps an address for a pod that is gone",
      pods: [],
      podEnis: [{ key: "ns/db-0", annotations: requested("plane") }],
      want: [
        "PodNetworking plane is used by the 1 PodENI (ns/db-0) of pods that are gone: a fixed address stays reserved, and the next pod of that name does not get it back",
      ],
    },
  ];
  it.each(cases)("$name is allowed and told", async ({ pods, podEnis, want }) => {
    const validate = createPlaneValidation({
      pods: aStore(pods),
      podEnis: aStore(podEnis),
      config: { enableWebhookInjectResource: true },
    });
    const answer = await validate(aRequest({ operation: "DELETE", object: undefined, oldObject: aPlane() }), signal);
    expect(answer).toEqual({ allowed: true, code: 200, ...(want.length > 0 && { warnings: want }) });
  });

  it("names three users and counts the others", () => {
    const pods = Array.from({ length: 1_000 }, (_, index) => `ns/p-${index}`);
    expect(toDeletionWarnings("plane", { pods, records: [] })).toEqual([
      expect.stringContaining("used by 1000 pods (ns/p-0, ns/p-1, ns/p-2 and 997 more):"),
    ]);
  });
});
