/** Machines on which every pod has interfaces of its own. */
import { landscape } from "../sandbox/landscape.ts";
import type { World } from "./world.ts";

/**
 * One in cn-hangzhou-h joins the cluster; its instance is `i-<name>`.
 * @param given `labels`: of its Node; `enis`: what the node says that it can carry (`aliyun/eni`)
 */
export async function addExclusiveMachine(
  { sandbox }: World,
  name: string,
  given: {
    readonly instanceType?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly enis?: number;
  } = {},
): Promise<{ readonly instanceId: string; readonly instanceType: string }> {
  const { instanceType = "ecs.g7.16xlarge", labels, enis = 7 } = given;
  const zone = "cn-hangzhou-h";
  const instanceId = `i-${name}`;
  const place = { zoneId: zone, vpcId: landscape.vpcId, vSwitchId: "vsw-nodes-h" };
  sandbox.cloud.addInstance({ instanceId, instanceType, ...place });
  await sandbox.cluster.addNode({
    name,
    zone,
    instanceId,
    instanceType,
    regionId: landscape.regionId,
    exclusive: true,
    capacity: { cpu: "64", memory: "256Gi", pods: 110, "aliyun/eni": enis },
    internalIp: "10.0.8.1",
    ...(labels !== undefined && { labels }),
  });
  return { instanceId, instanceType };
}
