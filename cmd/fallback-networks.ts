import { annotations, labels } from "../crds/v1beta1/names.ts";
import type { CoreNode, Pod } from "../domain/kubernetes/objects.ts";
import { toPodNetwork, type Plane } from "../domain/pod-network/plane.ts";
import type { ConfigLookup, EniConfig } from "../domain/pod-network/eni-config.ts";
import type { PodNetwork } from "../domain/pod-network/pod-networks.ts";
import { TerminalError } from "../runtime/errors.ts";
import type { Lister } from "../runtime/ports.ts";

/**
 * Networks of a pod that admission did not annotate with `pod-networks`: of the PodNetworking that annotation
 * `pod-networking` names; when there is none (exclusive nodes and `ipamType: crd`) of eni-config, as it holds for the pod's
 * machine.
 * @throws TerminalError naming what is missing
 */
export function createFallbackNetworks(deps: {
  readonly planes: Pick<Lister<Plane>, "get">;
  readonly nodes: Pick<Lister<CoreNode>, "get">;
  readonly eniConfig: {
    /** @param configMap the machine's own, merged over the cluster's; empty for none. @throws OperatorError */
    getForPodOn(configMap: string, signal: AbortSignal): Promise<ConfigLookup<EniConfig>>;
  };
}): (pod: Pod, signal: AbortSignal) => Promise<readonly PodNetwork[]> {
  return async (pod, signal) => {
    const name = pod.metadata.annotations?.[annotations.podNetworking] ?? "";
    if (name !== "") return [networkOf(name, deps.planes.get(name))];
    const node = deps.nodes.get(pod.spec?.nodeName ?? "");
    const lookup = await deps.eniConfig.getForPodOn(node?.metadata.labels?.[labels.nodeConfig] ?? "", signal);
    const config = toConfig(lookup);
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

function toConfig(lookup: ConfigLookup<EniConfig>): EniConfig {
  switch (lookup.type) {
    case "found":
      return lookup.config;
    case "missing":
      throw new TerminalError(
        "InvalidSpec",
        `podNetworking is empty, and ConfigMap kube-system/${lookup.configMap} does not exist`,
      );
    case "faulty":
      throw new TerminalError("InvalidSpec", `podNetworking is empty, and ConfigMap kube-system/${lookup.message}`);
  }
}
