/** What a bound pod asks for by now and its interfaces do not have. */
import type { PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";
import { parseTrafficMode, recordedTrafficMode } from "../../domain/eni/traffic-mode.ts";
import { parsePodNetworks, type PodNetwork } from "../../domain/pod-network/pod-networks.ts";

const remedy = "interfaces are made when the pod is created: recreate the pod";
const fixedRemedy = `${remedy}, and delete its PodENI before, which keeps the fixed address and its interface`;

/**
 * One sentence that names each interface and member, with both values; undefined when all is as asked for, or when the
 * pod does not say (`annotation` of `k8s.aliyun.com/pod-networks` absent). Pure and total.
 */
export function findDrift(
  annotation: string | undefined,
  allocations: readonly PodEniAllocation[],
): string | undefined {
  if (annotation === undefined) return undefined;
  const differences = differencesOf(annotation, allocations);
  if (differences.length === 0) return undefined;
  const isFixed = allocations.some(({ allocationType }) => allocationType?.type === "Fixed");
  return `${differences.join("; ")}; ${isFixed ? fixedRemedy : remedy}`;
}

function differencesOf(annotation: string, allocations: readonly PodEniAllocation[]): readonly string[] {
  let networks: readonly PodNetwork[];
  try {
    networks = parsePodNetworks(annotation);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return [`annotation k8s.aliyun.com/pod-networks cannot be read any more: ${detail}`];
  }
  const made = new Map(allocations.map((allocation) => [nameOf(allocation), allocation]));
  const wanted = new Map(networks.map((network) => [nameOf(network), network]));
  const names = [...new Set([...made.keys(), ...wanted.keys()])].sort();
  return [
    ...names.flatMap((name) => differencesOfInterface(name, made.get(name), wanted.get(name))),
    ...changed("default route", defaultInterface(allocations), defaultInterface(networks)),
  ];
}

function differencesOfInterface(
  name: string,
  made: PodEniAllocation | undefined,
  wanted: PodNetwork | undefined,
): readonly string[] {
  if (made === undefined) return [`interface ${name} was added`];
  if (wanted === undefined) return [`interface ${name} was removed`];
  return [
    ...changed(`security groups of ${name}`, setOf(made.eni?.securityGroupIDs), setOf(wanted.securityGroupIds)),
    ...changedVSwitch(name, made.eni?.vSwitchID ?? "", wanted.vSwitchOptions),
    ...changedResourceGroup(name, made, wanted),
    ...changedType(name, made, wanted),
    ...changed(
      `traffic mode of ${name}`,
      recordedTrafficMode(made),
      parseTrafficMode(wanted.networkInterfaceTrafficMode) ?? wanted.networkInterfaceTrafficMode,
    ),
    ...changed(
      `extra routes of ${name}`,
      setOf(made.extraRoutes?.map(({ dst = "" }) => dst)),
      setOf(wanted.extraRoutes.map(({ dst }) => dst)),
    ),
    ...changed(
      `allocation type of ${name}`,
      allocationTypeOf(made.allocationType),
      allocationTypeOf(wanted.allocationType),
    ),
  ];
}

function changedVSwitch(name: string, made: string, wanted: readonly string[]): readonly string[] {
  if (wanted.length === 0 || made === "" || wanted.includes(made)) return [];
  return [`vSwitches of ${name} changed to ${wanted.join(", ")} (it is in ${made})`];
}

/** The cloud puts an interface that asks for no group into the account's default one. */
function changedResourceGroup(name: string, made: PodEniAllocation, wanted: PodNetwork): readonly string[] {
  if (wanted.resourceGroupId === "") return [];
  return changed(`resource group of ${name}`, made.eni?.resourceGroupID ?? "", wanted.resourceGroupId);
}

/** `Trunk` and `Default` leave the choice to the node; only `ENI` rules a member out. */
function changedType(name: string, made: PodEniAllocation, wanted: PodNetwork): readonly string[] {
  const isMember = made.eni?.attachmentOptions?.trunk === true;
  return isMember && wanted.eniType === "ENI" ? changed(`eniType of ${name}`, "Trunk", "ENI") : [];
}

function changed(what: string, from: string, to: string): readonly string[] {
  return from === to ? [] : [`${what} changed from ${from === "" ? "none" : from} to ${to === "" ? "none" : to}`];
}

function setOf(list: readonly string[] | undefined): string {
  return [...new Set(list)].sort().join(", ");
}

function nameOf(named: { readonly interface?: string }): string {
  return named.interface === undefined || named.interface === "" ? "eth0" : named.interface;
}

/** The node daemon gives the route to eth0 when nothing asks for it. */
function defaultInterface(list: readonly { readonly interface?: string; readonly defaultRoute?: boolean }[]): string {
  return nameOf(list.find(({ defaultRoute }) => defaultRoute === true) ?? {});
}

function allocationTypeOf(given: PodEniAllocation["allocationType"]): string {
  const { type = "Elastic", releaseStrategy, releaseAfter } = given ?? {};
  return [type, releaseStrategy, releaseAfter].filter((word) => word !== undefined && word !== "").join(" ");
}
