/** Invariant 10: what a node promises to the scheduler can really be attached to its machine. */
import { resources } from "../../crds/v1beta1/names.ts";
import type { SimulatedCloud } from "../../sandbox/alibaba-cloud/index.ts";
import type { SimulatedEni } from "../../sandbox/alibaba-cloud/model.ts";
import type { Node } from "../../sandbox/cluster/kinds.ts";
import { eniIdsOf, instanceOf, isFinished, nameOf } from "./facts.ts";
import type { Mirror } from "./mirror.ts";

/** Of ecs.g6.16xlarge, the machines of the sandbox: members of a trunk, and whole interfaces beside the primary. */
const limits = { members: 52, interfaces: 7 };

/**
 * A promise follows the machine, never the other way round: what a pod leaves is seen a watch event and a write later, and
 * what is attached a look later. So long may it promise too much, milliseconds of fair weather.
 */
const lagMs = 15_000;

export class CapacityWatch {
  readonly #cloud: SimulatedCloud;
  readonly #mirror: () => Mirror;
  /** Machines whose trunk somebody else took: that is found out when a pod is to be a member. By instance. */
  readonly #robbed = new Set<string>();
  /** Nodes whose machine is gone: that is for whoever deletes the node to find out. */
  readonly #dead = new Set<string>();
  /** Since when a node promises too much, milliseconds since the epoch. */
  readonly #excessSinceMs = new Map<string, number>();

  constructor(cloud: SimulatedCloud, mirror: () => Mirror) {
    this.#cloud = cloud;
    this.#mirror = mirror;
  }

  trunkIsTaken(instanceId: string): void {
    this.#robbed.add(instanceId);
  }

  instanceIsLost(instanceId: string): void {
    this.#dead.add(instanceId);
  }

  pause(): void {
    this.#excessSinceMs.clear();
  }

  /** @returns nodes that have promised too much for too long, in words */
  look(nowMs: number): readonly string[] {
    return this.#mirror()
      .list("nodes")
      .flatMap((node) => {
        const key = node.metadata.uid ?? "";
        const excess = this.#excessOf(node);
        if (excess === undefined) {
          this.#excessSinceMs.delete(key);
          return [];
        }
        const sinceMs = this.#excessSinceMs.get(key) ?? nowMs;
        this.#excessSinceMs.set(key, sinceMs);
        return nowMs - sinceMs > lagMs ? [`${nameOf(node)} ${excess} for ${nowMs - sinceMs} ms`] : [];
      });
  }

  #excessOf(node: Node): string | undefined {
    const instanceId = instanceOf(node) ?? "";
    if (this.#dead.has(instanceId)) return undefined;
    const enis = this.#cloud.enis().filter((eni) => eni.instanceId === instanceId);
    const trunk = enis.find(({ type, status }) => type === "Trunk" && status === "InUse");
    if (trunk !== undefined) this.#robbed.delete(instanceId);
    const held = this.#heldOn(node);
    const taken = (isKind: (eni: SimulatedEni) => boolean): number =>
      enis.filter((eni) => isKind(eni) && !held.has(eni.eniId)).length;
    const members = trunk === undefined ? 0 : limits.members - taken(({ trunkEniId }) => trunkEniId === trunk.eniId);
    const interfaces =
      limits.interfaces - taken(({ type, trunkEniId }) => type !== "Primary" && trunkEniId === undefined);
    const promised = (name: string): number => Number(node.status?.allocatable?.[name] ?? 0);
    if (promised(resources.eni) > interfaces) return `promises ${promised(resources.eni)} of ${interfaces} interfaces`;
    if (this.#robbed.has(instanceId) || promised(resources.memberEni) <= members) return undefined;
    return `promises ${promised(resources.memberEni)} of ${members} members`;
  }

  /** Interfaces of pods that the scheduler counts on that node. */
  #heldOn(node: Node): ReadonlySet<string> {
    const mirror = this.#mirror();
    const pods = mirror.list("pods").filter((pod) => pod.spec.nodeName === nameOf(node) && !isFinished(pod));
    return new Set(
      pods.flatMap(({ metadata }) => {
        const record = mirror.get("podEnis", metadata.namespace ?? "", metadata.name);
        return record === undefined ? [] : eniIdsOf(record);
      }),
    );
  }
}
