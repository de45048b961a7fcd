/** Asks the cloud, without changing anything, which of the actions that this program needs are denied to its credential. */
import { OperatorError } from "../runtime/errors.ts";
import { isRead, productOf, type ApiName, type CallParameters, type Product } from "./call.ts";
import type { Invoke } from "./invoke.ts";

/** Ids of the form that the cloud gives out, which none of its resources has. */
const nowhere = {
  eni: "eni-selfcheck",
  vSwitch: "vsw-selfcheck",
  securityGroup: "sg-selfcheck",
  instance: "i-selfcheck",
  instanceType: "ecs.selfcheck.none",
};

/** A read about nothing, which says whether a product answers at all. */
export const productProbes: Readonly<Record<Product, { readonly api: ApiName; readonly parameters: CallParameters }>> =
  {
    ecs: { api: "DescribeNetworkInterfaces", parameters: { NetworkInterfaceId: [nowhere.eni] } },
    vpc: { api: "DescribeVSwitches", parameters: { VSwitchId: nowhere.vSwitch } },
  };

/** Rights are looked at before parameters, so a call about nothing answers "denied" or "not found". */
const probes: Readonly<Partial<Record<ApiName, CallParameters>>> = {
  DescribeNetworkInterfaces: productProbes.ecs.parameters,
  DescribeVSwitches: productProbes.vpc.parameters,
  DescribeInstanceTypes: { InstanceTypes: [nowhere.instanceType] },
  CreateNetworkInterface: { VSwitchId: nowhere.vSwitch, SecurityGroupIds: [nowhere.securityGroup] },
  AttachNetworkInterface: { NetworkInterfaceId: nowhere.eni, InstanceId: nowhere.instance },
  DetachNetworkInterface: { NetworkInterfaceId: nowhere.eni, InstanceId: nowhere.instance },
  DeleteNetworkInterface: { NetworkInterfaceId: nowhere.eni },
};

/**
 * The RAM actions that are denied, in the spelling of a policy: `ecs:CreateNetworkInterface`. One call for each API; a
 * reading one goes first, so that a wrong key costs one call. A policy that allows an action only on certain resources may
 * be reported although it is enough.
 * @throws the error of a call that says nothing about rights: a wrong key, no answer; SuspendedError; FencedError; AbortError
 */
export async function findDeniedActions(
  invoke: Invoke,
  regionId: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const ask = (api: ApiName) => deniedAction(invoke, api, regionId, signal);
  const [first = "DescribeNetworkInterfaces", ...others] = Object.keys(probes) as readonly ApiName[];
  const answers = [await ask(first), ...(await Promise.all(others.map(ask)))];
  return answers.filter((action) => action !== undefined);
}

async function deniedAction(
  invoke: Invoke,
  api: ApiName,
  regionId: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const manner = { mutates: !isRead(api), repeats: false };
  try {
    await invoke(api, manner, { RegionId: regionId, ...probes[api] }, { priority: "gc", signal });
    return undefined;
  } catch (error) {
    if (!(error instanceof OperatorError) || error.cloud?.outcome !== "refused") throw error;
    if (error.reason === "AccessDenied")
      return error.cloud.missingAction ?? `${productOf(api)?.product ?? "ecs"}:${api}`;
    if (error.reason === "InvalidCredential") throw error;
    return undefined;
  }
}
