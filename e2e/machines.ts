/** Machines that join a running world, and what the cloud and the two node objects say of them. */
import { expect } from "@jest/globals";
import type { Node as NodeRecord } from "../crds/v1beta1/node.gen.ts";
import type { EniReport } from "../sandbox/alibaba-cloud/index.ts";
import type { Node } from "../sandbox/cluster/kinds.ts";
import type { NodeSpec } from "../sandbox/cluster/node-specs.ts";
import { landscape } from "../sandbox/landscape.ts";
import { aNamespace, aPlane } from "./manifests.ts";
import { anEniConfig, centralised, trunkConf } from "./node-records.ts";
import { eventually, startWorld, type World } from "./world.ts";

/** Annotations of the core Node. */
export const trunkOn = "k8s.aliyun.com/trunk-on";
export const maxAvailableIp = "k8s.aliyun.com/max-available-ip";

/** Starts a world in which machines get what `eni-config` says, and one machine that has it; planes serve both zones. */
export async function startMachines(options: {
  readonly namespace: string;
  readonly planes: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}): Promise<Machines> {
  const world = await startWorld({ nodes: 1, bareNodes: true, config: centralised });
  const { kube, sandbox } = world;
  await kube.apply(anEniConfig(trunkConf));
  await kube.apply(aNamespace(options.namespace));
  for (const [name, spec] of Object.entries(options.planes)) await kube.apply(aPlane(name, spec));
  for (const name of Object.keys(options.planes)) await kube.untilPlaneSays(name, "VSwitchesFound");
  await kube.untilNodeRecordSays(sandbox.nodes[0]!.name, "Recorded");
  return new Machines(world);
}

export interface MachineOptions extends Partial<NodeSpec> {
  /** `eni_conf` of a ConfigMap of its own. */
  readonly conf?: object;
}

export class Machines {
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  /** A bare machine, in the cloud only: ecs.g6.16xlarge (8 interfaces, 52 members) in zone cn-hangzhou-h. */
  async make(name: string, { conf, ...more }: MachineOptions = {}): Promise<NodeSpec> {
    const ownConfig = `own-${name}`;
    if (conf !== undefined) await this.world.kube.apply(anEniConfig(conf, ownConfig));
    const labels = { ...more.labels, ...(conf !== undefined && { "terway-config": ownConfig }) };
    const node = { ...this.world.sandbox.nodes[0]!, name, instanceId: `i-${name}`, ...more, labels };
    const { instanceId, instanceType, zone: zoneId } = node;
    const vSwitchId = zoneId === "cn-hangzhou-h" ? "vsw-nodes-h" : "vsw-nodes-i";
    this.world.sandbox.cloud.addInstance({ instanceId, instanceType, zoneId, vpcId: landscape.vpcId, vSwitchId });
    return node;
  }

  /** One that is a node of the cluster, too. */
  async join(name: string, options: MachineOptions = {}): Promise<NodeSpec> {
    const node = await this.make(name, options);
    await this.world.sandbox.cluster.addNode(node);
    return node;
  }

  /** Trunks on the instance. */
  trunksOf(instanceId: string): readonly EniReport[] {
    const { enis } = this.world.sandbox.cloud.report();
    return enis.filter((eni) => eni.type === "Trunk" && eni.instanceId === instanceId && eni.status !== "Gone");
  }

  eni(eniId: string): EniReport | undefined {
    return this.world.sandbox.cloud.report().enis.find((eni) => eni.eniId === eniId);
  }

  /** As somebody else in the account. */
  async call(action: string, parameters: Readonly<Record<string, string>>): Promise<unknown> {
    const { cloud } = this.world.sandbox;
    const all = { RegionId: landscape.regionId, ...parameters };
    const { status, body } = await cloud.call({ product: "ecs", action }, all, landscape.account);
    expect({ status, body }).toMatchObject({ status: 200 });
    return body;
  }

  /** An interface of somebody else takes a place of the machine, or of that trunk. @returns its id */
  async occupy({ instanceId, zone }: NodeSpec, trunkEniId?: string): Promise<string> {
    const VSwitchId = zone === "cn-hangzhou-h" ? "vsw-nodes-h" : "vsw-nodes-i";
    const request = { VSwitchId, "SecurityGroupIds.1": landscape.securityGroupId };
    const made = (await this.call("CreateNetworkInterface", request)) as { readonly NetworkInterfaceId: string };
    const { NetworkInterfaceId } = made;
    const place = trunkEniId === undefined ? {} : { TrunkNetworkInstanceId: trunkEniId };
    await this.call("AttachNetworkInterface", { NetworkInterfaceId, InstanceId: instanceId, ...place });
    return NetworkInterfaceId;
  }

  /** Waits until the core Node is so; returns it. */
  untilNode(name: string, what: string, holds: (node: Node) => boolean, limitMs = 30_000): Promise<Node> {
    const { kube } = this.world;
    return eventually(
      `node ${name} ${what}`,
      async () => {
        const node = await kube.node(name);
        return node !== undefined && holds(node) ? node : undefined;
      },
      {
        limitMs,
        state: async () => [await kube.node(name), await kube.nodeRecord(name), await kube.events("Node", name)],
      },
    );
  }

  untilServing(name: string, limitMs?: number): Promise<Node> {
    return this.untilNode(name, "can carry members", (node) => Number(membersOf(node) ?? 0) > 0, limitMs);
  }

  /** Waits until the core Node's condition has the reason. */
  untilNodeSays(name: string, reason: string, limitMs?: number): Promise<Node> {
    return this.untilNode(name, `says ${reason}`, (node) => saysOf(node)?.reason === reason, limitMs);
  }
}

export function membersOf(node: Node): string | undefined {
  return node.status?.allocatable?.["aliyun/member-eni"];
}

export function interfacesOf(node: Node): string | undefined {
  return node.status?.allocatable?.["aliyun/eni"];
}

export function saysOf(node: Node): { readonly status: string; readonly reason: string | undefined } | undefined {
  const condition = node.status?.conditions?.find(({ type }) => type === "TerwayInterfaces");
  return condition && { status: condition.status, reason: condition.reason };
}

/** Reason of a condition of the Node CR. */
export function reasonOf(record: NodeRecord | undefined, type: "Ready" | "InterfacesReady"): string | undefined {
  return record?.status?.conditions?.find((condition) => condition.type === type)?.reason;
}
