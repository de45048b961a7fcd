/** Worlds for the tests of this controller. */
import type { PodNetworking, PodNetworkingStatus } from "../../crds/v1beta1/pod-networking.gen.ts";
import { annotations } from "../../crds/v1beta1/names.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { Pod } from "../../domain/kubernetes/objects.ts";
import { sharedNetworkOf } from "../../domain/pod-network/shared-network.ts";
import type { VSwitch } from "../../domain/vswitch/vswitch.ts";
import { ConflictError } from "../../runtime/errors.ts";
import type { Recorder } from "../../runtime/ports.ts";
import { PodNetworkingReconciler, type PodNetworkingDeps } from "./index.ts";

const keyOfPod = ({ metadata }: Pod): string => `${metadata.namespace ?? ""}/${metadata.name}`;

/** A pod that the plane's selector chose, and its record. */
export function aPodOf(
  plane: string,
  name: string,
  given: { allocation?: object; labels?: Record<string, string> } = {},
) {
  const metadata = { name, namespace: "shop", annotations: { [annotations.podNetworking]: plane } };
  const allocation = {
    interface: "eth0",
    eni: { vSwitchID: "vsw-h", securityGroupIDs: ["sg-1"] },
    ...given.allocation,
  };
  const pod: Pod = { metadata: { ...metadata, labels: given.labels ?? {} } };
  const record: PodENI = { metadata, spec: { allocations: [allocation] } };
  return { pod, record };
}

/** A pod that was there before any plane matched it. */
export function onShared(metadata: Partial<Pod["metadata"]>): Pod {
  return { metadata: { name: "old-1", namespace: "shop", labels: { app: "web" }, ...metadata } };
}

type Result = Awaited<ReturnType<PodNetworkingDeps["vSwitches"]["get"]>>[number];

export function vSwitch(vSwitchId: string, zoneId: string): VSwitch {
  return {
    vSwitchId,
    zoneId,
    vpcId: "vpc-1",
    ipv4Cidr: "10.0.0.0/24",
    ipv6Cidr: "",
    freeIpv4Count: 9,
    isExhausted: false,
  };
}

/** A stored plane, a cloud that answers from `cloud`, and a record of what was written and said. */
export function aWorld(given: {
  spec?: Partial<PodNetworking["spec"]>;
  cloud: Record<string, Result>;
  conflict?: boolean;
  others?: readonly PodNetworking[];
}) {
  let plane: PodNetworking = {
    metadata: {
      name: "plane",
      uid: "u1",
      generation: 1,
      resourceVersion: "1",
      creationTimestamp: "2026-02-01T00:00:00Z",
    },
    spec: {
      eniOptions: { eniType: "Trunk" },
      vSwitchOptions: ["vsw-h", "vsw-i"],
      securityGroupIDs: ["sg-1"],
      ...given.spec,
    },
  };
  const events: Parameters<Recorder["event"]>[0][] = [];
  const calls: string[][] = [];
  const read = (id: string): Result => given.cloud[id] ?? { vSwitchId: id, error: "NotFound" };
  const namespaces = [
    { metadata: { name: "shop", labels: { team: "shop" } } },
    { metadata: { name: "out", labels: { [annotations.podEni]: "false" } } },
  ];
  const pods: Pod[] = [];
  const records: PodENI[] = [];
  let isSurveyed = false;
  let writes = 0;
  let nowMs = 1_000_000;
  const reconciler = new PodNetworkingReconciler({
    lister: {
      get: (name) => (name === "plane" ? plane : given.others?.find(({ metadata }) => metadata.name === name)),
    },
    client: {
      patchStatus: (_namespace, _name, patch) => {
        if (given.conflict === true) return Promise.reject(new ConflictError("Conflict", "stale"));
        writes += 1;
        const { status } = patch as { status: PodNetworkingStatus };
        plane = { ...plane, status };
        return Promise.resolve(plane);
      },
    },
    pods: {
      get: (key) => pods.find((pod) => keyOfPod(pod) === key),
      of: (name) => pods.filter(({ metadata }) => metadata.annotations?.[annotations.podNetworking] === name),
      onSharedNetwork: (namespace) => pods.filter((pod) => sharedNetworkOf(pod).includes(namespace)),
    },
    recordsOf: () => records,
    namespaces: { get: (name) => namespaces.find(({ metadata }) => metadata.name === name), list: () => namespaces },
    customStatefulWorkloadKinds: [],
    vSwitches: {
      get: (ids) => {
        calls.push([...ids]);
        return Promise.resolve(ids.map((id) => read(id)));
      },
      known: (ids) => ids.map((id) => (isSurveyed ? read(id) : undefined)),
    },
    recorder: { event: (event) => void events.push(event) },
    clock: { now: () => (nowMs += 1_000) },
  });
  for (const each of [plane, ...(given.others ?? [])]) reconciler.planeChanged(each);
  return {
    cloud: given.cloud,
    reconciler,
    pods,
    records,
    survey: () => void (isSurveyed = true),
    pass: (ms: number) => void (nowMs += ms),
    events,
    calls,
    get writes() {
      return writes;
    },
    get status() {
      return plane.status;
    },
    edit: (spec: Partial<PodNetworking["spec"]>) => {
      const { metadata } = plane;
      plane = {
        ...plane,
        metadata: { ...metadata, generation: (metadata.generation ?? 0) + 1 },
        spec: { eniOptions: { eniType: "Trunk" }, ...plane.spec, ...spec },
      };
      reconciler.planeChanged(plane);
    },
    reconcile: () => reconciler.reconcile({ namespace: "", name: "plane" }, new AbortController().signal),
  };
}

export const bothFound = { "vsw-h": vSwitch("vsw-h", "zone-h"), "vsw-i": vSwitch("vsw-i", "zone-i") };
