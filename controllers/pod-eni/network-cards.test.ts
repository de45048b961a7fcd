import { describe, expect, it } from "@jest/globals";
import type { NetworkInterface, NetworkInterfaceStatus } from "../../crds/v1beta1/network-interface.gen.ts";
import type { Node, NodeSpec } from "../../crds/v1beta1/node.gen.ts";
import { aNode, aState, recorded, second, unrecorded } from "./fixtures.ts";
import { NetworkCardLoads } from "./network-cards.ts";
import { planPodEni } from "./plan.ts";

const nodeMetadata = { regionID: "r", instanceType: "t", instanceID: "i-1", zoneID: "zone-a" };
const twoCards: NodeSpec = { nodeMetadata, nodeCap: { networkCardsCount: 2 } };

function aRecord(name: string, status: Partial<NetworkInterfaceStatus>): NetworkInterface {
  return { metadata: { name }, status: { phase: "Bind", eniInfo: {}, instanceID: "i-1", ...status } };
}

function loadsOf(spec: NodeSpec | undefined, records: readonly NetworkInterface[], node: Partial<Node> = {}) {
  const record: Node = { metadata: { name: "node-1" }, ...(spec !== undefined && { spec }), ...node };
  return new NetworkCardLoads({
    nodeRecords: { get: (name) => (name === "node-1" && spec !== undefined ? record : undefined) },
    networkInterfaces: { byIndex: (_, id) => records.filter(({ status }) => status?.instanceID === id) },
  });
}

describe("what the network cards of a machine carry", () => {
  it.each([
    { name: "no record of the machine", spec: undefined },
    { name: "not known yet", spec: { nodeMetadata } },
    { name: "one card", spec: { nodeMetadata, nodeCap: { networkCardsCount: 1 } } },
    {
      name: "of a former machine of that name",
      spec: { ...twoCards, nodeMetadata: { ...nodeMetadata, instanceID: "i-0" } },
    },
    { name: "the record is going", spec: twoCards, node: { metadata: { name: "node-1", deletionTimestamp: "now" } } },
  ])("is not asked for: $name", ({ spec, node }) => {
    expect(loadsOf(spec, [], node).of(aNode, undefined)).toBeUndefined();
  });

  it("is the primary interface and what the records of the machine name, members not", () => {
    const records = [
      aRecord("wanted", { networkCardIndex: 1 }),
      aRecord("seen", { eniInfo: { networkCardIndex: 0 } }),
      aRecord("unknown", {}),
      aRecord("member", { trunkENIID: "eni-trunk", eniInfo: { networkCardIndex: 1 } }),
      aRecord("elsewhere", { instanceID: "i-2", networkCardIndex: 1 }),
    ];
    expect(loadsOf(twoCards, records).of(aNode, 1)).toEqual({ count: 2, taken: [0, 1, 0], numaNode: 1 });
  });

  it("counts what is decided from the moment of the decision, and once", () => {
    const records: NetworkInterface[] = [];
    const loads = loadsOf(twoCards, records);
    const decision = { type: "requestAttach", eniId: "eni-1", instanceId: "i-1", trunkEniId: "", networkCardIndex: 1 };
    const isWritten = loads.decided([decision as Parameters<typeof loads.decided>[0][number]]);
    expect(loads.of(aNode, undefined)?.taken).toEqual([0, 1]);
    records.push(aRecord("eni-1", { phase: "Binding", networkCardIndex: 1 }));
    expect(loads.of(aNode, undefined)?.taken).toEqual([0, 1]);
    isWritten();
    expect(loads.of(aNode, undefined)?.taken).toEqual([0, 1]);
  });
});

describe("the network cards of a pod's interfaces", () => {
  const waiting = (wantsTrunk: boolean) => recorded("", {}, { wantsTrunk });
  const cardsOf = (wantsTrunk: boolean) => {
    const networkCards = { count: 2, taken: [0] };
    const allocations = [
      waiting(wantsTrunk),
      second(waiting(wantsTrunk)),
      { ...unrecorded(), eniId: "eni-3", index: 2 },
    ];
    const { actions } = planPodEni(aState({ allocations, networkCards }), () => 0);
    return actions.flatMap((action) => (action.type === "requestAttach" ? [action.networkCardIndex] : []));
  };

  it("differ although they are decided together", () => {
    expect(cardsOf(false)).toEqual([1, 0]);
  });

  it("are not chosen for members", () => {
    expect(cardsOf(true)).toEqual([undefined, undefined]);
  });
});
