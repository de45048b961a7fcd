import { describe, expect, it } from "@jest/globals";
import type { PodENI } from "../crds/v1beta1/pod-eni.gen.ts";
import type { Pod } from "../domain/kubernetes/objects.ts";
import { detachingInterfaces, isAwaited, isUnfinished } from "./suspension.ts";

const fixed = { allocationType: { type: "Fixed" as const }, eni: { id: "eni-1" } };
const elastic = { allocationType: { type: "Elastic" as const }, eni: { id: "eni-1" } };
const aPodEni = (phase: string, allocation: object = fixed, metadata: object = {}): PodENI => ({
  metadata: { name: "db-0", namespace: "d", annotations: { "k8s.aliyun.com/pod-uid": "uid-1" }, ...metadata },
  spec: { zone: "z", allocations: [allocation] },
  status: { phase },
});
const aPod = (uid: string, metadata: object = {}): Pod => ({
  metadata: { name: "db-0", namespace: "d", uid, ...metadata },
});

describe("a detach that a pod waits for", () => {
  it.each([
    { name: "fixed, the next pod is there", podEni: aPodEni("Detaching"), pod: aPod("uid-2"), want: true },
    { name: "a binding pod whose interface is elsewhere", podEni: aPodEni("Binding"), pod: aPod("uid-1"), want: true },
    { name: "fixed, no next pod", podEni: aPodEni("Detaching"), pod: undefined, want: false },
    { name: "fixed, the same pod", podEni: aPodEni("Detaching"), pod: aPod("uid-1"), want: false },
    {
      name: "fixed, the next pod is going itself",
      podEni: aPodEni("Detaching"),
      pod: aPod("uid-2", { deletionTimestamp: "2026-01-01T00:00:00Z" }),
      want: false,
    },
    { name: "elastic: it is given back", podEni: aPodEni("Detaching", elastic), pod: aPod("uid-2"), want: false },
    { name: "being deleted", podEni: aPodEni("Deleting"), pod: aPod("uid-2"), want: false },
    { name: "no record", podEni: undefined, pod: aPod("uid-2"), want: false },
  ])("$name: $want", ({ podEni, pod, want }) => {
    expect(isAwaited(podEni, pod)).toBe(want);
  });

  it("names the interfaces that are to come off, and no others", () => {
    expect(detachingInterfaces(aPodEni("Detaching"))).toEqual(["eni-1"]);
    expect(detachingInterfaces(aPodEni("Bind"))).toEqual([]);
    expect(detachingInterfaces(undefined)).toEqual([]);
  });
});

describe("what is woken when calls begin or stop", () => {
  it.each([
    { name: "new", object: aPodEni(""), want: true },
    { name: "Binding", object: aPodEni("Binding"), want: true },
    { name: "Detaching", object: aPodEni("Detaching"), want: true },
    { name: "Bind", object: aPodEni("Bind"), want: false },
    { name: "Unbind", object: aPodEni("Unbind"), want: false },
    {
      name: "Bind and being deleted",
      object: aPodEni("Bind", fixed, { deletionTimestamp: "2026-01-01T00:00:00Z" }),
      want: true,
    },
  ])("$name: $want", ({ object, want }) => {
    expect(isUnfinished(object)).toBe(want);
  });
});
