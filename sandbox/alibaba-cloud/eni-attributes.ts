import { type Action, checkSecurityGroups, getEni } from "./action.ts";
import type { SimulatedEni } from "./model.ts";
import { maxTags, type Parameters } from "./parameters.ts";
import { eniNotFound, invalidEniState, invalidParameter, missingParameter, Refusal } from "./refusal.ts";

/** Replaces the security groups as a whole. Source: cloud-api §B2, §C3. */
export const modifyNetworkInterfaceAttribute: Action = (call) => {
  const { world, parameters } = call;
  const eni = getEni(call);
  if (eni.status !== "Available" && eni.status !== "InUse") throw invalidEniState(eni.eniId, eni.status);
  const changed = { ...eni, ...readChanges(parameters) };
  const { securityGroupIds } = changed;
  if (securityGroupIds !== eni.securityGroupIds) checkSecurityGroups(world, securityGroupIds, eni.vpcId, eni.eniId);
  for (const id of eni.securityGroupIds) world.securityGroups.get(id)?.members.delete(eni.eniId);
  for (const id of securityGroupIds) world.securityGroups.get(id)?.members.add(eni.eniId);
  world.enis.put(changed);
  return {};
};

/** Only what is given changes. */
function readChanges(parameters: Parameters): Partial<SimulatedEni> {
  const groups = parameters.list("SecurityGroupId");
  const changes = {
    securityGroupIds: groups.length > 0 ? groups : undefined,
    name: parameters.bounded("NetworkInterfaceName", 2, 128),
    description: parameters.bounded("Description", 2, 256),
    deleteOnRelease: parameters.flag("DeleteOnRelease"),
    sourceDestCheck: parameters.flag("SourceDestCheck"),
  };
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}

/** Tags of interfaces only (`ResourceType=eni`). All or nothing. Source: cloud-api §C3 (codes unverified there). */
export const tagResources: Action = (call) => {
  const { world, parameters } = call;
  if (parameters.need("ResourceType") !== "eni") throw invalidParameter("ResourceType", "the sandbox tags only eni");
  const ids = parameters.list("ResourceId");
  const tags = parameters.tags();
  if (ids.length === 0) throw missingParameter("ResourceId.N");
  if (ids.length > 50) throw invalidParameter("ResourceId", "expected at most 50");
  if (tags.size === 0) throw missingParameter("Tag.N");
  const changed = ids.map((id) => {
    const eni = world.enis.find(id);
    if (eni === undefined) throw new Refusal(400, "InvalidResourceId.NotFound", eniNotFound(id).message);
    const merged = new Map([...eni.tags, ...tags]);
    if (merged.size > maxTags) throw new Refusal(400, "NumberExceed.Tags", "The Tags parameter's number is exceeded.");
    return { ...eni, tags: merged };
  });
  for (const eni of changed) world.enis.put(eni);
  return {};
};
