/** Valid values, from which odd ones are made: objects and texts as users and the API server write them. */
import { annotations, labels } from "../../crds/v1beta1/names.ts";
import { durations, type Draw } from "./draw.ts";
import type { Json } from "./target.ts";

const vSwitches = ["vsw-a", "vsw-b", "vsw-c"];
const zones = ["zone-a", "zone-b"];

/** An element of annotation `pod-networks`. */
export function podNetwork(draw: Draw): Json {
  return draw.some({
    interface: () => draw.word(["eth0", "eth1", "net1", ""]),
    vSwitchOptions: () => draw.list(3, () => draw.word(vSwitches)),
    securityGroupIDs: () => draw.list(draw.chance(0.05) ? 12 : 2, () => draw.word(["sg-1", "sg-2", "sg-3"])),
    extraRoutes: () => draw.list(2, () => draw.some({ dst: () => draw.word(["10.0.0.0/8", "::/0"]) })),
    eniOptions: () => draw.some({ eniType: () => draw.word(["Default", "ENI", "Trunk", ""]) }),
    vSwitchSelectOptions: () => draw.some({ vSwitchSelectionPolicy: () => draw.word(["ordered", "random", "most"]) }),
    resourceGroupID: () => draw.word(["rg-1"]),
    networkInterfaceTrafficMode: () => draw.word(["Standard", "HighPerformance"]),
    defaultRoute: () => draw.chance(0.3),
    allocationType: () => allocationType(draw),
  });
}

export function allocationType(draw: Draw): Json {
  return draw.some({
    type: () => draw.word(["Elastic", "Fixed"]),
    releaseStrategy: () => draw.word(["TTL", "Never"]),
    releaseAfter: () => draw.duration(),
  });
}

/** The text of annotation `pod-networks`. */
export function podNetworks(draw: Draw): string {
  return jsonText(draw, { podNetworks: draw.list(3, () => podNetwork(draw)) });
}

/** The text of annotation `pod-networks-request`. */
export function networksRequest(draw: Draw): string {
  const one = (): Json =>
    draw.some({
      interfaceName: () => draw.word(["eth0", "eth1"]),
      network: () => draw.word(["plane-1", "plane-2", "plane-3"]),
      defaultRoute: () => draw.chance(0.3),
      routes: () => draw.list(2, () => draw.some({ dst: () => "10.0.0.0/8" })),
    });
  return jsonText(draw, draw.list(3, one));
}

/** The text of the value, one time in three changed before or after it was written. */
export function jsonText(draw: Draw, value: Json): string {
  const text = JSON.stringify(draw.chance(0.3) ? draw.mutate(value) : value);
  return draw.chance(0.15) ? draw.mutateText(text) : text;
}

/** Annotations of ours, each with a text of its form or an odd one. */
export function ownAnnotations(draw: Draw, probability = 0.2): Json {
  return draw.some(
    {
      [annotations.podNetworks]: () => podNetworks(draw),
      [annotations.podNetworksRequest]: () => networksRequest(draw),
      [annotations.podNetworking]: () => draw.word(["plane-1", "plane-2", ""]),
      [annotations.podEni]: () => draw.word(["true", "false", "1", "T"]),
      [annotations.podUid]: () => draw.word(["uid-1", "uid-2"]),
      [annotations.enoApi]: () => draw.word(["ecs", "hdeni", "ecs-hdeni"]),
      [annotations.cpuSet]: () => jsonText(draw, { main: { "0": { "0": {} } } }),
      [annotations.trunkOn]: () => draw.word(["eni-1", "eni-2"]),
      [annotations.createAttempts]: () => jsonText(draw, { eth0: 2, eth1: 1 }),
      [annotations.nodeSpecApplied]: () =>
        jsonText(draw, { eni: { vSwitchOptions: ["vsw-a"] }, datapath: { type: "veth" } }),
      [annotations.trunkIntent]: () => jsonText(draw, { attempt: draw.number(), vSwitch: "vsw-a" }),
      [annotations.maxAvailableIp]: () => draw.word(["10"]),
      other: () => draw.oddText(),
    },
    probability,
  );
}

/** Labels that this program reads. */
export function ownLabels(draw: Draw, probability = 0.5): Json {
  return draw.some(
    {
      app: () => draw.word(["web", "db"]),
      constructor: () => draw.word(["web"]),
      name: () => draw.word(["node-1"]),
      [labels.node]: () => draw.word(["node-1"]),
      [labels.ignore]: () => draw.word(draw.chance(0.1) ? ["true"] : ["false"]),
      [labels.exclusiveMode]: () => draw.word(["eniOnly", "ENIONLY", "default"]),
      [labels.nodeConfig]: () => draw.word(["pool-1", ""]),
      [labels.nodeType]: () => draw.word(draw.chance(0.1) ? ["virtual-kubelet"] : ["other"]),
      [labels.lingjunWorker]: () => draw.word(draw.chance(0.1) ? ["true"] : ["false"]),
      [labels.zone]: () => draw.word(zones),
      [labels.zoneLegacy]: () => draw.word(zones),
      [labels.region]: () => draw.word(["cn-hangzhou"]),
      [labels.instanceType]: () => draw.word(["ecs.g7"]),
    },
    probability,
  );
}

