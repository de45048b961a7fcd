/** The networks that a pod asks for by the names of planes. Source: annotation `k8s.aliyun.com/pod-networks-request`. */
import { flagOf, textOf, toJsonObject } from "./go-json.ts";
import { hasSelector, isReady, toPodNetwork, zonesOf } from "./plane.ts";
import type { Plane } from "./plane.ts";
import { parseRoutes } from "./pod-networks.ts";
import type { PodNetwork } from "./pod-networks.ts";

/** One element of the annotation. */
interface NetworkRequest {
  /** Name inside the pod; `eth0` when absent. */
  readonly interfaceName: string;
  /** Name of a PodNetworking that is Ready and has no selector. */
  readonly network: string;
  readonly defaultRoute: boolean;
  readonly routes: PodNetwork["extraRoutes"];
}

/** `problem` is for the user; without one, `networks` is empty only when the annotation asks for nothing. */
export interface RequestedNetworks {
  readonly problem?: string;
  readonly networks: readonly PodNetwork[];
  /** Zones that all planes share; empty when no plane says where its vSwitches are. */
  readonly zones: readonly string[];
}

/**
 * Resolves the annotation against the planes: each must exist, be Ready and have no selector, all must share one `eniType`
 * and at least one zone. Pure and total: what is wrong is in `problem`.
 */
export function decideRequestedNetworks(annotation: string, planes: readonly Plane[]): RequestedNetworks {
  try {
    const requests = parseRequests(annotation);
    const chosen = requests.map(({ network }) => findPlane(network, planes));
    const eniType = chosen[0]?.spec?.eniOptions?.eniType;
    const odd = chosen.find((plane) => plane.spec?.eniOptions?.eniType !== eniType);
    if (odd !== undefined) return refuse(`pod networking ${odd.metadata.name} has different eni attach type`);
    const networks = requests.map((request, index) => applyRequest(request, chosen[index]));
    return { networks: networks.filter((network) => network !== undefined), ...intersectZones(chosen) };
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

/** Names of the interfaces that the annotation asks of the plane; none of one that cannot be read. */
export function interfacesFrom(annotation: string | undefined, plane: string): readonly string[] {
  if (annotation === undefined) return [];
  try {
    return parseRequests(annotation).flatMap((request) => (request.network === plane ? [nameOf(request)] : []));
  } catch {
    // Admission refused it, or was not asked: such a pod has no interface of any plane.
    return [];
  }
}

function nameOf({ interfaceName }: NetworkRequest): string {
  return interfaceName === "" ? "eth0" : interfaceName;
}

function refuse(problem: string): RequestedNetworks {
  return { problem, networks: [], zones: [] };
}

function parseRequests(annotation: string): readonly NetworkRequest[] {
  const parsed: unknown = JSON.parse(annotation);
  if (parsed === null) return [];
  if (!Array.isArray(parsed)) throw new Error("it must be a list");
  return parsed.map((element: unknown, index) => {
    const where = `[${index}]`;
    const object = toJsonObject(element ?? {}, where);
    return {
      interfaceName: textOf(object, "interfaceName", where),
      network: textOf(object, "network", where),
      defaultRoute: flagOf(object, "defaultRoute", where),
      routes: parseRoutes(object, "routes", where),
    };
  });
}

function findPlane(name: string, planes: readonly Plane[]): Plane {
  const plane = planes.find(({ metadata }) => metadata.name === name);
  if (plane === undefined) throw new Error(`podnetworkings.network.alibabacloud.com "${name}" not found`);
  if (!isReady(plane)) throw new Error(`pod networking ${name} is not ready`);
  if (hasSelector(plane)) throw new Error(`pod networking ${name} should not have selector`);
  return plane;
}

function applyRequest(request: NetworkRequest, plane: Plane | undefined): PodNetwork | undefined {
  if (plane === undefined) return undefined;
  return {
    ...toPodNetwork(plane, nameOf(request)),
    defaultRoute: request.defaultRoute,
    extraRoutes: request.routes,
  };
}

/** A pod runs in one zone, so planes without a common one can never serve it together. */
function intersectZones(planes: readonly Plane[]): { readonly zones: readonly string[]; readonly problem?: string } {
  const known = planes.map((plane) => ({ name: plane.metadata.name, zones: zonesOf(plane) }));
  const zones = (known[0]?.zones ?? []).filter((zone) => known.every((other) => other.zones.includes(zone)));
  if (zones.length > 0 || known.every((plane) => plane.zones.length === 0)) return { zones };
  const details = known.map((plane) => `${plane.name} is in ${plane.zones.join(", ") || "none"}`).join("; ");
  return { zones, problem: `the pod networkings share no zone: ${details}` };
}
