import { describe, expect, it } from "@jest/globals";
import type { Plane } from "../../domain/pod-network/plane.ts";
import type { AdmissionRequest } from "../admission.ts";
import { defaultPlane, findPlaneFault } from "./decide.ts";
import { createPlaneDefaulting, createPlaneValidation } from "./index.ts";

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
      name: "a malformed selector",
      spec: { selector: { podSelector: { matchExpressions: [{ key: "app", operator: "In" }] } } },
      want: "podSelector: operator In on label app needs values",
    },
  ])("$name", ({ spec, want }) => {
    expect(findPlaneFault(aPlane(spec), true)).toBe(want);
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
  const validate = createPlaneValidation({ enableWebhookInjectResource: true });
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
    expect((await ask(eniConfig)).patch?.map(({ path }) => path)).toEqual([
      "/spec/vSwitchOptions/-",
      "/spec/vSwitchOptions/-",
    ]);
    expect(await ask(undefined)).toEqual({ allowed: true, code: 200 });
  });

  it("defaulting cannot tell when eni-config cannot be read", async () => {
    const handler = createPlaneDefaulting({ eniConfig: { get: () => Promise.reject(new Error("down")) } });
    await expect(handler(aRequest({ object: broken }), signal)).rejects.toThrow("down");
  });
});
