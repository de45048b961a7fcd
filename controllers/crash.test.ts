import { describe, expect, it } from "@jest/globals";
import { tags } from "../crds/v1beta1/names.ts";
import { World, type Process } from "../test/fixtures/controlplane-world.ts";
import type { Crash } from "../test/fixtures/crash-gate.ts";

interface Step {
  /** What the user does; the step ends when `until` holds. */
  readonly act: (world: World) => void;
  readonly until: (world: World) => boolean;
  readonly withinMs: number;
  readonly check?: (world: World, step: { readonly beganAtMs: number; readonly downMs: number }) => void;
}

interface Scenario {
  readonly name: string;
  readonly steps: readonly Step[];
  /** How many interfaces the cloud makes in all. Fewer when the pod is gone before its creation begins. */
  readonly interfaces: number;
  readonly mayMakeFewer?: boolean;
}

const restartAfterMs = 1_500;
const ttlMs = 30_000;
const fixed = { allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "30s" } };

/** The one and only interface of each allocation is the one that the record names. */
function expectOneInterfaceEach(world: World): void {
  const recorded = (world.podEni()?.spec?.allocations ?? []).map((allocation) => allocation.eni?.id);
  const living = world.cloud.enis().filter((eni) => eni.status === "InUse");
  expect(living.map((eni) => eni.eniId).sort()).toEqual(recorded.toSorted());
  expect(living.map((eni) => eni.tags[tags.podEniUid])).toEqual(living.map(() => world.podEni()?.metadata.uid));
  expect(world.podEni()?.spec?.allocations?.map(({ ipv4 }) => ipv4)).toEqual(
    recorded.map((eniId) => world.cloud.now(eniId ?? "")?.primaryIpv4),
  );
}

const bind = (node: string, ...networks: object[]): Step => ({
  act: (world) => void world.createPod(node, networks),
  until: (world) => world.isBound(),
  withinMs: 30_000,
  check: (world) => {
    expectOneInterfaceEach(world);
    expect(world.podEni()?.status?.instanceID).toBe(`i-${node}`);
    expect(new Set(world.cloud.enis().map((eni) => eni.instanceId))).toEqual(new Set([`i-${node}`]));
  },
});

const releaseAll: Step = {
  act: (world) => world.deletePod(),
  until: (world) => world.isEmpty(),
  withinMs: 60_000,
};

const keep: Step = {
  act: (world) => world.deletePod(),
  until: (world) => world.phase() === "Unbind",
  withinMs: 30_000,
  check: (world) => {
    expect(world.cloud.enis()).toMatchObject([{ eniId: "eni-1", status: "Available", primaryIpv4: "10.0.0.1" }]);
  },
};

const rebind = (node: string): Step => {
  const step = bind(node, fixed);
  return {
    ...step,
    check: (world, at) => {
      step.check?.(world, at);
      expect(world.podEni()?.spec?.allocations).toMatchObject([{ ipv4: "10.0.0.1" }]);
    },
  };
};

/** When the record was given up, counted from the pod's deletion: never early, late only by what nobody could see. */
const expire: Step = {
  ...releaseAll,
  withinMs: 90_000,
  check: (world, { beganAtMs, downMs }) => {
    const keptMs = (world.firstSeenDeletingAtMs ?? 0) - beganAtMs;
    expect(keptMs).toBeGreaterThanOrEqual(ttlMs);
    expect(keptMs).toBeLessThanOrEqual(ttlMs + 5_000 + downMs);
  },
};

/** The pod is gone again before it is bound; then everything that was begun must be found and released. */
const abandonedAfter = (ms: number, network: object = {}): Scenario => ({
  name: `a pod ${"allocationType" in network ? "of a fixed address " : ""}that is deleted ${ms} ms after it was made`,
  interfaces: 1,
  mayMakeFewer: true,
  steps: [
    {
      act: (world) => {
        world.createPod("node-1", [network]);
        world.clock.after(ms, () => world.deletePod());
      },
      until: (world) => world.pods.list().length === 0,
      withinMs: 10_000,
    },
    { act: () => undefined, until: (world) => world.isEmpty(), withinMs: 100_000 },
  ],
});

const scenarios: readonly Scenario[] = [
  { name: "an elastic pod: made, bound, deleted", interfaces: 1, steps: [bind("node-1", {}), releaseAll] },
  {
    name: "a pod with a trunk member and an interface of its own",
    interfaces: 2,
    steps: [bind("node-1", {}, { eniOptions: { eniType: "ENI" } }), releaseAll],
  },
  {
    name: "a fixed address: bound, kept, bound on another node, released after its time",
    interfaces: 1,
    steps: [bind("node-1", fixed), keep, rebind("node-2"), expire],
  },
  ...[100, 300, 500, 700, 1_500, 2_700].map((ms) => abandonedAfter(ms)),
  ...[300, 700, 1_500].map((ms) => abandonedAfter(ms, fixed)),
];

/** Plays the scenario; whenever the process dies, another starts on what is stored. */
async function play(
  scenario: Scenario,
  crashes: readonly Crash[],
  seed: number,
): Promise<{ world: World; first: Process }> {
  const world = new World({ seed, lateReadsMs: 1_500 });
  const left = [...crashes];
  const first = world.start({ crash: left.shift() });
  let process = first;
  // Not on a whole second: what is written in whole seconds must not win or lose by it.
  await world.clock.advance(640);
  for (const { act, until, withinMs, check } of scenario.steps) {
    const beganAtMs = world.clock.now();
    let downMs = 0;
    act(world);
    while (!until(world) || process.gate.isDead) {
      const limitMs = beganAtMs + withinMs + downMs - world.clock.now();
      const isReached = await world.clock.runUntil(() => process.gate.isDead || until(world), Math.max(0, limitMs));
      if (process.gate.isDead) {
        await world.clock.advance(restartAfterMs);
        downMs += restartAfterMs + 15_000;
        process = world.start({ crash: left.shift() });
      } else if (!isReached) {
        throw new Error(`not reached within ${withinMs} ms: ${JSON.stringify(world.describe(), null, 1)}`);
      }
    }
    check?.(world, { beganAtMs, downMs });
  }
  // What a call on its way made after everything looked released is found by then.
  await world.clock.advance(60_000);
  process.die();
  expect(world.describe()).toMatchObject({ podEnis: [], networkInterfaces: [], enis: [] });
  if (scenario.mayMakeFewer !== true) expect(world.cloud.count.created).toBe(scenario.interfaces);
  expect(world.cloud.count.created).toBeLessThanOrEqual(scenario.interfaces);
  expect(world.complaints.filter((complaint) => /Invariant|TypeError/.test(complaint))).toEqual([]);
  return { world, first };
}

describe("the controlplane dies at any call, and another goes on", () => {
  it.each(scenarios)(
    "$name",
    async (scenario) => {
      const { first } = await play(scenario, [], 1);
      const calls = first.gate.calls;
      expect(calls.length).toBeGreaterThan(5);
      const failures: string[] = [];
      for (const when of ["before", "after"] as const) {
        for (let atCall = 1; atCall <= calls.length; atCall += 1) {
          await play(scenario, [{ atCall, when }], atCall).catch((error: unknown) => {
            failures.push(`${when} call ${atCall} (${calls[atCall - 1] ?? ""}): ${String(error)}`);
          });
        }
      }
      expect(failures).toEqual([]);
    },
    120_000,
  );
});
