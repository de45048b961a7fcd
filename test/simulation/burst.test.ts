import { describe, expect, it } from "@jest/globals";
import { readCrdManifests } from "../../kube/crd-manifests.ts";
import { runEpisode } from "./episode.ts";

/** The user's limit. */
const atOnce = 100;

describe("a burst of pods", () => {
  it("has interfaces made for a hundred of them at once, and never for more", async () => {
    const schedule = Array.from({ length: atOnce + 40 }, (_, slot) => ({
      atMs: 0,
      what: { type: "createPod", plane: "elastic", slot } as const,
    }));
    let made = 0;
    let bound = 0;
    let most = 0;
    const { violations } = await runEpisode({
      seed: 1,
      crds: await readCrdManifests(),
      replicas: 1,
      hasWorkloads: false,
      schedule,
      onEvent: (event) => {
        if (isCreation(event)) made += 1;
        if (isBind(event)) bound += 1;
        most = Math.max(most, made - bound);
      },
    });
    expect(violations).toEqual([]);
    expect({ most, made, bound }).toEqual({ most: atOnce, made: schedule.length, bound: schedule.length });
  }, 120_000);
});

/** Each pod of the burst has one interface. The question whether creating is permitted is none. */
function isCreation(event: string): boolean {
  return event.includes(" CreateNetworkInterface ") && event.includes('"ClientToken"');
}

function isBind(event: string): boolean {
  return /PATCH \S*\/podenis\/\S*\/status\S* .*"phase":"Bind"/.test(event);
}
