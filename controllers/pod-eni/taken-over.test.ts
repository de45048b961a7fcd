import { describe, expect, it } from "@jest/globals";
import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { CoreNode, Pod } from "../../domain/kubernetes/objects.ts";
import { planPodEni } from "./plan.ts";
import { toState, type PodEniState } from "./state.ts";

const nodeOf = (exclusive: boolean): CoreNode => ({
  metadata: {
    name: "node-1",
    labels: {
      "topology.kubernetes.io/zone": "zone-a",
      ...(exclusive && { "k8s.aliyun.com/exclusive-mode-eni-type": "eniOnly" }),
    },
    annotations: { "k8s.aliyun.com/trunk-on": "eni-trunk" },
  },
  spec: { providerID: "cn-hangzhou.i-1" },
});

interface Left {
  readonly status?: PodENI["status"];
  /** Absent: the record has no such option, as the published program leaves it. */
  readonly trunk?: boolean;
  /** Status of the NetworkInterface; null: it has none. Absent: there is no NetworkInterface. */
  readonly record?: NetworkInterface["status"] | null;
  readonly enableTrunk?: boolean;
  readonly isExclusive?: boolean;
}

/** State of a record with interface eni-1, as it was left. */
function taken({ status, trunk, record, enableTrunk = true, isExclusive = false }: Left): PodEniState {
  const podEni: PodENI = {
    metadata: {
      name: "web-0",
      namespace: "default",
      finalizers: ["pod-eni"],
      annotations: { "k8s.aliyun.com/pod-uid": "uid-1" },
    },
    spec: {
      zone: "zone-a",
      allocations: [
        { interface: "eth0", eni: { id: "eni-1", attachmentOptions: trunk === undefined ? {} : { trunk } } },
      ],
    },
    ...(status !== undefined && { status }),
  };
  const pod: Pod = { metadata: { name: "web-0", namespace: "default", uid: "uid-1" }, spec: { nodeName: "node-1" } };
  const networkInterface =
    record === undefined ? undefined : { metadata: { name: "eni-1" }, ...(record !== null && { status: record }) };
  return toState({
    podEni,
    pod,
    node: nodeOf(isExclusive),
    networkInterface: () => networkInterface,
    creation: () => ({ type: "none" }),
    creationHold: () => undefined,
    isKnownGone: () => false,
    vSwitchIsUnusable: () => false,
    vSwitches: new Map(),
    place: "held",
    placesAhead: undefined,
    retryAtMs: undefined,
    needsIpv6: false,
    enableTrunk,
    suspensions: {},
    networkCards: () => undefined,
    nowMs: 0,
    sharedNowMs: 0,
  });
}

const actionsOf = (left: Left): string[] => planPodEni(taken(left), () => 0).actions.map(({ type }) => type);

describe("a record that the published program left", () => {
  it.each([
    { name: "without the option: the trunk, when the cluster uses it", left: {}, want: true },
    {
      name: "without the option: no trunk, when the cluster does not use it",
      left: { enableTrunk: false },
      want: false,
    },
    { name: "without the option: no trunk on an exclusive node", left: { isExclusive: true }, want: false },
    { name: "with the option off: no trunk", left: { trunk: false }, want: false },
    { name: "with the option on: the trunk", left: { trunk: true, enableTrunk: false }, want: true },
  ])("$name", ({ left, want }) => {
    expect(taken(left).allocations[0]!.wantsTrunk).toBe(want);
  });

  const bound = { phase: "Bind", instanceID: "i-1", trunkENIID: "eni-trunk" };
  it.each([
    { name: "Bind without a NetworkInterface", left: { status: bound }, want: ["releasePlace", "createRecord"] },
    {
      name: "Bind, its NetworkInterface blank",
      left: { status: bound, record: null },
      want: ["releasePlace", "createRecord"],
    },
    {
      name: "Bind, its NetworkInterface Bind",
      left: { status: bound, record: { phase: "Bind", eniInfo: {}, instanceID: "i-1" } },
      want: ["releasePlace"],
    },
    {
      name: "Unbind, its NetworkInterface blank",
      left: { status: { phase: "Unbind" }, record: null },
      want: ["releasePlace", "createRecord"],
    },
    {
      name: "Detaching, its NetworkInterface blank: first it learns where the interface is",
      left: { status: { ...bound, phase: "Detaching" }, record: null },
      want: ["releasePlace", "createRecord"],
    },
    {
      name: "Detaching before it was ever attached",
      left: { status: { phase: "Detaching" }, record: null },
      want: ["releasePlace", "requestDetach"],
    },
    {
      name: "without a status, its NetworkInterface blank: it is attached",
      left: { record: null },
      want: ["requestAttach"],
    },
  ])("$name", ({ left, want }) => {
    expect(actionsOf(left)).toEqual(want);
  });
});
