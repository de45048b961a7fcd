import { describe, expect, it } from "@jest/globals";
import type { NodeCap } from "../../crds/v1beta1/node.gen.ts";
import type { InstanceType } from "../../domain/eni/instance-type.ts";
import { toNodeCap } from "./capacity.ts";

function aType(figures: Partial<InstanceType>): InstanceType {
  return {
    instanceType: "ecs.x.large",
    eniQuantity: 3,
    eniTotalQuantity: 3,
    isTrunkSupported: false,
    ipv4PerEni: 6,
    ipv6PerEni: 6,
    eriQuantity: 0,
    bandwidthRx: 0,
    bandwidthTx: 0,
    networkCardIndexes: [],
    ...figures,
  };
}

describe("what a machine can carry", () => {
  // Figures of real answers of DescribeInstanceTypes.
  it.each<{ type: string; figures: Partial<InstanceType>; cap: NodeCap; exclusive: number; addresses: number }>([
    {
      type: "ecs.g7.xlarge",
      figures: { eniQuantity: 4, eniTotalQuantity: 20, isTrunkSupported: true, ipv4PerEni: 15, ipv6PerEni: 15 },
      cap: { adapters: 4, totalAdapters: 20, memberAdapterLimit: 16, maxMemberAdapterLimit: 18, ipv6PerAdapter: 15 },
      exclusive: 3,
      addresses: 45,
    },
    {
      type: "ecs.g6.16xlarge",
      figures: { eniQuantity: 8, eniTotalQuantity: 60, isTrunkSupported: true, ipv4PerEni: 20, ipv6PerEni: 1 },
      cap: { adapters: 8, totalAdapters: 60, memberAdapterLimit: 52, maxMemberAdapterLimit: 58, ipv6PerAdapter: 1 },
      exclusive: 7,
      addresses: 140,
    },
    {
      type: "ecs.u1-c1m4.xlarge",
      figures: { eniQuantity: 3, eniTotalQuantity: 6, isTrunkSupported: true, ipv4PerEni: 10, ipv6PerEni: 1 },
      cap: { memberAdapterLimit: 3, maxMemberAdapterLimit: 4 },
      exclusive: 2,
      addresses: 20,
    },
    {
      type: "ecs.ebmre7p.32xlarge",
      figures: { eniQuantity: 32, eniTotalQuantity: 110, isTrunkSupported: true, ipv4PerEni: 15, ipv6PerEni: 1 },
      cap: { memberAdapterLimit: 78, maxMemberAdapterLimit: 108 },
      exclusive: 31,
      addresses: 465,
    },
    {
      type: "ecs.g6.8xlarge, without trunk",
      figures: { eniQuantity: 8, eniTotalQuantity: 8, ipv4PerEni: 20, ipv6PerEni: 1 },
      cap: { memberAdapterLimit: 0, maxMemberAdapterLimit: 0 },
      exclusive: 7,
      addresses: 140,
    },
    {
      type: "ecs.t1.xsmall, with the primary interface alone",
      figures: { eniQuantity: 1, eniTotalQuantity: 1, ipv4PerEni: 1, ipv6PerEni: 0 },
      cap: { adapters: 1, memberAdapterLimit: 0, ipv6PerAdapter: 0 },
      exclusive: 0,
      addresses: 0,
    },
    {
      type: "with trunks and no room for members",
      figures: { eniQuantity: 2, eniTotalQuantity: 1, isTrunkSupported: true, ipv6PerEni: -1 },
      cap: { memberAdapterLimit: 0, maxMemberAdapterLimit: 0, ipv6PerAdapter: 0 },
      exclusive: 1,
      addresses: 6,
    },
  ])("of type $type", ({ figures, cap, exclusive, addresses }) => {
    const found = toNodeCap(aType(figures));
    expect(found).toMatchObject(cap);
    expect(found.adapters - 1).toBe(exclusive);
    expect((found.adapters - 1) * found.ipv4PerAdapter).toBe(addresses);
  });

  it.each([
    { eriQuantity: 0, eniQuantity: 8, usable: 0 },
    { eriQuantity: 4, eniQuantity: 2, usable: 0 },
    { eriQuantity: 1, eniQuantity: 3, usable: 1 },
    { eriQuantity: 4, eniQuantity: 7, usable: 1 },
    { eriQuantity: 1, eniQuantity: 8, usable: 1 },
    { eriQuantity: 4, eniQuantity: 8, usable: 2 },
  ])("is $usable ERDMA of $eriQuantity with $eniQuantity interfaces", ({ eriQuantity, eniQuantity, usable }) => {
    expect(toNodeCap(aType({ eriQuantity, eniQuantity })).eriQuantity).toBe(usable);
  });

  it("names every network card, and counts none for a type with the one that the cloud does not list", () => {
    expect(toNodeCap(aType({ networkCardIndexes: [0, 1] }))).toMatchObject({
      networkCards: [{ index: 0 }, { index: 1 }],
      networkCardsCount: 2,
    });
    expect(toNodeCap(aType({}))).toMatchObject({ networkCards: [], networkCardsCount: 0 });
  });
});
