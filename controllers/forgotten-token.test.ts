import { expect, it } from "@jest/globals";
import { World } from "../test/fixtures/controlplane-world.ts";

/** The sweeps after the start of a process are over. */
const laterMs = 120_000;

it("an interface whose answer was lost is released within a minute when the cloud has forgotten its token and makes another", async () => {
  const world = new World({ seed: 1 });
  world.start();
  await world.clock.advance(laterMs);
  let lost = 0;
  world.cloud.faults = { losesAnswer: () => (lost += 1) === 1 };
  world.createPod("node-1", [{}]);
  expect(await world.clock.runUntil(() => lost === 1, 30_000)).toBe(true);
  world.cloud.forgetTokens();
  expect(await world.clock.runUntil(() => world.isBound(), 30_000)).toBe(true);
  expect(world.cloud.count.created).toBe(2);
  await world.clock.advance(60_000);
  const recorded = world.podEni()?.spec?.allocations?.map(({ eni }) => eni?.id);
  expect(world.cloud.enis().map(({ eniId }) => eniId)).toEqual(recorded);
});