/** A Pod as admission gets it, with members that this program does not know. */
export function pod(draw: Draw): Json {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: draw.some(
      {
        name: () => draw.word(["web-0", "web-1"]),
        generateName: () => "web-",
        namespace: () => draw.word(["ns"], 0.01),
        labels: () =>
          draw.some({ app: () => draw.word(["web", "db"], 0.02), [labels.ignore]: () => draw.word(["true"]) }, 0.4),
        annotations: () => ownAnnotations(draw, 0.12),
        ownerReferences: () =>
          draw.list(2, () => ({
            apiVersion: "apps/v1",
            kind: draw.word(["StatefulSet", "ReplicaSet", "DaemonSet"]),
            name: "web",
            uid: "u",
          })),
        creationTimestamp: () => null,
      },
      0.8,
    ),
    spec: {
      ...draw.some(
        {
          hostNetwork: () => draw.chance(0.1),
          nodeName: () => draw.word(["node-1", ""]),
          affinity: () => affinity(draw),
          schedulingGates: () =>
            draw.list(2, () => ({ name: draw.word(["network.alibabacloud.com/pod-networking", "other/gate"], 0) })),
          priority: () => draw.integer(),
          tolerations: () => [{ operator: "Exists" }],
        },
        0.3,
      ),
      containers: [
        { name: "main", image: "busybox", ...draw.some({ resources: () => resources(draw) }) },
        ...draw.list(2, () => ({ name: "side" })),
      ],
    },
  };
}

function resources(draw: Draw): Json {
  return draw.some({
    limits: () => draw.some({ cpu: () => "1", "aliyun/eni": () => "2" }),
    requests: () => draw.some({ memory: () => "1Gi", "aliyun/member-eni": () => "1" }),
  });
}

function affinity(draw: Draw): Json {
  const requirement = (): Json => ({
    key: draw.word([labels.zone, "disk"]),
    operator: draw.word(["In", "NotIn", "Exists"], 0),
    ...draw.some({ values: () => draw.list(2, () => draw.word(zones)) }),
  });
  const term = (): Json =>
    draw.some({ matchExpressions: () => draw.list(2, requirement), matchFields: () => draw.list(1, requirement) });
  return draw.some({
    nodeAffinity: () =>
      draw.some({
        requiredDuringSchedulingIgnoredDuringExecution: () => ({ nodeSelectorTerms: draw.list(3, term) }),
        preferredDuringSchedulingIgnoredDuringExecution: () => [{ weight: 1, preference: {} }],
      }),
    podAntiAffinity: () => ({}),
  });
}

/** A PodNetworking, as a user or the API server's schema makes it. */
export function plane(draw: Draw, name = draw.word(["plane-1", "plane-2", "plane-3"], 0)): Json {
  return {
    apiVersion: "network.alibabacloud.com/v1beta1",
    kind: "PodNetworking",
    metadata: { name, ...draw.some({ creationTimestamp: () => draw.time(), labels: () => ({}) }) },
    ...draw.some(
      {
        spec: () =>
          draw.some(
            {
              eniOptions: () => ({ eniType: draw.word(["Trunk", "ENI", "Default"], 0) }),
              allocationType: () => validAllocationType(draw),
              selector: () =>
                draw.some({ podSelector: () => selector(draw), namespaceSelector: () => selector(draw) }, 0.5),
              vSwitchOptions: () => draw.list(3, () => draw.word(vSwitches)),
              securityGroupIDs: () => draw.list(draw.chance(0.05) ? 12 : 2, () => draw.word(["sg-1", "sg-2"])),
              vSwitchSelectOptions: () => ({ vSwitchSelectionPolicy: draw.word(["ordered", "random", "most"], 0) }),
            },
            0.8,
          ),
        status: () => ({
          status: draw.word(["Ready", "Fail", ""], 0.01),
          ...draw.some(
            {
              message: () => draw.oddText(),
              vSwitches: () =>
                draw.list(3, () => draw.some({ id: () => draw.word(vSwitches), zone: () => draw.word(zones) }, 0.9)),
            },
            0.8,
          ),
        }),
      },
      0.9,
    ),
  };
}

function validAllocationType(draw: Draw): Json {
  return draw.some({
    type: () => draw.word(["Elastic", "Fixed"], 0),
    releaseStrategy: () => draw.word(["TTL", "Never"], 0),
    releaseAfter: () => draw.word(durations),
  });
}

function selector(draw: Draw): Json {
  return draw.some({
    matchLabels: () => draw.some({ app: () => draw.word(["web", "db"]), constructor: () => "web" }, 0.5),
    matchExpressions: () =>
      draw.list(2, () => ({
        key: draw.word(["app", "tier", "constructor"]),
        operator: draw.word(["In", "NotIn", "Exists", "DoesNotExist"]),
        ...draw.some({ values: () => draw.list(2, () => draw.word(["web", "db"])) }),
      })),
  });
}

/** A PodENI that a former pod of the name left. */
export function podEniRecord(draw: Draw): Json {
  return {
    metadata: { name: "web-0", namespace: "ns", ...draw.some({ deletionTimestamp: () => draw.time() }, 0.1) },
    ...draw.some({ spec: () => draw.some({ zone: () => draw.word(zones), allocations: () => [{}] }, 0.9) }),
  };
}
