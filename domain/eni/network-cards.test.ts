import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import { chooseNetworkCard, numaNodeOf, type NetworkCards } from "./network-cards.ts";

const rows: readonly { readonly name: string; readonly given: NetworkCards; readonly want: number }[] = [
  { name: "the first of equals", given: { count: 2, taken: [] }, want: 0 },
  { name: "the least loaded", given: { count: 2, taken: [0, 0, 1] }, want: 1 },
  { name: "the last one too", given: { count: 3, taken: [0, 1] }, want: 2 },
  { name: "one near the processors, though it carries more", given: { count: 2, taken: [1, 1], numaNode: 1 }, want: 1 },
  { name: "the least loaded near them", given: { count: 4, taken: [0, 1], numaNode: 0 }, want: 2 },
  { name: "any when none is near them", given: { count: 2, taken: [0], numaNode: 2 }, want: 1 },
  { name: "what is on cards that do not exist counts for none", given: { count: 2, taken: [2, 2, 0] }, want: 1 },
];

describe("the network card of an interface", () => {
  it.each(rows)("$name", ({ given, want }) => {
    expect(chooseNetworkCard(given)).toBe(want);
  });

  it("exists, and keeps the cards level within one when each choice counts for the next", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 0, max: 64 }), (count, interfaces) => {
        const taken: number[] = [];
        for (let made = 0; made < interfaces; made++) taken.push(chooseNetworkCard({ count, taken }));
        const loads = Array.from({ length: count }, (_, index) => taken.filter((card) => card === index).length);
        expect(loads.reduce((sum, load) => sum + load, 0)).toBe(interfaces);
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe("the NUMA node of a pod", () => {
  it.each([
    { name: "of its only container", annotation: '{"main":{"1":{"elems":{"4":{}}}}}', want: 1 },
    { name: "that all containers share", annotation: '{"main":{"0":{}},"side":{"0":{}}}', want: 0 },
    { name: "several: none", annotation: '{"main":{"0":{},"1":{}}}', want: undefined },
    { name: "several over containers: none", annotation: '{"main":{"0":{}},"side":{"1":{}}}', want: undefined },
    { name: "negative: none", annotation: '{"main":{"-1":{}}}', want: undefined },
    { name: "no JSON: none", annotation: "0-3", want: undefined },
    { name: "no object: none", annotation: "[1]", want: undefined },
    { name: "no annotation: none", annotation: undefined, want: undefined },
  ])("$name", ({ annotation, want }) => {
    expect(numaNodeOf(annotation)).toBe(want);
  });
});
