/** What says how machines are to be equipped: Node CRs as a node daemon fills them, and ConfigMaps. */
import type { NodeSpec as RecordSpec } from "../crds/v1beta1/node.gen.ts";
import type { NodeSpec } from "../sandbox/cluster/node-specs.ts";
import { landscape } from "../sandbox/landscape.ts";
import type { AnyManifest } from "./manifests.ts";

/** Of a machine of the sandbox (ecs.g6.16xlarge: 8 interfaces, 52 members); `eni` and `spec` replace members. */
export function aNodeRecord(
  node: NodeSpec,
  more: { readonly eni?: Partial<RecordSpec["eni"]>; readonly spec?: Partial<RecordSpec> } = {},
): AnyManifest {
  const isExclusive = node.exclusive === true;
  return {
    apiVersion: "network.alibabacloud.com/v1beta1",
    kind: "Node",
    metadata: { name: node.name, ...labelled({ [exclusiveLabel]: isExclusive ? "eniOnly" : "default" }) },
    spec: {
      nodeMetadata: {
        regionID: node.regionId,
        instanceType: node.instanceType,
        instanceID: node.instanceId,
        zoneID: node.zone,
      },
      nodeCap: {
        adapters: 8,
        totalAdapters: 60,
        ipv4PerAdapter: 20,
        ipv6PerAdapter: 1,
        memberAdapterLimit: 52,
        networkCardsCount: 1,
      },
      eni: {
        vSwitchOptions: ["vsw-nodes-h", "vsw-nodes-i"],
        securityGroupIDs: [landscape.securityGroupId],
        vSwitchSelectPolicy: "ordered",
        tag: { team: "shop" },
        enableIPv4: true,
        enableTrunk: !isExclusive,
        ...more.eni,
      },
      flavor: isExclusive
        ? [{ networkInterfaceType: "Secondary", networkInterfaceTrafficMode: "Standard", count: 7 }]
        : [
            { networkInterfaceType: "Trunk", networkInterfaceTrafficMode: "Standard", count: 1 },
            { networkInterfaceType: "Secondary", networkInterfaceTrafficMode: "Standard", count: 6 },
          ],
      ...more.spec,
    } satisfies RecordSpec,
  };
}

const exclusiveLabel = "k8s.aliyun.com/exclusive-mode-eni-type";

function labelled(labels: Readonly<Record<string, string>>): { readonly labels: typeof labels } {
  return { labels };
}

/** ConfigMap `eni-config`, or a machine's own, which is merged over it. @param conf content of `eni_conf` */
export function anEniConfig(conf: object, name = "eni-config"): AnyManifest {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "kube-system" },
    data: { eni_conf: JSON.stringify(conf) },
  };
}

/** `eni_conf` of a cluster whose machines get trunks in the vSwitches in which they are. */
export const trunkConf = {
  vswitches: { "cn-hangzhou-h": ["vsw-nodes-h"], "cn-hangzhou-i": ["vsw-nodes-i"] },
  vswitch_selection_policy: "ordered",
  security_group: landscape.securityGroupId,
  eni_tags: { team: "shop" },
  enable_eni_trunking: true,
} as const;

/** Keys of the configuration with which controller node-capacity runs. */
export const centralised = {
  centralizedIPAM: true,
  controllers: ["pod", "pod-eni", "eni", "pod-networking", "node"],
} as const;
