import { describe, expect, it } from "@jest/globals";
import type { EniReport } from "./alibaba-cloud/index.ts";
import type { PodStory } from "./bind-watch.ts";
import { distributionOf, ownMsOf, toBoundLine, type BoundLine } from "./figures.ts";

const story: PodStory = {
  key: "ns/a",
  uid: "u",
  createdAtMs: 1_000,
  boundAtMs: 5_000,
  isGone: false,
  eniIds: ["eni-1"],
};
const line: BoundLine = {
  namespace: "ns",
  name: "a",
  placeWaitMs: 300,
  limiterWaitMs: 200,
  lookBeganMs: 4_600,
  lookAnsweredMs: 4_800,
};

/** An interface that was created from 1 600 to 2 000 and attached from 2 100 to 4 500. */
function enisWith(timings: Readonly<Record<string, number>> = {}): ReadonlyMap<string, EniReport> {
  const usual = { createStartedAt: 1_600, createAnsweredAt: 2_000, attachStartedAt: 2_100, inUseAt: 4_500 };
  const eni: EniReport = {
    eniId: "eni-1",
    status: "InUse",
    type: "Member",
    trafficMode: "Standard",
    resourceGroupId: "",
    ipv6s: [],
    vSwitchId: "vsw-1",
    ipv4s: [],
    tags: {},
    creationTimeMs: 1_600,
    timings: { ...usual, ...timings },
  };
  return new Map([[eni.eniId, eni]]);
}

describe("the figures of a run", () => {
  it("count as our own what is neither the cloud's nor a wait for quota or place", () => {
    // 4 000 in all; create 400, attach 2 400, look 200, waits 500.
    expect(ownMsOf(story, line, enisWith())).toBe(500);
  });

  it("count the wait for the next look as our own", () => {
    expect(ownMsOf(story, line, enisWith({ inUseAt: 4_300 }))).toBe(700);
  });

  it.each([
    { name: "the pod was not bound", given: { boundAtMs: undefined } },
    { name: "nobody logged the bind", line: undefined },
    { name: "the interface was attached again after the bind", timings: { attachStartedAt: 6_000, inUseAt: 7_000 } },
    { name: "the interface was adopted: it was made before the pod", timings: { createStartedAt: 500 } },
  ])("say nothing of our own part when $name", ({ given, timings, ...rest }) => {
    const { boundAtMs: _, ...unbound } = story;
    const ofPod = given === undefined ? story : unbound;
    expect(ownMsOf(ofPod, "line" in rest ? rest.line : line, enisWith(timings))).toBeUndefined();
  });

  it("are nearest-rank percentiles", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(distributionOf(values)).toEqual({ p50: 50, p90: 90, p99: 99, max: 100 });
    expect(distributionOf([])).toEqual({ p50: 0, p90: 0, p99: 0, max: 0 });
  });

  it("are read from the line that the controlplane logs for a bind, and from no other", () => {
    expect(toBoundLine({ message: "pod bound", ...line })).toEqual(line);
    expect(toBoundLine({ message: "leader lease acquired" })).toBeUndefined();
  });
});
