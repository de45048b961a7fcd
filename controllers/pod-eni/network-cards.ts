import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import type { Node } from "../../crds/v1beta1/node.gen.ts";
import { primaryCard, type NetworkCards } from "../../domain/eni/network-cards.ts";
import type { NodeFacts } from "../../domain/kubernetes/node-facts.ts";
import type { Lister } from "../../runtime/ports.ts";
import type { PodEniAction } from "./actions.ts";

/**
 * What the physical cards of machines carry: the records of the interfaces there, and the decisions whose write is not
 * answered yet. Nothing else is remembered, so that a new process balances as the old one did.
 */
export class NetworkCardLoads {
  readonly #nodeRecords: Pick<Lister<Node>, "get">;
  readonly #networkInterfaces: Pick<Lister<NetworkInterface>, "byIndex">;
  /** Decided a moment ago, by interface id. */
  readonly #decided = new Map<string, { readonly instanceId: string; readonly index: number }>();

  constructor(deps: {
    /** The machines' Node records of this program's group, by node name. */
    readonly nodeRecords: Pick<Lister<Node>, "get">;
    /** With index `instance`: `.status.instanceID`. */
    readonly networkInterfaces: Pick<Lister<NetworkInterface>, "byIndex">;
  }) {
    this.#nodeRecords = deps.nodeRecords;
    this.#networkInterfaces = deps.networkInterfaces;
  }

  /** Undefined for machines with one card, and while it is not known how many there are. */
  of({ name, instanceId }: NodeFacts, numaNode: number | undefined): NetworkCards | undefined {
    const count = this.#countOf(name, instanceId);
    if (count < 2) return undefined;
    const onMachine = new Map<string, number | undefined>();
    for (const record of this.#networkInterfaces.byIndex("instance", instanceId)) {
      onMachine.set(record.metadata.name, cardOf(record));
    }
    for (const [eniId, decision] of this.#decided) {
      if (decision.instanceId === instanceId) onMachine.set(eniId, decision.index);
    }
    const taken = [primaryCard, ...[...onMachine.values()].filter((card) => card !== undefined)];
    return { count, taken, ...(numaNode !== undefined && { numaNode }) };
  }

  /**
   * Counts the cards that a plan has chosen, from this very moment: the next plan, of another pod, must know of them
   * before they are written. @returns ends it, once the writes are answered
   */
  decided(actions: readonly PodEniAction[]): () => void {
    const eniIds: string[] = [];
    for (const action of actions) {
      if (action.type !== "requestAttach" || action.networkCardIndex === undefined) continue;
      this.#decided.set(action.eniId, { instanceId: action.instanceId, index: action.networkCardIndex });
      eniIds.push(action.eniId);
    }
    return () => {
      for (const eniId of eniIds) this.#decided.delete(eniId);
    };
  }

  #countOf(nodeName: string, instanceId: string): number {
    const record = this.#nodeRecords.get(nodeName);
    if (record === undefined || record.metadata.deletionTimestamp !== undefined) return 0;
    const { nodeMetadata, nodeCap } = record.spec ?? {};
    // The record of a machine that was replaced under the same name says nothing about the new one.
    return nodeMetadata?.instanceID === instanceId ? (nodeCap?.networkCardsCount ?? 0) : 0;
  }
}

/** Members are on the card of their trunk, which nobody chose. */
function cardOf({ status }: NetworkInterface): number | undefined {
  if ((status?.trunkENIID ?? "") !== "") return undefined;
  return status?.networkCardIndex ?? status?.eniInfo.networkCardIndex;
}
