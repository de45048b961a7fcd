import { annotations } from "../crds/v1beta1/names.ts";
import type { Pod } from "../domain/kubernetes/objects.ts";
import { toPodNetwork, type Plane } from "../domain/pod-network/plane.ts";
import type { EniConfig } from "../domain/pod-network/eni-config.ts";
import type { PodNetwork } from "../domain/pod-network/pod-networks.ts";
import { TerminalError } from "../runtime/errors.ts";
import type { Lister } from "../runtime/ports.ts";

/**
 * Networks of a pod that admission did not annotate with `pod-networks`: of the PodNetworking that annotation
 * `pod-networking` names; of eni-config when there is none (exclusive nodes and `ipamType: crd`).
 * @throws TerminalError naming what is missing
 */
export function createFallbackNetworks(deps: {
  readonly planes: Pick<Lister<Plane>, "get">;
  readonly eniConfig: { get(signal: AbortSignal): Promise<EniConfig | undefined> };
}): (pod: Pod, signal: AbortSignal) => Promise<readonly PodNetwork[]> {
  return async (pod, signal) => {
    const name = pod.metadata.annotations?.[annotations.podNetworking] ?? "";
    if (name !== "") return [networkOf(name, deps.planes.get(name))];
    const config = await deps.eniConfig.get(signal);
    if (config === undefined) {
      throw new TerminalError(
        "InvalidSpec",
        "podNetworking is empty, and ConfigMap kube-system/eni-config does not exist",
      );
    }
    return [
      {
        vSwitchOptions: config.vSwitchIds,
        securityGroupIds: config.securityGroupIds,
        interface: "eth0",
        extraRoutes: [],
        eniType: "",
        vSwitchSelectionPolicy: "ordered",
        resourceGroupId: "",
        networkInterfaceTrafficMode: "",
        defaultRoute: false,
        allocationType: { type: "Elastic" },
      },
    ];
  };
}

function networkOf(name: string, plane: Plane | undefined): PodNetwork {
  if (plane === undefined) throw new TerminalError("InvalidSpec", `PodNetworking ${name} does not exist`);
  return toPodNetwork(plane, "eth0");
}
